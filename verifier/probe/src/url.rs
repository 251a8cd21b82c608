//! URLs as given by the operator: validated once, then requested exactly as written.
//!
//! Wraps [`http::Uri`], because the crate `url` would normalise what must be sent unchanged. Knows
//! the parts of a URL and how to encode them, but not what any path stands for.

use std::{fmt, str::FromStr};

use http::{Uri, uri::InvalidUri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use sendfile_evidence::secret::Redactor;
use thiserror::Error;

/// An absolute `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

/// The reason why a URL is invalid.
#[derive(Debug, Error)]
#[error("invalid URL `{url}`: {problem}\nhint: {hint}")]
pub struct UrlError {
    url: String,
    problem: String,
    hint: &'static str,
}

impl Url {
    /// The URI.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, or the scheme's default.
    pub fn port(&self) -> u16 {
        let default = if self.is_https() { 443 } else { 80 };
        self.0.port_u16().unwrap_or(default)
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// `scheme://host:port`, without a path.
    pub fn origin(&self) -> String {
        let scheme = self.0.scheme_str().unwrap_or("http");
        format!("{scheme}://{}", self.authority())
    }

    /// `host:port`, as written.
    pub fn authority(&self) -> &str {
        match self.0.authority() {
            Some(authority) => authority.as_str(),
            None => "",
        }
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The path without trailing slashes, to which another path can be appended.
    pub fn base(&self) -> &str {
        self.path().trim_end_matches('/')
    }

    /// The query, without its question mark.
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// The path and the query, as in a request line.
    pub fn target(&self) -> &str {
        match self.0.path_and_query() {
            Some(target) => target.as_str(),
            None => "/",
        }
    }

    /// The path up to its last slash, and the name after it; neither contains that slash.
    pub fn directory_and_name(&self) -> Option<(&str, &str)> {
        self.path().rsplit_once('/')
    }

    /// Another path, with or without a query, on the same origin.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if it contains a character that must be percent-encoded.
    pub fn with_target(&self, target: &str) -> Result<Self, UrlError> {
        // Without the slash, the target would become part of the host name.
        let slash = if target.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{target}", self.origin()).parse()
    }

    /// The same URL with its query replaced.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if it contains a character that must be percent-encoded.
    pub fn with_query(&self, query: &str) -> Result<Self, UrlError> {
        self.with_target(&format!("{}?{query}", self.path()))
    }

    /// The same URL with one more parameter in its query.
    ///
    /// # Errors
    ///
    /// [`UrlError`] if it contains a character that must be percent-encoded.
    pub fn with_parameter(&self, pair: &str) -> Result<Self, UrlError> {
        let target = self.target();
        let sign = if target.contains('?') { '&' } else { '?' };
        self.with_target(&format!("{target}{sign}{pair}"))
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((scheme, rest)) = split_scheme(text) else {
            return Err(invalid(text, "missing scheme", SCHEME_HINT));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(invalid(text, &format!("unsupported scheme `{scheme}`"), SCHEME_HINT));
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            let hint = "use `--app-header 'Authorization: …'` instead";
            return Err(invalid(text, "it contains a user name", hint));
        }
        let without_fragment = text.split('#').next().unwrap_or(text);
        let uri: Uri = match without_fragment.parse() {
            Ok(uri) => uri,
            Err(error) => return Err(unencoded(text, &error)),
        };
        match uri.host() {
            Some(host) if !host.is_empty() => Ok(Self(uri)),
            _ => Err(invalid(text, "missing host", "write `http://HOST:PORT/PATH`")),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const SCHEME_HINT: &str = "start it with `http://` or `https://`";

fn unencoded(text: &str, error: &InvalidUri) -> UrlError {
    let hint = "percent-encode characters that a URL cannot contain, e.g. a space as `%20`";
    invalid(text, &error.to_string(), hint)
}

fn invalid(text: &str, problem: &str, hint: &'static str) -> UrlError {
    UrlError { url: shown(text), problem: problem.to_owned(), hint }
}

/// The scheme of a URL, and everything after `://`.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    text.split_once("://")
}

/// A URL for an error message, which must not repeat a user name and password.
pub(crate) fn shown(text: &str) -> String {
    Redactor::new([0; 16]).url(text)
}

/// Characters that a request target cannot contain unencoded.
const TARGET_UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Characters that a name in a path cannot contain unencoded.
const NAME_UNSAFE: &AsciiSet = &TARGET_UNSAFE.add(b'%').add(b'?');

/// A name, or several joined by slashes, as part of a path.
pub(crate) fn encoded(name: &str) -> String {
    utf8_percent_encode(name, NAME_UNSAFE).to_string()
}

/// A hand-off's value as a request target: characters that a request line cannot contain are
/// encoded, and nothing is encoded twice.
pub(crate) fn as_target(value: &str) -> String {
    let mut target = String::new();
    for (n, part) in value.split('%').enumerate() {
        if n > 0 {
            target.push_str(if starts_with_escape(part) { "%" } else { "%25" });
        }
        target.extend(utf8_percent_encode(part, TARGET_UNSAFE));
    }
    target
}

/// Whether the text after a percent sign completes an escape sequence.
fn starts_with_escape(after_percent: &str) -> bool {
    match after_percent.as_bytes() {
        [first, second, ..] => first.is_ascii_hexdigit() && second.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_once() {
        assert_eq!(as_target("/p/a b%20c%.pdf#1"), "/p/a%20b%20c%25.pdf%231");
        assert_eq!(as_target("/p/ü?x=1&y=%2F"), "/p/%C3%BC?x=1&y=%2F");
    }

    #[test]
    fn parts_of_a_url() {
        let url: Url = "https://[::1]:8443/a/b.bin?x=1".parse().expect("a URL");
        assert_eq!((url.host(), url.port(), url.authority()), ("::1", 8443, "[::1]:8443"));
        assert_eq!(url.directory_and_name(), Some(("/a", "b.bin")));
        assert_eq!((url.target(), url.query()), ("/a/b.bin?x=1", Some("x=1")));
        let other = url.with_query("y=2").expect("a query");
        assert_eq!(other.to_string(), "https://[::1]:8443/a/b.bin?y=2");
        let other = url.with_parameter("y=2").expect("a parameter");
        assert_eq!(other.to_string(), "https://[::1]:8443/a/b.bin?x=1&y=2");
    }
}
