//! The upstreams of a reverse_proxy.

use sendfile_evidence::request::Address;

use super::{
    super::directive::Directive,
    matcher::{is_matcher, path_matches},
    walk::DEEPEST,
};

/// The upstreams of a reverse_proxy: each address, and whether TLS is used.
pub(super) fn upstreams(directive: &Directive) -> Vec<(Address, bool)> {
    let args = directive.args.iter().skip(usize::from(is_matcher(directive.arg(0))));
    let to = directive.children("to").flat_map(|it| &it.args);
    args.chain(to).map(|it| upstream(it)).collect()
}

fn upstream(text: &str) -> (Address, bool) {
    if let Some(path) = text.strip_prefix("unix/") {
        return (Address { host: format!("/{}", path.trim_start_matches('/')), port: 0 }, false);
    }
    let (https, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (scheme == "https", rest),
        None => (false, text),
    };
    (Address::of(rest, if https { 443 } else { 80 }), https)
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
    block.iter().find_map(|it| {
        let word = it.arg(0);
        let fits = !word.starts_with('/') || path_matches(word, path);
        match it.name.as_str() {
            "reverse_proxy" | "php_fastcgi" if fits => Some(it),
            "handle" | "handle_path" | "route" if fits => any_proxy(it.inside(), path, depth + 1),
            _ => None,
        }
    })
}
