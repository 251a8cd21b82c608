//! URLs as given by the operator: validated once, then requested exactly as written.

use std::{fmt, str::FromStr};

use http::Uri;
use thiserror::Error;

/// An absolute `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url(Uri);

/// Why a URL is invalid.
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
        self.0.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// `scheme://host:port`, without a path.
    pub fn origin(&self) -> String {
        format!(
            "{}://{}",
            self.0.scheme_str().unwrap_or("http"),
            self.0.authority().map_or("", |it| it.as_str())
        )
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Another path, with or without a query, on the same origin.
    pub fn with_target(&self, target: &str) -> Result<Self, UrlError> {
        // Without the slash, the target would become part of the host name.
        let slash = if target.starts_with('/') { "" } else { "/" };
        format!("{}{slash}{target}", self.origin()).parse()
    }

    /// The same URL with one more parameter in its query.
    pub fn with_parameter(&self, pair: &str) -> Result<Self, UrlError> {
        let target = self.0.path_and_query().map_or("/", |it| it.as_str());
        let sign = if target.contains('?') { '&' } else { '?' };
        self.with_target(&format!("{target}{sign}{pair}"))
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            |problem: &str, hint| UrlError { url: shown(text), problem: problem.to_owned(), hint };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(wrong("missing scheme", "start it with `http://` or `https://`"));
        };
        if !matches!(scheme, "http" | "https") {
            return Err(wrong(
                &format!("unsupported scheme `{scheme}`"),
                "start it with `http://` or `https://`",
            ));
        }
        if rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(wrong(
                "it contains a user name",
                "use `--app-header 'Authorization: …'` instead",
            ));
        }
        let text = text.split('#').next().unwrap_or(text);
        let uri: Uri = text.parse().map_err(|error: http::uri::InvalidUri| {
            wrong(
                &error.to_string(),
                "percent-encode characters that a URL cannot contain, e.g. a space as `%20`",
            )
        })?;
        match uri.host() {
            Some(host) if !host.is_empty() => Ok(Self(uri)),
            _ => Err(wrong("missing host", "write `http://HOST:PORT/PATH`")),
        }
    }
}

/// An error must not repeat a user name and password.
pub(crate) fn shown(text: &str) -> String {
    sendfile_evidence::secret::Redactor::new([0; 16]).url(text)
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
