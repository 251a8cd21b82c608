//! The reasons why a hand-off cannot be written.

use thiserror::Error;

/// The reason why a hand-off cannot be written.
#[derive(Debug, Error)]
pub enum HandoffError {
    /// The path prefix does not begin with a slash, as a URI prefix or a directory must.
    #[error("`{}` is not a valid path prefix: it must begin with `/`", .0.escape_debug())]
    Prefix(String),
    /// The value contains control characters, which a header value cannot (RFC 9110, section 5.5).
    #[error("`{}` cannot be a header value: it contains control characters", .0.escape_debug())]
    Control(String),
    /// The header name is not a token (RFC 9110, section 5.1).
    #[error("`{}` is not a valid header name", .0.escape_debug())]
    Name(String),
    /// The charset is not a token.
    #[error("`{}` is not a valid charset name", .0.escape_debug())]
    Charset(String),
}
