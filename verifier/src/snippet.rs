//! The configuration snippets for proxies, as shipped or with the operator's values.

use clap::ValueEnum;
use sendfile_evidence::Server;
use thiserror::Error;

mod store;

pub use store::Remote;

/// The proxies with a shipped snippet.
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

/// A value that is not valid in a snippet.
#[derive(Debug, Error)]
#[error("{flag} `{value}`: {problem}\nhint: {hint}")]
pub struct ValueError {
    flag: &'static str,
    value: String,
    problem: String,
    hint: &'static str,
}

impl Proxy {
    /// The server that the snippet is for.
    pub fn server(self) -> Server {
        match self {
            Self::Nginx => Server::Nginx,
            Self::Apache => Server::Apache,
            Self::Lighttpd => Server::Lighttpd,
            Self::Caddy => Server::Caddy,
        }
    }

    /// The file as shipped.
    pub fn text(self) -> &'static str {
        match self {
            Self::Nginx => include_str!("../../nginx/healthcheck.conf"),
            Self::Apache => include_str!("../../apache/healthcheck.conf"),
            Self::Lighttpd => include_str!("../../lighttpd/healthcheck.conf"),
            Self::Caddy => include_str!("../../caddy/healthcheck.caddy"),
        }
    }
}

/// The values at the top of the shipped files.
const STORAGE: &str = "/srv/media";
const APP: (&str, &str) = ("127.0.0.1", "8000");
const MAP: &str = "/protected/";

/// The values at the top of a snippet; the shipped value stays if one is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// The storage directory of the app and the proxy; with `remote` the URL prefix of the links.
    pub storage: Option<&'a str>,
    /// The address of the fixture, as HOST:PORT.
    pub app: Option<&'a str>,
    /// The prefix of the internal location.
    pub map: Option<&'a str>,
    /// How the app passes signed links to the proxy, if the files are in an object store.
    pub remote: Option<Remote>,
    /// The header that carries the signed link.
    pub link_header: Option<&'a str>,
}

/// The text of a snippet, with these values in place of the shipped ones.
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

/// Replaces all pairs in one pass, so that a replacement is not replaced again.
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
        return Err(wrong("not a directory", "for links to a store add `--remote signed`"));
    }
    if !path.starts_with('/') {
        return Err(wrong(
            "not an absolute path",
            "write e.g. `/srv/media` or `file:///srv/media`",
        ));
    }
    plain(path).then_some(path).ok_or_else(|| {
        wrong(
            "contains a character with a special meaning in the configuration",
            "rename the directory, or edit the snippet by hand",
        )
    })
}

/// The app's address in the shipped snippet, and its replacement.
fn address(proxy: Proxy, value: &str) -> Result<Vec<(String, String)>, ValueError> {
    let wrong = |hint| ValueError {
        flag: "--app",
        value: value.to_owned(),
        problem: "not an address that this proxy's snippet supports".to_owned(),
        hint,
    };
    let shipped = format!("{}:{}", APP.0, APP.1);
    if let Some(path) = value.strip_prefix("unix:").filter(|it| it.starts_with('/') && plain(it)) {
        return match proxy {
            Proxy::Nginx => Ok(vec![(shipped, format!("unix:{path}"))]),
            Proxy::Caddy => Ok(vec![(shipped, format!("unix/{path}"))]),
            Proxy::Apache | Proxy::Lighttpd => {
                Err(wrong("let the fixture listen on a TCP port too, e.g. `127.0.0.1:8000`"))
            }
        };
    }
    let (host, port) = value
        .strip_prefix("http://")
        .unwrap_or(value)
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty() && host.chars().all(of_host))
        .and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)))
        .ok_or_else(|| {
            wrong("write HOST:PORT, e.g. `127.0.0.1:8000`, or unix:/PATH for nginx and Caddy")
        })?;
    Ok(match proxy {
        // lighttpd has separate settings for host and port.
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
        problem: "not a valid prefix".to_owned(),
        hint: "start and end it with a slash, e.g. `/protected/`",
    })
}

/// Spaces, quotes, braces and `$` have a special meaning in some of the configurations.
fn plain(value: &str) -> bool {
    value.chars().all(|c| c.is_alphanumeric() || "/._-+@~".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_replaced() {
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
        assert!(
            text.contains("alias /data/protected/x/;"),
            "a value that contains a placeholder of another"
        );
        let wrong = |values| filled(Proxy::Nginx, Proxy::Nginx.text(), values).is_err();
        assert!(wrong(Values { storage: Some("/srv/a b"), ..Values::default() }));
        assert!(wrong(Values { map: Some("held"), ..Values::default() }));
    }
}
