//! Caddy: a Caddyfile or its JSON, and the facts that it contains about one download.

use sendfile_evidence::{
    fact::{Fact, FactKind, SourceLine},
    request::{Address, Request},
};

use super::{
    directive::Directive,
    opened::direct,
    pattern::Matcher,
    question::{is_switch, spelled},
    uri::decoded,
};
use crate::{
    disk::{Disk, Text, Worker},
    question::Query,
    reader::{HeaderFate, Reader, RouteAnalysis},
};

mod handoff;
mod json;
mod matcher;
mod placeholder;
#[cfg(test)]
mod tests;
mod tree;
mod upstream;
mod walk;

use self::{
    matcher::host_matches,
    upstream::{any_proxy, upstreams},
    walk::{End, Walk},
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
            match text {
                Ok(text) => match serde_json::from_str(&text) {
                    Ok(json) => sites.extend(json::sites(&path, &json)),
                    Err(_) => sites.extend(tree::read(&path, &text, disk, unread)),
                },
                Err(reason) => {
                    unread.push(Fact::of(
                        FactKind::Unread,
                        format!("Cannot read `{path}`: {reason}"),
                    ));
                }
            }
        }
        sites.retain(|it| it.spelled != "{");
        Self { sites, matcher: Matcher::default() }
    }

    /// The site for a request: by port, then by name, the longest name first.
    fn site(&self, request: &Request) -> Option<&Directive> {
        let at_port = |it: &&Directive| addresses(it).any(|it| it.port == request.address.port);
        let mut sites: Vec<&Directive> = self.sites.iter().filter(at_port).collect();
        if sites.is_empty() {
            sites = self.sites.iter().collect();
        }
        let fit = |site: &&Directive| {
            let host = &request.address.host;
            let fits = |it: &Address| it.host.is_empty() || host_matches(&it.host, host);
            addresses(site).filter(fits).map(|it| (!it.host.starts_with('*'), it.host.len())).max()
        };
        sites.into_iter().filter(|it| fit(it).is_some()).max_by_key(fit)
    }

    fn direct(&self, question: &Query, disk: &dyn Disk, worker: &Worker) -> Option<Fact> {
        let request = question.direct.as_ref()?;
        let mut walk = Walk::new(request, &self.matcher, disk)?;
        let End::Opens(path, at) = walk.through(self.site(request)?.inside())? else { return None };
        Some(direct(&path, at, question, disk, worker))
    }
}

impl Reader for Caddy {
    fn worker(&self) -> Worker {
        Worker { server: sendfile_evidence::Server::Caddy.name(), ..Worker::default() }
    }

    fn listens(&self, address: &Address) -> bool {
        self.sites.iter().any(|it| addresses(it).any(|it| it.port == address.port))
    }

    fn analysis(&self, question: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut treatment = RouteAnalysis::default();
        let (Some(site), Some(mut walk)) =
            (self.site(&question.site), Walk::new(&question.site, &self.matcher, disk))
        else {
            return treatment;
        };
        let end = walk.through(site.inside());
        if let Some(reason) = &walk.unsure {
            treatment.unsure = true;
            treatment.download.push(Fact::of(FactKind::Unsure, reason.clone()));
        }
        treatment.download.extend(download(site, &walk, end.as_ref(), question));
        if let Some(End::Asks(proxy)) = &end {
            treatment.asks = asked(proxy, question).map(|(address, _)| address);
            treatment.header.extend(announced(question, proxy, &walk));
            handoff::treat(question, proxy, walk, worker, &mut treatment);
        }
        treatment.direct.extend(self.direct(question, disk, worker));
        treatment
    }
}

/// The addresses of a site: scheme, name and port, each of which may be missing.
fn addresses(site: &Directive) -> impl Iterator<Item = Address> {
    let words = [site.spelled.as_str()].into_iter().chain(site.args.iter().map(String::as_str));
    words.flat_map(|it| it.split(',')).filter(|it| !it.trim().is_empty()).map(|it| {
        let it = it.trim();
        let (port, rest) = match it.split_once("://") {
            Some(("http", rest)) => (80, rest),
            Some((_, rest)) => (443, rest),
            None => (443, it),
        };
        Address::of(rest.split('/').next().unwrap_or(rest), port)
    })
}

