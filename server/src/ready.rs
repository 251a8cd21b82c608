//! Asks a running fixture whether it is ready. Knows one question of HTTP, and nothing of storage.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sendfile_fixture::{Address, ListenError};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::args::value::duration;

/// The longest reason that is read, in bytes.
const REASON_MAX: usize = 4 << 10;

/// Who is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Ready {
    /// Ask at the address that it was told to listen on; of several, the first
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_parser = nearest)]
    listen: Address,

    /// Wait for the answer
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    timeout: Duration,
}

/// Why nobody said that it is ready.
#[derive(Debug, Error)]
pub(crate) enum NotReady {
    /// Nobody listens, or not for us.
    #[error("cannot connect to `{address}`")]
    NoConnection { address: Address, source: io::Error },
    /// Whoever listens there speaks no HTTP.
    #[error("`{address}` gives no answer")]
    NoAnswer { address: Address, source: hyper::Error },
    /// Somebody accepts, and keeps silent.
    #[error("`{address}` gives no answer within {}", humantime::format_duration(*.within))]
    Silent { address: Address, within: Duration },
    /// The fixture says why; any other server has another status.
    #[error("`{address}` answers {status}: {reason}")]
    Refused { address: Address, status: StatusCode, reason: String },
}

impl Ready {
    /// Returns when the fixture has said that it is ready.
    pub(crate) async fn ask(&self) -> Result<(), NotReady> {
        let (address, within) = (&self.listen, self.timeout);
        let silent = |_| NotReady::Silent { address: address.clone(), within };
        timeout(within, connect_and_ask(address)).await.map_err(silent)?
    }
}

async fn connect_and_ask(address: &Address) -> Result<(), NotReady> {
    let refused = |source| NotReady::NoConnection { address: address.clone(), source };
    match address {
        Address::Tcp(tcp) => {
            question(address, TcpStream::connect(tcp).await.map_err(refused)?).await
        }
        Address::Unix(path) => {
            question(address, UnixStream::connect(path).await.map_err(refused)?).await
        }
    }
}

async fn question<S>(address: &Address, stream: S) -> Result<(), NotReady>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |source| NotReady::NoAnswer { address: address.clone(), source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // What happens to the connection shows in the answer.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = http::Uri::from_static("/readyz");
    request.headers_mut().insert(HOST, http::HeaderValue::from_static("sendfile-fixture"));
    let response = sender.send_request(request).await.map_err(broken)?;
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(());
    }
    let body = Limited::new(response.into_body(), REASON_MAX).collect().await;
    let reason = body.map(|it| it.to_bytes()).unwrap_or_default();
    // Whoever answers may send what a terminal would obey.
    let reason = String::from_utf8_lossy(&reason).trim_end().replace(char::is_control, " ");
    Err(NotReady::Refused { address: address.clone(), status, reason })
}

/// Where to ask whoever listens on these. On every address means on the loopback too.
fn nearest(text: &str) -> Result<Address, ListenError> {
    // What systemd has opened is not told here.
    let mut named = text.split(',').filter(|it| *it != "systemd");
    let mut address = named.next().unwrap_or(text).parse()?;
    if let Address::Tcp(tcp) = &mut address {
        match tcp.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => tcp.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => tcp.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
    }
    Ok(address)
}
