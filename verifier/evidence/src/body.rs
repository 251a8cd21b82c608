//! The body of a response or a stored file: its size, its checksum, its beginning, and how it
//! ended.
//!
//! Knows nothing of HTTP, nor what a body means for a diagnosis.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The content of a body, as far as evidence stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The number of bytes received.
    pub size: u64,
    /// The SHA-256 of the bytes received.
    pub sha256: Sha256,
    /// The beginning of the body, at most [`HEAD_BYTES`], with secrets redacted.
    #[serde(with = "percent_encoded")]
    pub head: Vec<u8>,
    /// How the body ended.
    pub end: End,
    /// The decompressed content, if the body begins as gzip does.
    #[serde(flatten, with = "two_keys")]
    pub gunzipped: Option<Gunzipped>,
    /// Bytes received after the announced end of the response.
    #[serde(default)]
    pub beyond: u64,
    /// How many bytes at the beginning equal the dummy's; `None` if there was nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub same: Option<Same>,
}

impl Body {
    /// A body without content.
    pub fn empty(end: End) -> Self {
        Self {
            size: 0,
            sha256: Sha256::of(&[]),
            head: Vec::new(),
            end,
            gunzipped: None,
            beyond: 0,
            same: None,
        }
    }
}

/// The decompressed content of a compressed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gunzipped {
    /// The size of the content in bytes.
    pub size: u64,
    /// The SHA-256 of the content.
    pub sha256: Sha256,
    /// The beginning of the content, at most [`HEAD_BYTES`], with secrets redacted.
    pub head: Vec<u8>,
}

/// How many bytes of a body's beginning are stored.
pub const HEAD_BYTES: usize = 512;

/// How a body ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The body ended as announced.
    Whole,
    /// The body ended before the announced end.
    Cut,
    /// The body exceeded the maximum size; the rest was not read.
    TooLong,
    /// The body was too slow; the rest was not read.
    TimedOut,
    /// The body was not read, because only the response header matters.
    NotAwaited,
}

/// How much of a body equals the dummy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Same {
    /// Exactly this many bytes are equal; the next one differs or is missing.
    Exactly(u64),
    /// At least this many bytes are equal.
    AtLeast(u64),
}

/// Bytes that are saved as text, with control characters, `%` and non-ASCII bytes percent-encoded.
mod percent_encoded {
    use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
    use serde::{Deserialize, Deserializer, Serializer};

    const UNPRINTABLE: &AsciiSet = &CONTROLS.add(b'%');

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&percent_encode(bytes, UNPRINTABLE))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(percent_decode_str(&text).collect())
    }
}

/// The decompressed content is saved under two keys: reports of earlier programs have only the first.
mod two_keys {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Gunzipped, Sha256, percent_encoded};

    #[derive(Serialize, Deserialize)]
    struct Keys {
        #[serde(skip_serializing_if = "Option::is_none", default)]
        gunzipped: Option<(u64, Sha256)>,
        #[serde(with = "percent_encoded", skip_serializing_if = "Vec::is_empty", default)]
        gunzipped_head: Vec<u8>,
    }

    pub(super) fn serialize<S: Serializer>(
        content: &Option<Gunzipped>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let keys = match content {
            Some(Gunzipped { size, sha256, head }) => {
                Keys { gunzipped: Some((*size, *sha256)), gunzipped_head: head.clone() }
            }
            None => Keys { gunzipped: None, gunzipped_head: Vec::new() },
        };
        keys.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Gunzipped>, D::Error> {
        let Keys { gunzipped, gunzipped_head } = Keys::deserialize(deserializer)?;
        let Some((size, sha256)) = gunzipped else { return Ok(None) };
        Ok(Some(Gunzipped { size, sha256, head: gunzipped_head }))
    }
}
