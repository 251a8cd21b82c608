//! The traits in which servers differ, as far as responses and command lines are concerned.

use crate::odd_name::OddName;

/// What is known about a server.
pub(super) struct Traits {
    /// The value of flags such as `--proxy-config`.
    pub(super) id: &'static str,
    /// The name by which its users know the server.
    pub(super) name: &'static str,
    /// How the value of the server's `Server` header begins, in lower case.
    pub(super) server_headers: &'static [&'static str],
    /// Distinctive parts of the server's own error pages.
    pub(super) error_pages: &'static [&'static str],
    /// Whether an error response without body and content type is the server's own.
    pub(super) empty_error: EmptyError,
    /// The hand-off headers that the server acts on.
    pub(super) acts_on: ActsOn,
    /// Whether the server percent-decodes the value of its hand-off header.
    pub(super) value: ValueEncoding,
    /// The kinds of file names that some version mangles, whatever its configuration.
    pub(super) mangles: &'static [OddName],
    /// The flags that make the server's configuration and log available, on its host; none if there
    /// is no reader for them.
    pub(super) local_flags: Option<&'static str>,
    /// A hint how to see the server's handling of a request without access to its host.
    pub(super) remote_hint: Option<&'static str>,
}

/// The meaning of an error response without body and content type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptyError {
    /// The response is the server's own if its `Server` header is exactly the server's id.
    Own,
    /// The response may be anyone's.
    Unknown,
}

/// The hand-off headers that a server acts on.
#[derive(Clone, Copy)]
pub(super) enum ActsOn {
    /// The server acts on these headers, the usual one first.
    Headers(&'static [&'static str]),
    /// The server acts on any header, depending on its configuration.
    Configured,
}

/// What a server does with percent-encoding in the value of a hand-off header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueEncoding {
    Decoded,
    Verbatim,
}
