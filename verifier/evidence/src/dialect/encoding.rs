//! The percent-encoding of hand-off URIs.

use percent_encoding::percent_decode_str;

/// The path of a hand-off URI: without its query, percent-decoded, as bytes that may not be valid
/// UTF-8.
pub fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}
