//! The facts in a configuration or an error log that rules may use.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::path::{Misconfiguration, misconfiguration};
use crate::{log::LogEntry, secret};

/// One fact from a configuration or an error log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The kind of fact, for rules.
    #[serde(flatten)]
    pub kind: FactKind,
    /// The position that the fact refers to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub at: Option<SourceLine>,
    /// The meaning of the fact, as a text.
    pub detail: String,
    /// The change that fixes the problem, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fix: Option<String>,
}

/// The position of a directive: file, line, and text with secrets redacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLine {
    /// The file that contains the directive.
    pub file: String,
    /// The line, counted from 1; 0 if the format has no lines.
    pub line: u32,
    /// The directive.
    pub text: String,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: `{}`", self.file, self.text),
            line => write!(f, "{}:{line}: `{}`", self.file, self.text),
        }
    }
}

impl SourceLine {
    /// `FILE:LINE`, or the file alone.
    pub fn line(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }
}

impl Fact {
    /// A fact at a position.
    pub fn at(kind: FactKind, at: SourceLine, detail: impl Into<String>) -> Self {
        Self { kind, at: Some(at), detail: detail.into(), fix: None }
    }

    /// A fact about the whole configuration.
    pub fn of(kind: FactKind, detail: impl Into<String>) -> Self {
        Self { kind, at: None, detail: detail.into(), fix: None }
    }

