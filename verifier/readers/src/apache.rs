//! Apache httpd with mod_xsendfile: its configuration, and the facts that it contains about one
//! download. It knows nothing of other proxies, and of the app only what the query contains.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind, SourceLine},
    request::{Address, Request},
};

use crate::{
    directive::Directive,
    disk::{Disk, Worker},
    opened,
    pattern::Matcher,
    query::{Query, is_switch, spelled},
    reader::{HeaderFate, Reader, RouteAnalysis},
    uri::decoded,
};

mod rewrite;
mod route;
mod sections;
mod sendfile;
#[cfg(test)]
mod tests;
mod tree;
mod upstream;
mod virtual_host;

use self::{
    route::{Route, RouteOutcome, Router},
    sections::Scope,
    sendfile::XSendFile,
    tree::Tree,
    upstream::Upstream,
};

/// An Apache configuration.
pub(super) struct Apache {
    tree: Tree,
    matcher: Matcher,
}

impl Apache {
    /// Reads a file with its includes.
    pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Self {
        Self { tree: tree::read(path, disk, unread), matcher: Matcher::default() }
    }

    /// The argument of a directive of the main server, unless it contains a variable.
    fn main_argument(&self, name: &str) -> Option<String> {
        for directive in self.tree.main.iter().rev() {
            if directive.name == name {
                let argument = directive.arg(0);
                return if argument.contains('$') { None } else { Some(argument.to_owned()) };
            }
        }
        None
    }

    fn router<'a>(&'a self, request: &Request, disk: &'a dyn Disk) -> Router<'a> {
        let main = &self.tree.main;
        let virtual_host = virtual_host::choose(main, &request.address, &request.host());
        Router { main, virtual_host, disk, matcher: &self.matcher }
    }

    /// A directive that removes the app's hand-off header.
    fn removed_header(&self, query: &Query, scope: &Scope<'_>) -> Option<Fact> {
        let name = query.header.as_deref()?;
        let headers = scope.all("header");
        let by = headers.into_iter().find(|header| removes(header, name))?.place();
        if !self.tree.loads("headers_module") {
            return None;
        }
        let suggestion = format!("In {}, remove `{}`", by.line(), by.text);
        let detail = format!("removes {}", spelled(name));
        Some(Fact::at(FactKind::FeatureOff, by, detail).mended_by(suggestion))
    }

    /// Request headers that enable the app's hand-off but are not sent.
    fn missing_request_headers(
        &self,
        query: &Query,
        scope: &Scope<'_>,
        upstream: &Upstream,
        host: &SourceLine,
    ) -> Vec<Fact> {
        let mut facts = Vec::new();
        let Some(app) = &query.app else { return facts };
        let is_loaded = self.tree.loads("headers_module");
        let module = if is_loaded { "" } else { " and load mod_headers (`a2enmod headers`)" };
        for (name, value) in &app.headers {
            if !is_switch(name) || is_loaded && sets_request_header(scope, name) {
                continue;
            }
            let name = spelled(name);
            let suggestion = format!(
                "In the virtual host at {}, add `RequestHeader set {name} {value}`{module}",
                host.line()
            );
            let detail = format!("{name} is not sent to the app");
            let fact = Fact::at(FactKind::NotAnnounced, upstream.by.clone(), detail);
            facts.push(fact.mended_by(suggestion));
        }
        facts
    }

    /// The file that the direct location opens.
    fn direct(
        &self,
        direct: &Request,
        query: &Query,
        disk: &dyn Disk,
        worker: &Worker,
    ) -> Option<Fact> {
        let route = self.router(direct, disk).route(direct)?;
        let RouteOutcome::Opens(path, Some(at)) = route.outcome else { return None };
        Some(opened::direct(&path, at, query, disk, worker))
    }
}

/// Whether a `Header` directive removes a response header. `Header always` acts on a separate
/// table, which does not contain the headers of an upstream's response.
fn removes(directive: &Directive, header: &str) -> bool {
    let mut words = directive.args.as_slice();
    while let [first, rest @ ..] = words
        && first.eq_ignore_ascii_case("onsuccess")
    {
        words = rest;
    }
    match words {
        [verb, name] => verb.eq_ignore_ascii_case("unset") && name.eq_ignore_ascii_case(header),
        _ => false,
    }
}

/// Whether a `RequestHeader` directive sets a header of the request to the app.
fn sets_request_header(scope: &Scope<'_>, header: &str) -> bool {
    for directive in scope.all("requestheader") {
        let verb = directive.arg(0).to_ascii_lowercase();
        if matches!(verb.as_str(), "set" | "add" | "append" | "setifempty")
            && directive.arg(1).trim_end_matches(':').eq_ignore_ascii_case(header)
        {
            return true;
        }
    }
    false
}

impl Reader for Apache {
    fn worker(&self) -> Worker {
        Worker {
            server: Server::Apache.name(),
            user: self.main_argument("user"),
            group: self.main_argument("group"),
            pid_file: self.main_argument("pidfile"),
        }
    }

    fn listens(&self, address: &Address) -> bool {
        virtual_host::listens(&self.tree.main, address)
    }

