//! Caddy: a Caddyfile or its JSON, and the facts that it contains about one download.
//!
//! This module finds the site and describes the route of the download URL; the modules below it
//! parse, match and evaluate.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind, SourceLine},
    request::{Address, Request},
};

use crate::{
    directive::Directive,
    disk::{Disk, Text, Worker},
    opened,
    pattern::Matcher,
    query::{Query, is_switch, spelled},
    reader::{Reader, RouteAnalysis},
    uri::decoded,
};

mod evaluator;
mod handoff;
mod json;
mod matcher;
mod placeholder;
mod subject;
#[cfg(test)]
mod tests;
mod tree;
mod upstream;

use self::{
    evaluator::{Evaluator, RouteOutcome},
    matcher::host_matches,
    upstream::{any_proxy, upstreams},
};

/// A Caddy configuration.
pub(super) struct Caddy {
    sites: Vec<Directive>,
    matcher: Matcher,
}

impl Caddy {
    /// Reads a Caddyfile with its imports, or JSON.
    pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Self {
        let mut sites = Vec::new();
        for Text { path, text } in disk.read(path) {
            let text = match text {
                Ok(text) => text,
                Err(reason) => {
                    let detail = format!("Cannot read `{path}`: {reason}");
                    unread.push(Fact::of(FactKind::Unread, detail));
                    continue;
                }
            };
            if let Ok(json) = serde_json::from_str(&text) {
                sites.extend(json::sites(&path, &json));
            } else {
                sites.extend(tree::read(&path, &text, disk, unread));
            }
        }
        // The global options are not a site.
        sites.retain(|site| site.spelled != "{");
        Self { sites, matcher: Matcher::default() }
    }

    /// The site for a request: by port, then by name, the longest name first.
    fn site(&self, request: &Request) -> Option<&Directive> {
        let Address { host, port } = &request.address;
        let mut sites = Vec::new();
        for site in &self.sites {
            if listens_on(site, *port) {
                sites.push(site);
            }
        }
        if sites.is_empty() {
            sites.extend(&self.sites);
        }
        sites.retain(|site| host_fit(site, host).is_some());
        sites.into_iter().max_by_key(|site| host_fit(site, host))
    }

    /// The file that the direct location opens.
    fn direct(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> Option<Fact> {
        let request = query.direct.as_ref()?;
        let mut evaluator = Evaluator::new(request, &self.matcher, disk)?;
        let site = self.site(request)?;
        match evaluator.evaluate(site.inside())? {
            RouteOutcome::Opens(path, at) => Some(opened::direct(&path, at, query, disk, worker)),
            _ => None,
        }
    }
}

impl Reader for Caddy {
    fn worker(&self) -> Worker {
        Worker { server: Server::Caddy.name(), ..Worker::default() }
    }

    fn listens(&self, address: &Address) -> bool {
        self.sites.iter().any(|site| listens_on(site, address.port))
    }

