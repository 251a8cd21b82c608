//! Which virtual host handles a request, as Apache selects it: by address and port, then by name.

use sendfile_evidence::request::Address;

use super::super::{directive::Directive, pattern::glob};

/// The virtual host for an address and a Host; `None` if the main server handles the request.
pub(super) fn choose<'a>(
    main: &'a [Directive],
    address: &Address,
    host: &str,
) -> Option<&'a Directive> {
    let hosts: Vec<&Directive> = main.iter().filter(|it| it.name == "virtualhost").collect();
    let best = hosts.iter().filter_map(|it| rank(it, address)).min();
    let mut at: Vec<&Directive> = match best {
        Some(best) => hosts.iter().copied().filter(|it| rank(it, address) == Some(best)).collect(),
        None => Vec::new(),
    };
    // A port that no virtual host has is assumed to be mapped to another one, unless the main
    // server has it.
    if at.is_empty() && !listens(main, address) {
        at = hosts;
    }
    let host = Address::of(host, 0).host;
    at.iter().find(|it| named(it, &host)).or(at.first()).copied()
}

/// How exactly the addresses of a virtual host match, the best first.
fn rank(host: &Directive, address: &Address) -> Option<u8> {
    let fit = |text: &String| {
        let any_port =
            !text.rsplit(']').next().is_some_and(|it| it.contains(':')) || text.ends_with(":*");
        let it = Address::of(text.trim_end_matches(":*"), address.port);
        let port = any_port || it.port == address.port;
        let any = matches!(it.host.as_str(), "*" | "_default_" | "" | "0.0.0.0" | "::");
        // A name may be any of the host's addresses.
        let unknown = !address.is_number() && address.host != "localhost";
        let here = Address { port: address.port, ..it }.is(address);
        match (any, unknown) {
            _ if !port => None,
            (_, true) => Some(0),
            (true, false) => Some(1),
            (false, false) => here.then_some(0),
        }
    };
    host.args.iter().filter_map(fit).min()
}

fn named(server: &Directive, host: &str) -> bool {
    let name = server.children("servername").any(|it| Address::of(it.arg(0), 0).host == host);
    let aliases = server.children("serveralias").flat_map(|it| &it.args);
    name || aliases.into_iter().any(|it| glob(&it.to_ascii_lowercase(), host))
}

/// Whether the server listens on an address.
pub(super) fn listens(main: &[Directive], address: &Address) -> bool {
    main.iter().filter(|it| it.name == "listen").any(|it| {
        let text = it.arg(0);
        let at = match text.parse() {
            Ok(port) => Address { host: String::new(), port },
            Err(_) => Address::of(text, 80),
        };
        let any = matches!(at.host.as_str(), "" | "*" | "0.0.0.0" | "::");
        at.port == address.port && (any || at.is(address) || !address.is_number())
    })
}
