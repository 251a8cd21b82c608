//! Keys: where a file is below the root of the storage, and which names it can have.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// The longest escaped key, in bytes: the first line of a dummy contains it.
const KEY_MAX: usize = 320;

/// All characters to encode: those other than RFC 3986's unreserved characters and the slash
/// between segments.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The path of a file below the root of the storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

/// A name that a dummy cannot have.
#[derive(Debug, Error)]
pub enum NameError {
    /// The name is empty, `.` or `..`, or contains a slash or a control character.
    #[error("`{}` is not a valid file name", .0.escape_debug())]
    NotAFileName(String),
    /// The name has the form `NAME#1`, which `object_store` reserves for files that are being
    /// written.
    #[error("`{0}` ends in `#` and digits, which is reserved for files that are being written")]
    Staging(String),
    /// The name is too long for the first line of a dummy, which contains it.
    #[error("`{0}` is too long for the first line of a dummy")]
    TooLong(String),
    /// The name belongs to another dummy, or to the manifest.
    #[error("the fixture already uses the name `{0}` for another file")]
    Taken(String),
}

impl Key {
    /// Checks a path.
    pub(crate) fn new(text: &str) -> Result<Self, NameError> {
        let has_bad_segment = text.split('/').any(|segment| matches!(segment, "" | "." | ".."));
        if has_bad_segment || text.contains(char::is_control) {
            return Err(NameError::NotAFileName(text.into()));
        }
        let key = Self(text.into());
        if is_staging_name(key.name()) {
            return Err(NameError::Staging(key.name().into()));
        }
        if key.escaped().len() > KEY_MAX {
            return Err(NameError::TooLong(text.into()));
        }
        Ok(key)
    }

    /// Percent-encodes each segment.
    pub(crate) fn escaped(&self) -> String {
        escape(&self.0)
    }

    /// Reads a key that [`Key::escaped`] has written.
    pub(crate) fn unescape(text: &str) -> Option<Self> {
        Self::new(&percent_decode_str(text).decode_utf8().ok()?).ok()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last segment.
    pub(crate) fn name(&self) -> &str {
        match self.0.rsplit_once('/') {
            Some((_, name)) => name,
            None => &self.0,
        }
    }

    /// Lists the directories that contain the key, outermost first.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-encodes all but unreserved characters and slashes.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Whether `object_store` would take the name for a file that is being written.
fn is_staging_name(name: &str) -> bool {
    match name.split_once('#') {
        Some((_, number)) => !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_listed_outermost_first() {
        let key = Key::new("a/b/c").unwrap();
        assert_eq!(key.directories().collect::<Vec<_>>(), ["a", "a/b"]);
    }
}
