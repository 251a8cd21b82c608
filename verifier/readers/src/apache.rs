//! Apache httpd with mod_xsendfile: its configuration, and the facts that it contains about one
//! download.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind},
    request::{Address, Request},
};

use super::{
    directive::Directive,
    pattern::Matcher,
    query::{is_switch, spelled},
    uri::decoded,
};
use crate::{
    disk::{Disk, Worker},
    query::Query,
    reader::{HeaderFate, Reader, RouteAnalysis},
};

mod asked;
mod rewrite;
mod sections;
mod sendfile;
mod server;
#[cfg(test)]
mod tests;
mod translate;
mod tree;

use self::{
    asked::RequestRecord,
    sections::Scope,
    sendfile::XSendFile,
    translate::{End, Found, Site},
    tree::Tree,
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

    /// A directive that removes the app's hand-off header. `Header always` uses a separate table,
    /// which does not contain the headers of an upstream.
    fn unset(&self, question: &Query, scope: &Scope<'_>) -> Option<Fact> {
        let name = question.header.as_deref()?;
        let by = scope.all("header").find(|it| {
            let words = it.args.iter().map(String::as_str);
            let mut words = words.skip_while(|it| it.eq_ignore_ascii_case("onsuccess"));
            let unsets = words.next().is_some_and(|it| it.eq_ignore_ascii_case("unset"));
            unsets
                && words.next().is_some_and(|it| it.eq_ignore_ascii_case(name))
                && words.next().is_none()
        })?;
        self.loads("headers_module").then(|| {
            let fix = format!("In {}, remove `{}`", by.place().line(), by.place().text);
            Fact::at(FactKind::FeatureOff, by.place(), format!("removes {}", spelled(name)))
                .mended_by(fix)
        })
    }

    /// Whether a module is loaded. Without any `LoadModule`, all are assumed to be.
    fn loads(&self, module: &str) -> bool {
        self.tree.modules.is_empty() || self.tree.modules.iter().any(|it| it == module)
    }

    fn site<'a>(&'a self, request: &Request, disk: &'a dyn Disk) -> Site<'a> {
        let main = &self.tree.main;
        let host = server::choose(main, &request.address, &request.host());
        Site { main, host, disk, matcher: &self.matcher }
    }

    /// Headers that enable the app's hand-off but are not sent.
    fn announced(
        &self,
        question: &Query,
        found: &Found<'_>,
        asked: &RequestRecord,
        host: Option<&Directive>,
    ) -> Vec<Fact> {
        let Some(app) = &question.app else { return Vec::new() };
        let loaded = self.loads("headers_module");
        let sets = |name: &str| {
            found.scope.all("requestheader").any(|it| {
                let verb = it.arg(0).to_ascii_lowercase();
                matches!(verb.as_str(), "set" | "add" | "append" | "setifempty")
                    && it.arg(1).trim_end_matches(':').eq_ignore_ascii_case(name)
            })
        };
        let missing =
            app.headers.iter().filter(|(name, _)| is_switch(name) && !(sets(name) && loaded));
        missing
            .map(|(name, value)| {
                let at = asked.by.clone();
                let line = format!("RequestHeader set {} {value}", spelled(name));
                let place = host.map_or_else(|| at.line(), |it| it.place().line());
                let module = if loaded { "" } else { " and load mod_headers (`a2enmod headers`)" };
                let detail = format!("{} is not sent to the app", spelled(name));
                Fact::at(FactKind::NotAnnounced, at, detail)
                    .mended_by(format!("In the virtual host at {place}, add `{line}`{module}"))
            })
            .collect()
    }

    fn direct(
        &self,
        direct: &Request,
        question: &Query,
        disk: &dyn Disk,
        worker: &Worker,
    ) -> Option<Fact> {
        let found = self.site(direct, disk).find(direct)?;
        let End::Opens(path, Some(at)) = found.end else { return None };
        Some(super::opened::direct(&path, at, question, disk, worker))
    }
}

impl Reader for Apache {
    fn worker(&self) -> Worker {
        let word = |name: &str| {
            let found = self.tree.main.iter().rev().find(|it| it.name == name)?;
            Some(found.arg(0).to_owned()).filter(|it| !it.contains('$'))
        };
        Worker {
            server: Server::Apache.name(),
            user: word("user"),
            group: word("group"),
            pid_file: word("pidfile"),
        }
    }

    fn listens(&self, address: &Address) -> bool {
        server::listens(&self.tree.main, address)
    }

