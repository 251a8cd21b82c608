//! Caddy: a Caddyfile or its JSON, and what it says about one download.

use sendfile_evidence::{
    fact::{Fact, Place, Says},
    request::{Address, Request},
};

use super::{
    Disk, Fate, Question, Text, Treatment, Worker,
    directive::Directive,
    opened::direct,
    pattern::Matcher,
    question::{is_switch, spelled},
    uri::decoded,
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

/// A configuration of Caddy.
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
                        Says::Unread,
                        format!("`{path}` could not be read: {reason}"),
                    ));
                }
            }
        }
        sites.retain(|it| it.spelled != "{");
        Self { sites, matcher: Matcher::default() }
    }

    /// Whether a site listens at an address.
    pub(super) fn listens(&self, address: &Address) -> bool {
        self.sites.iter().any(|it| addresses(it).any(|it| it.port == address.port))
    }

    /// The site for a request: by its port, then by its name, the longest name first.
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

    /// How it treats the download.
    pub(super) fn treatment(
        &self,
        question: &Question,
        disk: &dyn Disk,
        worker: &Worker,
    ) -> Treatment {
        let mut treatment = Treatment::default();
        let (Some(site), Some(mut walk)) =
            (self.site(&question.site), Walk::new(&question.site, &self.matcher, disk))
        else {
            return treatment;
        };
        let end = walk.through(site.inside());
        if let Some(reason) = &walk.unsure {
            treatment.unsure = true;
            treatment.download.push(Fact::of(Says::Unsure, reason.clone()));
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

    fn direct(&self, question: &Question, disk: &dyn Disk, worker: &Worker) -> Option<Fact> {
        let request = question.direct.as_ref()?;
        let mut walk = Walk::new(request, &self.matcher, disk)?;
        let End::Opens(path, at) = walk.through(self.site(request)?.inside())? else { return None };
        Some(direct(&path, at, question, disk, worker))
    }
}

/// The addresses of a site: a scheme, a name and a port, each of which may be missing.
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
    question: &Question,
) -> Vec<Fact> {
    let path = decoded(&question.site.path);
    let (at, what) = match end {
        Some(End::Asks(proxy)) => return asks(proxy, walk, question),
        Some(End::Redirects(to, at)) => {
            let detail = format!("redirects the visitor to {to}");
            return vec![Fact::at(Says::DownloadRedirected, at.clone(), detail)];
        }
        Some(End::Login(at)) => {
            let detail = "asks the visitor for a login before the app is asked";
            return vec![Fact::at(Says::LoginAsked, at.clone(), detail)];
        }
        Some(End::Opens(file, at)) => {
            (at.clone(), format!("takes the visitor's URL and opens {file}"))
        }
        Some(End::Answers(said, at)) => {
            (at.clone(), format!("takes the visitor's URL and answers {said} by itself"))
        }
        None if walk.unsure.is_some() => return Vec::new(),
        None => (site.place(), "has nothing that takes the visitor's URL".to_owned()),
    };
    match any_proxy(site.inside(), &path, 0) {
        Some(other) => {
            let there = other.place();
            let detail = format!(
                "{what}; without it, `{}` in {} would ask the app",
                there.text,
                there.line()
            );
            let fix = format!(
                "put both into `handle` blocks, that of `{}` ({}) with the download's path",
                there.text,
                there.line()
            );
            vec![Fact::at(Says::DownloadShadowed, at, detail).mended_by(fix)]
        }
        None => {
            let fix = format!(
                "in the site at {}, add a `handle` for the download's path with a reverse_proxy to \
                 the app",
                site.place().line()
            );
            let detail = format!("{what}; no reverse_proxy for it asks the app");
            vec![Fact::at(Says::DownloadNotRouted, at, detail).mended_by(fix)]
        }
    }
}

/// The address that is the app's, or else the first that is asked, and whether TLS is spoken there.
fn asked(proxy: &Directive, question: &Question) -> Option<(Address, bool)> {
    let all = upstreams(proxy);
    let app = all.iter().find(|(address, _)| question.is_app(address) == Some(true));
    app.or(all.first()).cloned()
}

fn asks(proxy: &Directive, walk: &Walk<'_>, question: &Question) -> Vec<Fact> {
    let Some((address, https)) = asked(proxy, question) else { return Vec::new() };
    let at = proxy.place();
    let detail = format!("takes the visitor's URL and asks {address}");
    let mut facts = vec![Fact::at(Says::DownloadAsksApp, at.clone(), detail)];
    let guard = walk.guard.clone();
    facts.extend(guard.map(|it| Fact::at(Says::Guarded, it, "may refuse a request")));
    let Some(app) = &question.app else { return facts };
    let http = proxy.name == "reverse_proxy";
    if !address.is(&app.address) {
        let detail = format!("asks {address}; the app answers at {}", app.address);
        let fix = format!("in {}, name the app's address {}", at.line(), app.address);
        facts.push(Fact::at(Says::AppElsewhere, at.clone(), detail).mended_by(fix));
    } else if !http || https != app.https {
        let speaks = if http { "TLS" } else { "FastCGI" };
        let detail = format!("speaks {speaks} to {}, which does not", app.address);
        facts.push(Fact::at(Says::AppElsewhere, at.clone(), detail));
    }
    if http && walk.subject.path != decoded(&app.path) {
        let detail =
            format!("asks the app for {}; the download is {}", walk.subject.path, app.path);
        let by = walk.rewrites.last().map_or(at, |it| it.place());
        facts.push(Fact::at(Says::PathRewritten, by, detail));
    }
    facts
}

/// Headers that switch the app's hand-off on, and that are not sent.
fn announced(question: &Question, proxy: &Directive, walk: &Walk<'_>) -> Vec<Fact> {
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
            let at: Place = proxy.place();
            let value = if value.contains(char::is_whitespace) {
                format!("\"{value}\"")
            } else {
                value.clone()
            };
            let name = spelled(name);
            let fix = format!("in `{}` ({}), add `header_up {name} {value}`", at.text, at.line());
            Fact::at(Says::NotAnnounced, at, format!("the app is sent no {name}")).mended_by(fix)
        })
        .collect()
}

impl Fate {
    /// Whether an answer's header goes on as it came.
    fn of(stripped: bool) -> Self {
        if stripped { Self::Dropped } else { Self::Passed }
    }
}