    fn analysis(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut analysis = RouteAnalysis::default();
        let router = self.router(&query.site, disk);
        let Some(route) = router.route(&query.site) else { return analysis };
        add_download(&router, &route, query, &mut analysis);
        let scope = &route.scope;
        let mut missing_headers = Vec::new();
        if let RouteOutcome::Proxied(upstream) = &route.outcome {
            let host = match router.virtual_host {
                Some(virtual_host) => virtual_host.place(),
                None => upstream.by.clone(),
            };
            missing_headers = self.missing_request_headers(query, scope, upstream, &host);
            if query.hands_over_by("X-Sendfile") {
                let xsendfile = XSendFile { tree: &self.tree, scope, upstream, host: &host };
                let state = xsendfile.state();
                if state.kind == FactKind::HeaderObeyed && route.forbidden.is_none() {
                    analysis.fate = HeaderFate::Obeyed;
                }
                analysis.header.push(state);
                analysis.target = xsendfile.target(query, disk, worker);
            }
        }
        analysis.header.extend(route.forbidden.clone());
        if analysis.fate == HeaderFate::Passed
            && let Some(removed) = self.removed_header(query, scope)
        {
            analysis.header.push(removed);
            analysis.fate = HeaderFate::Dropped;
        }
        analysis.header.extend(missing_headers);
        if let Some(direct) = &query.direct {
            analysis.direct.extend(self.direct(direct, query, disk, worker));
        }
        analysis
    }
}

/// Records how the download URL is handled.
fn add_download(
    router: &Router<'_>,
    route: &Route<'_>,
    query: &Query,
    analysis: &mut RouteAnalysis,
) {
    let path = decoded(&query.site.path);
    let fact = match &route.outcome {
        RouteOutcome::Proxied(upstream) => {
            analysis.forwards_to = upstream.addresses.last().cloned();
            analysis.download.extend(wrong_upstream(upstream, query));
            analysis.download.extend(guarded(&route.scope));
            let detail = format!("matches the download URL and passes it to {}", upstream.shown());
            Fact::at(FactKind::DownloadAsksApp, upstream.by.clone(), detail)
        }
        RouteOutcome::Redirects(to, by) => {
            let detail = format!("redirects the client to {to}");
            Fact::at(FactKind::DownloadRedirected, by.clone(), detail)
        }
        RouteOutcome::Unknown(reason) => {
            analysis.unsure = true;
            Fact::of(FactKind::Unsure, reason.clone())
        }
        RouteOutcome::Responds(status, by) => {
            let outcome = format!("matches the download URL and returns {status}");
            not_proxied(router, &path, &outcome, Some(by.clone()))
        }
        RouteOutcome::Opens(file, by) => {
            let outcome = format!("matches the download URL and opens {file}");
            not_proxied(router, &path, &outcome, by.clone())
        }
    };
    analysis.download.push(fact);
}

/// An upstream address, protocol or path other than the app's.
fn wrong_upstream(upstream: &Upstream, query: &Query) -> Vec<Fact> {
    let mut facts = Vec::new();
    let Some(app) = &query.app else { return facts };
    let at = &upstream.by;
    let is_https = upstream.scheme == "https";
    let is_http = is_https || upstream.scheme == "http";
    if !upstream.is_at(&app.address) {
        let detail =
            format!("passes requests to {}, but the app is at {}", upstream.shown(), app.address);
        let suggestion = format!("In {}, set the app's address: http://{}", at.line(), app.address);
        let fact = Fact::at(FactKind::AppElsewhere, at.clone(), detail);
        facts.push(fact.mended_by(suggestion));
    } else if !is_http || is_https != app.https {
        let expected = if app.https { "HTTPS" } else { "HTTP" };
        let detail =
            format!("uses {} with {}, which expects {expected}", upstream.scheme, app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail));
    }
    if is_http && decoded(&upstream.path) != decoded(&app.path) {
        let detail = format!("requests {} from the app; expected {}", upstream.path, app.path);
        let suggestion = format!(
            "In {}, end both the path and the URL with a slash, or neither (now {})",
            at.line(),
            upstream.written
        );
        let fact = Fact::at(FactKind::PathRewritten, at.clone(), detail);
        facts.push(fact.mended_by(suggestion));
    }
    facts
}

/// An access rule, if there is one: which clients it admits is known only at run time.
fn guarded(scope: &Scope<'_>) -> Option<Fact> {
    for name in ["require", "deny", "authtype", "secruleengine"] {
        for rule in scope.all(name) {
            let admits_all = rule.arg(0) == "all" && rule.arg(1) == "granted";
            if name != "require" || !admits_all {
                return Some(Fact::at(FactKind::Guarded, rule.place(), "may refuse a request"));
            }
        }
    }
    None
}

/// The fact that the request is not passed to the app: either a rule overrides one that would pass
/// it, or there is no such rule.
fn not_proxied(router: &Router<'_>, path: &str, outcome: &str, by: Option<SourceLine>) -> Fact {
    if let Some(excluded) = router.excluded(path)
        && let Some(pass) = router.other_pass(path)
    {
        let (at, pass) = (excluded.place(), pass.place());
        let suggestion = format!(
            "In {}, narrow `{}` so that `{}` ({}) matches the download",
            at.line(),
            at.text,
            pass.text,
            pass.line()
        );
        let detail = format!(
            "{outcome}; without it, `{}` ({}) would pass the request to the app",
            pass.text,
            pass.line()
        );
        return Fact::at(FactKind::DownloadShadowed, at, detail).mended_by(suggestion);
    }
    let detail = format!("{outcome}; no `ProxyPass` or `RewriteRule` passes it to the app");
    let mut fact = Fact { at: by, ..Fact::of(FactKind::DownloadNotRouted, detail) };
    if let Some(virtual_host) = router.virtual_host {
        let place = virtual_host.place();
        fact.fix = Some(format!(
            "In the virtual host at {}, add a `ProxyPass` for the download path",
            place.line()
        ));
        if fact.at.is_none() {
            fact.at = Some(place);
        }
    }
    fact
}