    fn analysis(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut analysis = RouteAnalysis::default();
        let Some(site) = self.site(&query.site) else { return analysis };
        let Some(mut evaluator) = Evaluator::new(&query.site, &self.matcher, disk) else {
            return analysis;
        };
        let outcome = evaluator.evaluate(site.inside());
        if let Some(reason) = &evaluator.unsure {
            analysis.unsure = true;
            analysis.download.push(Fact::of(FactKind::Unsure, reason.clone()));
        }
        analysis.download.extend(download(site, &evaluator, outcome.as_ref(), query));
        if let Some(RouteOutcome::Passes(proxy)) = &outcome {
            if let Some((address, _)) = upstream_of_download(proxy, query) {
                analysis.forwards_to = Some(address);
            }
            analysis.header.extend(announced(query, proxy, &evaluator));
            handoff::analyse(query, proxy, evaluator, worker, &mut analysis);
        }
        analysis.direct.extend(self.direct(query, disk, worker));
        analysis
    }
}

fn listens_on(site: &Directive, port: u16) -> bool {
    addresses(site).iter().any(|address| address.port == port)
}

/// How well a site's addresses fit a host: names without a star come before names with one, then
/// the longest; `None` if no address matches.
fn host_fit(site: &Directive, host: &str) -> Option<(bool, usize)> {
    let mut best = None;
    for address in addresses(site) {
        if address.host.is_empty() || host_matches(&address.host, host) {
            best = best.max(Some((!address.host.starts_with('*'), address.host.len())));
        }
    }
    best
}

/// The addresses of a site: scheme, name and port, each of which may be missing.
fn addresses(site: &Directive) -> Vec<Address> {
    let mut addresses = Vec::new();
    let mut words = vec![&site.spelled];
    words.extend(&site.args);
    for word in words {
        for address in word.split(',') {
            let address = address.trim();
            if !address.is_empty() {
                addresses.push(address_of_site(address));
            }
        }
    }
    addresses
}

fn address_of_site(text: &str) -> Address {
    let (port, rest) = match text.split_once("://") {
        Some(("http", rest)) => (80, rest),
        Some((_, rest)) => (443, rest),
        None => (443, text),
    };
    match rest.split_once('/') {
        Some((host, _)) => Address::of(host, port),
        None => Address::of(rest, port),
    }
}

/// The facts about the download URL.
fn download(
    site: &Directive,
    evaluator: &Evaluator<'_>,
    outcome: Option<&RouteOutcome<'_>>,
    query: &Query,
) -> Vec<Fact> {
    let (at, what) = match outcome {
        Some(RouteOutcome::Passes(proxy)) => return passes(proxy, evaluator, query),
        Some(RouteOutcome::Redirects(to, at)) => {
            let detail = format!("redirects the client to {to}");
            return vec![Fact::at(FactKind::DownloadRedirected, at.clone(), detail)];
        }
        Some(RouteOutcome::RequiresLogin(at)) => {
            let detail = "requires a login before the request reaches the app";
            return vec![Fact::at(FactKind::LoginAsked, at.clone(), detail)];
        }
        Some(RouteOutcome::Opens(file, at)) => {
            (at.clone(), format!("matches the download URL and opens {file}"))
        }
        Some(RouteOutcome::Responds(status, at)) => {
            (at.clone(), format!("matches the download URL and returns {status}"))
        }
        None if evaluator.unsure.is_some() => return Vec::new(),
        None => (site.place(), "no directive matches the download URL".to_owned()),
    };
    match any_proxy(site.inside(), &decoded(&query.site.path), 0) {
        Some(proxy) => vec![shadowed(at, &what, &proxy.place())],
        None => vec![not_routed(at, &what, site)],
    }
}

/// The fact that another directive responds before the one that would pass the request to the app.
fn shadowed(at: SourceLine, what: &str, proxy: &SourceLine) -> Fact {
    let detail = format!(
        "{what}; otherwise `{}` ({}) would pass the request to the app",
        proxy.text,
        proxy.line()
    );
    let suggestion = format!(
        "Put both into `handle` blocks, and use the download path as the matcher of the one with \
         `{}` ({})",
        proxy.text,
        proxy.line()
    );
    Fact::at(FactKind::DownloadShadowed, at, detail).mended_by(suggestion)
}

/// The fact that no directive would pass the request to the app.
fn not_routed(at: SourceLine, what: &str, site: &Directive) -> Fact {
    let detail = format!("{what}; no matching `reverse_proxy` passes it to the app");
    let suggestion = format!(
        "In the site at {}, add a `handle` for the download path with a `reverse_proxy` to the app",
        site.place().line()
    );
    Fact::at(FactKind::DownloadNotRouted, at, detail).mended_by(suggestion)
}

/// The app's address if it is an upstream, else the first upstream, and whether TLS is used.
fn upstream_of_download(proxy: &Directive, query: &Query) -> Option<(Address, bool)> {
    let mut upstreams = upstreams(proxy);
    if upstreams.is_empty() {
        return None;
    }
    let app = upstreams.iter().position(|(address, _)| query.is_app(address) == Some(true));
    Some(upstreams.swap_remove(app.unwrap_or(0)))
}

/// The facts about a request that is passed to an upstream: whether it reaches the app unchanged.
fn passes(proxy: &Directive, evaluator: &Evaluator<'_>, query: &Query) -> Vec<Fact> {
    let Some((address, https)) = upstream_of_download(proxy, query) else { return Vec::new() };
    let at = proxy.place();
    let detail = format!("matches the download URL and passes it to {address}");
    let mut facts = vec![Fact::at(FactKind::DownloadAsksApp, at.clone(), detail)];
    if let Some(guard) = &evaluator.guard {
        facts.push(Fact::at(FactKind::Guarded, guard.clone(), "may refuse a request"));
    }
    let Some(app) = &query.app else { return facts };
    let is_http = proxy.name == "reverse_proxy";
    if !address.is(&app.address) {
        let detail = format!("passes requests to {address}, but the app is at {}", app.address);
        let suggestion = format!("In {}, set the app's address: {}", at.line(), app.address);
        let fact = Fact::at(FactKind::AppElsewhere, at.clone(), detail);
        facts.push(fact.mended_by(suggestion));
    } else if !is_http || https != app.https {
        let protocol = if is_http { "TLS" } else { "FastCGI" };
        let detail = format!("uses {protocol} with {}, which does not support it", app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail));
    }
    let path = &evaluator.subject.path;
    if is_http && *path != decoded(&app.path) {
        let detail = format!("requests {path} from the app; expected {}", app.path);
        let rewritten_at = match evaluator.rewrites.last() {
            Some(rewrite) => rewrite.place(),
            None => at,
        };
        facts.push(Fact::at(FactKind::PathRewritten, rewritten_at, detail));
    }
    facts
}

/// Headers that enable the app's hand-off but are not sent.
fn announced(query: &Query, proxy: &Directive, evaluator: &Evaluator<'_>) -> Vec<Fact> {
    let Some(app) = &query.app else { return Vec::new() };
    let mut facts = Vec::new();
    for (name, value) in &app.headers {
        if !is_switch(name) || sets_request_header(name, proxy, evaluator) {
            continue;
        }
        let at = proxy.place();
        let name = spelled(name);
        let value = quoted(value);
        let suggestion =
            format!("In `{}` ({}), add `header_up {name} {value}`", at.text, at.line());
        let detail = format!("{name} is not sent to the app");
        facts.push(Fact::at(FactKind::NotAnnounced, at, detail).mended_by(suggestion));
    }
    facts
}

/// Whether `reverse_proxy`, or a directive that is applied before it, sets this request header.
fn sets_request_header(name: &str, proxy: &Directive, evaluator: &Evaluator<'_>) -> bool {
    for header_up in proxy.children("header_up") {
        if header_up.args.len() > 1 && is_header(header_up.arg(0), name) {
            return true;
        }
    }
    for directive in evaluator.enclosing() {
        // The first argument may be a matcher.
        if directive.name == "request_header"
            && (is_header(directive.arg(0), name) || is_header(directive.arg(1), name))
        {
            return true;
        }
    }
    false
}

/// Whether an argument is this header's name, with an optional prefix: `+` adds, `>` defers.
fn is_header(arg: &str, name: &str) -> bool {
    arg.trim_start_matches(['+', '>']).eq_ignore_ascii_case(name)
}

/// A value as a word of a Caddyfile.
fn quoted(value: &str) -> String {
    if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value.to_owned() }
}