    /// The same fact with the change that fixes the problem.
    #[must_use]
    pub fn mended_by(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The same fact, redacted and limited in length.
    #[must_use]
    pub fn shown(mut self) -> Self {
        if let Some(at) = &mut self.at {
            at.file = shown(&at.file);
            at.text = shown(&at.text);
        }
        if let Some(fix) = &mut self.fix {
            *fix = shown(fix);
        }
        self.detail = shown(&self.detail);
        self
    }

    /// The fact as one line.
    pub fn line(&self) -> String {
        match &self.at {
            Some(at) => format!("{at}: {}", self.detail),
            None => self.detail.clone(),
        }
    }
}

/// A text, redacted and limited in length.
fn shown(text: &str) -> String {
    /// The maximum length, in characters.
    const LONGEST: usize = 1_000;
    // The text is redacted before it is cut off, because an incomplete secret may not be
    // recognized.
    let shown = secret::text(text);
    match shown.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// The kinds of facts.
///
/// A report saves the kind under the key `says`, beside the fact's details. For a log entry, the
/// kind is the name of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "kebab-case")]
#[serde(expecting = "unknown fact, or invalid details of a fact")]
pub enum FactKind {
    /// A file of the configuration could not be read, so nothing is certain.
    Unread,
    /// An error log could not be read.
    #[serde(rename = "log-not-read")]
    LogUnread,
    /// None of the configurations listens on the client's address, so the port may be mapped.
    ListensElsewhere,
    /// Something in the configuration is not supported, so nothing is certain.
    Unsure,
    /// A rule matches the download URL and passes it to the app.
    DownloadAsksApp,
    /// A rule matches the download URL and responds without the app, although a rule that would
    /// pass the URL to the app matches too.
    DownloadShadowed,
    /// A rule matches the download URL and responds without the app, and no matching rule passes
    /// the URL to the app.
    DownloadNotRouted,
    /// A rule redirects the client.
    DownloadRedirected,
    /// The rule that would pass the request to the app first refuses it, perhaps only under a
    /// condition.
    DownloadRefused,
    /// A login is required before the request reaches the app.
    LoginAsked,
    /// Whether a request is admitted, or which page replaces an error, is known only at run time.
    Guarded,
    /// The path requested from the app differs from the client's.
    PathRewritten,
    /// The proxy contacts an address or uses a protocol that is not the app's.
    AppElsewhere,
    /// The proxy acts on the hand-off header.
    HeaderObeyed,
    /// The proxy does not act on the hand-off header.
    FeatureOff,
    /// A directive is in a place where it is not allowed.
    OverrideForbidden,
    /// A proxy that acts on the header is not on the path of this download.
    Bypassed,
    /// An inner proxy acts on the header, although the proxy in front of it would serve the file.
    SwallowedBetween,
    /// The proxy does not send a header that enables the app's hand-off, or sends another value.
    NotAnnounced,
    /// The mapping that the proxy sends does not map the file's path to the intended URI.
    MappingWrong,
    /// Only a general rule matches the hand-off URI.
    TargetFallsThrough,
    /// Another rule has precedence over the internal one that matches the hand-off URI.
    TargetShadowed,
    /// The location for the hand-off URI is in another virtual server.
    TargetInOtherServer,
    /// The rule that matches the hand-off URI refuses it.
    TargetRefused,
    /// The hand-off leads to this path on disk.
    TargetOpens {
        /// The path.
        #[serde(default)]
        path: String,
        /// What exists at the path.
        #[serde(default)]
        state: FileState,
        /// Which misconfiguration led to the path, if any.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        wrong: Option<Misconfiguration>,
    },
    /// The hand-off leads back to the app.
    TargetAsksApp,
    /// The hand-off's path depends on a variable that is known only at run time.
    TargetPathUnknown,
    /// The hand-off leads to this path on a server.
    TargetAsksStore,
    /// The path of the hand-off is outside the directories that may be sent.
    PathNotAllowed,
    /// The path is not built from the header.
    ValueNotRead,
    /// Headers of the app do not reach the client.
    HeadersDropped,
    /// Any client can request the hand-off's target.
    NotInternal,
    /// The proxy returns success although an error occurred after the hand-off.
    ErrorsMasked,
    /// A variable contains a host name, but no resolver is configured.
    NoResolver,
    /// The Host header sent to the store is not the store's.
    HostWrong,
    /// The client's Authorization header is sent to the store.
    AuthorizationForwarded,
    /// The path is sent to the store decoded.
    PathDecoded,
    /// The query is not sent to the store.
    QueryDropped,
    /// The key requested from the store is not the file's.
    StoreKeyWrong,
    /// The key requested from the store is not the file's, because a capture is too long or too
    /// short.
    StoreKeyCaptured,
    /// The key requested from the store is not the file's, because a variable has another value.
    StoreKeyOfVariable,
    /// The key requested from the store is not the file's, because it still contains the location's
    /// prefix.
    StorePrefixKept,
    /// The app chooses the upstream host.
    Relays,
    /// Any client chooses the upstream host.
    RelaysForAnybody,
    /// A filter changes the served content.
    BytesChanged,
    /// Content or errors are cached.
    Cached,
    /// Errors of the app with the client's status are cached.
    CachesErrors,
    /// The direct location leads to this path on disk.
    DirectOpens {
        /// The path.
        #[serde(default)]
        path: String,
        /// What exists at the path.
        #[serde(default)]
        state: FileState,
        /// Whether this path is another one than that of the storage's file.
        #[serde(
            rename = "wrong",
            with = "other_file",
            skip_serializing_if = "is_same_file",
            default
        )]
        other: bool,
    },
    /// The workers were started before the configuration was last changed.
    Edited,
    /// According to the configuration, the client gets the file.
    Fine,
    /// A line of the error log.
    #[serde(untagged)]
    Logged(LogEntry),
}

/// What the proxy's workers find at a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// A file that they can read.
    Readable,
    /// A file; whether they can read it is unknown.
    There,
    /// Nothing.
    Missing,
    /// A directory.
    #[serde(rename = "folder")]
    Directory,
    /// A file or a directory that they cannot access, or cannot reach because of a parent
    /// directory.
    Closed,
    /// Unknown.
    #[default]
    Unknown,
}

fn is_same_file(other: &bool) -> bool {
    !other
}

/// Whether a file is a different one from the storage's: saved as the text `other`, or not at all.
mod other_file {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        _other: &bool,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("other")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<bool, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.is_some())
    }
}
