//! Sends requests over HTTP/1.1 and records the responses unchanged: redirects are not followed,
//! nothing is decoded, proxy variables are ignored, and bytes after the announced end are counted.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Parts},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt as _,
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
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

/// Maximum size of one read by hyper. With its default of 400 KiB, a large body takes a third
/// longer (measured).
const READ_BUFFER: usize = 1 << 20;

/// Maximum time after a complete body for the server to close the connection, or to send more than
/// it announced.
const CLOSE_WAIT: Duration = Duration::from_millis(100);

/// Maximum time to wait for the body of a hand-off, which an app may send but need not. Only what
/// arrives within this time is recorded.
const HANDED_OFF_WAIT: Duration = Duration::from_millis(100);

/// Maximum number of bytes counted after the announced end.
const BEYOND_LIMIT: u64 = 1 << 20;

/// The HTTP client.
pub(crate) struct Client {
    pub(crate) connector: Arc<Connector>,
    pub(crate) limits: Limits,
    pub(crate) redactor: Redactor,
    /// How many more requests may run concurrently.
    pub(crate) permits: Semaphore,
}

/// The two parts of an observed response: the evidence to report, and the trace by which bodies are
/// compared.
pub(super) type Observed = Result<(Response, Trace), Failure>;

/// A connection that returns its stream when the exchange is complete.
type Connection = JoinHandle<hyper::Result<Parts<TokioIo<Box<dyn Stream>>>>>;

impl Client {
    /// Sends a request with its own nonce.
    pub(crate) async fn send(
        &self,
        request: &ProbeRequest,
        nonce: &str,
        cap: u64,
    ) -> (Probe<Response>, Trace) {
        // The semaphore is never closed, so every request gets a permit.
        let _permit = self.permits.acquire().await;
        let began = Instant::now();
        let (outcome, trace) = match self.exchange(request, nonce, cap, began).await {
            Ok((response, trace)) => (Outcome::Response(response), trace),
            Err(failure) => (Outcome::Failed(failure), Trace::default()),
        };
        let request = self.record(request);
        (Probe { request, outcome, took: began.elapsed() }, trace)
    }

    /// The request as evidence, without secrets.
    pub(super) fn record(&self, request: &ProbeRequest) -> RequestRecord {
        let mut headers = Vec::new();
        for (name, value) in &request.headers {
            headers.push((name.to_string(), self.redacted(name.as_str(), value)));
        }
        let (unix_socket, through) = match &request.unix_socket {
            Some(path) => (Some(path.display().to_string()), Vec::new()),
            None => (None, self.connector.through(&request.url)),
        };
        RequestRecord {
            method: request.method.to_string(),
            url: self.redactor.url(&request.url.to_string()),
            headers,
            unix_socket,
            through,
            http: None,
        }
    }

