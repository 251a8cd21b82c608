//! Writes hand-offs: the header that each proxy obeys, with its mapping and its escaping.
//!
//! Knows what the proxies expect of an app; not which files there are, nor HTTP beyond a header.
//! How each proxy reads a value was measured: nginx 1.22 and 1.31, Apache 2.4 with mod_xsendfile
//! 0.12, lighttpd 1.4, Caddy 2.6 and 2.11.

use std::fmt;

use http::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::catalog::{Key, escape};

mod header;
mod link;

pub use self::header::Header;
pub(crate) use self::link::{Carrier, Links};

/// How an app tells its proxy which file to send.
#[derive(Clone, Debug)]
pub enum Dialect {
    /// nginx: a URI, percent-encoded, in `X-Accel-Redirect` (decoded since nginx 1.5.9).
    XAccelRedirect(Accel),
    /// Apache's mod_xsendfile: a path in `X-Sendfile`, as it is (0.12 does not decode).
    XSendfile,
    /// lighttpd: a path in `X-Sendfile`, percent-encoded.
    XSendfileLighttpd,
    /// Caddy's `handle_response`: what its configuration makes of the header; as it is, because
    /// Caddy 2.6 does not decode.
    Caddy(Header),
    /// Any other proxy that maps a prefix.
    Custom(Header, Escape),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    Raw,
    /// Each segment percent-encoded.
    Percent,
}

/// What else nginx does with a hand-off. Absent headers leave it to nginx.
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
    /// After so many seconds.
    Seconds(u64),
    /// nginx's cache does not ask this header.
    Off,
}

/// A hand-off that cannot be written.
#[derive(Debug, Error)]
pub enum HandoffError {
    /// The map is where the proxy finds the storage, and both kinds begin with a slash.
    #[error("`{}` is not a map: it must begin with `/`", .0.escape_debug())]
    Map(String),
    /// A header cannot carry control characters (RFC 9110, section 5.5).
    #[error("`{}` cannot be put into a header: it has control characters", .0.escape_debug())]
    Control(String),
    /// Not a token (RFC 9110, section 5.1).
    #[error("`{}` is not the name of a header", .0.escape_debug())]
    Name(String),
    /// Not a token.
    #[error("`{}` is not the name of a charset", .0.escape_debug())]
    Charset(String),
}

/// Writes the header of one dialect and one mapping.
#[derive(Clone, Debug)]
pub(crate) struct Handoff {
    pub(crate) dialect: &'static str,
    pub(crate) header: Header,
    pub(crate) meaning: Meaning,
    pub(crate) map: String,
    escape: Escape,
    pub(crate) links: Links,
    extras: Vec<(HeaderName, HeaderValue)>,
}

/// What a proxy takes the value for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A URI: the map is a prefix of it, written as it was given.
    Uri,
    /// A path: the map is a folder, escaped like the rest.
    Path,
}

/// The value of a hand-off header.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) header: HeaderValue,
    /// The link that goes beside it, in a header of its own.
    pub(crate) link: Option<HeaderValue>,
}

impl Dialect {
    /// nginx without extras.
    pub fn nginx() -> Self {
        Self::XAccelRedirect(Accel::default())
    }

    /// Writes the value that hands off a file, by its path below the map.
    ///
    /// # Errors
    ///
    /// [`HandoffError`], where the map is none or the path has control characters.
    pub fn write(&self, map: &str, path: &str) -> Result<String, HandoffError> {
        let handoff = Handoff::new(self.clone(), map)?;
        Ok(handoff.value_below(&handoff.map, path)?.text)
    }

    pub(crate) fn meaning(&self) -> Meaning {
        match self {
            Self::XAccelRedirect(_) | Self::Caddy(_) | Self::Custom(..) => Meaning::Uri,
            Self::XSendfile | Self::XSendfileLighttpd => Meaning::Path,
        }
    }
}

impl Handoff {
    /// Checks everything that could not be written later.
    pub(crate) fn new(dialect: Dialect, map: &str) -> Result<Self, HandoffError> {
        let meaning = dialect.meaning();
        let (name, header, escape, accel) = match dialect {
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
        // A custom proxy may want whole URLs, as h2o's X-Reproxy-URL does.
        if map.is_empty() || (name != "custom" && !map.starts_with('/')) {
            return Err(HandoffError::Map(map.into()));
        }
        Value::new(map.into())?;
        let map = format!("{}/", map.strip_suffix('/').unwrap_or(map));
        let extras = accel.headers()?;
        let links = Links::default();
        Ok(Self { dialect: name, header, meaning, map, escape, links, extras })
    }

    /// Hands off to a store, which lets in who has a link to what is asked.
    pub(crate) fn signed(self, links: Links) -> Self {
        Self { links, ..self }
    }

    /// Returns the query of the signed link to `key`, if links are signed.
    pub(crate) fn query(&self, key: &Key) -> Option<&str> {
        self.links.query(key.as_str())
    }

    /// Writes the value that hands off `key`.
    pub(crate) fn value(&self, key: &Key) -> Result<Value, HandoffError> {
        self.value_below(&self.map, key.as_str())
    }

    /// Writes a value with another map than the right one.
    pub(crate) fn value_below(&self, map: &str, path: &str) -> Result<Value, HandoffError> {
        let escaped = |text: &str| match self.escape {
            Escape::Raw => text.to_owned(),
            Escape::Percent => escape(text),
        };
        let map = match self.meaning {
            Meaning::Uri => map.to_owned(),
            Meaning::Path => escaped(map),
        };
        self.links.carry(map + &escaped(path), path)
    }

    /// Lists the headers of one hand-off: the one with `value`, its link's, and the extras.
    pub(crate) fn headers(&self, value: &Value) -> Vec<(HeaderName, HeaderValue)> {
        let handoff = (self.header.name.clone(), value.header.clone());
        let link = self.links.beside(value);
        [handoff].into_iter().chain(link).chain(self.extras.iter().cloned()).collect()
    }
}

impl Value {
    pub(crate) fn new(text: String) -> Result<Self, HandoffError> {
        let header = header_value(&text)?;
        Ok(Self { text, header, link: None })
    }

