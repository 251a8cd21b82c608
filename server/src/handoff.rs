//! Writes hand-offs: the header that each proxy expects, with its path prefix and its escaping.
//!
//! Knows what proxies expect of an app; not which files exist, and of HTTP only the headers. How each
//! proxy reads a value was measured: nginx 1.22 and 1.31, Apache 2.4 with mod_xsendfile 0.12,
//! lighttpd 1.4, Caddy 2.6 and 2.11.

use std::fmt;

use http::{HeaderName, HeaderValue};

use crate::key::{Key, escape};

mod error;
mod header;
mod link;
mod value;

pub use self::{error::HandoffError, header::Header};
pub(crate) use self::{
    link::{Carrier, Links},
    value::Value,
};

/// The hand-off that an app sends to its proxy.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// nginx: a URI, percent-encoded, in `X-Accel-Redirect` (decoded since nginx 1.5.9).
    XAccelRedirect(Accel),
    /// Apache's mod_xsendfile: a path in `X-Sendfile`, not encoded (0.12 does not decode).
    XSendfile,
    /// lighttpd: a path in `X-Sendfile`, percent-encoded.
    XSendfileLighttpd,
    /// Caddy's `handle_response`: its configuration defines the meaning of the header. Not encoded,
    /// because Caddy 2.6 does not decode.
    Caddy(Header),
    /// Any other proxy that maps a path prefix.
    Custom(Header, Escape),
}

/// How the value of a hand-off is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Not encoded.
    Raw,
    /// Each segment percent-encoded.
    Percent,
}

/// Additional headers that nginx obeys in a hand-off. If a header is absent, nginx uses its own
/// setting.
///
/// Source: <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_ignore_headers>.
#[derive(Clone, Debug, Default)]
pub struct Accel {
    /// `X-Accel-Buffering`.
    pub buffering: Option<Buffering>,
    /// `X-Accel-Limit-Rate`, in bytes per second.
    pub limit_rate: Option<u64>,
    /// `X-Accel-Expires`.
    pub expires: Option<Expires>,
    /// `X-Accel-Charset`.
    pub charset: Option<String>,
}

/// The values of `X-Accel-Buffering`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// `yes`
    Yes,
    /// `no`
    No,
}

/// The values of `X-Accel-Expires`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// nginx caches the response for this many seconds.
    Seconds(u64),
    /// nginx's cache ignores this header.
    Off,
}

/// Writes the header of one dialect with one path prefix.
#[derive(Clone, Debug)]
pub(crate) struct Handoff {
    /// The name of the dialect in the contract.
    pub(crate) dialect: &'static str,
    pub(crate) header: Header,
    pub(crate) value_kind: ValueKind,
    /// The path prefix, which ends with a slash.
    pub(crate) path_prefix: String,
    escape: Escape,
    pub(crate) links: Links,
    extras: Vec<(HeaderName, HeaderValue)>,
}

/// What a proxy expects as the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueKind {
    /// A URI: the path prefix is written as the user gave it.
    Uri,
    /// A file system path: the path prefix is a directory, escaped like the rest.
    Path,
}

impl Dialect {
    /// Returns nginx's dialect without additional headers.
    pub fn nginx() -> Self {
        Self::XAccelRedirect(Accel::default())
    }

    /// Writes the value that hands off a file, given its path below the path prefix.
    ///
    /// # Errors
    ///
    /// [`HandoffError`] if the path prefix is invalid or the path contains control characters.
    pub fn write(&self, path_prefix: &str, path: &str) -> Result<String, HandoffError> {
        let handoff = Handoff::new(self.clone(), path_prefix)?;
        Ok(handoff.value_below(&handoff.path_prefix, path)?.text)
    }

    pub(crate) fn value_kind(&self) -> ValueKind {
        match self {
            Self::XAccelRedirect(_) | Self::Caddy(_) | Self::Custom(..) => ValueKind::Uri,
            Self::XSendfile | Self::XSendfileLighttpd => ValueKind::Path,
        }
    }
}

