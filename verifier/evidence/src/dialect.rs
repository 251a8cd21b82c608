//! How each proxy interprets a hand-off header: which name it acts on, how it reads the value, what
//! its own error pages look like.
//!
//! Only reads hand-offs. The fixture writes them with its own code, so that neither inherits the
//! other's errors.

use percent_encoding::percent_decode_str;

use crate::{Body, Response};

mod etag;
mod link;
mod value;

pub use etag::file_seen;
pub use link::{link_of, signed_link};
pub use value::{ValueFault, compare_values};

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
    /// Its name in the usual spelling.
    pub name: &'static str,
    /// What its value refers to.
    pub names: ValueKind,
    /// The servers that act on it.
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
    HEADERS.iter().find(|it| it.name.eq_ignore_ascii_case(name))
}

/// A header's name in the usual spelling; an unknown name is unchanged.
pub fn spelling(name: &str) -> &str {
    header_named(name).map_or(name, |it| it.name)
}

/// The known header for which a name is surely a typo: the same letters with other punctuation, or
/// an edit distance of at most two.
pub fn header_meant(name: &str) -> Option<&'static Header> {
    let wanted = letters(name);
    if header_named(name).is_some() || wanted.len() < 6 {
        return None;
    }
    HEADERS.iter().find(|it| {
        letters(it.name) == wanted || strsim::levenshtein(&letters(it.name), &wanted) <= 2
    })
}

/// Whether a header's name contains a word of another one, such as `Redirect` of
/// `X-Accel-Redirect`.
pub fn shares_word(name: &str, other: &str) -> bool {
    let name = letters(name);
    other.split('-').map(letters).any(|it| it.len() >= 4 && name.contains(&it))
}

/// The first hand-off header of a response: the intended one if present, else any known one.
pub fn handoff_of<'a>(
    response: &'a Response,
    intended: Option<&str>,
) -> Option<(&'a str, &'a str)> {
    let pair = |name: &str| response.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    let known = || HEADERS.iter().find_map(|it| pair(it.name));
    intended.and_then(pair).or_else(known).map(|(name, value)| (name.as_str(), value.as_str()))
}

/// S3's error code in a body, such as `SignatureDoesNotMatch`.
pub fn store_error(body: &Body) -> Option<String> {
    let text = String::from_utf8_lossy(&body.head);
    let (_, rest) = text.split_once("<Error")?;
    let (_, rest) = rest.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code.trim().to_owned())
}

/// The status that the store returned, if the proxy replaces the store's error page and reports
/// only the status: in `X-Sendfile-Store`, from nginx's `$upstream_status`, which ends with the
/// last server's status.
pub fn store_status(response: &Response) -> Option<u16> {
    let told = response.header("x-sendfile-store")?;
    told.rsplit([',', ':', ' ']).next()?.parse().ok()
}

/// The same, but only if no store responded: then the status is the proxy's own.
pub fn store_refusal(response: &Response) -> Option<u16> {
    store_status(response).filter(|it| !matches!(it, 502 | 504))
}

/// Whether the proxy did not contact a store because the app's link does not point to one that it
/// allows: the shipped snippet reports this in place of a status.
pub fn link_not_allowed(response: &Response) -> bool {
    response.header("x-sendfile-store") == Some("not-allowed")
}

/// The path of a hand-off URI: without its query, percent-decoded, as bytes that may not be valid
/// UTF-8.
pub fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}

fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_told_from_a_foreign_one() {
        let meant = |name| header_meant(name).map(|it| it.name);
        assert_eq!(meant("X_SendFile"), Some("X-Sendfile"));
        assert_eq!(meant("X-Accel-Redirct"), Some("X-Accel-Redirect"));
        assert_eq!(meant("X-Sendfile"), None, "a right name is not misspelt");
        assert_eq!(meant("X-Frame-Options"), None);
        assert_eq!(meant("X-Runtime"), None);
        assert_eq!(meant("X-Sendfile-Type"), None, "a request header of Rack, echoed by some apps");
    }
}