    async fn exchange(
        &self,
        request: &ProbeRequest,
        nonce: &str,
        cap: u64,
        began: Instant,
    ) -> Observed {
        let stream = self.connector.open(&request.url, request.unix_socket.as_ref()).await?;
        let http_request = http_request(request, nonce)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(READ_BUFFER)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| failure(&error))?;
        let connection = tokio::spawn(connection.without_shutdown());
        let until = began + self.limits.timeout;
        let response = match timeout_at(until, sender.send_request(http_request)).await {
            Ok(response) => response.map_err(|error| failure(&error))?,
            Err(_) => return Err(self.timed_out()),
        };
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status.as_u16(), &parts.headers);
        let (watch, end) = self.read(request, cap, headers, status, body, began).await;
        drop(sender);
        let beyond = if end == End::Whole {
            bytes_beyond(connection).await
        } else {
            connection.abort();
            0
        };
        let (body, mut trace) = watch.finish(end, beyond, &self.redactor);
        trace.handoff = handoff_with_secrets(&request.wants, headers);
        Ok((self.response(status, headers, body), trace))
    }

    pub(super) fn timed_out(&self) -> Failure {
        let limit = humantime::format_duration(self.limits.timeout);
        Failure { kind: FailureKind::TimedOut, chain: format!("no response within {limit}") }
    }

    /// The response as evidence, without secrets.
    pub(super) fn response(&self, status: u16, headers: &HeaderMap, body: Body) -> Response {
        let mut redacted = Vec::new();
        for (name, value) in headers {
            redacted.push((name.to_string(), self.redacted(name.as_str(), value)));
        }
        Response { status, headers: redacted, body }
    }

    fn redacted(&self, name: &str, value: &HeaderValue) -> String {
        self.redactor.header(name, &String::from_utf8_lossy(value.as_bytes()))
    }

    /// Reads a body to its end, or to the point where it no longer matters.
    pub(super) async fn read(
        &self,
        request: &ProbeRequest,
        cap: u64,
        headers: &HeaderMap,
        status: u16,
        mut body: Incoming,
        began: Instant,
    ) -> (Watch, End) {
        let mut watch = Watch::new();
        let is_handed_off = match &request.wants {
            Wants::Body => false,
            Wants::HandOff(intended) => self.hands_off(headers, intended.as_deref(), status),
        };
        let handed_off_until = Instant::now() + HANDED_OFF_WAIT;
        loop {
            let paced = began + self.limits.timeout + self.limits.pace(watch.size());
            let quiet = Instant::now() + self.limits.timeout;
            let until = if is_handed_off { handed_off_until } else { paced.min(quiet) };
            let frame = match timeout_at(until, body.frame()).await {
                Err(_) if is_handed_off => return (watch, End::NotAwaited),
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

    /// Whether a response has the intended hand-off, or a header with a similar name.
    fn hands_off(&self, headers: &HeaderMap, intended: Option<&str>, status: u16) -> bool {
        let empty = Body::empty(End::NotAwaited);
        let response = self.response(status, headers, empty);
        dialect::handoff_of(&response, intended).is_some()
            || response.headers.iter().any(|(name, _)| dialect::header_meant(name).is_some())
    }
}

/// The request in the form of HTTP/1.1, with our own headers and the operator's.
pub(super) fn http_request(
    request: &ProbeRequest,
    nonce: &str,
) -> Result<http::Request<Empty<Bytes>>, Failure> {
    let uri = request.url.uri();
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let mut http_request = http::Request::builder()
        .method(request.method.clone())
        .uri(target)
        .body(Empty::new())
        .map_err(|error| unusable(&error))?;
    let headers = http_request.headers_mut();
    let host = HeaderValue::from_str(authority).map_err(|error| unusable(&error))?;
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
    // A header given by the operator replaces our own; if the operator gives it twice, it is sent
    // twice.
    for (name, _) in &request.headers {
        headers.remove(name);
    }
    for (name, value) in &request.headers {
        headers.append(name.clone(), value.clone());
    }
    Ok(http_request)
}

/// The failure for a request that cannot be written.
pub(super) fn unusable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure { kind: FailureKind::Other, chain: cause_chain(error) }
}

pub(super) fn failure(error: &hyper::Error) -> Failure {
    let chain = cause_chain(error);
    // hyper provides no other indication of this error.
    let is_about_length = chain.contains("content-length") || chain.contains("transfer-encoding");
    let kind = if error.is_parse() && is_about_length {
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

/// The hand-off with its secrets, if one was requested.
fn handoff_with_secrets(wants: &Wants, headers: &HeaderMap) -> Option<String> {
    let Wants::HandOff(intended) = wants else { return None };
    let mut names = Vec::new();
    names.extend(intended.as_deref());
    names.extend(dialect::HEADERS.iter().map(|header| header.name));
    let value = names.into_iter().find_map(|name| headers.get(name))?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Counts the bytes after a complete body.
async fn bytes_beyond(connection: Connection) -> u64 {
    let abort = connection.abort_handle();
    let counted = timeout(CLOSE_WAIT * 2, count_beyond(connection)).await;
    abort.abort();
    counted.unwrap_or(0)
}

async fn count_beyond(connection: Connection) -> u64 {
    let Ok(Ok(parts)) = connection.await else { return 0 };
    let mut count = parts.read_buf.len() as u64;
    let mut stream = parts.io.into_inner();
    let mut buffer = vec![0; 16 * 1024];
    let deadline = Instant::now() + CLOSE_WAIT;
    while count < BEYOND_LIMIT {
        match timeout_at(deadline, stream.read(&mut buffer)).await {
            Ok(Ok(length)) if length > 0 => count += length as u64,
            _ => break,
        }
    }
    count
}
