//! The upstream that a URL of the configuration names: a plain URL, one with a Unix socket before
//! it, or a balancer. It knows nothing of requests.

use sendfile_evidence::{fact::SourceLine, request::Address};

use crate::directive::Directive;

/// An upstream.
#[derive(Debug)]
pub(super) struct Upstream {
    /// The directive that passes requests to it.
    pub(super) by: SourceLine,
    /// `http`, `https`, `fcgi` …
    pub(super) scheme: String,
    /// The addresses of the upstream. For a balancer these are all its members, and the last one
    /// represents the others.
    pub(super) addresses: Vec<Address>,
    /// The requested path.
    pub(super) path: String,
    /// The URL as written in the configuration.
    pub(super) written: String,
}

impl Upstream {
    /// Parses a URL; a balancer is looked up in the configuration. `None` if it is not a valid URL
    /// or the balancer has no members.
    pub(super) fn parse(url: &str, by: SourceLine, main: &[Directive]) -> Option<Self> {
        let written = url.to_owned();
        if let Some(rest) = url.strip_prefix("unix:")
            && let Some((socket, url)) = rest.split_once('|')
        {
            let (scheme, path) = scheme_and_path(url);
            let addresses = vec![Address { host: socket.to_owned(), port: 0 }];
            return Some(Self { by, scheme, addresses, path, written });
        }
        if let Some(rest) = url.strip_prefix("balancer://") {
            return Self::of_balancer(rest, &by, main);
        }
        let (scheme, path) = scheme_and_path(url);
        let (_, rest) = url.split_once("://")?;
        let authority = rest.split('/').next()?;
        let addresses = vec![Address::of(authority, default_port(&scheme))];
        Some(Self { by, scheme, addresses, path, written })
    }

    /// The members of a balancer as one upstream.
    fn of_balancer(rest: &str, by: &SourceLine, main: &[Directive]) -> Option<Self> {
        let name = rest.split('/').next()?;
        let path = rest.get(name.len()..).unwrap_or_default();
        let balancer = find_balancer(&format!("balancer://{name}"), main)?;
        let mut addresses = Vec::new();
        let mut last = None;
        for member in balancer.children("balancermember") {
            let url = format!("{}{path}", member.arg(0).trim_end_matches('/'));
            let Some(upstream) = Self::parse(&url, by.clone(), &[]) else { continue };
            addresses.extend(upstream.addresses.iter().cloned());
            last = Some(upstream);
        }
        Some(Self { addresses, ..last? })
    }

    /// Whether one of the upstream's addresses is this one.
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.addresses.iter().any(|member| member.is(address))
    }

    /// The addresses, as a text.
    pub(super) fn shown(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        addresses.join(", ")
    }
}

fn scheme_and_path(url: &str) -> (String, String) {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("http", url),
    };
    let path = match rest.split_once('/') {
        Some((_, path)) => format!("/{path}"),
        None => "/".to_owned(),
    };
    (scheme.to_owned(), path)
}

fn default_port(scheme: &str) -> u16 {
    match scheme {
        "https" | "h2" => 443,
        "fcgi" => 8000,
        "ajp" => 8009,
        _ => 80,
    }
}

/// The `<Proxy>` section of a balancer, in the main server or in any virtual host.
fn find_balancer<'a>(url: &str, main: &'a [Directive]) -> Option<&'a Directive> {
    if let Some(balancer) = balancer_in(main, url) {
        return Some(balancer);
    }
    for directive in main {
        if directive.name == "virtualhost"
            && let Some(balancer) = balancer_in(directive.inside(), url)
        {
            return Some(balancer);
        }
    }
    None
}

fn balancer_in<'a>(directives: &'a [Directive], url: &str) -> Option<&'a Directive> {
    directives.iter().find(|directive| {
        directive.name == "proxy" && directive.arg(0).trim_end_matches('/') == url
    })
}
