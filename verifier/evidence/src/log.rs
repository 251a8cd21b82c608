//! The kinds of error log lines that rules distinguish.

/// The meaning of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// What happened.
    pub event: LogEvent,
    /// The request that it belongs to.
    pub of: LogSubject,
    /// The path or the name in the line.
    pub what: Option<String>,
}

/// What happened, as far as rules distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEvent {
    /// A path was opened but does not exist.
    Missing,
    /// A path was opened but the server's user has no access.
    Closed,
    /// A path contains a symbolic link that is not followed.
    Link,
    /// A path is a directory.
    Folder,
    /// An access rule refused the request.
    Refused,
    /// The path is outside the directories that may be sent.
    NotAllowed,
    /// A directive is in a place where it is not allowed.
    OverrideForbidden,
    /// The value was rejected as unsafe.
    Unsafe,
    /// A name cannot be resolved: no resolver is configured.
    NoResolver,
    /// A name cannot be resolved: it does not exist.
    NotResolved,
    /// The upstream does not accept connections.
    NotConnected,
    /// The upstream does not respond.
    TimedOut,
    /// The upstream closes the connection, or uses another protocol.
    Closes,
    /// The upstream's certificate is not trusted.
    NotTrusted,
    /// The upstream's header is larger than the buffer.
    HeaderTooBig,
    /// Redirects form a loop.
    Cycle,
}

/// The request that a line belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSubject {
    /// The download.
    Download,
    /// The direct location.
    Direct,
    /// The line contains the file or the hand-off URI, but no request.
    Unknown,
}
