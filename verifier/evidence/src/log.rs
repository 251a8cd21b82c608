//! What an error log says about a download: the kinds of lines that rules tell apart.

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// To which request.
    pub of: Of,
    /// The path or the name that the line gives.
    pub what: Option<String>,
}

/// What happened, as far as rules tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A path was opened and is not there.
    Missing,
    /// A path was opened and is closed to the server's user.
    Closed,
    /// A path leads through a link, which is not followed.
    Link,
    /// A path is a folder.
    Folder,
    /// A rule of access refuses.
    Refused,
    /// The path is outside the folders that may be sent.
    NotAllowed,
    /// A directive stands where it is not allowed.
    OverrideForbidden,
    /// The value is called unsafe.
    Unsafe,
    /// A name cannot be looked up: nobody to ask.
    NoResolver,
    /// A name cannot be looked up: nobody knows it.
    NotResolved,
    /// The upstream does not take the connection.
    NotConnected,
    /// The upstream is silent.
    TimedOut,
    /// The upstream closes, or speaks another protocol.
    Closes,
    /// The upstream's certificate is not accepted.
    NotTrusted,
    /// The upstream's header is too long for the buffer.
    HeaderTooBig,
    /// Redirects go in circles.
    Cycle,
}

/// To which request a line belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The download.
    Download,
    /// The direct location.
    Direct,
    /// It names the file or the hand-off's URI, and no request.
    Unknown,
}
