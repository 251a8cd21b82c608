//! The known hand-off headers, and names that are almost one of them.

use crate::response::Response;

/// What the value of a hand-off header refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A URI of the proxy.
    Uri,
    /// A file on the proxy's host.
    Path,
}

/// A hand-off header that some server acts on.
pub struct Header {
    /// The name in the usual spelling.
    pub name: &'static str,
    /// What the value refers to.
    pub names: ValueKind,
    /// The servers that act on the header.
    pub servers: &'static str,
}

/// All known hand-off headers, including obsolete ones.
pub const HEADERS: [Header; 8] = [
    Header {
        name: "X-Accel-Redirect",
        names: ValueKind::Uri,
        servers: "nginx, and Caddy if configured",
    },
    Header {
        name: "X-Sendfile",
        names: ValueKind::Path,
        servers: "Apache with mod_xsendfile, lighttpd",
    },
    Header {
        name: "X-LIGHTTPD-send-file",
        names: ValueKind::Path,
        servers: "old versions of lighttpd, with FastCGI only",
    },
    Header {
        name: "X-Sendfile2",
        names: ValueKind::Path,
        servers: "old versions of lighttpd, with FastCGI only",
    },
    Header { name: "X-Sendfile-Temporary", names: ValueKind::Path, servers: "mod_xsendfile 1.0" },
    Header { name: "X-Reproxy-URL", names: ValueKind::Uri, servers: "h2o, Perlbal" },
    Header { name: "X-Reproxy-File", names: ValueKind::Path, servers: "Perlbal" },
    Header { name: "X-LiteSpeed-Location", names: ValueKind::Uri, servers: "LiteSpeed" },
];

/// The known header with this name, in any case.
pub fn header_named(name: &str) -> Option<&'static Header> {
    HEADERS.iter().find(|header| header.name.eq_ignore_ascii_case(name))
}

/// A header's name in the usual spelling; an unknown name is unchanged.
pub fn spelling(name: &str) -> &str {
    match header_named(name) {
        Some(header) => header.name,
        None => name,
    }
}

/// The known header of which a name is surely a misspelling: the letters are the same and the
/// punctuation differs, or the edit distance is at most two.
pub fn header_meant(name: &str) -> Option<&'static Header> {
    let wanted = letters(name);
    if header_named(name).is_some() || wanted.len() < 6 {
        return None;
    }
    HEADERS.iter().find(|header| strsim::levenshtein(&letters(header.name), &wanted) <= 2)
}

/// Whether a header's name contains a word of another one, such as `Redirect` of
/// `X-Accel-Redirect`.
pub fn shares_word(name: &str, other: &str) -> bool {
    let name = letters(name);
    for word in other.split('-') {
        let word = letters(word);
        if word.len() >= 4 && name.contains(&word) {
            return true;
        }
    }
    false
}

/// The first hand-off header of a response: the intended one if present, else any known one.
pub fn handoff_of<'a>(
    response: &'a Response,
    intended: Option<&str>,
) -> Option<(&'a str, &'a str)> {
    let known = HEADERS.iter().map(|header| header.name);
    for name in intended.into_iter().chain(known) {
        if let Some(line) = line_of(response, name) {
            return Some(line);
        }
    }
    None
}

/// The first line of a header, with its name as received.
fn line_of<'a>(response: &'a Response, name: &str) -> Option<(&'a str, &'a str)> {
    for (own_name, value) in &response.headers {
        if own_name.eq_ignore_ascii_case(name) {
            return Some((own_name, value));
        }
    }
    None
}

/// The letters and digits of a name, in lower case.
fn letters(name: &str) -> String {
    let mut letters = name.to_ascii_lowercase();
    letters.retain(|letter| letter.is_ascii_alphanumeric());
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_differs_from_another_name() {
        let meant = |name| header_meant(name).map(|header| header.name);
        assert_eq!(meant("X_SendFile"), Some("X-Sendfile"));
        assert_eq!(meant("X-Accel-Redirct"), Some("X-Accel-Redirect"));
        assert_eq!(meant("X-Sendfile"), None, "a correct name is not misspelt");
        assert_eq!(meant("X-Frame-Options"), None);
        assert_eq!(meant("X-Runtime"), None);
        assert_eq!(meant("X-Sendfile-Type"), None, "a request header of Rack, echoed by some apps");
    }
}
