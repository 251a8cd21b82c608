//! Why nothing came: the kinds that rules tell apart, the same for every proxy and every store.

use std::error::Error;

/// Why a probe got no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The kind, for rules.
    pub kind: FailureKind,
    /// The whole chain of causes, for people.
    pub chain: String,
}

/// The kinds of failure that rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The name could not be looked up.
    NameNotResolved,
    /// Nobody listens there, or the network does not reach it.
    Refused,
    /// A limit of time ran out.
    TimedOut,
    /// TLS could not be agreed on, or the certificate is not trusted.
    Tls,
    /// The connection ended before a whole response head came.
    Closed,
    /// What came is not HTTP.
    NotHttp,
    /// The head that came contradicts itself about where the answer ends.
    Lengths,
    /// The storage has no such file.
    NotFound,
    /// The storage has no such bucket or container.
    BucketMissing,
    /// The storage does not let the verifier read the file.
    Denied,
    /// The storage does not know the key, or the signature is not made with it.
    KeyRefused,
    /// The request was signed for another region than the bucket's.
    WrongRegion,
    /// The storage's clock and this machine's are too far apart for a signature.
    ClockSkewed,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// Whether it says something about the key by which the storage was asked, and nothing about
    /// the file.
    pub fn is_of_the_key(self) -> bool {
        matches!(self, Self::Denied | Self::KeyRefused | Self::WrongRegion | Self::ClockSkewed)
    }
}

/// An error with all its causes, the outermost first, each said once.
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
