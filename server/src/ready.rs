//! Checks whether a running fixture is ready. Knows one HTTP request, and nothing of storage.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sendfile_fixture::Address;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

/// The maximum length of the reason in a response, in bytes.
const REASON_MAX: usize = 4 << 10;

/// The reason why a fixture is not ready.
#[derive(Debug, Error)]
pub(crate) enum NotReady {
    /// No server listens, or it refuses the connection.
    #[error("cannot connect to `{address}`")]
    NoConnection { address: Address, source: io::Error },
    /// The server does not send an HTTP response.
    #[error("no valid HTTP response from `{address}`")]
    NoResponse { address: Address, source: hyper::Error },
    /// The server accepts connections but does not respond in time.
    #[error("no response from `{address}` within {}", humantime::format_duration(*.limit))]
    TimedOut { address: Address, limit: Duration },
    /// The fixture responds that it is not ready, with the reason; or another server responds with
    /// another status.
    #[error("`{address}` responded with {status}: {reason}")]
    Refused { address: Address, status: StatusCode, reason: String },
}

/// Succeeds if the fixture at this address responds that it is ready.
pub(crate) async fn check(address: &Address, limit: Duration) -> Result<(), NotReady> {
    match timeout(limit, connect_and_request(address)).await {
        Ok(result) => result,
        Err(_) => Err(NotReady::TimedOut { address: address.clone(), limit }),
    }
}

async fn connect_and_request(address: &Address) -> Result<(), NotReady> {
    let no_connection = |source| NotReady::NoConnection { address: address.clone(), source };
    let response = match address {
        Address::Tcp(tcp) => request(TcpStream::connect(tcp).await.map_err(no_connection)?).await,
        Address::Unix(path) => {
            request(UnixStream::connect(path).await.map_err(no_connection)?).await
        }
    };
    match response {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((status, reason)) => Err(NotReady::Refused { address: address.clone(), status, reason }),
        Err(source) => Err(NotReady::NoResponse { address: address.clone(), source }),
    }
}

/// Requests `/readyz` and returns the status and the body.
async fn request<S>(stream: S) -> hyper::Result<(StatusCode, String)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Errors of the connection also show in the response.
    tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static("/readyz");
    request.headers_mut().insert(HOST, HeaderValue::from_static("sendfile-fixture"));
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = match Limited::new(response.into_body(), REASON_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    // Another server may send control characters, which a terminal would interpret.
    let body = String::from_utf8_lossy(&body).trim_end().replace(char::is_control, " ");
    Ok((status, body))
}
