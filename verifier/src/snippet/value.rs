//! Validates the operator's values for a snippet: spaces, quotes, braces and `$` have a special meaning
//! in some of the configurations.

use super::error::ValueError;

/// A text of a shipped file, and the text that replaces it.
pub(super) type Replacement = (String, String);

/// The address of the fixture.
pub(super) enum AppAddress<'a> {
    Tcp { host: &'a str, port: u16 },
    Unix { path: &'a str },
}

impl<'a> AppAddress<'a> {
    /// Parses `HOST:PORT`, `http://HOST:PORT` or `unix:/PATH`.
    pub(super) fn parse(text: &'a str) -> Result<Self, ValueError> {
        if let Some(path) = text.strip_prefix("unix:")
            && path.starts_with('/')
            && is_plain(path)
        {
            return Ok(Self::Unix { path });
        }
        if let Some((host, port)) = text.strip_prefix("http://").unwrap_or(text).rsplit_once(':')
            && is_host(host)
            && let Ok(port) = port.parse()
        {
            return Ok(Self::Tcp { host, port });
        }
        Err(unsupported_address(
            text,
            "write HOST:PORT, e.g. `127.0.0.1:8000`, or unix:/PATH for nginx and Caddy",
        ))
    }
}

pub(super) fn unsupported_address(address: &str, hint: &'static str) -> ValueError {
    let problem = "not an address that this proxy's snippet supports";
    ValueError::new("--app", address, problem, hint)
}

/// Validates the storage directory, a path or a `file://` URL; returns its path without a trailing
/// slash.
pub(super) fn directory(text: &str) -> Result<&str, ValueError> {
    let error = |problem: &str, hint| Err(ValueError::new("--storage", text, problem, hint));
    let path = text.strip_prefix("file://").unwrap_or(text).trim_end_matches('/');
    if text.contains("://") && !text.starts_with("file://") {
        return error("not a directory", "for links to a store add `--remote signed`");
    }
    if !path.starts_with('/') {
        return error("not an absolute path", "write e.g. `/srv/media` or `file:///srv/media`");
    }
    if !is_plain(path) {
        return error(
            "contains a character with a special meaning in the configuration",
            "rename the directory, or edit the snippet by hand",
        );
    }
    Ok(path)
}

/// Validates the prefix of the internal location.
pub(super) fn prefix(text: &str) -> Result<&str, ValueError> {
    if text.len() > 2 && text.starts_with('/') && text.ends_with('/') && is_plain(text) {
        return Ok(text);
    }
    let hint = "start and end it with a slash, e.g. `/protected/`";
    Err(ValueError::new("--map", text, "not a valid prefix", hint))
}

/// Whether no character has a special meaning in a configuration.
pub(super) fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "/._-+@~".contains(c))
}

/// Whether this can be a host name or an IP address.
pub(super) fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c))
}
