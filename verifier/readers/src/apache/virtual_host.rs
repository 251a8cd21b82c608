//! Which virtual host handles a request, as Apache selects it: by address and port, then by name.
//! It knows nothing of what the virtual host does with the request.

use sendfile_evidence::request::Address;

use crate::{directive::Directive, pattern::glob};

/// The virtual host for an address and a Host; `None` if the main server handles the request.
pub(super) fn choose<'a>(
    main: &'a [Directive],
    address: &Address,
    host: &str,
) -> Option<&'a Directive> {
    let mut all: Vec<&Directive> = Vec::new();
    let mut candidates: Vec<&Directive> = Vec::new();
    let mut best = AddressMatch::Wildcard;
    for directive in main {
        if directive.name != "virtualhost" {
            continue;
        }
        all.push(directive);
        let Some(found) = address_match(directive, address) else { continue };
        if found < best {
            best = found;
            candidates.clear();
        }
        if found == best {
            candidates.push(directive);
        }
    }
    // If no virtual host has the port, it is assumed to be mapped to another port, unless the main
    // server listens on it.
    if candidates.is_empty() && !listens(main, address) {
        candidates = all;
    }
    let host = Address::of(host, 0).host;
    for candidate in &candidates {
        if has_name(candidate, &host) {
            return Some(*candidate);
        }
    }
    candidates.first().copied()
}

/// How exactly a virtual host matches an address, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum AddressMatch {
    /// The virtual host names the address.
    Exact,
    /// The virtual host matches any address.
    Wildcard,
}

/// The best match among the addresses of a virtual host; `None` if none of them matches.
fn address_match(host: &Directive, address: &Address) -> Option<AddressMatch> {
    let mut best = None;
    for text in &host.args {
        match match_of(text, address) {
            Some(AddressMatch::Exact) => return Some(AddressMatch::Exact),
            Some(AddressMatch::Wildcard) => best = Some(AddressMatch::Wildcard),
            None => {}
        }
    }
    best
}

fn match_of(text: &str, address: &Address) -> Option<AddressMatch> {
    let configured = Address::of(text.trim_end_matches(":*"), address.port);
    if has_port(text) && configured.port != address.port {
        return None;
    }
    // A name may stand for any of the host's addresses.
    if !address.is_number() && address.host != "localhost" {
        return Some(AddressMatch::Exact);
    }
    if matches!(configured.host.as_str(), "*" | "_default_" | "" | "0.0.0.0" | "::") {
        return Some(AddressMatch::Wildcard);
    }
    let here = Address { port: address.port, ..configured }.is(address);
    if here { Some(AddressMatch::Exact) } else { None }
}

/// Whether an address has a port other than `*`. The colons of an IPv6 address are in brackets.
fn has_port(text: &str) -> bool {
    let after_brackets = match text.rsplit_once(']') {
        Some((_, after)) => after,
        None => text,
    };
    after_brackets.contains(':') && !text.ends_with(":*")
}

fn has_name(virtual_host: &Directive, host: &str) -> bool {
    for name in virtual_host.children("servername") {
        if Address::of(name.arg(0), 0).host == host {
            return true;
        }
    }
    for aliases in virtual_host.children("serveralias") {
        for alias in &aliases.args {
            if glob(&alias.to_ascii_lowercase(), host) {
                return true;
            }
        }
    }
    false
}

/// Whether the server listens on an address.
pub(super) fn listens(main: &[Directive], address: &Address) -> bool {
    main.iter().any(|directive| directive.name == "listen" && is_for(directive.arg(0), address))
}

/// Whether the argument of `Listen`, a port or an address, includes an address.
fn is_for(text: &str, address: &Address) -> bool {
    let listener = match text.parse() {
        Ok(port) => Address { host: String::new(), port },
        Err(_) => Address::of(text, 80),
    };
    let any = matches!(listener.host.as_str(), "" | "*" | "0.0.0.0" | "::");
    listener.port == address.port && (any || listener.is(address) || !address.is_number())
}
