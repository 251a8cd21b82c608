//! What was seen: facts only, no opinion and no I/O.
//!
//! Everything that a rule may know is in here, so that a saved report can be judged again without
//! the servers. What is secret never gets in: the probes redact at the edge (see `secret`).

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
mod spelling;

pub use body::{Body, End, Gunzipped, HEAD_BYTES, Same};
pub use check::Check;
pub use checked::{Checked, Made};
pub use failure::{Failure, FailureKind, cause_chain};
pub use names::OddName;
pub use part::Part;
pub use probe_id::ProbeId;
pub use spelling::Spelling;

use fact::Fact;

/// The result of a probe. Like `Option`, but an absence always has its reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<T> {
    /// Something answered.
    Answer(T),
    /// It was asked, and no answer came.
    Nothing(Failure),
    /// It was not asked; the text says why.
    Skipped(String),
}

impl<T> Seen<T> {
    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&T> {
        match self {
            Self::Answer(it) => Some(it),
            Self::Nothing(_) | Self::Skipped(_) => None,
        }
    }

    /// Why nothing came, if it was asked in vain.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Nothing(failure) => Some(failure),
            Self::Answer(_) | Self::Skipped(_) => None,
        }
    }
}

/// One thing asked and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed<T> {
    /// What was asked.
    pub asked: Asked,
    /// What came.
    pub seen: Seen<T>,
    /// How long it took.
    pub took: Duration,
}

impl<T> Probed<T> {
    /// A probe that was not made.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { asked: Asked::default(), seen: Seen::Skipped(reason.into()), took: Duration::ZERO }
    }

    /// The answer, if there is one.
    pub fn answer(&self) -> Option<&T> {
        self.seen.answer()
    }
}

/// A request as it was made, with its secrets redacted: enough to make it again by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The method, or empty where the storage is no HTTP server.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Headers beyond those that every request has.
    pub headers: Vec<(String, String)>,
    /// The Unix socket it went through, if any.
    pub unix_socket: Option<String>,
    /// What the operator said of the way there, as curl's options: `--resolve`, `--cacert` …
    pub through: Vec<String>,
    /// What a name such as `s3://bucket/key` stands for over HTTP, where that is known.
    pub http: Option<String>,
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All header lines in the order in which they came for each name; names in lower case.
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

    /// Whether it says which content of a file it is: by a strong ETag or a time.
    pub fn is_of_file(&self) -> bool {
        let strong = self.header("etag").is_some_and(|it| it.starts_with('"'));
        self.body.size > 0 && (strong || self.header("last-modified").is_some())
    }

    /// Whether it says that it is of the same content as another one.
    pub fn is_of_same_file(&self, other: &Self) -> bool {
        let etag = |it: &Self| {
            let tag = it.header("etag")?.trim_start_matches("W/").trim_matches('"');
            // Apache marks what it compresses.
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

/// The bytes that all layers should give.
#[derive(Clone, Debug, PartialEq)]
pub struct Dummy {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Sha256,
    /// Who says so.
    pub source: Source,
    /// The nonce of its content, where the fixture placed it.
    pub nonce: Option<String>,
    /// The fixture's instance, where the fixture placed it.
    pub instance: Option<String>,
    /// Its key in the storage, where the fixture placed it.
    pub key: Option<String>,
    /// Whether a twin was placed where `root` instead of `alias` leads to.
    pub twin: bool,
    /// The SHA-256 of the content before the last rotation.
    pub previous: Option<Sha256>,
}

/// Who says which bytes are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The fixture that placed them.
    Contract,
    /// The storage.
    Storage,
    /// The direct location, because the storage could not be asked.
    Direct,
    /// Nobody: they are what the visitor got, and serve to compare the site's other answers with.
    Visitor,
}

/// What the operator wants, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Intent {
    /// The hand-off header's name.
    pub header: Option<String>,
    /// The hand-off header's value.
    pub value: Option<String>,
    /// Headers that must reach the visitor.
    pub expect: Vec<(String, String)>,
    /// Whether a visitor without rights must be refused.
    pub access: Access,
    /// The site's certificate should be good for more days than these.
    pub cert_days: u32,
}

/// Who may download.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// Only those who send the visitor's headers.
    Private,
}

/// A certificate should be good for more days than these, unless the operator says otherwise.
pub const CERT_DAYS: u32 = 14;

