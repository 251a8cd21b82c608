//! What was observed: facts only, no judgement and no I/O.
//!
//! It contains everything that a rule may use, so that a saved report can be judged again without
//! the servers. It never contains secrets: the probes redact them when evidence is made (see
//! `secret`).

use std::{
    fmt,
    time::{Duration, SystemTime},
};

mod body;
mod check;
mod checked;
pub mod debug_headers;
pub mod dialect;
pub mod dummy_line;
pub mod fact;
mod failure;
pub mod log;
mod names;
mod part;
pub mod partial;
pub mod path;
mod private;
mod probe_id;
pub mod request;
pub mod secret;
mod server;
mod spelling;

pub use body::{Body, End, Gunzipped, HEAD_BYTES, Same};
pub use check::Check;
pub use checked::{Checked, Made};
pub use failure::{Failure, FailureKind, cause_chain};
pub use names::OddName;
pub use part::Part;
pub use probe_id::ProbeId;
pub use server::Server;
pub use spelling::Spelling;

use fact::Fact;

/// The outcome of a probe. Like `Option`, but an absence always has its reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// A response was received.
    Response(T),
    /// The request was sent, but no response was received.
    Failed(Failure),
    /// The request was not sent, for this reason.
    Skipped(String),
}

impl<T> Outcome<T> {
    /// The response, if there is one.
    pub fn response(&self) -> Option<&T> {
        match self {
            Self::Response(it) => Some(it),
            Self::Failed(_) | Self::Skipped(_) => None,
        }
    }

    /// Why no response was received, if a request was sent.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Response(_) | Self::Skipped(_) => None,
        }
    }
}

/// A request and its outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe<T> {
    /// The request.
    pub request: RequestRecord,
    /// The outcome.
    pub outcome: Outcome<T>,
    /// How long it took.
    pub took: Duration,
}

impl<T> Probe<T> {
    /// A probe that was not run.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self {
            request: RequestRecord::default(),
            outcome: Outcome::Skipped(reason.into()),
            took: Duration::ZERO,
        }
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&T> {
        self.outcome.response()
    }
}

/// A request as it was sent, with secrets redacted: enough to repeat it by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestRecord {
    /// The method; empty if the storage is not an HTTP server.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Headers beyond those that every request has.
    pub headers: Vec<(String, String)>,
    /// The Unix socket that it was sent through, if any.
    pub unix_socket: Option<String>,
    /// The operator's connection options, as curl's: `--resolve`, `--cacert` …
    pub through: Vec<String>,
    /// The HTTP URL of a name such as `s3://bucket/key`, if known.
    pub http: Option<String>,
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All header lines, in the order received for each name; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
}

impl Response {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All values of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Whether it identifies a version of the file: by a strong ETag or a time.
    pub fn is_of_file(&self) -> bool {
        let strong = self.header("etag").is_some_and(|it| it.starts_with('"'));
        self.body.size > 0 && (strong || self.header("last-modified").is_some())
    }

    /// Whether it identifies the same version of the file as another response.
    pub fn is_of_same_file(&self, other: &Self) -> bool {
        let etag = |it: &Self| {
            let tag = it.header("etag")?.trim_start_matches("W/").trim_matches('"');
            // Apache adds this suffix when it compresses.
            Some(tag.trim_end_matches("-gzip").to_owned())
        };
        let time = |it: &Self| it.header("last-modified").map(str::to_owned);
        match (etag(self), etag(other)) {
            (Some(own), Some(other)) => own == other,
            _ => time(self).is_some() && time(self) == time(other),
        }
    }

    /// The media type without its parameters, in lower case.
    pub fn media_type(&self) -> Option<String> {
        self.header("content-type").map(media_type)
    }
}

/// The media type of a Content-Type value, without parameters and in lower case.
pub fn media_type(value: &str) -> String {
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The content that every layer should return.
#[derive(Clone, Debug, PartialEq)]
pub struct Dummy {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Sha256,
    /// Where it is known from.
    pub source: Source,
    /// The nonce of its content, if the fixture placed it.
    pub nonce: Option<String>,
    /// The fixture's instance, if the fixture placed it.
    pub instance: Option<String>,
    /// Its key in the storage, if the fixture placed it.
    pub key: Option<String>,
    /// Whether a twin was placed where `root` instead of `alias` would lead.
    pub decoy: bool,
    /// The SHA-256 of the content before the last rotation.
    pub previous: Option<Sha256>,
}

/// Where the expected content is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The fixture that placed it.
    Contract,
    /// The storage.
    Storage,
    /// The direct location, because the storage could not be read.
    Direct,
    /// No reference copy: it is the downloaded content, which serves only to compare the site's
    /// other responses with.
    Visitor,
}

/// What the operator expects, as far as it is declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// The hand-off header's name.
    pub header: Option<String>,
    /// The hand-off header's value.
    pub value: Option<String>,
    /// Headers that must reach the client.
    pub expect: Vec<(String, String)>,
    /// Whether anonymous clients must be refused.
    pub access: Access,
    /// The site's certificate should be valid for more days than this.
    pub cert_days: u32,
}

