//! The upstream of a location, the requested path, and the headers.
//!
//! Knows what a `proxy_pass` or similar directive sends, not whether that is correct.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use sendfile_evidence::request::Address;

use super::{
    location::Form,
    scope::Scope,
    tree::Directive,
    variables::{Env, Unknown, has_variables},
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
    /// Whether nginx resolves the name at startup: for a block, or because another location
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
    /// The header is passed on unchanged from the client.
    Unchanged,
}

/// The characters that nginx escapes when it writes a decoded path into a request (NGX_ESCAPE_URI).
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'?').add(b'"').add(b'<').add(b'>');

impl<'a> Upstream<'a> {
    /// The upstream of a `proxy_pass` or similar directive.
    ///
    /// # Errors
    ///
    /// The upstream is known only at run time.
    pub(super) fn of(
        pass: &'a Directive,
        scope: &Scope<'_>,
        env: &Env<'_>,
    ) -> Result<Self, Unknown> {
        let written = pass.arg(0);
        let variables = has_variables(written);
        let expanded = env.expand(written)?;
        let (https, rest) = match expanded.split_once("://") {
            Some((scheme, rest)) => (matches!(scheme, "https" | "grpcs"), rest),
            None => (false, expanded.as_str()),
        };
        let (host, uri) = split_uri(rest);
        let port = if https { 443 } else { 80 };
        let block = upstream_block(scope, host);
        let named = block.is_some();
        let addresses: Vec<Address> = match block {
            Some(block) => {
                block.children("server").map(|server| Address::of(server.arg(0), port)).collect()
            }
            None => vec![Address::of(host, port)],
        };
        // Only proxy_pass may replace the path.
        let uri = if family(pass) == "proxy" { uri } else { None };
        let path = match uri {
            Some(uri) if variables => uri.split('?').next().unwrap_or(uri).to_owned(),
            Some(uri) if !env.rewritten_in_place => prefix_replaced(scope, env, uri),
            _ if !env.internal => env.request.path.clone(),
            _ => escaped(&env.uri),
        };
        let resolved = named || is_resolved_at_startup(scope, &addresses);
        let host = host.to_owned();
        Ok(Self { directive: pass, addresses, host, https, path, variables, named, resolved })
    }

    /// The first address, which represents the others.
    pub(super) fn address(&self) -> Option<&Address> {
        self.addresses.first()
    }

    /// Whether one of the upstream's addresses is this one.
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.addresses.iter().any(|own| own.is(address))
    }

    /// The address, as a text.
    pub(super) fn shown(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
        let addresses = addresses.join(", ");
        if self.named { format!("{} ({addresses})", self.host) } else { addresses }
    }

    /// The header that is sent.
    pub(super) fn header(&self, name: &str, scope: &Scope<'a>, env: &Env<'_>) -> Sent<'a> {
        let (directive, name) = match family(self.directive) {
            "proxy" => ("proxy_set_header", name.to_owned()),
            "grpc" => ("grpc_set_header", name.to_owned()),
            "fastcgi" => ("fastcgi_param", header_parameter(name)),
            "uwsgi" => ("uwsgi_param", header_parameter(name)),
            _ => ("scgi_param", header_parameter(name)),
        };
        let directives = scope.list(directive);
        let mut last_first = directives.into_iter().rev();
        let Some(set) = last_first.find(|set| set.arg(0).eq_ignore_ascii_case(&name)) else {
            return Sent::Unchanged;
        };
        let mut env = env.clone();
        env.set("proxy_host", Some(self.host.clone()));
        match env.expand(set.arg(1)) {
            Ok(value) => Sent::Value(value, set),
            Err(_) => Sent::Unknown,
        }
    }
}

/// `proxy` for `proxy_pass`, `fastcgi` for `fastcgi_pass` …
pub(super) fn family(pass: &Directive) -> &str {
    pass.name.strip_suffix("_pass").unwrap_or(&pass.name)
}

/// A header's name as spelled by FastCGI and similar protocols.
pub(super) fn header_parameter(name: &str) -> String {
    format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The authority and the rest after it.
fn split_uri(rest: &str) -> (&str, Option<&str>) {
    if rest.starts_with("unix:") {
        // A Unix socket's path ends at a second colon.
        let Some((end, _)) = rest.match_indices(':').nth(1) else { return (rest, None) };
        let uri = &rest[end + 1..];
        return (&rest[..end], if uri.is_empty() { None } else { Some(uri) });
    }
    match rest.find(['/', '?']) {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    }
}

fn upstream_block<'a>(scope: &Scope<'a>, host: &str) -> Option<&'a Directive> {
    let http = scope.blocks.first()?;
    http.children("upstream").find(|block| block.arg(0).eq_ignore_ascii_case(host))
}

/// Replaces the location's prefix with the URI of the `proxy_pass`.
fn prefix_replaced(scope: &Scope<'_>, env: &Env<'_>, uri: &str) -> String {
    let prefix = scope.location().and_then(Form::of).and_then(Form::prefix).unwrap_or_default();
    let rest = env.uri.strip_prefix(prefix).unwrap_or_default();
    format!("{uri}{}", escaped(rest))
}

fn escaped(path: &str) -> String {
    utf8_percent_encode(path, ESCAPED).to_string()
}

/// Whether any `proxy_pass` without variables contacts the first of these addresses.
fn is_resolved_at_startup(scope: &Scope<'_>, addresses: &[Address]) -> bool {
    let (Some(http), Some(address)) = (scope.blocks.first(), addresses.first()) else {
        return false;
    };
    contacts_without_variables(http, address)
}

fn contacts_without_variables(block: &Directive, address: &Address) -> bool {
    for directive in block.inside() {
        let contacts = if directive.name == "proxy_pass" {
            is_without_variables(directive.arg(0), address)
        } else {
            contacts_without_variables(directive, address)
        };
        if contacts {
            return true;
        }
    }
    false
}

/// Whether a `proxy_pass` contains no variables and names this host and port.
fn is_without_variables(written: &str, address: &Address) -> bool {
    let Some((scheme, rest)) = written.split_once("://") else { return false };
    let port = if scheme == "https" { 443 } else { 80 };
    let (host, _) = split_uri(rest);
    !has_variables(written) && Address::of(host, port) == *address
}
