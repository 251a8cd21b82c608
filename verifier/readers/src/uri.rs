//! URIs as servers read them: decoded, and without `.`, `..` and double slashes.
//!
//! It knows texts only, neither configurations nor the disk.

use sendfile_evidence::{dialect, path::tidy};

/// Maximum length of a URI or a path; without it, rules could double the length again and again.
pub(super) const LONGEST: usize = 16 * 1024;

/// Percent-decodes as nginx does: if the character after a `%` is not hexadecimal, the character is
/// kept and the `%` is dropped (ngx_unescape_uri).
pub(super) fn decoded_by_nginx(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let Some(first) = rest.next() else { break };
        let Some(high) = hex(first) else {
            bytes.push(first);
            continue;
        };
        let Some(second) = rest.next() else { break };
        if let Some(low) = hex(second) {
            bytes.push(high << 4 | low);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Percent-decodes; invalid escapes are kept.
pub(super) fn decoded(text: &str) -> String {
    dialect::decoded(text)
}

/// Whether consecutive slashes are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slashes {
    /// Yes.
    Merged,
    /// No.
    Kept,
}

/// A decoded path without `.` and `..`; `None` if it leads above the root.
pub(super) fn normalised(path: &str, slashes: Slashes) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let relative = path.strip_prefix('/').unwrap_or(path);
    let mut segments = relative.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." if last => parts.push(""),
            "." => {}
            ".." => {
                parts.pop()?;
                if last {
                    parts.push("");
                }
            }
            "" if slashes == Slashes::Merged && !last => {}
            segment => parts.push(segment),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// The target of an nginx hand-off: a decoded path and a query; `None` if nginx rejects it as
/// unsafe.
pub(super) fn of_handoff(value: &str) -> Option<(String, Option<String>)> {
    let (path, query) = match value.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (value, None),
    };
    let path = decoded_by_nginx(path);
    let climbs = path.split('/').any(|segment| segment == "..");
    if path.is_empty() || climbs || path.contains('\0') {
        return None;
    }
    Some((path, query))
}

/// Whether a path is a directory or is below it.
pub(super) fn is_below(path: &str, directory: &str) -> bool {
    let (path, directory) = (tidy(path), tidy(directory));
    if directory == "/" {
        return true;
    }
    match path.strip_prefix(&directory) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_servers_read_them() {
        assert_eq!(decoded_by_nginx("/a%20b%zc%4"), "/a bzc");
        assert_eq!(decoded_by_nginx("/90%.pdf"), "/90.pdf", "seen in nginx's error log");
        let merged = |path| normalised(path, Slashes::Merged);
        assert_eq!(merged("/a//b/./c/../d/"), Some("/a/b/d/".to_owned()));
        assert_eq!(merged("/a/.."), Some("/".to_owned()));
        assert_eq!(merged("/../a"), None);
        assert_eq!(normalised("/a//b", Slashes::Kept), Some("/a//b".to_owned()));
        assert_eq!(of_handoff("/p/%2e%2e/x"), None);
        assert_eq!(
            of_handoff("/p/a%3Fb?c=%2F"),
            Some(("/p/a?b".to_owned(), Some("c=%2F".to_owned())))
        );
        assert!(is_below("/srv/files/a", "/srv/files/") && !is_below("/srv/filesa", "/srv/files"));
    }
}