/// Who may download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Not declared.
    #[default]
    Unsaid,
    /// Only clients that send the declared headers.
    Private,
}

/// A certificate should be valid for more days than this, unless the operator sets another number.
pub const CERT_DAYS: u32 = 14;

/// The certificate that a site presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The end of its validity.
    pub until: SystemTime,
    /// Whole days until then, counted at the time of the probe; negative if it has expired.
    pub days_left: i64,
}

/// A further probe beside the four layers.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraProbe {
    /// Which one.
    pub id: ProbeId,
    /// The outcome.
    pub probed: Probe<Response>,
    /// The SHA-256 of the expected content, if it is not the dummy's.
    pub wants: Option<Sha256>,
    /// The fixture's log entries for this request; `None` if the log was not read.
    pub request_log: Option<Vec<LoggedRequest>>,
}

/// All observations about one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The target's name.
    pub target: String,
    /// What the operator expects.
    pub intent: Intent,
    /// The expected content; `None` if there is no reference copy.
    pub dummy: Option<Dummy>,
    /// Can the dummy be read from storage?
    pub storage: Probe<Body>,
    /// Does the app, requested without the proxy, send a hand-off?
    pub app: Probe<Response>,
    /// Can the proxy serve the dummy without the app?
    pub direct: Probe<Response>,
    /// Does a client get the dummy?
    pub full: Probe<Response>,
    /// All other probes.
    pub probes: Vec<ExtraProbe>,
    /// The checks beyond the layers.
    pub checks: Vec<Checked>,
    /// The fixture's log entries for the `full` request; `None` without a fixture.
    pub request_log: Option<Vec<LoggedRequest>>,
    /// What the proxies' configurations and error logs show, if they may be read.
    pub local: Vec<Fact>,
    /// Which of the headers that choose a hand-off reached the fixture from a client, if the
    /// request log shows it.
    pub spoofed: Option<Vec<String>>,
    /// The site's certificate, if it uses TLS.
    pub certificate: Option<Certificate>,
}

/// A request that the fixture received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// Method.
    pub method: String,
    /// Target as received.
    pub target: String,
    /// The fixture's response: `view`, `probe`, `denied`, `fall-through` …
    pub answer: String,
}

impl Evidence {
    /// The response to a further probe, if it was run and got one.
    pub fn probe(&self, id: ProbeId) -> Option<&Response> {
        self.probed(id).and_then(Probe::response)
    }

    /// A further probe, with or without a response.
    pub fn probed(&self, id: ProbeId) -> Option<&Probe<Response>> {
        self.probes.iter().find(|it| it.id == id).map(|it| &it.probed)
    }

    /// Whether a client gets the dummy.
    pub fn delivered(&self) -> bool {
        let Some(full) = self.full.response() else { return false };
        if full.status != 200 || full.body.end != End::Whole {
            return false;
        }
        let announced = || full.header("content-length").and_then(|it| it.parse::<u64>().ok());
        match self.full.request.method.as_str() {
            "HEAD" => self.dummy.as_ref().is_some_and(|it| announced() == Some(it.size)),
            _ => self.is_dummy(&full.body),
        }
    }

    /// Whether the downloaded response lacks the modification time of a file served by a proxy, on
    /// which caches and range requests depend; or has the ETag with which the app itself sends the
    /// file.
    pub fn streamed(&self) -> bool {
        let Some(full) = self.full.response() else { return false };
        let etag = full.header("etag");
        let by_app = |app: &Response| self.is_dummy(&app.body) && app.header("etag") == etag;
        match etag {
            Some(_) => self.app.response().is_some_and(by_app),
            None => full.header("last-modified").is_none(),
        }
    }

    /// Whether the downloaded response lacks the ETag that the proxy itself gives the same file:
    /// the app may have sent it, though with the file's time.
    pub fn lacks_etag(&self) -> bool {
        let tagged = |it: &Response| it.header("etag").is_some();
        let own = self.direct.response().filter(|it| self.is_dummy(&it.body));
        own.is_some_and(tagged) && !self.full.response().is_none_or(tagged)
    }

    /// Whether there is a reference copy independent of the download.
    pub fn has_reference(&self) -> bool {
        self.dummy.as_ref().is_some_and(|it| it.source != Source::Visitor)
    }

    /// What to call the expected content: only the fixture's files are dummies.
    pub fn file_is_called(&self) -> &'static str {
        let dummy = self.dummy.as_ref().is_none_or(|it| it.source == Source::Contract);
        if dummy { "the dummy" } else { "the file" }
    }

    /// Whether a body is exactly the dummy.
    pub fn is_dummy(&self, body: &Body) -> bool {
        let same = |it: &Dummy| it.sha256 == body.sha256 && it.size == body.size;
        self.dummy.as_ref().is_some_and(same) && body.end == End::Whole
    }
}

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a SHA-256 in hexadecimal");
        if text.len() != 64 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}
