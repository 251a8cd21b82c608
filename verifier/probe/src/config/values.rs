//! The values of flags and keys: URLs, header lines, the fixture's address.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::{error::ConfigError, target::FixtureAt};
use crate::url::{Url, UrlError};

/// URLs, in their order.
///
/// # Errors
///
/// [`UrlError`] for the first that cannot be used.
pub fn urls(list: &[String]) -> Result<Vec<Url>, UrlError> {
    list.iter().map(|it| it.parse()).collect()
}

/// `http://127.0.0.1:8000`, with or without a base path, or `unix:/run/fixture.sock`.
pub fn fixture_at(text: &str, socket: Option<PathBuf>) -> Result<FixtureAt, ConfigError> {
    let (url, unix_socket) = match text.strip_prefix("unix:") {
        Some(path) => ("http://localhost".parse::<Url>()?, Some(PathBuf::from(path))),
        None => (text.parse::<Url>()?, socket),
    };
    let path = url.path().trim_end_matches('/');
    let base = if path.is_empty() { "/healthcheck-utils" } else { path };
    Ok(FixtureAt { url: url.with_target(base)?, unix_socket })
}

/// `Header: value`, or only the name of the header.
pub fn handoff(line: &str) -> Result<(Option<String>, Option<String>), ConfigError> {
    let (name, value) =
        line.split_once(':').map_or((line, None), |(name, value)| (name, Some(value)));
    let name = name.trim();
    HeaderName::try_from(name).map_err(|error| not_a_header(name, &error))?;
    Ok((Some(name.to_owned()), value.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())))
}

/// Header lines of the form `Name: value`.
///
/// # Errors
///
/// [`ConfigError::Header`] for the first that is not one.
pub fn headers(lines: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    lines.iter().map(|line| header(line)).collect()
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(ConfigError::Header {
            // Any part of it may be a password.
            line: "…".to_owned(),
            problem: "no colon".to_owned(),
        });
    };
    let name = name.trim();
    let header = HeaderName::try_from(name).map_err(|error| not_a_header(name, &error))?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes())
        .map_err(|error| not_a_header(name, &error))?;
    Ok((header, value))
}

/// Header lines that a client must receive.
///
/// # Errors
///
/// [`ConfigError::Header`] for the first that is not one.
pub fn expected(lines: &[String]) -> Result<Vec<(String, String)>, ConfigError> {
    let text = |(name, value): (HeaderName, HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(headers(lines)?.into_iter().map(text).collect())
}

/// Omits the value, because it may be a password.
pub(super) fn not_a_header(name: &str, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Header { line: format!("{name}: …"), problem: error.to_string() }
}