/// The certificate that a site shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The last moment at which it is good.
    pub until: SystemTime,
    /// Whole days until then, counted when it was seen; negative when it is over.
    pub days_left: i64,
}

/// A further probe beside the four layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Further {
    /// Which one.
    pub id: ProbeId,
    /// What came.
    pub probed: Probed<Response>,
    /// The SHA-256 of what should come, where that is not the dummy.
    pub wants: Option<Sha256>,
    /// What the fixture's journal has about this request; `None` where it was not asked.
    pub journal: Option<Vec<Journalled>>,
}

/// All that was seen of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The target's name.
    pub target: String,
    /// What the operator wants.
    pub intent: Intent,
    /// The bytes that should come; `None` where nothing tells.
    pub dummy: Option<Dummy>,
    /// Can the dummy be read from storage?
    pub storage: Probed<Body>,
    /// Does the app, asked without the proxy, hand over?
    pub app: Probed<Response>,
    /// Can the proxy serve the dummy without the app?
    pub direct: Probed<Response>,
    /// Does a visitor get the dummy?
    pub full: Probed<Response>,
    /// Whatever else was asked.
    pub probes: Vec<Further>,
    /// The checks beyond the layers.
    pub checks: Vec<Checked>,
    /// What the fixture's journal has about the `full` request; `None` without a fixture.
    pub journal: Option<Vec<Journalled>>,
    /// What the proxies' configurations and error logs say, where they may be read.
    pub local: Vec<Fact>,
    /// Which of the headers that choose a hand-off reached the fixture from a visitor, where the
    /// journal tells.
    pub spoofed: Option<Vec<String>>,
    /// The site's certificate, where it speaks TLS.
    pub certificate: Option<Certificate>,
}

/// A request that the fixture saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journalled {
    /// Method.
    pub method: String,
    /// Target as it arrived.
    pub target: String,
    /// What the fixture answered: `view`, `probe`, `denied`, `fall-through` …
    pub answer: String,
}

impl Evidence {
    /// The answer to a further probe, if it was made and something answered.
    pub fn probe(&self, id: ProbeId) -> Option<&Response> {
        self.probed(id).and_then(Probed::answer)
    }

    /// A further probe, answered or not.
    pub fn probed(&self, id: ProbeId) -> Option<&Probed<Response>> {
        self.probes.iter().find(|it| it.id == id).map(|it| &it.probed)
    }

    /// Whether a visitor gets the dummy.
    pub fn delivered(&self) -> bool {
        let Some(full) = self.full.answer() else { return false };
        if full.status != 200 || full.body.end != End::Whole {
            return false;
        }
        let announced = || full.header("content-length").and_then(|it| it.parse::<u64>().ok());
        match self.full.asked.method.as_str() {
            "HEAD" => self.dummy.as_ref().is_some_and(|it| announced() == Some(it.size)),
            _ => self.is_dummy(&full.body),
        }
    }

    /// Whether the visitor's bytes lack what a file served by a proxy has, its time, by which caches
    /// and ranges work; or have the ETag with which the app itself sends them.
    pub fn streamed(&self) -> bool {
        let Some(full) = self.full.answer() else { return false };
        let etag = full.header("etag");
        let by_app = |app: &Response| self.is_dummy(&app.body) && app.header("etag") == etag;
        match etag {
            Some(_) => self.app.answer().is_some_and(by_app),
            None => full.header("last-modified").is_none(),
        }
    }

    /// Whether the visitor's bytes lack the ETag that the proxy gives the same file by itself: the app
    /// may have sent them, though with the file's time.
    pub fn lacks_etag(&self) -> bool {
        let tagged = |it: &Response| it.header("etag").is_some();
        let own = self.direct.answer().filter(|it| self.is_dummy(&it.body));
        own.is_some_and(tagged) && !self.full.answer().is_none_or(tagged)
    }

    /// Whether something beside the download itself tells which bytes are right.
    pub fn has_yardstick(&self) -> bool {
        self.dummy.as_ref().is_some_and(|it| it.source != Source::Visitor)
    }

    /// What the right bytes are called: only the fixture's are a dummy.
    pub fn file_is_called(&self) -> &'static str {
        let dummy = self.dummy.as_ref().is_none_or(|it| it.source == Source::Contract);
        if dummy { "the dummy" } else { "the file" }
    }

    /// Whether a body is the dummy, whole and nothing but it.
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
