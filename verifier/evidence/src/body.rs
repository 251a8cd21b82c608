//! The content of a body, as far as evidence stores it.

use super::Sha256;

/// The content of a body, as far as evidence stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// The number of bytes received.
    pub size: u64,
    /// The SHA-256 of the bytes received.
    pub sha256: Sha256,
    /// Its beginning, at most [`HEAD_BYTES`], secrets redacted.
    pub head: Vec<u8>,
    /// How it ended.
    pub end: End,
    /// Its decompressed content, if it begins as gzip does.
    pub gunzipped: Option<Gunzipped>,
    /// Bytes received after the announced end of the response.
    pub beyond: u64,
    /// How many bytes at the beginning equal the dummy's; `None` if there was nothing to compare.
    pub same: Option<Same>,
}

/// The decompressed content of a compressed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gunzipped {
    /// The number of bytes.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Sha256,
    /// Their beginning, at most [`HEAD_BYTES`], secrets redacted.
    pub head: Vec<u8>,
}

/// How many bytes of a body's beginning are stored.
pub const HEAD_BYTES: usize = 512;

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As announced.
    Whole,
    /// Before the announced end.
    Cut,
    /// It exceeded the maximum size; the rest was not read.
    TooLong,
    /// It was too slow; the rest was not read.
    TimedOut,
    /// It was not read, because only the head matters.
    NotAwaited,
}

/// How much of a body equals the dummy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// Exactly this many bytes are equal; the next one differs or is missing.
    Exactly(u64),
    /// At least this many bytes are equal.
    AtLeast(u64),
}
