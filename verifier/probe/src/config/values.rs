//! The values of flags and keys: URLs, header lines, the fixture's address. Knows the syntax of each
//! value, but not which flag or key it belongs to.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::{error::ConfigError, target::FixtureAt};
use crate::url::{Url, UrlError};

/// URLs, in the given order.
///
/// # Errors
///
/// [`UrlError`] for the first URL that is invalid.
pub fn urls(list: &[String]) -> Result<Vec<Url>, UrlError> {
    list.iter().map(|text| text.parse()).collect()
}

/// Parses `http://127.0.0.1:8000`, with or without a base path, or `unix:/run/fixture.sock`.
///
/// # Errors
///
/// [`ConfigError::Url`] if the URL is invalid.
pub fn fixture_at(text: &str, socket: Option<PathBuf>) -> Result<FixtureAt, ConfigError> {
    let (url, unix_socket) = match text.strip_prefix("unix:") {
        Some(path) => ("http://localhost".parse::<Url>()?, Some(PathBuf::from(path))),
        None => (text.parse::<Url>()?, socket),
    };
    let base = if url.base().is_empty() { "/healthcheck-utils" } else { url.base() };
    Ok(FixtureAt { url: url.with_target(base)?, unix_socket })
}

/// Parses `Header: value`, or only the name of the header, into the name and the value.
///
/// # Errors
///
/// [`ConfigError::Header`] if it is not the name of a header.
pub fn handoff(line: &str) -> Result<(Option<String>, Option<String>), ConfigError> {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    let (name, value) = (name.trim(), value.trim());
    HeaderName::try_from(name).map_err(|error| not_a_header(name, &error))?;
    let value = if value.is_empty() { None } else { Some(value.to_owned()) };
    Ok((Some(name.to_owned()), value))
}

/// Header lines of the form `Name: value`.
///
/// # Errors
///
/// [`ConfigError::Header`] for the first invalid line.
pub fn headers(lines: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    lines.iter().map(|line| header(line)).collect()
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(ConfigError::Header {
            // Any part of the line may be a password.
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
/// [`ConfigError::Header`] for the first invalid line.
pub fn expected(lines: &[String]) -> Result<Vec<(String, String)>, ConfigError> {
    let mut expected = Vec::new();
    for (name, value) in headers(lines)? {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        expected.push((name.to_string(), value));
    }
    Ok(expected)
}

/// An error about a header line. Omits the value, because it may be a password.
pub(super) fn not_a_header(name: &str, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Header { line: format!("{name}: …"), problem: error.to_string() }
}
