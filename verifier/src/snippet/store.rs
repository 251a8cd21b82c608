//! The snippets for files in a private bucket, with links signed by the app.

use clap::ValueEnum;

use super::{Proxy, ValueError, of_host, plain};

/// How the app passes a signed link to the proxy; `sendfile-fixture serve --remote` has the same
/// values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Remote {
    /// Query of the link, appended to the value of the hand-off header
    Signed,
    /// Whole link in a separate header
    SignedHeader,
}

impl Remote {
    /// The file as shipped, if there is one for this proxy.
    pub fn text(self, proxy: Proxy) -> Result<&'static str, ValueError> {
        match (self, proxy) {
            (Self::Signed, Proxy::Nginx) => Ok(include_str!("../../../nginx/remote.conf")),
            (Self::SignedHeader, Proxy::Nginx) => {
                Ok(include_str!("../../../nginx/remote-header.conf"))
            }
            (Self::Signed, Proxy::Caddy) => Ok(include_str!("../../../caddy/remote.caddy")),
            (Self::SignedHeader, Proxy::Caddy) => Err(none_shipped(self, proxy, FOR_NGINX)),
            (_, Proxy::Apache | Proxy::Lighttpd) => Err(none_shipped(self, proxy, NO_STORE)),
        }
    }
}

const FOR_NGINX: &str = "use nginx, or `--remote signed`, which supports Caddy";
const NO_STORE: &str = "use nginx or Caddy; X-Sendfile only supports files on the proxy's machine";

fn none_shipped(remote: Remote, proxy: Proxy, hint: &'static str) -> ValueError {
    let name = |it: Option<clap::builder::PossibleValue>| {
        it.map_or_else(String::new, |it| it.get_name().to_owned())
    };
    let value = name(remote.to_possible_value());
    let problem = format!("no snippet for {}", name(proxy.to_possible_value()));
    ValueError { flag: "--remote", value, problem, hint }
}

/// The values at the top of the shipped files.
const ORIGIN: &str = "http://127.0.0.1:9000";
const HOST: &str = "127.0.0.1:9000";
const BUCKET: &str = "/bucket/media";
const NAME: &str = "store.example.com";
const LINK: (&str, &str) = ("X-Storage-Url", "x_storage_url");

/// The commented-out directives that a store with TLS needs.
const TLS: &str = "# proxy_ssl_";

/// The URL prefix of links to a store.
struct Place<'a> {
    https: bool,
    /// The value of the Host header: without the scheme's default port.
    host: String,
    name: &'a str,
    /// Bucket and prefix with a leading and without a trailing slash, or empty.
    path: &'a str,
}

/// The placeholders of the store in a snippet, and their replacements.
pub(super) fn pairs(url: &str) -> Result<Vec<(String, String)>, ValueError> {
    let Place { https, host, name, path } = place(url)?;
    let origin = format!("{}://{host}", if https { "https" } else { "http" });
    // nginx parses the text after `^` as a regular expression.
    let pattern = format!("{origin}{path}").replace('.', "\\.").replace('+', "\\+");
    let mut pairs = vec![
        (format!("^{ORIGIN}{BUCKET}"), format!("^{pattern}")),
        // If the bucket is part of the host name, the path does not contain it.
        (format!("s3:/{BUCKET}"), "s3://BUCKET/PREFIX".to_owned()),
        (ORIGIN.to_owned(), origin),
        (HOST.to_owned(), host),
        (BUCKET.to_owned(), path.to_owned()),
        (NAME.to_owned(), name.to_owned()),
    ];
    if https {
        pairs.push((TLS.to_owned(), TLS.trim_start_matches("# ").to_owned()));
    }
    Ok(pairs)
}

