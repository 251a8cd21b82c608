//! The upstream of a URL: a plain one, one with a Unix socket before it, or a balancer.

use sendfile_evidence::{fact::SourceLine, request::Address};

use super::super::directive::Directive;

/// An upstream.
#[derive(Debug)]
pub(super) struct RequestRecord {
    /// The directive.
    pub(super) by: SourceLine,
    /// `http`, `https`, `fcgi` …
    pub(super) scheme: String,
    /// Its addresses: all members of a balancer, of which the last one represents the others.
    pub(super) addresses: Vec<Address>,
    /// The requested path.
    pub(super) path: String,
    /// The URL as written in the configuration.
    pub(super) written: String,
}

impl RequestRecord {
    /// Whether it contacts this address.
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.addresses.iter().any(|it| it.is(address))
    }

    /// The address, as a text.
    pub(super) fn shown(&self) -> String {
        self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// Parses the upstream of a URL: a plain one, one with a Unix socket before it, or a balancer.
pub(super) fn asked(url: &str, by: SourceLine, main: &[Directive]) -> Option<RequestRecord> {
    let written = url.to_owned();
    if let Some((socket, url)) = url.strip_prefix("unix:").and_then(|it| it.split_once('|')) {
        let (scheme, path) = parts(url);
        let addresses = vec![Address { host: socket.to_owned(), port: 0 }];
        return Some(RequestRecord { by, scheme, addresses, path, written });
    }
    if let Some(rest) = url.strip_prefix("balancer://") {
        let name = rest.split('/').next()?;
        let all = main
            .iter()
            .chain(main.iter().filter(|it| it.name == "virtualhost").flat_map(Directive::inside));
        let balancer = all.into_iter().find(|it| {
            it.name == "proxy" && it.arg(0).trim_end_matches('/') == format!("balancer://{name}")
        })?;
        let path = rest.get(name.len()..).unwrap_or_default();
        let member = |it: &Directive| {
            let url = format!("{}{path}", it.arg(0).trim_end_matches('/'));
            asked(&url, by.clone(), &[])
        };
        let members = balancer.children("balancermember").filter_map(member);
        return members.reduce(|before, it| RequestRecord {
            addresses: [before.addresses, it.addresses].concat(),
            ..it
        });
    }
    let (scheme, path) = parts(url);
    let authority = url.split_once("://")?.1.split('/').next()?;
    let port = match scheme.as_str() {
        "https" | "h2" => 443,
        "fcgi" => 8000,
        "ajp" => 8009,
        _ => 80,
    };
    let addresses = vec![Address::of(authority, port)];
    Some(RequestRecord { by, scheme, addresses, path, written })
}

fn parts(url: &str) -> (String, String) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
    (scheme.to_owned(), path.to_owned())
}
