//! A small HTTP server with fixed responses: a misbehaving app, or an object store.
//!
//! Knows requests and responses, but not downloads.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use super::error::{AtPath, DemoError};

/// Maximum size of a request head, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// Maximum time to wait for a client.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A response, and the requests that it matches. The first match is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StubResponse {
    /// Prefix of the request target.
    pub path: String,
    /// Texts that the request head must contain, ignoring case.
    #[serde(default)]
    pub has: Vec<String>,
    /// Texts that the request head must not contain.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// How often the response is sent at most.
    #[serde(default = "always")]
    pub times: u32,
    /// Status code.
    #[serde(default = "ok")]
    pub status: u16,
    /// Header lines, in addition to those of `end`.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Header lines that replace the Content-Length of the body.
    pub end: Option<Vec<String>>,
    /// Body.
    #[serde(default)]
    pub body: String,
    /// A file of the storage to use as the body instead.
    pub file: Option<String>,
}

fn ok() -> u16 {
    200
}

fn always() -> u32 {
    u32::MAX
}

/// A server that runs until it is dropped.
pub(super) struct StubServer {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl StubServer {
    /// Starts a server if there are responses. They read files from `storage`, and may contain
    /// placeholders for the storage directory and the store. Without the address of a store, this
    /// server is the store.
    pub(super) async fn start(
        responses: &[StubResponse],
        storage: &Path,
        store: Option<SocketAddr>,
    ) -> Result<Option<Self>, DemoError> {
        if responses.is_empty() {
            return Ok(None);
        }
        let any_port = Path::new("127.0.0.1:0");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.at(any_port)?;
        let address = listener.local_addr().at(any_port)?;
        let mut responses = responses.to_vec();
        for response in &mut responses {
            response.fill(storage, store.unwrap_or(address));
        }
        let stub = Arc::new(Stub { responses: Mutex::new(responses), storage: storage.to_owned() });
        Ok(Some(Self { address, task: tokio::spawn(serve(listener, stub)) }))
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The data that the connections share.
struct Stub {
    /// The responses, with the remaining number of times.
    responses: Mutex<Vec<StubResponse>>,
    storage: PathBuf,
}

async fn serve(listener: TcpListener, stub: Arc<Stub>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let stub = Arc::clone(&stub);
        // If a client disconnects, only its own response is lost.
        connections.spawn(async move { stub.respond(stream).await.ok() });
        while connections.try_join_next().is_some() {}
    }
}

impl Stub {
    /// Handles one request, and closes the connection.
    async fn respond(&self, mut stream: TcpStream) -> io::Result<()> {
        let head = timeout(TIMEOUT, read_head(&mut stream)).await??;
        let Some(request) = Request::of(&head) else { return Ok(()) };
        let response = self.take(&request).unwrap_or_else(not_found);
        let body = response.body(&self.storage)?;
        let sent = async {
            stream.write_all(response.head(&body).as_bytes()).await?;
            if request.method != "HEAD" {
                stream.write_all(&body).await?;
            }
            stream.shutdown().await
        };
        timeout(TIMEOUT, sent).await?
    }

    /// The first response that matches and has not been sent too often.
    fn take(&self, request: &Request<'_>) -> Option<StubResponse> {
        let mut responses = self.responses.lock().unwrap_or_else(PoisonError::into_inner);
        for response in responses.iter_mut() {
            if response.times > 0 && response.matches(request) {
                response.times -= 1;
                return Some(response.clone());
            }
        }
        None
    }
}

/// The response if no other one matches.
fn not_found() -> StubResponse {
    StubResponse {
        path: String::new(),
        has: Vec::new(),
        lacks: Vec::new(),
        times: always(),
        status: 404,
        headers: vec!["Content-Type: text/html".to_owned()],
        end: None,
        body: "<!doctype html>\n<title>Page not found</title>\n".to_owned(),
        file: None,
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") && bytes.len() < HEAD_MAX {
        if stream.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The parts of a request that select the response.
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    head: String,
}

impl<'a> Request<'a> {
    fn of(head: &'a str) -> Option<Self> {
        let mut words = head.lines().next()?.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        Some(Self { method, target, head: head.to_lowercase() })
    }

    /// Whether the head contains a text, ignoring case.
    fn has(&self, text: &str) -> bool {
        self.head.contains(&text.to_lowercase())
    }
}

impl StubResponse {
    /// Replaces the placeholders.
    fn fill(&mut self, storage: &Path, store: SocketAddr) {
        let (storage, store) = (storage.display().to_string(), store.to_string());
        for text in self.has.iter_mut().chain(&mut self.lacks).chain(&mut self.headers) {
            *text = text.replace("@STORAGE@", &storage).replace("@STORE@", &store);
        }
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        request.target.starts_with(&self.path)
            && self.has.iter().all(|text| request.has(text))
            && !self.lacks.iter().any(|text| request.has(text))
    }

    fn head(&self, body: &[u8]) -> String {
        let mut head = format!("HTTP/1.1 {} Stub\r\n", self.status);
        let length = vec![format!("Content-Length: {}", body.len())];
        for line in self.headers.iter().chain(self.end.as_ref().unwrap_or(&length)) {
            head.push_str(line);
            head.push_str("\r\n");
        }
        head.push_str("Connection: close\r\n\r\n");
        head
    }

    fn body(&self, storage: &Path) -> io::Result<Vec<u8>> {
        match &self.file {
            Some(file) => std::fs::read(storage.join(file)),
            None => Ok(self.body.clone().into_bytes()),
        }
    }
}

/// Requests a URL as a client that downloads before the check.
pub(super) async fn download(url: &str) -> io::Result<()> {
    let rest = url.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let downloaded = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    timeout(TIMEOUT, downloaded).await?.map(drop)
}
