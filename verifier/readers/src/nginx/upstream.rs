//! The upstream of a location, the requested path, and the headers.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use sendfile_evidence::request::Address;

use super::{
    location::Form,
    scope::Scope,
    tree::Directive,
    variables::{Env, Unknown, names},
};

/// The upstream of a location.
#[derive(Clone, Debug)]
pub(super) struct Upstream<'a> {
    /// The directive.
    pub(super) directive: &'a Directive,
    /// The addresses of the servers; several if an `upstream` block defines them.
    pub(super) addresses: Vec<Address>,
    /// `$proxy_host`: the authority as written.
    pub(super) host: String,
    /// Whether TLS is used.
    pub(super) https: bool,
    /// The requested path.
    pub(super) path: String,
    /// Whether the directive contains variables.
    pub(super) variables: bool,
    /// Whether the name is that of an `upstream` block.
    pub(super) named: bool,
    /// Whether nginx resolved the name at startup: for a block, or for another location that
    /// contacts the same host and port without a variable (measured with nginx 1.22.1).
    pub(super) resolved: bool,
}

/// A header that a location sends.
#[derive(Clone, Debug)]
pub(super) enum Sent<'a> {
    /// This value, by this directive.
    Value(String, &'a Directive),
    /// A value that is known only at run time.
    Unknown,
    /// Unchanged from the client.
    AsItCame,
}

/// The characters that nginx escapes when it writes a decoded path into a request (NGX_ESCAPE_URI).
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'?').add(b'"').add(b'<').add(b'>');

/// `proxy` for `proxy_pass`, `fastcgi` for `fastcgi_pass` …
pub(super) fn family(pass: &Directive) -> &str {
    pass.name.strip_suffix("_pass").unwrap_or(&pass.name)
}

impl<'a> Upstream<'a> {
    /// The upstream of a `proxy_pass` or similar directive.
    pub(super) fn of(
        pass: &'a Directive,
        scope: &Scope<'_>,
        env: &Env<'_>,
    ) -> Result<Self, Unknown> {
        let written = pass.arg(0);
        let variables = names(written).next().is_some();
        let filled = env.filled(written)?;
        let (https, rest) = match filled.split_once("://") {
            Some((scheme, rest)) => (matches!(scheme, "https" | "grpcs"), rest),
            None => (false, filled.as_str()),
        };
        let (host, uri) = split_uri(rest);
        let http = matches!(family(pass), "proxy");
        let port = if https { 443 } else { 80 };
        let (addresses, named) = match upstream_block(scope, host) {
            Some(block) => {
                let servers = block.children("server").map(|it| Address::of(it.arg(0), port));
                (servers.collect(), true)
            }
            None => (vec![Address::of(host, port)], false),
        };
        let path = match uri.filter(|_| http) {
            Some(uri) if variables => uri.split('?').next().unwrap_or(uri).to_owned(),
            Some(uri) if !env.broken => replaced(scope, env, uri),
            _ if !env.internal => env.request.path.clone(),
            _ => escaped(&env.uri),
        };
        let address = addresses.first();
        let resolved = named || address.is_some_and(|it| names_it(scope.0.first(), it));
        let host = host.to_owned();
        Ok(Self { directive: pass, addresses, host, https, path, variables, named, resolved })
    }

    /// The first address, which represents the others.
    pub(super) fn address(&self) -> Option<&Address> {
        self.addresses.first()
    }

    /// The address, as a text.
    pub(super) fn shown(&self) -> String {
        let all: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        match self.named {
            true => format!("{} ({})", self.host, all.join(", ")),
            false => all.join(", "),
        }
    }

    /// The header that is sent; `default` is sent if no directive sets it.
    pub(super) fn header(&self, name: &str, scope: &Scope<'a>, env: &Env<'_>) -> Sent<'a> {
        let family = family(self.directive);
        let (directive, name) = match family {
            "proxy" => ("proxy_set_header", name.to_owned()),
            "grpc" => ("grpc_set_header", name.to_owned()),
            "fastcgi" => ("fastcgi_param", parameter(name)),
            "uwsgi" => ("uwsgi_param", parameter(name)),
            _ => ("scgi_param", parameter(name)),
        };
        let set = scope.list(directive).into_iter().rev();
        let Some(set) = set.into_iter().find(|it| it.arg(0).eq_ignore_ascii_case(&name)) else {
            return Sent::AsItCame;
        };
        let mut env = env.clone();
        env.set("proxy_host", Some(self.host.clone()));
        match env.filled(set.arg(1)) {
            Ok(value) => Sent::Value(value, set),
            Err(_) => Sent::Unknown,
        }
    }
}

/// A header's name as spelled by FastCGI and similar protocols.
fn parameter(name: &str) -> String {
    format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The authority and the rest after it.
fn split_uri(rest: &str) -> (&str, Option<&str>) {
    if rest.starts_with("unix:") {
        // A Unix socket's path ends at a second colon.
        let end = rest.match_indices(':').nth(1).map_or(rest.len(), |(at, _)| at);
        let uri = rest.get(end + 1..).filter(|it| !it.is_empty());
        return (&rest[..end], uri);
    }
    match rest.find(['/', '?']) {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    }
}

fn upstream_block<'a>(scope: &Scope<'a>, host: &str) -> Option<&'a Directive> {
    scope.0.first()?.children("upstream").find(|it| it.arg(0).eq_ignore_ascii_case(host))
}

/// Whether a `proxy_pass` without variables anywhere in a block contacts this host and port.
fn names_it(block: Option<&&Directive>, address: &Address) -> bool {
    block.is_some_and(|it| it.inside().iter().any(|it| asks_plainly(it, address)))
}

fn asks_plainly(directive: &Directive, address: &Address) -> bool {
    if directive.name != "proxy_pass" {
        return names_it(Some(&directive), address);
    }
    let written = directive.arg(0);
    let Some((scheme, rest)) = written.split_once("://") else { return false };
    let port = if scheme == "https" { 443 } else { 80 };
    names(written).next().is_none() && Address::of(split_uri(rest).0, port) == *address
}

/// Replaces the location's prefix with the URI of the `proxy_pass`.
fn replaced(scope: &Scope<'_>, env: &Env<'_>, uri: &str) -> String {
    let prefix = scope.location().and_then(Form::of).and_then(Form::prefix).unwrap_or_default();
    let rest = env.uri.strip_prefix(prefix).unwrap_or_default();
    format!("{uri}{}", escaped(rest))
}

fn escaped(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}