impl Handoff {
    /// Checks everything that could fail later.
    pub(crate) fn new(dialect: Dialect, path_prefix: &str) -> Result<Self, HandoffError> {
        // A custom proxy may expect complete URLs, as h2o's X-Reproxy-URL does.
        let may_be_url = matches!(dialect, Dialect::Custom(..));
        if path_prefix.is_empty() || (!may_be_url && !path_prefix.starts_with('/')) {
            return Err(HandoffError::Prefix(path_prefix.into()));
        }
        Value::new(path_prefix.into())?;
        let value_kind = dialect.value_kind();
        let (dialect, header, escape, accel) = match dialect {
            Dialect::XAccelRedirect(accel) => {
                ("x-accel-redirect", Header::accel(), Escape::Percent, accel)
            }
            Dialect::XSendfile => {
                ("x-sendfile", Header::x_sendfile(), Escape::Raw, Accel::default())
            }
            Dialect::XSendfileLighttpd => {
                ("x-sendfile-lighttpd", Header::x_sendfile(), Escape::Percent, Accel::default())
            }
            Dialect::Caddy(header) => ("caddy", header, Escape::Raw, Accel::default()),
            Dialect::Custom(header, escape) => ("custom", header, escape, Accel::default()),
        };
        let path_prefix = match path_prefix.ends_with('/') {
            true => path_prefix.to_owned(),
            false => format!("{path_prefix}/"),
        };
        let extras = accel.headers()?;
        let links = Links::default();
        Ok(Self { dialect, header, value_kind, path_prefix, escape, links, extras })
    }

    /// Hands off to a private bucket, which requires a signed link for each file.
    pub(crate) fn signed(self, links: Links) -> Self {
        Self { links, ..self }
    }

    /// Returns the query of the signed link to `key`, if links are signed.
    pub(crate) fn query(&self, key: &Key) -> Option<&str> {
        self.links.query(key.as_str())
    }

    /// Writes the value that hands off `key`.
    pub(crate) fn value(&self, key: &Key) -> Result<Value, HandoffError> {
        self.value_below(&self.path_prefix, key.as_str())
    }

    /// Writes a value with a different path prefix.
    pub(crate) fn value_below(&self, path_prefix: &str, path: &str) -> Result<Value, HandoffError> {
        let path_prefix = match self.value_kind {
            ValueKind::Uri => path_prefix.to_owned(),
            ValueKind::Path => self.escape.apply(path_prefix),
        };
        self.links.sign(path_prefix + &self.escape.apply(path), path)
    }

    /// Lists the headers of one hand-off: its own, the one with the signed link, and the extras.
    pub(crate) fn headers(&self, value: &Value) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(self.header.name.clone(), value.header.clone())];
        headers.extend(self.links.separate_header(value));
        headers.extend_from_slice(&self.extras);
        headers
    }
}

impl Escape {
    fn apply(self, text: &str) -> String {
        match self {
            Self::Raw => text.to_owned(),
            Self::Percent => escape(text),
        }
    }
}

impl Accel {
    fn headers(self) -> Result<Vec<(HeaderName, HeaderValue)>, HandoffError> {
        let mut headers = Vec::new();
        if let Some(buffering) = self.buffering {
            headers.push(extra("x-accel-buffering", buffering.to_string())?);
        }
        if let Some(bytes) = self.limit_rate {
            headers.push(extra("x-accel-limit-rate", bytes.to_string())?);
        }
        if let Some(expires) = self.expires {
            headers.push(extra("x-accel-expires", expires.to_string())?);
        }
        if let Some(charset) = self.charset {
            if charset.parse::<HeaderName>().is_err() {
                return Err(HandoffError::Charset(charset));
            }
            headers.push(extra("x-accel-charset", charset)?);
        }
        Ok(headers)
    }
}

fn extra(name: &'static str, text: String) -> Result<(HeaderName, HeaderValue), HandoffError> {
    Ok((HeaderName::from_static(name), Value::new(text)?.header))
}

