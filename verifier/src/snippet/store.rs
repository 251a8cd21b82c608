//! The placeholders of an object store in the snippets for a private bucket, with links signed by the
//! app.

use super::{
    error::ValueError,
    remote::Remote,
    value::{Replacement, is_host, is_plain},
};

/// The hint for servers that can only send local files.
pub(super) const ONLY_LOCAL_FILES: &str =
    "use nginx or Caddy; X-Sendfile only supports files on the proxy's machine";

/// The values at the top of the shipped files.
const ORIGIN: &str = "http://127.0.0.1:9000";
const HOST: &str = "127.0.0.1:9000";
const BUCKET: &str = "/bucket/media";
const NAME: &str = "store.example.com";
const LINK_HEADER: &str = "X-Storage-Url";
const LINK_VARIABLE: &str = "x_storage_url";

/// The commented-out directives that a store with TLS needs.
const TLS: &str = "# proxy_ssl_";

/// The placeholders of the store in a snippet, and their replacements.
pub(super) fn url_replacements(url: &str) -> Result<Vec<Replacement>, ValueError> {
    let LinkPrefix { scheme, host, name, path } = LinkPrefix::parse(url)?;
    let origin = format!("{}://{host}", scheme.name());
    // nginx parses the text after `^` as a regular expression.
    let pattern = format!("{origin}{path}").replace('.', "\\.").replace('+', "\\+");
    let mut replacements = vec![
        (format!("^{ORIGIN}{BUCKET}"), format!("^{pattern}")),
        // If the bucket is part of the host name, the path does not contain it.
        (format!("s3:/{BUCKET}"), "s3://BUCKET/PREFIX".to_owned()),
        (ORIGIN.to_owned(), origin),
        (HOST.to_owned(), host),
        (BUCKET.to_owned(), path.to_owned()),
        (NAME.to_owned(), name.to_owned()),
    ];
    if scheme == Scheme::Https {
        replacements.push((TLS.to_owned(), TLS.trim_start_matches("# ").to_owned()));
    }
    Ok(replacements)
}

/// The placeholders of the header that carries the signed link, and their replacements.
pub(super) fn header_replacements(
    name: &str,
    remote: Option<Remote>,
) -> Result<Vec<Replacement>, ValueError> {
    if remote != Some(Remote::SignedHeader) {
        return Err(ValueError::new(
            "--remote-header",
            name,
            "only valid for `--remote signed-header`",
            "add `--remote signed-header`, or omit --remote-header",
        ));
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(ValueError::new(
            "--remote-header",
            name,
            "not a header name that nginx can use as a variable",
            "use only letters, digits and `-`, e.g. `X-Storage-Url`",
        ));
    }
    let variable = name.to_ascii_lowercase().replace('-', "_");
    Ok(vec![(LINK_HEADER.to_owned(), name.to_owned()), (LINK_VARIABLE.to_owned(), variable)])
}

/// The URL prefix of links to a store.
struct LinkPrefix<'a> {
    scheme: Scheme,
    /// The value of the Host header: without the scheme's default port.
    host: String,
    name: &'a str,
    /// The bucket and the prefix, with a leading slash and without a trailing one, or empty.
    path: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl<'a> LinkPrefix<'a> {
    fn parse(url: &'a str) -> Result<Self, ValueError> {
        let Some((scheme, rest)) = split_scheme(url) else {
            return Err(invalid(url, "not an http or https URL"));
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (name, port) = split_port(authority);
        let mut host = name.to_owned();
        if let Some(port) = port {
            let Ok(port) = port.parse::<u16>() else { return Err(invalid(url, "invalid port")) };
            if port != scheme.default_port() {
                host = format!("{name}:{port}");
            }
        }
        if !is_host(name) {
            return Err(invalid(url, "invalid host"));
        }
        let path = path.trim_end_matches('/');
        if !is_plain_path(path) {
            return Err(ValueError::new(
                "--storage",
                &without_secret(url),
                "the path contains characters with a special meaning in the configuration",
                "use only the bucket and prefix, without a query or variables, or edit the snippet by \
                 hand",
            ));
        }
        Ok(Self { scheme, host, name, path })
    }
}

fn split_scheme(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Some((Scheme::Http, rest)),
        "https" => Some((Scheme::Https, rest)),
        _ => None,
    }
}

/// Splits a host from the port after it; the colons of an IPv6 address are in brackets.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

/// Whether a path is empty or consists of plain segments.
fn is_plain_path(path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    is_plain(path)
        && !path.contains('@')
        && !segments.any(|segment| matches!(segment, "" | "." | ".."))
}

fn invalid(url: &str, problem: &str) -> ValueError {
    let hint = "use the prefix of the app's links, e.g. `https://s3.example.com/bucket/media`";
    ValueError::new("--storage", &without_secret(url), problem, hint)
}

/// The URL for error messages: passwords and signatures are removed, because logs keep them.
fn without_secret(url: &str) -> String {
    sendfile_evidence::secret::text(url)
}

