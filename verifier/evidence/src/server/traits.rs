//! The traits in which servers differ, as far as responses and command lines go.

use crate::odd_name::OddName;

/// What is known about a server.
pub(super) struct Traits {
    /// The value of flags such as `--proxy-config`.
    pub(super) id: &'static str,
    /// The name that its users know it by.
    pub(super) name: &'static str,
    /// How the value of its `Server` header begins, in lower case.
    pub(super) server_headers: &'static [&'static str],
    /// Distinctive parts of its own error pages.
    pub(super) error_pages: &'static [&'static str],
    /// Whether an error response without body and content type is its own.
    pub(super) empty_error: EmptyError,
    /// The hand-off headers that it acts on.
    pub(super) acts_on: ActsOn,
    /// Whether it percent-decodes the value of its hand-off header.
    pub(super) value: ValueEncoding,
    /// The kinds of file names that some version mangles, whatever its configuration.
    pub(super) mangles: &'static [OddName],
    /// The flags that make its configuration and log available, on its host; none if there is no
    /// reader for them.
    pub(super) local_flags: Option<&'static str>,
    /// What else shows how it treats a request, without access to its host.
    pub(super) remote_hint: Option<&'static str>,
}

/// The meaning of an error response without body and content type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EmptyError {
    /// The server's own, if its `Server` header is exactly the server's id.
    Own,
    /// Nothing can be said about it.
    Unknown,
}

/// The hand-off headers that a server acts on.
#[derive(Clone, Copy)]
pub(super) enum ActsOn {
    /// These, the usual one first.
    Headers(&'static [&'static str]),
    /// Any, depending on its configuration.
    Configured,
}

/// What a server does with percent-encoding in the value of a hand-off header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueEncoding {
    Decoded,
    Verbatim,
}
