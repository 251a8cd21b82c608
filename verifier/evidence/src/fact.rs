//! What a configuration or an error log says: the facts that rules may know.

use std::fmt;

use crate::log;
pub use crate::path::{Wrong, habit};

/// The servers whose configuration can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx and its forks: a file, or the output of `nginx -T`.
    Nginx,
    /// Apache httpd.
    Apache,
    /// lighttpd.
    Lighttpd,
    /// Caddy: a Caddyfile, or JSON.
    Caddy,
}

/// The names of the kinds, as `--proxy-config` takes them.
pub const KINDS: [(&str, Kind); 4] = [
    ("nginx", Kind::Nginx),
    ("apache", Kind::Apache),
    ("lighttpd", Kind::Lighttpd),
    ("caddy", Kind::Caddy),
];

impl Kind {
    /// The name that its users call it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Apache => "Apache",
            Self::Lighttpd => "lighttpd",
            Self::Caddy => "Caddy",
        }
    }
}

/// One thing that a configuration or an error log says.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What it is, for rules.
    pub says: Says,
    /// Where it stands.
    pub at: Option<Place>,
    /// What it means, for people.
    pub detail: String,
    /// The change that mends it, if one can be named.
    pub fix: Option<String>,
}

/// A directive: its file, its line, and its text, secrets redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where the form has no lines.
    pub line: u32,
    /// The directive.
    pub text: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: `{}`", self.file, self.text),
            line => write!(f, "{}:{line}: `{}`", self.file, self.text),
        }
    }
}

impl Place {
    /// `FILE:LINE`, or what stands for it.
    pub fn line(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }
}

impl Fact {
    /// A fact at a place.
    pub fn at(says: Says, at: Place, detail: impl Into<String>) -> Self {
        Self { says, at: Some(at), detail: detail.into(), fix: None }
    }

    /// A fact of the whole configuration.
    pub fn of(says: Says, detail: impl Into<String>) -> Self {
        Self { says, at: None, detail: detail.into(), fix: None }
    }

    /// The same with the change that mends it.
    #[must_use]
    pub fn mended_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The same as it may be shown: without secrets, and of sane length.
    #[must_use]
    pub fn shown(self) -> Self {
        /// Nobody reads more of one directive.
        const LONGEST: usize = 1_000;
        let shown = |text: String| match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", crate::secret::text(&text[..end])),
            None => crate::secret::text(&text),
        };
        let at = self.at.map(|it| Place { file: shown(it.file), text: shown(it.text), ..it });
        Self { at, detail: shown(self.detail), fix: self.fix.map(shown), ..self }
    }

    /// The fact in one line.
    pub fn line(&self) -> String {
        match &self.at {
            Some(at) => format!("{at}: {}", self.detail),
            None => self.detail.clone(),
        }
    }
}

/// What a fact says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// A file of the configuration could not be read, so that nothing is sure.
    Unread,
    /// An error log could not be read.
    LogUnread,
    /// None of the configurations listens where the visitor asked: the port may be mapped.
    ListensElsewhere,
    /// Something in the configuration is beyond this reader, so that nothing is sure.
    Unsure,
    /// A rule takes the visitor's URL and asks the app.
    DownloadAsksApp,
    /// A rule takes the visitor's URL and answers without the app; one that asks it matches too.
    DownloadShadowed,
    /// A rule takes the visitor's URL and answers without the app; no rule that asks it matches.
    DownloadNotRouted,
    /// A rule redirects the visitor.
    DownloadRedirected,
    /// The rule that would ask the app refuses first, or does so on a condition.
    DownloadRefused,
    /// A login is asked for before the app is.
    LoginAsked,
    /// Whether a request is let in, or which page an error gets, hangs on what only the running
    /// server knows.
    Guarded,
    /// The app is asked for another path than the visitor's.
    PathRewritten,
    /// The proxy asks another address, or speaks another protocol, than the app's.
    AppElsewhere,
    /// The proxy acts on the hand-off header.
    HeaderObeyed,
    /// The proxy does not act on the hand-off header.
    FeatureOff,
    /// A directive stands where it is not allowed.
    OverrideForbidden,
    /// A proxy that acts on the header is not in the way of this download.
    Bypassed,
    /// An inner proxy acts on the header; the one in front would serve it right.
    SwallowedBetween,
    /// A header that switches the app's hand-off on is not sent, or with another value.
    NotAnnounced,
    /// The mapping that is sent does not make the intended URI of the file's path.
    MappingWrong,
    /// Only a general rule takes the hand-off's URI.
    TargetFallsThrough,
    /// Another rule takes the hand-off's URI before the internal one.
    TargetShadowed,
    /// Another virtual server has the location of the hand-off's URI.
    TargetInOtherServer,
    /// The rule that takes the hand-off's URI refuses it.
    TargetRefused,
    /// The hand-off leads to this path on disk.
    TargetOpens {
        /// The path.
        path: String,
        /// What is there.
        state: State,
        /// What is wrong with it, if anything is.
        wrong: Option<Wrong>,
    },
    /// The hand-off leads to the app once more.
    TargetAsksApp,
    /// The hand-off's path hangs on a variable that is only known while the server runs.
    TargetPathUnknown,
    /// The hand-off leads to this place on a server.
    TargetAsksStore,
    /// The path of the hand-off is outside the folders that may be sent.
    PathNotAllowed,
    /// The path is built from something else than the header.
    ValueNotRead,
    /// Headers of the app do not reach the visitor.
    HeadersDropped,
    /// The hand-off's target is open to anybody.
    NotInternal,
    /// An error after the hand-off is answered as success.
    ErrorsMasked,
    /// A name in a variable, and nobody to look it up.
    NoResolver,
    /// The store is sent another Host than its own.
    HostWrong,
    /// The visitor's Authorization header is sent to the store.
    AuthorizationForwarded,
    /// The store is sent the decoded path.
    PathDecoded,
    /// The store is not sent the query.
    QueryDropped,
    /// The store is asked for another key than the file's.
    StoreKeyWrong,
    /// The same, because a capture has too much or too little.
    StoreKeyCaptured,
    /// The same, because a variable holds something else.
    StoreKeyOfVariable,
    /// The same, because the prefix of the location stays in it.
    StorePrefixKept,
    /// Whatever server the app names is asked.
    Relays,
    /// Whatever server a visitor names is asked.
    RelaysForAnybody,
    /// A filter changes the bytes of what is served.
    BytesChanged,
    /// Contents or errors are kept for a while.
    Cached,
    /// The app's errors of the visitor's status are kept for a while.
    CachesErrors,
    /// The direct location leads to this path on disk.
    DirectOpens {
        /// The path.
        path: String,
        /// What is there.
        state: State,
        /// Whether it is another file than the storage's.
        other: bool,
    },
    /// The workers are older than the configuration.
    Edited,
    /// The configuration, as it reads, gives the visitor the file.
    Fine,
    /// A line of the error log.
    Logged(log::Entry),
}

/// What is at a path, for the proxy's workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A file that they can read.
    Readable,
    /// A file; nobody knows whether they can read it.
    There,
    /// Nothing.
    Missing,
    /// A folder.
    Folder,
    /// It, or a folder above it, is closed to them.
    Closed,
    /// Nobody knows.
    Unknown,
}
