//! Which server block handles a request: by address and port, then by name, as nginx selects it.

use std::net::IpAddr;

use sendfile_evidence::request::Address;

use super::{
    super::pattern::{Case, Matcher},
    tree::Directive,
};

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

/// The addresses of a port.
#[derive(PartialEq)]
enum Host {
    /// All of IPv4.
    Any4,
    /// All of IPv6.
    Any6,
    /// One, or the path of a Unix socket.
    One(String),
}

impl Listen {
    fn of(directive: &Directive) -> Self {
        let text = directive.arg(0);
        let default = directive.args.iter().any(|it| it == "default_server" || it == "default");
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

    /// Whether it accepts requests to an address; a name may be any address of the host.
    fn takes(&self, address: &Address) -> bool {
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

impl<'a> ServerBlock<'a> {
    /// A server block.
    pub(super) fn of(block: &'a Directive) -> Self {
        let mut listens: Vec<Listen> = block.children("listen").map(Listen::of).collect();
        if listens.is_empty() {
            listens.push(Listen { host: Host::Any4, port: 80, default: false });
        }
        Self { block, listens }
    }

    /// Whether it listens on an address.
    pub(super) fn listens(&self, address: &Address) -> bool {
        self.listens.iter().any(|it| it.takes(address))
    }

    /// The names of the server.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.block.children("server_name").flat_map(|it| it.args.iter().map(String::as_str))
    }
}

/// How well a name matches, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    /// `*.example.org`; the longest one wins.
    Begins(std::cmp::Reverse<usize>),
    /// `mail.*`; the longest one wins.
    Ends(std::cmp::Reverse<usize>),
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
    let host = name_of(host);
    let listening: Vec<(&ServerBlock<'_>, bool)> = at(servers, address);
    let fits = |server: &ServerBlock<'_>| {
        server.names().filter_map(|name| fit(name, &host, matcher)).min()
    };
    let named = listening
        .iter()
        .enumerate()
        .filter_map(|(n, (server, _))| Some((fits(server)?, n)))
        .min()
        .and_then(|(_, n)| listening.get(n));
    named
        .or_else(|| listening.iter().find(|(_, default)| *default))
        .or_else(|| listening.first())
        .map(|(server, _)| *server)
}

/// The servers on an address, and whether each is the default there. An exact address has
/// precedence over a wildcard.
fn at<'s, 'a>(
    servers: &'s [ServerBlock<'a>],
    address: &Address,
) -> Vec<(&'s ServerBlock<'a>, bool)> {
    let with = |wanted: &dyn Fn(&Listen) -> bool| -> Vec<(&'s ServerBlock<'a>, bool)> {
        let chosen = |server: &'s ServerBlock<'a>| {
            let mut found = server.listens.iter().filter(|it| wanted(it)).peekable();
            found.peek()?;
            Some((server, server.listens.iter().any(|it| wanted(it) && it.default)))
        };
        servers.iter().filter_map(chosen).collect()
    };
    let exact = with(&|it| it.is_one() && it.takes(address));
    if address.host.parse::<IpAddr>().is_ok() && !exact.is_empty() {
        return exact;
    }
    let port = with(&|it| it.takes(address));
    if port.is_empty() { with(&|_| true) } else { port }
}

fn name_of(host: &str) -> String {
    Address::of(host, 0).host.trim_end_matches('.').to_owned()
}

fn fit(name: &str, host: &str, matcher: &Matcher) -> Option<Fit> {
    use std::cmp::Reverse;
    if let Some(pattern) = name.strip_prefix('~') {
        let matches = matcher.matches(pattern, Case::Ignored, host).is_ok_and(|it| it);
        return matches.then_some(Fit::Pattern);
    }
    let name = name.to_ascii_lowercase();
    if name.strip_prefix('.') == Some(host) {
        return Some(Fit::Exact);
    }
    if let Some(end) = name.strip_prefix('*').or(name.starts_with('.').then_some(name.as_str())) {
        let below = host.len() > end.len() && host.ends_with(end);
        return (below && end.starts_with('.')).then_some(Fit::Begins(Reverse(end.len())));
    }
    if let Some(begin) = name.strip_suffix('*') {
        let above = host.len() > begin.len() && host.starts_with(begin);
        return (above && begin.ends_with('.')).then_some(Fit::Ends(Reverse(begin.len())));
    }
    (name == host).then_some(Fit::Exact)
}