#[cfg(test)]
mod tests {
    use sendfile_evidence::Server;

    use super::*;
    use crate::snippet::{self, Values};

    fn values(url: &str) -> Values<'_> {
        let remote = Some(Remote::SignedHeader);
        let (app, map) = (Some("10.0.0.5:8001"), Some("/held/"));
        Values { storage: Some(url), app, map, remote, link_header: None }
    }

    const ALL: [(Remote, Server); 3] = [
        (Remote::Signed, Server::Nginx),
        (Remote::SignedHeader, Server::Nginx),
        (Remote::Signed, Server::Caddy),
    ];

    fn shipped(server: Server, remote: Remote) -> &'static str {
        let snippet = snippet::of(server).expect("a shipped snippet");
        snippet.remote_text(remote).expect("a shipped snippet for a bucket")
    }

    fn filled(server: Server, text: &str, values: Values<'_>) -> Result<String, ValueError> {
        snippet::of(server).expect("a shipped snippet").filled(text, values)
    }

    #[test]
    fn every_value_is_replaced() {
        for (remote, server) in ALL {
            let shipped = shipped(server, remote);
            let url = "https://s3.eu.test:443/my-bucket/files/";
            let text = filled(server, shipped, values(url)).expect("good values");
            for old in ["127.0.0.1", "/bucket/media", "/protected/", NAME, TLS] {
                assert!(!text.contains(old), "{remote:?}, {server}: {old}");
            }
            assert!(
                text.contains("Host s3.eu.test"),
                "the Host of the signature, without the default port"
            );
            assert!(!text.contains("s3.eu.test:443/"));
            let plain = filled(server, shipped, values("http://10.0.0.7:9001")).expect("no prefix");
            assert!(plain.contains("http://10.0.0.7:9001") && !plain.contains("/bucket"));
            assert!(
                server != Server::Nginx || plain.contains(TLS),
                "plain HTTP needs no TLS directives"
            );
        }
    }

    /// A directive that hardens one of the snippets must also be in the other.
    #[test]
    fn both_files_for_nginx_differ_only_in_the_link() {
        let plain = shipped(Server::Nginx, Remote::Signed);
        let header = shipped(Server::Nginx, Remote::SignedHeader);
        let mut missing = Vec::new();
        for line in plain.lines() {
            if !line.starts_with('#') && !header.lines().any(|other| other == line) {
                missing.push(line);
            }
        }
        assert_eq!(missing, ["    proxy_pass http://127.0.0.1:9000/bucket/media/;"]);
    }

    #[test]
    fn pattern_is_escaped() {
        let text = shipped(Server::Nginx, Remote::SignedHeader);
        let values = Values { link_header: Some("X-My-Link"), ..values("https://s3.test/a+b/c.d") };
        let text = filled(Server::Nginx, text, values).expect("good values");
        let pattern = r#"if ($upstream_http_x_my_link !~ "^https://s3\.test/a\+b/c\.d/(?<"#;
        assert!(text.contains(pattern), "{text}");
        assert!(text.contains("proxy_pass https://s3.test/a+b/c.d/$remote_object;"));
        assert!(text.contains("proxy_hide_header X-My-Link;") && !text.contains(LINK_HEADER));
    }

    #[test]
    fn values_with_special_meaning_are_refused() {
        let text = shipped(Server::Nginx, Remote::Signed);
        for url in [
            "127.0.0.1:9000/b",
            "s3://bucket/media",
            "https:///bucket",
            "https://$host/bucket",
            "https://key:secret@s3.test/bucket",
            "https://s3.test:x/bucket",
            "https://s3.test/bucket/$uri",
            "https://s3.test/bucket/a b",
            "https://s3.test/bucket\"; return 200",
            "https://s3.test/bucket/../other",
            "https://s3.test//bucket",
            "https://s3.test/bucket?X-Amz-Signature=1",
        ] {
            let error = filled(Server::Nginx, text, values(url)).expect_err(url).to_string();
            assert!(error.contains("hint: ") && !error.contains("secret"), "{error}");
        }
        let none = Values { remote: None, ..values("https://s3.test/b") };
        let error = filled(Server::Nginx, text, none).expect_err("not a directory").to_string();
        assert!(error.contains("--remote signed"), "{error}");
        let header = Values { link_header: Some("X Y"), ..values("https://s3.test/b") };
        assert!(filled(Server::Nginx, text, header).is_err());
        let signed =
            Values { remote: Some(Remote::Signed), link_header: Some("X-Y"), ..Values::default() };
        assert!(filled(Server::Nginx, text, signed).is_err());
    }

    #[test]
    fn missing_snippets_are_errors() {
        for (server, remote) in
            [(Server::Caddy, Remote::SignedHeader), (Server::Apache, Remote::Signed)]
        {
            let snippet = snippet::of(server).expect("a shipped snippet");
            assert!(snippet.remote_text(remote).is_err(), "{server}");
        }
    }
}
