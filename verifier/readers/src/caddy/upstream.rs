//! The upstreams of a reverse_proxy.

use sendfile_evidence::request::Address;

use super::{
    evaluator::DEEPEST,
    matcher::{is_matcher, path_matches},
};
use crate::directive::Directive;

/// The upstreams of a reverse_proxy: each address, and whether TLS is used.
pub(super) fn upstreams(proxy: &Directive) -> Vec<(Address, bool)> {
    let mut upstreams = Vec::new();
    for (n, arg) in proxy.args.iter().enumerate() {
        if n > 0 || !is_matcher(arg) {
            upstreams.push(upstream(arg));
        }
    }
    for to in proxy.children("to") {
        for arg in &to.args {
            upstreams.push(upstream(arg));
        }
    }
    upstreams
}

fn upstream(text: &str) -> (Address, bool) {
    if let Some(path) = text.strip_prefix("unix/") {
        return (Address { host: format!("/{}", path.trim_start_matches('/')), port: 0 }, false);
    }
    match text.split_once("://") {
        Some(("https", address)) => (Address::of(address, 443), true),
        Some((_, address)) => (Address::of(address, 80), false),
        None => (Address::of(text, 80), false),
    }
}

/// A reverse_proxy anywhere in a block whose path matches, including the matchers around it.
pub(super) fn any_proxy<'a>(
    block: &'a [Directive],
    path: &str,
    depth: usize,
) -> Option<&'a Directive> {
    if depth > DEEPEST {
        return None;
    }
    for directive in block {
        let matcher = directive.arg(0);
        if matcher.starts_with('/') && !path_matches(matcher, path) {
            continue;
        }
        match directive.name.as_str() {
            "reverse_proxy" | "php_fastcgi" => return Some(directive),
            "handle" | "handle_path" | "route" => {
                let proxy = any_proxy(directive.inside(), path, depth + 1);
                if proxy.is_some() {
                    return proxy;
                }
            }
            _ => {}
        }
    }
    None
}
