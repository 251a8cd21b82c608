//! The kinds of error log lines that rules distinguish.

use serde::{Deserialize, Serialize};

/// The meaning of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// What happened.
    #[serde(rename = "says")]
    pub event: LogEvent,
    /// The path or the name in the line.
    #[serde(rename = "path", skip_serializing_if = "Option::is_none", default)]
    pub what: Option<String>,
    /// The request that the line belongs to.
    #[serde(default)]
    pub of: LogSubject,
}

/// The events that rules distinguish. They are saved under the names of facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogEvent {
    /// A path was opened but does not exist.
    #[serde(rename = "log-missing")]
    Missing,
    /// A path was opened but the server's user has no access.
    #[serde(rename = "log-closed")]
    Closed,
    /// A path contains a symbolic link that is not followed.
    #[serde(rename = "log-link")]
    Link,
    /// A path is a directory.
    #[serde(rename = "log-folder")]
    Directory,
    /// An access rule refused the request.
    #[serde(rename = "log-refused")]
    Refused,
    /// The path is outside the directories that may be sent.
    #[serde(rename = "log-not-allowed")]
    NotAllowed,
    /// A directive is in a place where it is not allowed.
    #[serde(rename = "log-override-forbidden")]
    OverrideForbidden,
    /// The value was rejected as unsafe.
    #[serde(rename = "log-unsafe")]
    Unsafe,
    /// A name cannot be resolved: no resolver is configured.
    #[serde(rename = "log-no-resolver")]
    NoResolver,
    /// A name cannot be resolved: it does not exist.
    #[serde(rename = "log-not-resolved")]
    NotResolved,
    /// The upstream does not accept connections.
    #[serde(rename = "log-not-connected")]
    NotConnected,
    /// The upstream does not respond.
    #[serde(rename = "log-timed-out")]
    TimedOut,
    /// The upstream closes the connection or uses another protocol.
    #[serde(rename = "log-closes")]
    Closes,
    /// The upstream's certificate is not trusted.
    #[serde(rename = "log-not-trusted")]
    NotTrusted,
    /// The upstream's header is larger than the buffer.
    #[serde(rename = "log-header-too-big")]
    HeaderTooBig,
    /// Redirects form a loop.
    #[serde(rename = "log-cycle")]
    Cycle,
}

/// The request that a line belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogSubject {
    /// The download.
    Download,
    /// The direct location.
    Direct,
    /// The line contains the file or the hand-off URI, but no request.
    #[default]
    Unknown,
}
