//! The snippets for files in a private bucket, to which the app signs links.

use clap::ValueEnum;

use super::{Proxy, ValueError, of_host, plain};

/// How the app tells the proxy of a signed link; `sendfile-fixture serve --remote` has the same
/// words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Remote {
    /// By its query, at the end of the hand-off's value
    Signed,
    /// As a whole, in a header of its own
    SignedHeader,
}

impl Remote {
    /// The file as it is shipped, if one is shipped for this proxy.
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

const FOR_NGINX: &str = "only nginx has one, and `--remote signed` works with Caddy too";
const NO_STORE: &str = "X-Sendfile names a file on the proxy's machine, and no store";

fn none_shipped(remote: Remote, proxy: Proxy, hint: &'static str) -> ValueError {
    let name = |it: Option<clap::builder::PossibleValue>| {
        it.map_or_else(String::new, |it| it.get_name().to_owned())
    };
    let value = name(remote.to_possible_value());
    let problem = format!("no snippet for {} is shipped", name(proxy.to_possible_value()));
    ValueError { flag: "--remote", value, problem, hint }
}

/// The values that the shipped files have at their head.
const ORIGIN: &str = "http://127.0.0.1:9000";
const HOST: &str = "127.0.0.1:9000";
const BUCKET: &str = "/bucket/media";
const NAME: &str = "store.example.com";
const LINK: (&str, &str) = ("X-Storage-Url", "x_storage_url");

/// What stands behind the comment signs where a store wants TLS.
const TLS: &str = "# proxy_ssl_";

/// What links to a store begin with.
struct Place<'a> {
    https: bool,
    /// As it stands in a Host header: without the scheme's own port.
    host: String,
    name: &'a str,
    /// The bucket and the prefix, with a slash before and none behind; or nothing.
    path: &'a str,
}

/// What stands for the store in a snippet, and what takes its place.
pub(super) fn pairs(url: &str) -> Result<Vec<(String, String)>, ValueError> {
    let Place { https, host, name, path } = place(url)?;
    let origin = format!("{}://{host}", if https { "https" } else { "http" });
    // nginx reads what stands behind `^` as a pattern.
    let pattern = format!("{origin}{path}").replace('.', "\\.").replace('+', "\\+");
    let mut pairs = vec![
        (format!("^{ORIGIN}{BUCKET}"), format!("^{pattern}")),
        // Where the bucket stands in the host's name, the path does not tell it.
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

/// What stands for the header that carries a whole link.
pub(super) fn header_pairs(
    value: &str,
    remote: Option<Remote>,
) -> Result<Vec<(String, String)>, ValueError> {
    let wrong = |problem: &str, hint| {
        let (value, problem) = (value.to_owned(), problem.to_owned());
        Err(ValueError { flag: "--remote-header", value, problem, hint })
    };
    if remote != Some(Remote::SignedHeader) {
        return wrong("that one has no such header", "say `--remote signed-header`");
    }
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if value.is_empty() || !value.chars().all(letter) {
        return wrong(
            "it is no name of a header that nginx has a variable for",
            "write letters, digits and `-`, as in `X-Storage-Url`",
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
        _ => return wrong("it is no URL that links can begin with", AS_LINKS),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (name, port) = match authority.rfind(':').filter(|at| !authority[*at..].contains(']')) {
        Some(at) => (&authority[..at], Some(&authority[at + 1..])),
        None => (authority, None),
    };
    let port = match port.map(str::parse::<u16>) {
        Some(Err(_)) => return wrong("its port is no number", AS_LINKS),
        Some(Ok(port)) => Some(port).filter(|it| *it != if https { 443 } else { 80 }),
        None => None,
    };
    if name.is_empty() || !name.chars().all(of_host) {
        return wrong("its host is none that a snippet can have", AS_LINKS);
    }
    let path = path.trim_end_matches('/');
    let segments = || path.split('/').skip(1);
    if !plain(path) || path.contains('@') || segments().any(|it| matches!(it, "" | "." | "..")) {
        return wrong("its path has what means something else in a configuration", PLAIN_PATH);
    }
    let host = port.map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
    Ok(Place { https, host, name, path })
}

const AS_LINKS: &str =
    "write what the app's links begin with, as in `https://s3.example.com/bucket/media`";
const PLAIN_PATH: &str = "name bucket and prefix only, without query and variables, or edit the \
                          snippet by hand";

/// A URL as it may be repeated: whoever writes a password or a signed link must not find it in a log.
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
    fn every_value_is_filled_in_and_no_old_one_is_left() {
        for (remote, proxy) in all() {
            let shipped = remote.text(proxy).expect("it is shipped");
            let url = "https://s3.eu.test:443/my-bucket/files/";
            let text = filled(proxy, shipped, values(url)).expect("good values");
            for old in ["127.0.0.1", "/bucket/media", "/protected/", NAME, TLS] {
                assert!(!text.contains(old), "{remote:?}, {proxy:?}: {old}");
            }
            assert!(text.contains("Host s3.eu.test"), "as it is signed, without the usual port");
            assert!(!text.contains("s3.eu.test:443/"));
            let plain = filled(proxy, shipped, values("http://10.0.0.7:9001")).expect("no prefix");
            assert!(plain.contains("http://10.0.0.7:9001") && !plain.contains("/bucket"));
            assert!(proxy != Proxy::Nginx || plain.contains(TLS), "http needs no certificate");
        }
    }

    /// What hardens one is wanted in the other.
    #[test]
    fn both_files_for_nginx_differ_in_the_link_alone() {
        let text = |it: Remote| it.text(Proxy::Nginx).expect("it is shipped");
        let (plain, header) = (text(Remote::Signed), text(Remote::SignedHeader));
        let code = plain.lines().filter(|it| !it.starts_with('#'));
        let lost: Vec<_> = code.filter(|it| !header.lines().any(|other| other == *it)).collect();
        assert_eq!(lost, ["    proxy_pass http://127.0.0.1:9000/bucket/media/;"]);
    }

    #[test]
    fn a_pattern_means_what_is_written() {
        let text = Remote::SignedHeader.text(Proxy::Nginx).expect("it is shipped");
        let values = Values { link_header: Some("X-My-Link"), ..values("https://s3.test/a+b/c.d") };
        let text = filled(Proxy::Nginx, text, values).expect("good values");
        let pattern = r#"if ($upstream_http_x_my_link !~ "^https://s3\.test/a\+b/c\.d/(?<"#;
        assert!(text.contains(pattern), "{text}");
        assert!(text.contains("proxy_pass https://s3.test/a+b/c.d/$remote_object;"));
        assert!(text.contains("proxy_hide_header X-My-Link;") && !text.contains(LINK.0));
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let text = Remote::Signed.text(Proxy::Nginx).expect("it is shipped");
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
        let error = filled(Proxy::Nginx, text, none).expect_err("it is no folder").to_string();
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