    /// The same with a link beside it.
    pub(crate) fn beside(self, link: &str) -> Result<Self, HandoffError> {
        Ok(Self { link: Some(header_value(link)?), ..self })
    }
}

fn header_value(text: &str) -> Result<HeaderValue, HandoffError> {
    let control = || HandoffError::Control(text.into());
    match text.contains(char::is_control) {
        true => Err(control()),
        false => HeaderValue::from_bytes(text.as_bytes()).map_err(|_| control()),
    }
}

impl Accel {
    fn headers(self) -> Result<Vec<(HeaderName, HeaderValue)>, HandoffError> {
        let token = |text: &str| text.parse::<HeaderName>().is_ok();
        let charset = match self.charset {
            Some(charset) if !token(&charset) => return Err(HandoffError::Charset(charset)),
            charset => charset,
        };
        let rows = [
            ("x-accel-buffering", self.buffering.map(|it| it.to_string())),
            ("x-accel-limit-rate", self.limit_rate.map(|it| it.to_string())),
            ("x-accel-expires", self.expires.map(|it| it.to_string())),
            ("x-accel-charset", charset),
        ];
        let mut headers = Vec::new();
        for (name, text) in rows {
            if let Some(text) = text {
                headers.push((HeaderName::from_static(name), Value::new(text)?.header));
            }
        }
        Ok(headers)
    }
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

    /// What nginx and lighttpd do with a value: `%XX` is a byte, all else stands for itself.
    fn decoded(value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = value.iter().copied();
        while let Some(byte) = rest.next() {
            let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap() as u8;
            bytes.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
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
        /// Whatever a file is called, the proxy that decodes (or does not) finds it by that name.
        #[test]
        fn proxy_reads_the_name_that_was_written(key in key()) {
            check(Dialect::nginx(), &key, decoded);
            check(Dialect::XSendfileLighttpd, &key, decoded);
            check(Dialect::Custom(header(), Escape::Percent), &key, decoded);
            check(Dialect::XSendfile, &key, <[u8]>::to_vec);
            check(Dialect::Caddy(header()), &key, <[u8]>::to_vec);
            check(Dialect::Custom(header(), Escape::Raw), &key, <[u8]>::to_vec);
        }

        /// nginx cuts a value at `?`, and a raw `%` makes it 404: neither may be left.
        #[test]
        fn encoded_value_is_plain_ascii(key in key()) {
            let value = Handoff::new(Dialect::nginx(), "/map/").unwrap().value(&key).unwrap();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
            prop_assert!(value.text.bytes().all(plain), "{}", value.text);
        }
    }

    #[test]
    fn map_is_a_prefix_with_a_slash_at_its_end() {
        let table = [
            (Dialect::nginx(), "/protected", "/protected/a%20b"),
            (Dialect::nginx(), "/pro%20tected/", "/pro%20tected/a%20b"),
            (Dialect::XSendfile, "/srv/my media", "/srv/my media/a b"),
            (Dialect::XSendfileLighttpd, "/srv/my media/", "/srv/my%20media/a%20b"),
            (Dialect::XSendfile, "/", "/a b"),
            (Dialect::Caddy(Header::accel()), "/files", "/files/a b"),
            (Dialect::Custom(header(), Escape::Percent), "http://h/x", "http://h/x/a%20b"),
        ];
        for (dialect, map, value) in table {
            let handoff = Handoff::new(dialect, map).unwrap();
            assert_eq!(handoff.value(&Key::new("a b").unwrap()).unwrap().text, value);
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for map in ["", "protected", "/a\nb", "/a\r\nX-Evil: 1", "/a\0", "/a\u{7f}"] {
            assert!(Handoff::new(Dialect::nginx(), map).is_err(), "{map:?}");
        }
        assert!("X Mine".parse::<Header>().is_err());
        let accel = Accel { charset: Some("utf-8\n".into()), ..Accel::default() };
        assert!(Handoff::new(Dialect::XAccelRedirect(accel), "/a/").is_err());
    }

    #[test]
    fn extras_go_with_each_handoff() {
        let accel = Accel {
            buffering: Some(Buffering::No),
            limit_rate: Some(1024),
            expires: Some(Expires::Off),
            charset: Some("utf-8".into()),
        };
        let handoff = Handoff::new(Dialect::XAccelRedirect(accel), "/a/").unwrap();
        let headers = handoff.headers(&handoff.value(&Key::new("b").unwrap()).unwrap());
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let expected = [
            ("x-accel-redirect", "/a/b"),
            ("x-accel-buffering", "no"),
            ("x-accel-limit-rate", "1024"),
            ("x-accel-expires", "off"),
            ("x-accel-charset", "utf-8"),
        ];
        assert_eq!(headers, expected);
    }
}
