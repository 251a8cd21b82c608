//! The snippets that operators drop into their proxies, as they are shipped, or with other values
//! filled in.

use clap::ValueEnum;
use thiserror::Error;

mod store;

pub use store::Remote;

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
    problem: String,
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
    /// The folder that app and proxy read from; with `remote` the URL that links begin with.
    pub storage: Option<&'a str>,
    /// Where the fixture listens, as HOST:PORT.
    pub app: Option<&'a str>,
    /// The prefix of the internal location.
    pub map: Option<&'a str>,
    /// How the app tells of links to a store, if the files are in one.
    pub remote: Option<Remote>,
    /// The header that carries a whole link.
    pub link_header: Option<&'a str>,
}

/// A snippet's text with these values in place of the shipped ones.
pub fn filled(proxy: Proxy, text: &str, values: Values<'_>) -> Result<String, ValueError> {
    let Values { storage, app, map, remote, link_header } = values;
    let mut pairs = match (storage, remote) {
        (Some(url), Some(_)) => store::pairs(url)?,
        (Some(it), None) => vec![(STORAGE.to_owned(), folder(it)?.to_owned())],
        (None, _) => Vec::new(),
    };
    if let Some(it) = link_header {
        pairs.extend(store::header_pairs(it, remote)?);
    }
    if let Some(it) = map {
        pairs.push((MAP.to_owned(), prefix(it)?.to_owned()));
    }
    if let Some(it) = app {
        pairs.extend(address(proxy, it)?);
    }
    Ok(replaced(text, &pairs))
}

/// Replaces all at once, so that no value is taken for one that is still to be replaced.
fn replaced(text: &str, pairs: &[(String, String)]) -> String {
    let (mut out, mut rest) = (String::new(), text);
    loop {
        let found = pairs.iter().filter_map(|(from, to)| Some((rest.find(from)?, from, to))).min();
        let Some((at, from, to)) = found else { return out + rest };
        out.push_str(&rest[..at]);
        out.push_str(to);
        rest = &rest[at + from.len()..];
    }
}

fn folder(value: &str) -> Result<&str, ValueError> {
    let path = value.strip_prefix("file://").unwrap_or(value).trim_end_matches('/');
    let wrong = |problem: &str, hint| {
        let (value, problem) = (value.to_owned(), problem.to_owned());
        ValueError { flag: "--storage", value, problem, hint }
    };
    if value.contains("://") && !value.starts_with("file://") {
        return Err(wrong("it is no folder", "for links to a store, say `--remote signed` too"));
    }
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

/// What stands for the app's address in a snippet, and what takes its place.
fn address(proxy: Proxy, value: &str) -> Result<Vec<(String, String)>, ValueError> {
    let wrong = |hint| ValueError {
        flag: "--app",
        value: value.to_owned(),
        problem: "it is no address that this proxy's snippet can have".to_owned(),
        hint,
    };
    let shipped = format!("{}:{}", APP.0, APP.1);
    if let Some(path) = value.strip_prefix("unix:").filter(|it| it.starts_with('/') && plain(it)) {
        return match proxy {
            Proxy::Nginx => Ok(vec![(shipped, format!("unix:{path}"))]),
            Proxy::Caddy => Ok(vec![(shipped, format!("unix/{path}"))]),
            Proxy::Apache | Proxy::Lighttpd => {
                Err(wrong("let the fixture listen on HOST:PORT as well"))
            }
        };
    }
    let (host, port) = value
        .strip_prefix("http://")
        .unwrap_or(value)
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty() && host.chars().all(of_host))
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| wrong("write it as HOST:PORT, or unix:/PATH for nginx and Caddy"))?;
    Ok(match proxy {
        // lighttpd wants the two apart.
        Proxy::Lighttpd => vec![
            (format!("\"{}\"", APP.0), format!("\"{host}\"")),
            (format!("= {}", APP.1), format!("= {port}")),
        ],
        _ => vec![(shipped, format!("{host}:{port}"))],
    })
}

fn of_host(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._[]:".contains(c)
}

fn prefix(value: &str) -> Result<&str, ValueError> {
    let right = value.len() > 2 && value.starts_with('/') && value.ends_with('/') && plain(value);
    right.then_some(value).ok_or_else(|| ValueError {
        flag: "--map",
        value: value.to_owned(),
        problem: "it is no prefix".to_owned(),
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
            ..Values::default()
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
        let socket = Values { app: Some("unix:/run/f.sock"), ..Values::default() };
        let text = filled(Proxy::Nginx, Proxy::Nginx.text(), socket).expect("a socket");
        assert!(text.contains("proxy_pass http://unix:/run/f.sock;"));
        let nested =
            Values { storage: Some("/data/protected/x"), map: Some("/held/"), ..Values::default() };
        let text = filled(Proxy::Nginx, Proxy::Nginx.text(), nested).expect("good values");
        assert!(text.contains("alias /data/protected/x/;"), "one value inside another");
        let wrong = |values| filled(Proxy::Nginx, Proxy::Nginx.text(), values).is_err();
        assert!(wrong(Values { storage: Some("/srv/a b"), ..Values::default() }));
        assert!(wrong(Values { map: Some("held"), ..Values::default() }));
    }
}
