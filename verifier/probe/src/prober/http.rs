//! Sends requests over HTTP/1.1 and records the responses unchanged: redirects are not followed,
//! nothing is decoded, proxy variables are ignored, and bytes after the announced end are counted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Parts},
};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncReadExt, sync::Semaphore, task::JoinHandle, time::Instant};

use crate::prober::{
    body::{Trace, Watch},
    connect::{Connector, Stream},
};
use crate::{
    config::Limits,
    plan::{ProbeRequest, Wants},
};
use sendfile_evidence::{
    Body, End, Failure, FailureKind, Outcome, Probe, RequestRecord, Response, cause_chain, dialect,
    secret::Redactor,
};

/// hyper reads up to this much at once: with its default of 400 KiB, a large body takes a third
/// longer (measured).
const READ_BUFFER: usize = 1 << 20;

/// After a complete body, the server has this long to close the connection, or to send more than it
/// announced.
const CLOSE_WAIT: Duration = Duration::from_millis(100);

/// An app that sends a hand-off may send a body, but need not; what arrives within this time is
/// recorded.
const HANDED_OVER_WAIT: Duration = Duration::from_millis(100);

/// Bytes after the announced end are counted up to this limit.
const BEYOND_LIMIT: u64 = 1 << 20;

/// The HTTP client.
pub(crate) struct Client {
    pub(crate) connector: Arc<Connector>,
    pub(crate) limits: Limits,
    pub(crate) redactor: Redactor,
    /// How many more requests may run at the same time.
    pub(crate) permits: Semaphore,
}

/// The two parts of an observed response: what is reported, and what bodies are compared by.
pub(super) type Observed = Result<(Response, Trace), Failure>;

impl Client {
    /// Sends a request with its own nonce.
    pub(crate) async fn ask(
        &self,
        ask: &ProbeRequest,
        nonce: &str,
        cap: u64,
    ) -> (Probe<Response>, Trace) {
        // The semaphore is never closed, so every request gets a permit.
        let _permit = self.permits.acquire().await;
        let began = Instant::now();
        let outcome = self.exchange(ask, nonce, cap, began).await;
        let (seen, trace) = match outcome {
            Ok((response, trace)) => (Outcome::Response(response), trace),
            Err(failure) => (Outcome::Failed(failure), Trace::default()),
        };
        (Probe { request: self.asked(ask), outcome: seen, took: began.elapsed() }, trace)
    }

    pub(super) fn asked(&self, ask: &ProbeRequest) -> RequestRecord {
        let headers = ask.headers.iter().map(|(name, value)| {
            (
                name.to_string(),
                self.redactor.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes())),
            )
        });
        RequestRecord {
            method: ask.method.to_string(),
            url: self.redactor.url(&ask.url.to_string()),
            headers: headers.collect(),
            unix_socket: ask.unix_socket.as_ref().map(|it| it.display().to_string()),
            through: match ask.unix_socket {
                Some(_) => Vec::new(),
                None => self.connector.through(&ask.url),
            },
            http: None,
        }
    }

    async fn exchange(
        &self,
        ask: &ProbeRequest,
        nonce: &str,
        cap: u64,
        began: Instant,
    ) -> Observed {
        let stream = self.connector.open(&ask.url, ask.unix_socket.as_ref()).await?;
        let request = request(ask, nonce)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BUFFER)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| failure(&error))?;
        let connection = tokio::spawn(connection.without_shutdown());
        let answered =
            tokio::time::timeout_at(began + self.limits.timeout, sender.send_request(request))
                .await;
        let response = match answered {
            Ok(response) => response.map_err(|error| failure(&error))?,
            Err(_) => return Err(self.timed_out()),
        };
        let (parts, body) = response.into_parts();
        let (watch, end) =
            self.read(ask, cap, &parts.headers, parts.status.as_u16(), body, began).await;
        drop(sender);
        let beyond =
            if end == End::Whole { beyond(connection).await } else { cancelled(&connection) };
        let (body, mut trace) = watch.finish(end, beyond, &self.redactor);
        trace.handoff = handed_over(&ask.wants, &parts.headers);
        Ok((self.response(parts.status.as_u16(), &parts.headers, body), trace))
    }

    pub(super) fn timed_out(&self) -> Failure {
        let limit = humantime::format_duration(self.limits.timeout);
        Failure { kind: FailureKind::TimedOut, chain: format!("no response within {limit}") }
    }

    pub(super) fn response(&self, status: u16, headers: &HeaderMap, body: Body) -> Response {
        Response { status, headers: self.shown(headers), body }
    }

    fn shown(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let shown = |name: &HeaderName, value| self.redactor.header(name.as_str(), &text(value));
        headers.iter().map(|(name, value)| (name.to_string(), shown(name, value))).collect()
    }

    /// Reads a body to its end, or to the point where it no longer matters.
    pub(super) async fn read(
        &self,
        ask: &ProbeRequest,
        cap: u64,
        headers: &HeaderMap,
        status: u16,
        mut body: Incoming,
        began: Instant,
    ) -> (Watch, End) {
        let mut watch = Watch::new();
        let handed_over = match &ask.wants {
            Wants::Body => false,
            Wants::HandOff(intended) => hands_over(headers, intended.as_deref(), self, status),
        };
        let handed_over_until = Instant::now() + HANDED_OVER_WAIT;
        loop {
            let paced = began + self.limits.timeout + self.limits.pace(watch.size());
            let quiet = Instant::now() + self.limits.timeout;
            let until = if handed_over { handed_over_until } else { paced.min(quiet) };
            let frame = match tokio::time::timeout_at(until, body.frame()).await {
                Err(_) if handed_over => return (watch, End::NotAwaited),
                Err(_) => return (watch, End::TimedOut),
                Ok(None) => return (watch, End::Whole),
                Ok(Some(Err(_))) => return (watch, End::Cut),
                Ok(Some(Ok(frame))) => frame,
            };
            if let Ok(data) = frame.into_data() {
                watch.update(&data);
            }
            if watch.size() > cap {
                return (watch, End::TooLong);
            }
        }
    }
}

