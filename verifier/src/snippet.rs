//! The snippets that operators drop into their proxies, as they are shipped, or with other values
//! filled in.

use clap::ValueEnum;
use thiserror::Error;

/// The proxies that a snippet is shipped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Proxy {
    /// nginx
    Nginx,
    /// Apache httpd with mod_xsendfile
    Apache,
    /// lighttpd
    Lighttpd,
    /// Caddy
    Caddy,
}

/// A value that cannot be written into a snippet.
#[derive(Debug, Error)]
#[error("the value `{value}` of {flag} cannot stand in a snippet: {problem}\nhint: {hint}")]
pub struct ValueError {
    flag: &'static str,
    value: String,
    problem: &'static str,
    hint: &'static str,
}

impl Proxy {
    /// The file as it is shipped.
    pub fn text(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("../../nginx/healthcheck.conf"),
            Self::Apache => include_str!("../../apache/healthcheck.conf"),
            Self::Lighttpd => include_str!("../../lighttpd/healthcheck.conf"),
            Self::Caddy => include_str!("../../caddy/healthcheck.caddy"),
        }
    }
}

/// The values that the shipped files have at their head.
const STORAGE: &str = "/srv/media";
const APP: (&str, &str) = ("127.0.0.1", "8000");
const MAP: &str = "/protected/";

/// The values at the head of a snippet; what is absent stays as it is shipped.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// The folder that app and proxy read from.
    pub storage: Option<&'a str>,
    /// Where the fixture listens, as HOST:PORT.
    pub app: Option<&'a str>,
    /// The prefix of the internal location.
    pub map: Option<&'a str>,
}

/// A snippet's text with these values in place of the shipped ones.
pub fn filled(proxy: Proxy, text: &str, values: Values<'_>) -> Result<String, ValueError> {
    let Values { storage, app, map } = values;
    let mut text = text.to_owned();
    if let Some(it) = storage {
        text = text.replace(STORAGE, folder(it)?);
    }
    if let Some(it) = app {
        let (host, port) = address(it)?;
        text = match proxy {
            // lighttpd wants the two apart.
            Proxy::Lighttpd => {
                let host_line = (format!("\"{}\"", APP.0), format!("\"{host}\""));
                let port_line = (format!("= {}", APP.1), format!("= {port}"));
                text.replace(&host_line.0, &host_line.1).replace(&port_line.0, &port_line.1)
            }
            _ => text.replace(&format!("{}:{}", APP.0, APP.1), &format!("{host}:{port}")),
        };
    }
    if let Some(it) = map {
        text = text.replace(MAP, prefix(it)?);
    }
    Ok(text)
}

fn folder(value: &str) -> Result<&str, ValueError> {
    let path = value.strip_prefix("file://").unwrap_or(value).trim_end_matches('/');
    let wrong =
        |problem, hint| ValueError { flag: "--storage", value: value.to_owned(), problem, hint };
    if !path.starts_with('/') {
        return Err(wrong("it is no absolute path", "write `/srv/media` or `file:///srv/media`"));
    }
    plain(path).then_some(path).ok_or_else(|| {
        wrong(
            "it has a character that means something there",
            "rename the folder, or edit the snippet by hand",
        )
    })
}

fn address(value: &str) -> Result<(&str, u16), ValueError> {
    let wrong = || ValueError {
        flag: "--app",
        value: value.to_owned(),
        problem: "it is no address",
        hint: "write it as HOST:PORT",
    };
    let (host, port) =
        value.strip_prefix("http://").unwrap_or(value).rsplit_once(':').ok_or_else(wrong)?;
    let known =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c));
    known.then_some(host).zip(port.parse().ok()).ok_or_else(wrong)
}

fn prefix(value: &str) -> Result<&str, ValueError> {
    let right = value.len() > 2 && value.starts_with('/') && value.ends_with('/') && plain(value);
    right.then_some(value).ok_or_else(|| ValueError {
        flag: "--map",
        value: value.to_owned(),
        problem: "it is no prefix",
        hint: "begin and end it with a slash, as in `/protected/`",
    })
}

/// Spaces, quotes, braces and `$` mean something else in one or the other configuration.
fn plain(value: &str) -> bool {
    value.chars().all(|c| c.is_alphanumeric() || "/._-+@~".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_filled_in_and_no_old_one_is_left() {
        let values = Values {
            storage: Some("file:///data/files/"),
            app: Some("10.0.0.5:9000"),
            map: Some("/held/"),
        };
        for proxy in Proxy::value_variants() {
            let text = filled(*proxy, proxy.text(), values).expect("good values");
            assert!(
                text.contains("/data/files") && text.contains("10.0.0.5") && text.contains("9000"),
                "{proxy:?}"
            );
            assert!(
                !text.contains(STORAGE) && !text.contains(APP.0) && !text.contains(MAP),
                "{proxy:?}"
            );
        }
        let wrong = |values| filled(Proxy::Nginx, Proxy::Nginx.text(), values).is_err();
        assert!(wrong(Values { storage: Some("/srv/a b"), ..Values::default() }));
        assert!(wrong(Values { map: Some("held"), ..Values::default() }));
    }
}