fn download(
    site: &Directive,
    walk: &Walk<'_>,
    end: Option<&End<'_>>,
    question: &Query,
) -> Vec<Fact> {
    let path = decoded(&question.site.path);
    let (at, what) = match end {
        Some(End::Asks(proxy)) => return asks(proxy, walk, question),
        Some(End::Redirects(to, at)) => {
            let detail = format!("redirects the client to {to}");
            return vec![Fact::at(FactKind::DownloadRedirected, at.clone(), detail)];
        }
        Some(End::Login(at)) => {
            let detail = "requires a login before the request reaches the app";
            return vec![Fact::at(FactKind::LoginAsked, at.clone(), detail)];
        }
        Some(End::Opens(file, at)) => {
            (at.clone(), format!("matches the download URL and opens {file}"))
        }
        Some(End::Answers(said, at)) => {
            (at.clone(), format!("matches the download URL and returns {said}"))
        }
        None if walk.unsure.is_some() => return Vec::new(),
        None => (site.place(), "no directive matches the download URL".to_owned()),
    };
    match any_proxy(site.inside(), &path, 0) {
        Some(other) => {
            let there = other.place();
            let detail = format!(
                "{what}; otherwise `{}` ({}) would pass the request to the app",
                there.text,
                there.line()
            );
            let fix = format!(
                "Put both into `handle` blocks, and use the download path as the matcher of the \
                 one with `{}` ({})",
                there.text,
                there.line()
            );
            vec![Fact::at(FactKind::DownloadShadowed, at, detail).mended_by(fix)]
        }
        None => {
            let fix = format!(
                "In the site at {}, add a `handle` for the download path with a `reverse_proxy` to \
                 the app",
                site.place().line()
            );
            let detail = format!("{what}; no matching `reverse_proxy` passes it to the app");
            vec![Fact::at(FactKind::DownloadNotRouted, at, detail).mended_by(fix)]
        }
    }
}

/// The app's address if it is an upstream, else the first upstream, and whether TLS is used.
fn asked(proxy: &Directive, question: &Query) -> Option<(Address, bool)> {
    let all = upstreams(proxy);
    let app = all.iter().find(|(address, _)| question.is_app(address) == Some(true));
    app.or(all.first()).cloned()
}

fn asks(proxy: &Directive, walk: &Walk<'_>, question: &Query) -> Vec<Fact> {
    let Some((address, https)) = asked(proxy, question) else { return Vec::new() };
    let at = proxy.place();
    let detail = format!("matches the download URL and passes it to {address}");
    let mut facts = vec![Fact::at(FactKind::DownloadAsksApp, at.clone(), detail)];
    let guard = walk.guard.clone();
    facts.extend(guard.map(|it| Fact::at(FactKind::Guarded, it, "may refuse a request")));
    let Some(app) = &question.app else { return facts };
    let http = proxy.name == "reverse_proxy";
    if !address.is(&app.address) {
        let detail = format!("passes requests to {address}, but the app is at {}", app.address);
        let fix = format!("In {}, set the app's address: {}", at.line(), app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail).mended_by(fix));
    } else if !http || https != app.https {
        let speaks = if http { "TLS" } else { "FastCGI" };
        let detail = format!("uses {speaks} with {}, which does not support it", app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail));
    }
    if http && walk.subject.path != decoded(&app.path) {
        let detail = format!("requests {} from the app; expected {}", walk.subject.path, app.path);
        let by = walk.rewrites.last().map_or(at, |it| it.place());
        facts.push(Fact::at(FactKind::PathRewritten, by, detail));
    }
    facts
}

/// Headers that enable the app's hand-off but are not sent.
fn announced(question: &Query, proxy: &Directive, walk: &Walk<'_>) -> Vec<Fact> {
    let Some(app) = &question.app else { return Vec::new() };
    let set = |name: &str| {
        let is = |it: &Directive, n: usize| {
            it.arg(n).trim_start_matches(['+', '>']).eq_ignore_ascii_case(name)
        };
        let up = proxy.children("header_up").any(|it| is(it, 0) && it.args.len() > 1);
        let before = walk.blocks.iter().flat_map(|it| it.iter());
        up || before.filter(|it| it.name == "request_header").any(|it| is(it, 0) || is(it, 1))
    };
    let missing = app.headers.iter().filter(|(name, _)| is_switch(name) && !set(name));
    missing
        .map(|(name, value)| {
            let at: SourceLine = proxy.place();
            let value = if value.contains(char::is_whitespace) {
                format!("\"{value}\"")
            } else {
                value.clone()
            };
            let name = spelled(name);
            let fix = format!("In `{}` ({}), add `header_up {name} {value}`", at.text, at.line());
            Fact::at(FactKind::NotAnnounced, at, format!("{name} is not sent to the app"))
                .mended_by(fix)
        })
        .collect()
}

impl HeaderFate {
    /// Whether a response header is passed on unchanged.
    fn of(stripped: bool) -> Self {
        if stripped { Self::Dropped } else { Self::Passed }
    }
}