impl fmt::Display for Buffering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) => seconds.fmt(f),
            Self::Off => f.write_str("off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes a value as nginx and lighttpd do: `%XX` is a byte, all else is literal.
    fn decoded(value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = value.iter().copied();
        while let Some(byte) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let (high, low) = (rest.next().unwrap(), rest.next().unwrap());
            let digits = [high, low].map(|digit| char::from(digit).to_digit(16).unwrap() as u8);
            bytes.push(digits[0] << 4 | digits[1]);
        }
        bytes
    }

    fn key() -> impl Strategy<Value = Key> {
        "[^/\\p{Cc}]{1,40}(/[^/\\p{Cc}]{1,20}){0,2}"
            .prop_filter_map("a key", |text| Key::new(&text).ok())
    }

    fn header() -> Header {
        "X-Mine".parse().unwrap()
    }

    fn check(dialect: Dialect, key: &Key, decode: fn(&[u8]) -> Vec<u8>) {
        let handoff = Handoff::new(dialect, "/map/").unwrap();
        let value = handoff.value(key).unwrap();
        let path = decode(value.header.as_bytes());
        assert_eq!(path.strip_prefix(b"/map/"), Some(key.as_str().as_bytes()));
    }

    proptest! {
        /// Each proxy finds a file of any name, whether or not it decodes the value.
        #[test]
        fn proxy_reads_the_original_name(key in key()) {
            check(Dialect::nginx(), &key, decoded);
            check(Dialect::XSendfileLighttpd, &key, decoded);
            check(Dialect::Custom(header(), Escape::Percent), &key, decoded);
            check(Dialect::XSendfile, &key, <[u8]>::to_vec);
            check(Dialect::Caddy(header()), &key, <[u8]>::to_vec);
            check(Dialect::Custom(header(), Escape::Raw), &key, <[u8]>::to_vec);
        }

        /// nginx cuts a value at `?` and responds with 404 to a raw `%`: the value has neither.
        #[test]
        fn encoded_value_is_plain_ascii(key in key()) {
            let value = Handoff::new(Dialect::nginx(), "/map/").unwrap().value(&key).unwrap();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
            prop_assert!(value.text.bytes().all(plain), "{}", value.text);
        }
    }

    #[test]
    fn path_prefix_gets_a_trailing_slash() {
        let table = [
            (Dialect::nginx(), "/protected", "/protected/a%20b"),
            (Dialect::nginx(), "/pro%20tected/", "/pro%20tected/a%20b"),
            (Dialect::XSendfile, "/srv/my media", "/srv/my media/a b"),
            (Dialect::XSendfileLighttpd, "/srv/my media/", "/srv/my%20media/a%20b"),
            (Dialect::XSendfile, "/", "/a b"),
            (Dialect::Caddy(Header::accel()), "/files", "/files/a b"),
            (Dialect::Custom(header(), Escape::Percent), "http://h/x", "http://h/x/a%20b"),
        ];
        for (dialect, path_prefix, value) in table {
            let handoff = Handoff::new(dialect, path_prefix).unwrap();
            assert_eq!(handoff.value(&Key::new("a b").unwrap()).unwrap().text, value);
        }
    }

    #[test]
    fn invalid_header_values_are_refused() {
        for path_prefix in ["", "protected", "/a\nb", "/a\r\nX-Evil: 1", "/a\0", "/a\u{7f}"] {
            assert!(Handoff::new(Dialect::nginx(), path_prefix).is_err(), "{path_prefix:?}");
        }
        assert!("X Mine".parse::<Header>().is_err());
        let accel = Accel { charset: Some("utf-8\n".into()), ..Accel::default() };
        assert!(Handoff::new(Dialect::XAccelRedirect(accel), "/a/").is_err());
    }

    #[test]
    fn extras_are_sent_with_each_handoff() {
        let accel = Accel {
            buffering: Some(Buffering::No),
            limit_rate: Some(1024),
            expires: Some(Expires::Off),
            charset: Some("utf-8".into()),
        };
        let handoff = Handoff::new(Dialect::XAccelRedirect(accel), "/a/").unwrap();
        let headers = handoff.headers(&handoff.value(&Key::new("b").unwrap()).unwrap());
        let mut texts = Vec::new();
        for (name, value) in &headers {
            texts.push((name.as_str(), value.to_str().unwrap()));
        }
        let expected = [
            ("x-accel-redirect", "/a/b"),
            ("x-accel-buffering", "no"),
            ("x-accel-limit-rate", "1024"),
            ("x-accel-expires", "off"),
            ("x-accel-charset", "utf-8"),
        ];
        assert_eq!(texts, expected);
    }
}
