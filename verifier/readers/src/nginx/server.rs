//! Which server block handles a request: by address and port, then by name, as nginx selects it.

use std::{cmp::Reverse, net::IpAddr};

use sendfile_evidence::request::Address;

use super::tree::Directive;
use crate::pattern::{Case, Matcher};

/// A server block.
pub(super) struct ServerBlock<'a> {
    /// The block.
    pub(super) block: &'a Directive,
    listens: Vec<Listen>,
}

/// The address that a server listens on.
struct Listen {
    host: Host,
    port: u16,
    default: bool,
}

/// The addresses on which a server listens at a port.
#[derive(PartialEq)]
enum Host {
    /// All IPv4 addresses.
    Any4,
    /// All IPv6 addresses.
    Any6,
    /// One address, or the path of a Unix socket.
    One(String),
}

/// A server block that listens on an address, and whether it is the default there.
struct Candidate<'s, 'a> {
    server: &'s ServerBlock<'a>,
    is_default: bool,
}

/// How well a name matches, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    /// `*.example.org`; the longest one wins.
    Begins(Reverse<usize>),
    /// `mail.*`; the longest one wins.
    Ends(Reverse<usize>),
    /// `~…`; the first one in the file wins.
    Pattern,
}

/// The server that handles an address and a Host. If none listens on this port, the port may be
/// mapped by a container or by a TLS front end, so only the name decides.
pub(super) fn choose<'s, 'a>(
    servers: &'s [ServerBlock<'a>],
    address: &Address,
    host: &str,
    matcher: &Matcher,
) -> Option<&'s ServerBlock<'a>> {
    let host = Address::of(host, 0).host;
    let host = host.trim_end_matches('.');
    let candidates = listening(servers, address);
    let mut best: Option<(Fit, &'s ServerBlock<'a>)> = None;
    for candidate in &candidates {
        let Some(fit) = best_fit(candidate.server, host, matcher) else { continue };
        if best.is_none_or(|(best_fit, _)| fit < best_fit) {
            best = Some((fit, candidate.server));
        }
    }
    if let Some((_, server)) = best {
        return Some(server);
    }
    let default = candidates.iter().find(|candidate| candidate.is_default);
    let chosen = default.or(candidates.first())?;
    Some(chosen.server)
}

/// The servers on an address. An exact address has precedence over a wildcard.
fn listening<'s, 'a>(servers: &'s [ServerBlock<'a>], address: &Address) -> Vec<Candidate<'s, 'a>> {
    if address.host.parse::<IpAddr>().is_ok() {
        let exact = candidates(servers, |listen| listen.is_one() && listen.accepts(address));
        if !exact.is_empty() {
            return exact;
        }
    }
    let on_port = candidates(servers, |listen| listen.accepts(address));
    if on_port.is_empty() { candidates(servers, |_| true) } else { on_port }
}

fn candidates<'s, 'a>(
    servers: &'s [ServerBlock<'a>],
    is_wanted: impl Fn(&Listen) -> bool,
) -> Vec<Candidate<'s, 'a>> {
    let mut candidates = Vec::new();
    for server in servers {
        let mut listens = false;
        let mut is_default = false;
        for listen in &server.listens {
            if is_wanted(listen) {
                listens = true;
                is_default |= listen.default;
            }
        }
        if listens {
            candidates.push(Candidate { server, is_default });
        }
    }
    candidates
}

fn best_fit(server: &ServerBlock<'_>, host: &str, matcher: &Matcher) -> Option<Fit> {
    server.names().into_iter().filter_map(|name| fit(name, host, matcher)).min()
}

/// How well a name matches a host; `None` if it does not match.
fn fit(name: &str, host: &str, matcher: &Matcher) -> Option<Fit> {
    if let Some(pattern) = name.strip_prefix('~') {
        let is_match = matcher.matches(pattern, Case::Ignored, host) == Ok(true);
        return if is_match { Some(Fit::Pattern) } else { None };
    }
    let name = name.to_ascii_lowercase();
    if name.strip_prefix('.') == Some(host) {
        return Some(Fit::Exact);
    }
    let domain = if name.starts_with('.') { Some(name.as_str()) } else { name.strip_prefix('*') };
    if let Some(domain) = domain {
        let is_below = host.len() > domain.len() && host.ends_with(domain);
        if is_below && domain.starts_with('.') {
            return Some(Fit::Begins(Reverse(domain.len())));
        }
        return None;
    }
    if let Some(beginning) = name.strip_suffix('*') {
        let begins = host.len() > beginning.len() && host.starts_with(beginning);
        if begins && beginning.ends_with('.') {
            return Some(Fit::Ends(Reverse(beginning.len())));
        }
        return None;
    }
    if name == host { Some(Fit::Exact) } else { None }
}

impl<'a> ServerBlock<'a> {
    /// A server block.
    pub(super) fn of(block: &'a Directive) -> Self {
        let mut listens: Vec<Listen> = block.children("listen").map(Listen::of).collect();
        if listens.is_empty() {
            listens.push(Listen { host: Host::Any4, port: 80, default: false });
        }
        Self { block, listens }
    }

    /// Whether the server block listens on an address.
    pub(super) fn listens(&self, address: &Address) -> bool {
        self.listens.iter().any(|listen| listen.accepts(address))
    }

    /// The names of the server.
    pub(super) fn names(&self) -> Vec<&'a str> {
        let mut names = Vec::new();
        for directive in self.block.children("server_name") {
            names.extend(directive.args.iter().map(String::as_str));
        }
        names
    }
}

impl Listen {
    fn of(directive: &Directive) -> Self {
        let text = directive.arg(0);
        let default = directive
            .args
            .iter()
            .any(|argument| matches!(argument.as_str(), "default_server" | "default"));
        if let Ok(port) = text.parse() {
            return Self { host: Host::Any4, port, default };
        }
        let address = Address::of(text, 80);
        let host = match address.host.as_str() {
            "*" | "0.0.0.0" | "" => Host::Any4,
            "::" => Host::Any6,
            _ => Host::One(address.host),
        };
        Self { host, port: address.port, default }
    }

    /// Whether the socket accepts requests to an address. A name may stand for any address of the
    /// host.
    fn accepts(&self, address: &Address) -> bool {
        let number = address.host.parse::<IpAddr>().ok();
        let host = match (&self.host, number) {
            (Host::Any4, Some(number)) => number.is_ipv4(),
            (Host::Any6, Some(number)) => number.is_ipv6(),
            (Host::Any4 | Host::Any6, None) => address.port != 0,
            (Host::One(one), Some(number)) => {
                one.parse() == Ok(number) || one == "localhost" && number.is_loopback()
            }
            (Host::One(one), None) => *one == address.host || address.port != 0,
        };
        self.port == address.port && host
    }

    fn is_one(&self) -> bool {
        matches!(self.host, Host::One(_))
    }
}
