//! Addresses to listen on: TCP and Unix sockets.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    str::FromStr,
    task::{Context, Poll},
};

use rustix::net::sockopt::socket_acceptconn;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where a server listens, or is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8000`; port 0 takes any that is free.
    Tcp(SocketAddr),
    /// `unix:/run/fixture.sock`
    Unix(PathBuf),
}

/// A socket that somebody else has opened, and that connections are waiting at: systemd's, for one.
#[derive(Debug)]
pub enum Socket {
    /// Of TCP.
    Tcp(std::net::TcpListener),
    /// Of the file system.
    Unix(std::os::unix::net::UnixListener),
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Neither an address and a port, nor `unix:` and a path.
    #[error("`{0}` is not an address to listen on")]
    NotAnAddress(String),
    /// The operating system refuses.
    #[error("cannot listen on `{address}`")]
    Bind {
        /// Where.
        address: Address,
        /// Why.
        source: io::Error,
    },
    /// A file that is no socket is left as it is.
    #[error("cannot listen on `{0}`: a file that is not a socket is there")]
    NotASocket(Address),
    /// A socket that was open already is none that connections can be taken from.
    #[error("cannot listen on the socket that was passed")]
    Passed(#[source] io::Error),
    /// Somebody answers there.
    #[error("cannot listen on `{0}`: another server listens there")]
    InUse(Address),
}

/// A socket that takes connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, Upkeep),
}

/// Who cares for a Unix socket's file.
#[derive(Debug)]
pub(crate) enum Upkeep {
    /// It is removed with the listener.
    Own(PathBuf),
    /// Who has opened it.
    Others,
}

/// A connection that was taken.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Listens, and returns where: with the port that was found for port 0.
    pub(crate) async fn bind(address: &Address) -> Result<(Self, Address), ListenError> {
        let bind = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(address.clone()),
            _ => ListenError::Bind { address: address.clone(), source },
        };
        match address {
            Address::Tcp(tcp) => {
                let listener = TcpListener::bind(tcp).await.map_err(bind)?;
                let found = Address::Tcp(listener.local_addr().map_err(bind)?);
                Ok((Self::Tcp(listener), found))
            }
            Address::Unix(path) => {
                clear_stale(address, path).await?;
                let listener = UnixListener::bind(path).map_err(bind)?;
                Ok((Self::Unix(listener, Upkeep::Own(path.clone())), address.clone()))
            }
        }
    }

    /// Takes over a socket, and returns where it is.
    pub(crate) fn opened(socket: Socket) -> Result<(Self, Address), ListenError> {
        let taken_over = || -> io::Result<(Self, Address)> {
            let listens = match &socket {
                Socket::Tcp(tcp) => socket_acceptconn(tcp)?,
                Socket::Unix(unix) => socket_acceptconn(unix)?,
            };
            if !listens {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it does not listen"));
            }
            Ok(match socket {
                Socket::Tcp(tcp) => {
                    tcp.set_nonblocking(true)?;
                    let address = tcp.local_addr()?.into();
                    (Self::Tcp(TcpListener::from_std(tcp)?), address)
                }
                Socket::Unix(unix) => {
                    unix.set_nonblocking(true)?;
                    let path = unix.local_addr()?.as_pathname().map(Path::to_owned);
                    let address = Address::Unix(path.ok_or(io::ErrorKind::AddrNotAvailable)?);
                    (Self::Unix(UnixListener::from_std(unix)?, Upkeep::Others), address)
                }
            })
        };
        taken_over().map_err(ListenError::Passed)
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => {
                listener.poll_accept(cx).map(|accepted| {
                    let (stream, _) = accepted?;
                    // The answer is one small packet: waiting for more to send would only delay it.
                    stream.set_nodelay(true)?;
                    Ok(Stream::Tcp(stream))
                })
            }
            Self::Unix(listener, _) => {
                listener.poll_accept(cx).map_ok(|(stream, _)| Stream::Unix(stream))
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, Upkeep::Own(path)) = self {
            // Somebody may have removed it before.
            let _ = fs::remove_file(path);
        }
    }
}

impl Address {
    /// Returns `http://` and the address; of a Unix socket `unix:` and its path.
    pub fn url(&self) -> String {
        match self {
            Self::Tcp(address) => format!("http://{address}"),
            Self::Unix(_) => self.to_string(),
        }
    }
}

impl FromStr for Address {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenError::NotAnAddress(text.into())),
            Some(path) => Ok(Self::Unix(path.into())),
            None => {
                let address = text.parse().map_err(|_| ListenError::NotAnAddress(text.into()));
                address.map(Self::Tcp)
            }
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl TryFrom<&str> for Address {
    type Error = ListenError;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ListenError {
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotAnAddress(_) => {
                Some("write `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/fixture.sock`".into())
            }
            Self::NotASocket(_) => Some("move it away, or choose another path".into()),
            Self::InUse(_) => Some("stop the other one, or choose another `--listen`".into()),
            Self::Bind { .. } | Self::Passed(_) => None,
        }
    }
}

/// Removes the socket of a server that is gone, and nothing else.
async fn clear_stale(address: &Address, path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(ListenError::NotASocket(address.clone()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let bind = |source| ListenError::Bind { address: address.clone(), source };
            fs::remove_file(path).map_err(bind)
        }
        _ => Err(ListenError::InUse(address.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:8000", "[::1]:0", "unix:/run/fixture.sock", "unix:relative"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "8000", "localhost:8000", "127.0.0.1", "unix:", "http://127.0.0.1:1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
