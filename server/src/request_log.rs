//! The request log: the last requests with an id, by which a verifier finds out how its request
//! arrived.
//!
//! The log is limited in entries and in bytes. It stores no secrets, only whether a request had
//! one.

use std::{collections::VecDeque, time::Instant};

use http::{HeaderMap, HeaderName, Request, Uri, header};
use serde::Serialize;

/// The header in which a verifier sends the id of a request.
const HEADER: HeaderName = HeaderName::from_static("x-sendfile-check");

/// The query parameter for the id, in URLs of the fixture.
const PARAMETER: &str = "sendfile-check=";

/// The maximum number of entries.
const REQUESTS: usize = 1024;

/// The maximum length of a stored value, in bytes.
const VALUE_MAX: usize = 256;

const RECORDED: [&str; 7] = [
    "host",
    "range",
    "if-none-match",
    "x-sendfile-type",
    "x-accel-mapping",
    "x-accel-redirect",
    "x-sendfile",
];

const SECRET: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// The id that a verifier gives to a request; the contract calls it a nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

/// A request and the kind of response that it got.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    id: RequestId,
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) response: ResponseKind,
    pub(crate) headers: Vec<(String, String)>,
}

/// The kinds of response that are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ResponseKind {
    View,
    Probe,
    Denied,
    FallThrough,
    MethodNotAllowed,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<Entry>,
}

impl RequestLog {
    pub(crate) fn record(&mut self, entry: Entry) {
        if self.entries.len() == REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Iterates over the requests with this id, oldest first.
    pub(crate) fn find<'a>(&'a self, id: &'a RequestId) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.id == *id)
    }
}

impl RequestId {
    /// Accepts 1 to 64 characters of `[A-Za-z0-9-]`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !is_plain || text.is_empty() || text.len() > 64 {
            return None;
        }
        Some(Self(text.into()))
    }

    /// Finds the id of a request, first in its header, then in its query.
    pub(crate) fn of_request(headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        if let Some(value) = headers.get(HEADER)
            && let Ok(text) = value.to_str()
            && let Some(id) = Self::parse(text)
        {
            return Some(id);
        }
        for pair in uri.query()?.split('&') {
            if let Some(text) = pair.strip_prefix(PARAMETER)
                && let Some(id) = Self::parse(text)
            {
                return Some(id);
            }
        }
        None
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Entry {
    pub(crate) fn new<B>(id: RequestId, request: &Request<B>, response: ResponseKind) -> Self {
        let target = match request.uri().path_and_query() {
            Some(target) => target.as_str(),
            None => "*",
        };
        Self {
            id,
            at: Instant::now(),
            method: cut(request.method().as_str()),
            target: cut(target),
            response,
            headers: recorded(request.headers()),
        }
    }
}

fn recorded(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut recorded = Vec::new();
    for name in RECORDED {
        for value in headers.get_all(name) {
            recorded.push((name.to_owned(), cut(&String::from_utf8_lossy(value.as_bytes()))));
        }
    }
    for name in SECRET {
        if headers.contains_key(&name) {
            recorded.push((name.as_str().to_owned(), "present".to_owned()));
        }
    }
    recorded
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(VALUE_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(header: &str, uri: &str) -> Option<String> {
        let request = Request::get(uri).header(HEADER, header).body(()).unwrap();
        Some(RequestId::of_request(request.headers(), request.uri())?.0)
    }

    #[test]
    fn id_is_plain_or_absent() {
        let long = "x".repeat(64);
        assert_eq!(id("abc-1", "/"), Some("abc-1".into()));
        assert_eq!(id(&long, "/"), Some(long.clone()));
        for wrong in [&format!("{long}x"), "", "a b", "<script>", "a/b", "ä"] {
            assert_eq!(id(wrong, "/"), None, "{wrong}");
        }
        assert_eq!(id("", "/x?a=b&sendfile-check=q1&c"), Some("q1".into()));
        assert_eq!(id("h1", "/x?sendfile-check=q1"), Some("h1".into()));
        assert_eq!(id("", "/x?sendfile-check=%20"), None);
    }

    /// A client must not be able to fill the memory, nor read the secrets of another client.
    #[test]
    fn entries_are_bounded_and_hold_no_secrets() {
        let request = Request::get(format!("/{}", "ä".repeat(300)))
            .header("host", "h".repeat(1000))
            .header("cookie", "session=secret")
            .header("authorization", "Bearer secret")
            .header("x-other", "not recorded")
            .body(())
            .unwrap();
        let mut log = RequestLog::default();
        for n in 0..REQUESTS + 1 {
            let id = RequestId::parse(&n.to_string()).unwrap();
            log.record(Entry::new(id, &request, ResponseKind::View));
        }
        assert_eq!(log.entries.len(), REQUESTS);
        let (first, second) = (RequestId("0".into()), RequestId("1".into()));
        assert_eq!(log.find(&first).count(), 0, "the oldest entry is dropped");
        let entry = log.find(&second).next().unwrap();
        assert!(entry.target.len() <= VALUE_MAX);
        let mut lengths = Vec::new();
        for (name, value) in &entry.headers {
            lengths.push((name.as_str(), value.len()));
        }
        assert_eq!(lengths, [("host", 256), ("authorization", 7), ("cookie", 7)]);
    }
}
