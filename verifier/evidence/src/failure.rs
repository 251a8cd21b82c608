//! The reason why no response was received. Rules distinguish the same kinds for every proxy and
//! every store.

use std::error::Error;

use serde::{Deserialize, Serialize};

/// The reason why a probe received no response.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, for rules.
    pub kind: FailureKind,
    /// The whole chain of causes, as a text.
    pub chain: String,
}

/// The kinds of failure that rules distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The name could not be resolved.
    NameNotResolved,
    /// Nothing listens at the address, or the network does not reach it.
    Refused,
    /// A time limit was exceeded.
    TimedOut,
    /// The TLS handshake failed, or the certificate is not trusted.
    Tls,
    /// The connection closed before a complete response header was received.
    Closed,
    /// The response is not HTTP.
    NotHttp,
    /// The response header is contradictory about where the body ends.
    Lengths,
    /// The storage has no such file.
    NotFound,
    /// The storage has no such bucket or container.
    BucketMissing,
    /// The verifier has no permission to read the file in the storage.
    Denied,
    /// The storage does not recognise the key, or the signature does not match it.
    KeyRefused,
    /// The request was signed for a region other than the bucket's.
    WrongRegion,
    /// The storage's clock and this host's differ too much for a signature.
    ClockSkewed,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// Whether the failure concerns the key used to access the storage, and not the file.
    pub fn is_of_the_key(self) -> bool {
        matches!(self, Self::Denied | Self::KeyRefused | Self::WrongRegion | Self::ClockSkewed)
    }
}

/// An error with all its causes, the outermost first, without repetitions.
pub fn cause_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
