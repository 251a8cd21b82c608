//! The bytes of a body, as far as they are worth remembering.

use super::Sha256;

/// The bytes of a body, as far as they are worth remembering.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// How many bytes came.
    pub size: u64,
    /// The SHA-256 of the bytes that came.
    pub sha256: Sha256,
    /// Its beginning, at most [`HEAD_BYTES`], secrets redacted.
    pub head: Vec<u8>,
    /// How it ended.
    pub end: End,
    /// What it unpacks to, where it begins as gzip does.
    pub gunzipped: Option<Gunzipped>,
    /// Bytes that came after the end that the response had announced.
    pub beyond: u64,
    /// Compared with the dummy: how many bytes at the beginning are the same. `None` where nothing
    /// could be compared.
    pub same: Option<Same>,
}

/// What a compressed body unpacks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gunzipped {
    /// How many bytes these are.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Sha256,
    /// Their beginning, at most [`HEAD_BYTES`], secrets redacted.
    pub head: Vec<u8>,
}

/// How much of a body's beginning is remembered.
pub const HEAD_BYTES: usize = 512;

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As announced.
    Whole,
    /// Before the announced end.
    Cut,
    /// It was longer than it may be; the rest was not read.
    TooLong,
    /// Too slow; the rest was not waited for.
    TimedOut,
    /// It was not waited for, because only the head matters.
    NotAwaited,
}

/// How far a body is the same as the dummy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// Exactly so many bytes are the same; the next one differs or is missing.
    Exactly(u64),
    /// At least so many bytes are the same.
    AtLeast(u64),
}
