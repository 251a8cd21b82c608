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

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8000`; port 0 means any free port.
    Tcp(SocketAddr),
    /// `unix:/run/fixture.sock`
    Unix(PathBuf),
}

/// A listening socket that another program has opened, for example systemd.
#[derive(Debug)]
pub enum Socket {
    /// A TCP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// The reason why the server cannot listen on an address.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The text is neither an IP address with a port nor `unix:` with a path.
    #[error("`{0}` is not a valid listen address")]
    NotAnAddress(String),
    /// The operating system refuses the address.
    #[error("cannot listen on `{address}`")]
    Bind {
        /// The address.
        address: Address,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The path is a file but not a socket; the file is not changed.
    #[error("cannot listen on `{0}`: the path exists and is not a socket")]
    NotASocket(Address),
    /// The passed socket does not accept connections.
    #[error("cannot listen on the passed socket")]
    Passed(#[source] io::Error),
    /// Another server listens on the address.
    #[error("cannot listen on `{0}`: another server is listening there")]
    InUse(Address),
}

/// A socket that accepts connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// Which program removes the file of a Unix socket.
#[derive(Debug)]
pub(crate) enum SocketFile {
    /// This program, when the listener is dropped.
    Owned(PathBuf),
    /// The program that opened the socket.
    Foreign,
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    /// Listens on an address and returns it, with the actual port instead of port 0.
    pub(crate) async fn bind(address: &Address) -> Result<(Self, Address), ListenError> {
        let bind = |source| ListenError::bind(address, source);
        match address {
            Address::Tcp(tcp) => {
                let listener = TcpListener::bind(tcp).await.map_err(bind)?;
                let found = Address::Tcp(listener.local_addr().map_err(bind)?);
                Ok((Self::Tcp(listener), found))
            }
            Address::Unix(path) => {
                clear_stale(address, path).await?;
                let listener = UnixListener::bind(path).map_err(bind)?;
                Ok((Self::Unix(listener, SocketFile::Owned(path.clone())), address.clone()))
            }
        }
    }

    /// Takes over a listening socket and returns its address.
    pub(crate) fn opened(socket: Socket) -> Result<(Self, Address), ListenError> {
        Self::take_over(socket).map_err(ListenError::Passed)
    }

    fn take_over(socket: Socket) -> io::Result<(Self, Address)> {
        let listens = match &socket {
            Socket::Tcp(tcp) => socket_acceptconn(tcp)?,
            Socket::Unix(unix) => socket_acceptconn(unix)?,
        };
        if !listens {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen"));
        }
        match socket {
            Socket::Tcp(tcp) => {
                tcp.set_nonblocking(true)?;
                let address = tcp.local_addr()?.into();
                Ok((Self::Tcp(TcpListener::from_std(tcp)?), address))
            }
            Socket::Unix(unix) => {
                unix.set_nonblocking(true)?;
                let name = unix.local_addr()?;
                let path = name.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
                let address = Address::Unix(path.to_owned());
                Ok((Self::Unix(UnixListener::from_std(unix)?, SocketFile::Foreign), address))
            }
        }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match self {
            Self::Tcp(listener) => {
                listener.poll_accept(cx).map(|accepted| {
                    let (stream, _) = accepted?;
                    // The response is one small packet: Nagle's algorithm would only delay it.
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
        if let Self::Unix(_, SocketFile::Owned(path)) = self {
            // The file may have been removed already.
            let _ = fs::remove_file(path);
        }
    }
}

impl Address {
    /// Returns `http://` and the address; for a Unix socket `unix:` and its path.
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
            None => match text.parse() {
                Ok(address) => Ok(Self::Tcp(address)),
                Err(_) => Err(ListenError::NotAnAddress(text.into())),
            },
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
    fn bind(address: &Address, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address.clone()),
            _ => Self::Bind { address: address.clone(), source },
        }
    }

    /// Returns what the user can do about the error.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotAnAddress(_) => Some(
                "use for example `127.0.0.1:8000`, `[::1]:8000` or `unix:/run/fixture.sock`".into(),
            ),
            Self::NotASocket(_) => Some("move the file away or choose another path".into()),
            Self::InUse(_) => {
                Some("stop the other server or set another address with `--listen`".into())
            }
            Self::Bind { .. } | Self::Passed(_) => None,
        }
    }
}

/// Removes the socket of a server that no longer runs, and nothing else.
async fn clear_stale(address: &Address, path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(meta) if !meta.file_type().is_socket() => {
            return Err(ListenError::NotASocket(address.clone()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|source| ListenError::Bind { address: address.clone(), source }),
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
