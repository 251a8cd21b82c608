//! The reasons why a hand-off cannot be written.

use thiserror::Error;

/// The reason why a hand-off cannot be written.
#[derive(Debug, Error)]
pub enum HandoffError {
    /// The path prefix is a URI prefix or a directory, and both begin with a slash.
    #[error("`{}` is not a valid path prefix: it must begin with `/`", .0.escape_debug())]
    Prefix(String),
    /// A header value cannot contain control characters (RFC 9110, section 5.5).
    #[error("`{}` cannot be a header value: it contains control characters", .0.escape_debug())]
    Control(String),
    /// Not a token (RFC 9110, section 5.1).
    #[error("`{}` is not a valid header name", .0.escape_debug())]
    Name(String),
    /// Not a token.
    #[error("`{}` is not a valid charset name", .0.escape_debug())]
    Charset(String),
}
