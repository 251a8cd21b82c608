//! Remembers the last requests that carried a nonce, so that a verifier can ask what its request
//! had become when it arrived.
//!
//! Bounded in entries and in bytes; holds no secrets: whether there was one is enough.

use std::{collections::VecDeque, time::Instant};

use http::{HeaderMap, HeaderName, Method, Uri, header};

/// The header of a verifier's request.
const HEADER: HeaderName = HeaderName::from_static("x-sendfile-check");

/// The same in a query, for URLs of the fixture.
const PARAMETER: &str = "sendfile-check=";

/// How many requests are remembered.
const REQUESTS: usize = 1024;

/// How much of a value is remembered, in bytes.
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

/// Names a request of a verifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(String);

/// A request that was answered.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    ticket: Ticket,
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) answer: &'static str,
    pub(crate) headers: Vec<(String, String)>,
}

/// The last requests, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<Entry>,
}

impl Journal {
    pub(crate) fn record(&mut self, entry: Entry) {
        if self.entries.len() == REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    pub(crate) fn of<'a>(&'a self, ticket: &'a Ticket) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(move |entry| entry.ticket == *ticket)
    }
}

impl Ticket {
    /// Takes 1 to 64 of `[A-Za-z0-9-]`; anything else is no ticket.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (plain && (1..=64).contains(&text.len())).then(|| Self(text.into()))
    }

    /// Finds the ticket of a request, in its header or its query.
    pub(crate) fn of(headers: &HeaderMap, uri: &Uri) -> Option<Self> {
        let header = headers.get(HEADER).and_then(|value| Self::parse(value.to_str().ok()?));
        header.or_else(|| {
            uri.query()?.split('&').find_map(|pair| Self::parse(pair.strip_prefix(PARAMETER)?))
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Entry {
    pub(crate) fn new<B>(ticket: Ticket, request: &http::Request<B>, answer: &'static str) -> Self {
        let plain = RECORDED.into_iter().flat_map(|name| {
            let values = request.headers().get_all(name).into_iter();
            values.map(move |value| {
                (name.to_owned(), cut(&String::from_utf8_lossy(value.as_bytes())))
            })
        });
        let secret = SECRET.into_iter().filter(|name| request.headers().contains_key(name));
        let secret = secret.map(|name| (name.as_str().to_owned(), "present".to_owned()));
        Self {
            ticket,
            at: Instant::now(),
            method: method(request.method()),
            target: cut(request.uri().path_and_query().map_or("*", |target| target.as_str())),
            answer,
            headers: plain.chain(secret).collect(),
        }
    }
}

fn method(method: &Method) -> String {
    cut(method.as_str())
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(VALUE_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ticket(header: &str, uri: &str) -> Option<String> {
        let request = Request::get(uri).header(HEADER, header).body(()).unwrap();
        Ticket::of(request.headers(), request.uri()).map(|ticket| ticket.0)
    }

    #[test]
    fn ticket_is_plain_or_absent() {
        let long = "x".repeat(64);
        assert_eq!(ticket("abc-1", "/"), Some("abc-1".into()));
        assert_eq!(ticket(&long, "/"), Some(long.clone()));
        for wrong in [&format!("{long}x"), "", "a b", "<script>", "a/b", "ä"] {
            assert_eq!(ticket(wrong, "/"), None, "{wrong}");
        }
        assert_eq!(ticket("", "/x?a=b&sendfile-check=q1&c"), Some("q1".into()));
        assert_eq!(ticket("h1", "/x?sendfile-check=q1"), Some("h1".into()));
        assert_eq!(ticket("", "/x?sendfile-check=%20"), None);
    }

    /// A client that sends much must not fill the memory, nor its secrets be told to another.
    #[test]
    fn entries_are_bounded_and_hold_no_secrets() {
        let request = Request::get(format!("/{}", "ä".repeat(300)))
            .header("host", "h".repeat(1000))
            .header("cookie", "session=secret")
            .header("authorization", "Bearer secret")
            .header("x-other", "not recorded")
            .body(());
        let request = request.unwrap();
        let mut journal = Journal::default();
        let ticket = |n: usize| Ticket::parse(&n.to_string()).unwrap();
        for n in 0..REQUESTS + 1 {
            journal.record(Entry::new(ticket(n), &request, "view"));
        }
        assert_eq!(journal.entries.len(), REQUESTS);
        assert_eq!(journal.of(&ticket(0)).count(), 0, "the oldest has gone");
        let second = ticket(1);
        let entry = journal.of(&second).next().unwrap();
        assert!(entry.target.len() <= VALUE_MAX);
        let headers: Vec<_> =
            entry.headers.iter().map(|(name, value)| (&**name, value.len())).collect();
        assert_eq!(headers, [("host", 256), ("authorization", 7), ("cookie", 7)]);
    }
}