/// The placeholders of the header that carries the signed link, and their replacements.
pub(super) fn header_pairs(
    value: &str,
    remote: Option<Remote>,
) -> Result<Vec<(String, String)>, ValueError> {
    let wrong = |problem: &str, hint| {
        let (value, problem) = (value.to_owned(), problem.to_owned());
        Err(ValueError { flag: "--remote-header", value, problem, hint })
    };
    if remote != Some(Remote::SignedHeader) {
        return wrong(
            "only valid for `--remote signed-header`",
            "add that option, or omit --remote-header",
        );
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if value.is_empty() || !value.chars().all(letter) {
        return wrong(
            "not a header name that nginx can use as a variable",
            "use only letters, digits and `-`, e.g. `X-Storage-Url`",
        );
    }
    let variable = value.to_ascii_lowercase().replace('-', "_");
    Ok(vec![(LINK.0.to_owned(), value.to_owned()), (LINK.1.to_owned(), variable)])
}

fn place(url: &str) -> Result<Place<'_>, ValueError> {
    let wrong = |problem: &str, hint| {
        let (value, problem) = (without_secret(url), problem.to_owned());
        Err(ValueError { flag: "--storage", value, problem, hint })
    };
    let scheme = url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let (https, rest) = match scheme {
        Some((scheme, rest)) if scheme == "https" => (true, rest),
        Some((scheme, rest)) if scheme == "http" => (false, rest),
        _ => return wrong("not an http or https URL", AS_LINKS),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (name, port) = match authority.rfind(':').filter(|at| !authority[*at..].contains(']')) {
        Some(at) => (&authority[..at], Some(&authority[at + 1..])),
        None => (authority, None),
    };
    let port = match port.map(str::parse::<u16>) {
        Some(Err(_)) => return wrong("invalid port", AS_LINKS),
        Some(Ok(port)) => Some(port).filter(|it| *it != if https { 443 } else { 80 }),
        None => None,
    };
    if name.is_empty() || !name.chars().all(of_host) {
        return wrong("invalid host", AS_LINKS);
    }
    let path = path.trim_end_matches('/');
    let segments = || path.split('/').skip(1);
    if !plain(path) || path.contains('@') || segments().any(|it| matches!(it, "" | "." | "..")) {
        return wrong(
            "the path contains characters with a special meaning in the configuration",
            PLAIN_PATH,
        );
    }
    let host = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    Ok(Place { https, host, name, path })
}

const AS_LINKS: &str =
    "use the prefix of the app's links, e.g. `https://s3.example.com/bucket/media`";
const PLAIN_PATH: &str = "use only the bucket and prefix, without a query or variables, or edit the \
                          snippet by hand";

/// The URL for error messages: passwords and signatures are removed, because logs keep them.
fn without_secret(url: &str) -> String {
    sendfile_evidence::secret::text(url)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Values, filled},
        *,
    };

    fn values(url: &str) -> Values<'_> {
        let remote = Some(Remote::SignedHeader);
        let (app, map) = (Some("10.0.0.5:8001"), Some("/held/"));
        Values { storage: Some(url), app, map, remote, link_header: None }
    }

    fn all() -> impl Iterator<Item = (Remote, Proxy)> {
        [
            (Remote::Signed, Proxy::Nginx),
            (Remote::SignedHeader, Proxy::Nginx),
            (Remote::Signed, Proxy::Caddy),
        ]
        .into_iter()
    }

    #[test]
    fn every_value_is_replaced() {
        for (remote, proxy) in all() {
            let shipped = remote.text(proxy).expect("a shipped snippet");
            let url = "https://s3.eu.test:443/my-bucket/files/";
            let text = filled(proxy, shipped, values(url)).expect("good values");
            for old in ["127.0.0.1", "/bucket/media", "/protected/", NAME, TLS] {
                assert!(!text.contains(old), "{remote:?}, {proxy:?}: {old}");
            }
            assert!(
                text.contains("Host s3.eu.test"),
                "the Host of the signature, without the default port"
            );
            assert!(!text.contains("s3.eu.test:443/"));
            let plain = filled(proxy, shipped, values("http://10.0.0.7:9001")).expect("no prefix");
            assert!(plain.contains("http://10.0.0.7:9001") && !plain.contains("/bucket"));
            assert!(
                proxy != Proxy::Nginx || plain.contains(TLS),
                "plain HTTP needs no TLS directives"
            );
        }
    }

    /// A directive that hardens one snippet belongs in the other too.
    #[test]
    fn both_files_for_nginx_differ_in_the_link_alone() {
        let text = |it: Remote| it.text(Proxy::Nginx).expect("a shipped snippet");
        let (plain, header) = (text(Remote::Signed), text(Remote::SignedHeader));
        let code = plain.lines().filter(|it| !it.starts_with('#'));
        let lost: Vec<_> = code.filter(|it| !header.lines().any(|other| other == *it)).collect();
        assert_eq!(lost, ["    proxy_pass http://127.0.0.1:9000/bucket/media/;"]);
    }

    #[test]
    fn pattern_is_escaped() {
        let text = Remote::SignedHeader.text(Proxy::Nginx).expect("a shipped snippet");
        let values = Values { link_header: Some("X-My-Link"), ..values("https://s3.test/a+b/c.d") };
        let text = filled(Proxy::Nginx, text, values).expect("good values");
        let pattern = r#"if ($upstream_http_x_my_link !~ "^https://s3\.test/a\+b/c\.d/(?<"#;
        assert!(text.contains(pattern), "{text}");
        assert!(text.contains("proxy_pass https://s3.test/a+b/c.d/$remote_object;"));
        assert!(text.contains("proxy_hide_header X-My-Link;") && !text.contains(LINK.0));
    }

    #[test]
    fn values_with_special_meaning_are_refused() {
        let text = Remote::Signed.text(Proxy::Nginx).expect("a shipped snippet");
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
            let error = filled(Proxy::Nginx, text, values(url)).expect_err(url).to_string();
            assert!(error.contains("hint: ") && !error.contains("secret"), "{error}");
        }
        let none = Values { remote: None, ..values("https://s3.test/b") };
        let error = filled(Proxy::Nginx, text, none).expect_err("not a directory").to_string();
        assert!(error.contains("--remote signed"), "{error}");
        let header = Values { link_header: Some("X Y"), ..values("https://s3.test/b") };
        assert!(filled(Proxy::Nginx, text, header).is_err());
        let signed =
            Values { remote: Some(Remote::Signed), link_header: Some("X-Y"), ..Values::default() };
        assert!(filled(Proxy::Nginx, text, signed).is_err());
        assert!(Remote::SignedHeader.text(Proxy::Caddy).is_err());
        assert!(Remote::Signed.text(Proxy::Apache).is_err());
    }
}