    fn analysis(&self, question: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut treatment = RouteAnalysis::default();
        let site = self.site(&question.site, disk);
        let Some(found) = site.find(&question.site) else { return treatment };
        download(&site, &found, question, &mut treatment);
        let obeys = question.hands_over_by("X-Sendfile");
        if let (End::Asks(asked), true) = (&found.end, obeys) {
            let xsendfile = XSendFile { tree: &self.tree, found: &found, asked, site: &site };
            treatment.header.extend(xsendfile.state());
            treatment.header.extend(found.forbidden.clone());
            let on = treatment.header.iter().all(|it| it.kind == FactKind::HeaderObeyed);
            treatment.fate = if on { HeaderFate::Obeyed } else { HeaderFate::Passed };
            treatment.target = xsendfile.target(question, disk, worker);
        } else if let Some(forbidden) = &found.forbidden {
            treatment.header.push(forbidden.clone());
        }
        let passed = treatment.fate == HeaderFate::Passed;
        if let Some(unset) = self.unset(question, &found.scope).filter(|_| passed) {
            treatment.header.push(unset);
            treatment.fate = HeaderFate::Dropped;
        }
        if let End::Asks(asked) = &found.end {
            treatment.header.extend(self.announced(question, &found, asked, site.host));
        }
        if let Some(direct) = &question.direct {
            treatment.direct.extend(self.direct(direct, question, disk, worker));
        }
        treatment
    }
}

/// Records how the download URL is handled.
fn download(site: &Site<'_>, found: &Found<'_>, question: &Query, treatment: &mut RouteAnalysis) {
    let path = decoded(&question.site.path);
    let fact = match &found.end {
        End::Asks(asked) => {
            treatment.asks = asked.addresses.last().cloned();
            let detail = format!("matches the download URL and passes it to {}", asked.shown());
            treatment.download.extend(wrongly_asked(asked, question));
            treatment.download.extend(guarded(&found.scope));
            Fact::at(FactKind::DownloadAsksApp, asked.by.clone(), detail)
        }
        End::Redirects(to, by) => Fact::at(
            FactKind::DownloadRedirected,
            by.clone(),
            format!("redirects the client to {to}"),
        ),
        End::Unknown(reason) => {
            treatment.unsure = true;
            Fact::of(FactKind::Unsure, reason.clone())
        }
        End::Answers(status, by) => {
            let what = format!("matches the download URL and returns {status}");
            not_asking(site, &path, &what, Some(by.clone()))
        }
        End::Opens(file, by) => {
            let what = format!("matches the download URL and opens {file}");
            not_asking(site, &path, &what, by.clone())
        }
    };
    treatment.download.push(fact);
}

/// An access rule: whom it admits is known only at run time.
fn guarded(scope: &Scope<'_>) -> Option<Fact> {
    let open = |it: &&Directive| it.arg(0) == "all" && it.arg(1) == "granted";
    let denies = ["deny", "authtype", "secruleengine"].into_iter().flat_map(|it| scope.all(it));
    let by = scope.all("require").filter(|it| !open(it)).chain(denies).next()?;
    Some(Fact::at(FactKind::Guarded, by.place(), "may refuse a request"))
}

/// A rule that does not pass the request to the app: does it override one that would?
fn not_asking(
    site: &Site<'_>,
    path: &str,
    what: &str,
    by: Option<sendfile_evidence::fact::SourceLine>,
) -> Fact {
    let here = || site.host.map(Directive::place);
    if let (Some(excluded), Some(pass)) = (site.excluded(path), site.other_pass(path)) {
        let (at, pass) = (excluded.place(), pass.place());
        let fix = format!(
            "In {}, narrow `{}` so that `{}` ({}) matches the download",
            at.line(),
            at.text,
            pass.text,
            pass.line()
        );
        let detail = format!(
            "{what}; without it, `{}` ({}) would pass the request to the app",
            pass.text,
            pass.line()
        );
        return Fact::at(FactKind::DownloadShadowed, at, detail).mended_by(fix);
    }
    let fix = here().map(|it| {
        format!("In the virtual host at {}, add a `ProxyPass` for the download path", it.line())
    });
    let detail = format!("{what}; no `ProxyPass` or `RewriteRule` passes it to the app");
    Fact { kind: FactKind::DownloadNotRouted, at: by.or_else(here), detail, fix }
}

/// An upstream address, protocol or path other than the app's.
fn wrongly_asked(asked: &RequestRecord, question: &Query) -> Vec<Fact> {
    let Some(app) = &question.app else { return Vec::new() };
    let at = || asked.by.clone();
    let mut facts = Vec::new();
    let https = asked.scheme == "https";
    let http = https || asked.scheme == "http";
    if !asked.is_at(&app.address) {
        let detail =
            format!("passes requests to {}, but the app is at {}", asked.shown(), app.address);
        let fix = format!("In {}, set the app's address: http://{}", at().line(), app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at(), detail).mended_by(fix));
    } else if !http || https != app.https {
        let speaks = &asked.scheme;
        let answers = if app.https { "HTTPS" } else { "HTTP" };
        let detail = format!("uses {speaks} with {}, which expects {answers}", app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at(), detail));
    }
    if http && decoded(&asked.path) != decoded(&app.path) {
        let detail = format!("requests {} from the app; expected {}", asked.path, app.path);
        let fix = format!(
            "In {}, end both the path and the URL with a slash, or neither (now {})",
            at().line(),
            asked.written
        );
        facts.push(Fact::at(FactKind::PathRewritten, at(), detail).mended_by(fix));
    }
    facts
}