fn hands_over(headers: &HeaderMap, intended: Option<&str>, client: &Client, status: u16) -> bool {
    let empty = Watch::new().finish(End::NotAwaited, 0, &client.redactor).0;
    let head = client.response(status, headers, empty);
    dialect::handoff_of(&head, intended).is_some()
        || head.headers.iter().any(|(name, _)| dialect::header_meant(name).is_some())
}

/// The hand-off with its secrets, if one was requested.
fn handed_over(wants: &Wants, headers: &HeaderMap) -> Option<String> {
    let Wants::HandOff(intended) = wants else { return None };
    let known = dialect::HEADERS.iter().map(|it| it.name);
    let mut names = intended.as_deref().into_iter().chain(known);
    let value = names.find_map(|it| headers.get(it))?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

pub(super) fn request(
    ask: &ProbeRequest,
    nonce: &str,
) -> Result<http::Request<Empty<Bytes>>, Failure> {
    let unusable = |problem: String| Failure { kind: FailureKind::Other, chain: problem };
    let uri = ask.url.uri();
    let target = uri.path_and_query().map_or("/", |it| it.as_str());
    let authority = uri.authority().map_or("", |it| it.as_str());
    let mut request = http::Request::builder()
        .method(ask.method.clone())
        .uri(target)
        .body(Empty::new())
        .map_err(|error| unusable(cause_chain(&error)))?;
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(authority).map_err(|error| unusable(cause_chain(&error)))?;
    headers.insert(header::HOST, host);
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("sendfile-check/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Ok(nonce) = HeaderValue::from_str(nonce) {
        headers.insert("x-sendfile-check", nonce);
    }
    // A header given by the operator replaces ours; if given twice, it is sent twice.
    for (name, _) in &ask.headers {
        headers.remove(name);
    }
    for (name, value) in &ask.headers {
        headers.append(name.clone(), value.clone());
    }
    Ok(request)
}

/// A connection that returns its stream when the exchange is complete.
type Connection = JoinHandle<hyper::Result<Parts<TokioIo<Box<dyn Stream>>>>>;

/// Counts the bytes after a complete body.
async fn beyond(connection: Connection) -> u64 {
    let abort = connection.abort_handle();
    let rest = async {
        let Ok(Ok(parts)) = connection.await else { return 0 };
        let mut count = parts.read_buf.len() as u64;
        let mut stream = parts.io.into_inner();
        let mut buffer = vec![0; 16 * 1024];
        let deadline = Instant::now() + CLOSE_WAIT;
        while count < BEYOND_LIMIT {
            match tokio::time::timeout_at(deadline, stream.read(&mut buffer)).await {
                Ok(Ok(read)) if read > 0 => count += read as u64,
                _ => break,
            }
        }
        count
    };
    let counted = tokio::time::timeout(CLOSE_WAIT * 2, rest).await;
    abort.abort();
    counted.unwrap_or(0)
}

fn cancelled<T>(connection: &JoinHandle<T>) -> u64 {
    connection.abort();
    0
}

pub(super) fn failure(error: &hyper::Error) -> Failure {
    let chain = cause_chain(error);
    // hyper provides no other indication of this error.
    let lengths = ["content-length", "transfer-encoding"].iter().any(|it| chain.contains(it));
    let kind = if error.is_parse() && lengths {
        FailureKind::Lengths
    } else if error.is_parse() {
        FailureKind::NotHttp
    } else if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        FailureKind::Closed
    } else {
        FailureKind::Other
    };
    Failure { kind, chain }
}
