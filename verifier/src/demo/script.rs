//! A small HTTP server with scripted responses: a misbehaving app, or an object store.
//!
//! Knows requests and responses, but not downloads.

use std::{
    io,
    net::SocketAddr,
    path::Path,
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

use super::DemoError;

/// Maximum size of a request head, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// Maximum time to wait for a client.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of the response if no scripted response matches.
const NO_PAGE: &str = "<!doctype html>\n<title>Page not found</title>\n";

/// A response, and the requests that it matches. The first match is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
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
    /// placeholders for it and the store.
    pub(super) async fn start(
        answers: Option<Vec<Answer>>,
        storage: &Path,
        store: Option<SocketAddr>,
    ) -> Result<Option<Self>, DemoError> {
        let Some(answers) = answers else { return Ok(None) };
        let socket = || DemoError::file(Path::new("127.0.0.1:0"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(socket())?;
        let address = listener.local_addr().map_err(socket())?;
        let store = store.unwrap_or(address).to_string();
        let fill = |text: &mut String| {
            *text = text
                .replace("@STORAGE@", &storage.display().to_string())
                .replace("@STORE@", &store);
        };
        let answers: Vec<_> = answers.into_iter().map(|it| it.filled(fill)).collect();
        let answers = Arc::new(Mutex::new(answers));
        let storage = storage.to_owned();
        let task = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, storage) = (Arc::clone(&answers), storage.clone());
                // If a client disconnects, only its own response is lost.
                clients.spawn(async move { converse(stream, &answers, &storage).await.ok() });
                while clients.try_join_next().is_some() {}
            }
        });
        Ok(Some(Self { address, task }))
    }
}

impl Drop for StubServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Handles one request, and closes the connection.
async fn converse(
    mut stream: TcpStream,
    answers: &Mutex<Vec<Answer>>,
    storage: &Path,
) -> io::Result<()> {
    let head = timeout(PATIENCE, head(&mut stream)).await??;
    let Some(request) = Request::of(&head) else { return Ok(()) };
    let (status, headers, end, body) = match chosen(answers, &request) {
        Some(it) => (it.status, it.headers.clone(), it.end.clone(), it.body(storage)?),
        None => (404, vec!["Content-Type: text/html".to_owned()], None, NO_PAGE.into()),
    };
    let end = end.unwrap_or_else(|| vec![format!("Content-Length: {}", body.len())]);
    let lines = headers.into_iter().chain(end).chain([String::from("Connection: close")]);
    let lines: String = lines.map(|line| format!("{line}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} As told\r\n{lines}\r\n");
    let told = async {
        stream.write_all(head.as_bytes()).await?;
        if request.method != "HEAD" {
            stream.write_all(&body).await?;
        }
        stream.shutdown().await
    };
    timeout(PATIENCE, told).await?
}

/// The first response that matches and has not been sent too often.
fn chosen(answers: &Mutex<Vec<Answer>>, request: &Request<'_>) -> Option<Answer> {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    let answer = answers.iter_mut().find(|it| it.times > 0 && it.fits(request))?;
    answer.times -= 1;
    Some(answer.clone())
}

/// Requests a URL as a client that downloads before the check.
pub(super) async fn visit(url: &str) -> io::Result<()> {
    let rest = url.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let asked = async {
        let mut stream = TcpStream::connect(host).await?;
        let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    timeout(PATIENCE, asked).await?.map(drop)
}

async fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|it| it == b"\r\n\r\n") && bytes.len() < HEAD_MAX {
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
}

impl Answer {
    fn filled(mut self, fill: impl Fn(&mut String)) -> Self {
        self.has.iter_mut().chain(&mut self.lacks).chain(&mut self.headers).for_each(fill);
        self
    }

    fn fits(&self, request: &Request<'_>) -> bool {
        let says = |it: &String| request.head.contains(&it.to_lowercase());
        request.target.starts_with(&self.path)
            && self.has.iter().all(says)
            && !self.lacks.iter().any(says)
    }

    fn body(&self, storage: &Path) -> io::Result<Vec<u8>> {
        match &self.file {
            Some(file) => std::fs::read(storage.join(file)),
            None => Ok(self.body.clone().into_bytes()),
        }
    }
}
