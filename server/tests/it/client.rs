//! An HTTP client that sends and receives plain bytes.

use sendfile_fixture::Address;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self { status, head, body: bytes[end + 4..].to_vec() })
    }

    /// Returns all values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for line in self.head.lines() {
            if let Some((header, value)) = line.split_once(": ")
                && header.eq_ignore_ascii_case(name)
            {
                values.push(value);
            }
        }
        values
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) async fn get(address: &Address, path: &str) -> Response {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")).await
}

/// Sends a GET request with an additional header.
pub(crate) async fn get_with(address: &Address, path: &str, header: &str) -> Response {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{header}\r\n\r\n");
    send(address, &request).await
}

pub(crate) async fn send(address: &Address, request: &str) -> Response {
    let bytes = match address {
        Address::Tcp(tcp) => exchange(TcpStream::connect(tcp).await.unwrap(), request).await,
        Address::Unix(path) => exchange(UnixStream::connect(path).await.unwrap(), request).await,
    };
    Response::parse(&bytes).unwrap()
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Vec<u8> {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}
