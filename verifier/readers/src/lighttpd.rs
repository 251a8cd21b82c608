//! lighttpd: its configuration, and the facts that it contains about one download.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind},
    request::{Address, Request},
};

use super::{
    opened::{direct, same, seen},
    pattern::Matcher,
    query::{is_switch, spelled},
    uri::{self, decoded, is_below},
};
use crate::{
    disk::{Disk, Worker},
    query::Query,
    reader::{HeaderFate, Reader, RouteAnalysis},
};

mod effective;
#[cfg(test)]
mod tests;
mod tree;

use self::{
    effective::{End, Host, Settings},
    tree::{Branch, Item},
};

/// A lighttpd configuration.
pub(super) struct Lighttpd {
    items: Vec<Item>,
    matcher: Matcher,
}

impl Lighttpd {
    /// Reads a file with its includes.
    pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Self {
        Self { items: tree::read(path, disk, unread), matcher: Matcher::default() }
    }

    fn word(&self, key: &str) -> Option<String> {
        let found = self.items.iter().rev().find_map(|it| match it {
            Item::Set(it) if it.key == key => Some(it.value.text().to_owned()),
            _ => None,
        });
        found.filter(|it| !it.is_empty())
    }

    fn settings<'a>(&'a self, request: &'a Request) -> Option<Settings<'a>> {
        Settings::of(&self.items, request, &self.matcher)
    }

    fn download(&self, end: &End<'_>, settings: &Settings<'_>, question: &Query) -> Vec<Fact> {
        let fact = match end {
            End::Asks(hosts) => {
                let Some(host) = meant(hosts, question) else { return Vec::new() };
                let detail = format!("matches the download URL and passes it to {}", host.address);
                let mut facts = wrongly_asked(host, settings, question);
                facts.push(Fact::at(FactKind::DownloadAsksApp, host.place(), detail));
                facts.extend(guarded(settings));
                return facts;
            }
            End::Redirects(to, at) => Fact::at(
                FactKind::DownloadRedirected,
                at.clone(),
                format!("redirects the client to {to}"),
            ),
            End::Login(at) => Fact::at(
                FactKind::LoginAsked,
                at.clone(),
                "requires a login before the request reaches the app",
            ),
            End::Answers(status, at) => {
                let detail = format!("matches the download URL and returns {status}");
                Fact::at(FactKind::DownloadShadowed, at.clone(), detail)
            }
            End::Opens(path, at) => {
                let what = format!("matches the download URL and opens {path}");
                let gateway = effective::any_gateway(&self.items, &settings.path);
                let lacking = gateway.and_then(|it| settings.lacks(&it.key));
                let (detail, fix) = match (gateway.map(tree::Setting::place), lacking) {
                    (Some(there), Some(module)) => (
                        format!(
                            "{what}; `{}` ({}) has no effect without {module}, which is not in \
                             `server.modules`",
                            there.text,
                            there.line()
                        ),
                        format!("Add \"{module}\" to `server.modules`"),
                    ),
                    (Some(there), None) => (
                        format!(
                            "{what}; the condition around `{}` ({}) does not match it",
                            there.text,
                            there.line()
                        ),
                        format!(
                            "Extend the condition around {} to match the download URL",
                            there.line()
                        ),
                    ),
                    (None, _) => (
                        format!(
                            "{what}; no `proxy.server` or `fastcgi.server` passes it to the app"
                        ),
                        "Add a `proxy.server` for the download path".to_owned(),
                    ),
                };
                Fact::at(FactKind::DownloadNotRouted, at.clone(), detail).mended_by(fix)
            }
            End::Unknown => return Vec::new(),
        };
        vec![fact]
    }
}

impl Reader for Lighttpd {
    fn worker(&self) -> Worker {
        Worker {
            server: Server::Lighttpd.name(),
            user: self.word("server.username"),
            group: self.word("server.groupname"),
            pid_file: self.word("server.pid-file"),
        }
    }

    fn listens(&self, address: &Address) -> bool {
        let port = self.word("server.port").and_then(|it| it.parse().ok()).unwrap_or(80);
        let main = Address::of(&self.word("server.bind").unwrap_or_default(), port);
        let mut all = vec![Address { port: if main.port == 0 { 0 } else { port }, ..main }];
        sockets(&self.items, &mut all);
        all.iter().any(|it| {
            let any = matches!(it.host.as_str(), "" | "*" | "0.0.0.0" | "::");
            it.port == address.port && (any || it.is(address) || !address.is_number())
        })
    }

    fn analysis(&self, question: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut treatment = RouteAnalysis::default();
        let Some(settings) = self.settings(&question.site) else { return treatment };
        let end = settings.end(disk);
        if let Some(reason) = &settings.unsure {
            treatment.unsure = true;
            treatment.download.push(Fact::of(FactKind::Unsure, reason.clone()));
        }
        treatment.download.extend(self.download(&end, &settings, question));
        if let End::Asks(hosts) = &end
            && let Some(host) = meant(hosts, question)
        {
            treatment.asks = Some(host.address.clone());
            treatment.header.extend(announced(question, &settings, host));
            if question.hands_over_by("X-Sendfile") {
                let (fate, fact) = acts(host, question);
                treatment.fate = fate;
                treatment.header.push(fact);
                treatment.target = target(question, host, disk, worker);
            }
        }
        let asked = question.direct.as_ref();
        if let Some(End::Opens(path, at)) = asked.and_then(|it| Some(self.settings(it)?.end(disk)))
        {
            treatment.direct.push(direct(&path, at, question, disk, worker));
        }
        treatment
    }
}

/// The host that is the app, else the first one.
fn meant<'h, 'a>(hosts: &'h [Host<'a>], question: &Query) -> Option<&'h Host<'a>> {
    hosts.iter().find(|it| question.is_app(&it.address) == Some(true)).or(hosts.first())
}

/// A login whose credentials the client may have: known only at run time.
fn guarded(settings: &Settings<'_>) -> Option<Fact> {
    let by = settings.setting("auth.require")?;
    Some(Fact::at(FactKind::Guarded, by.place(), "may refuse a request"))
}

fn sockets(items: &[Item], all: &mut Vec<Address>) {
    for item in items {
        let Item::If(branches) = item else { continue };
        for Branch { condition, items } in branches {
            if let Some(socket) =
                condition.as_ref().filter(|it| it.of == "SERVER" && it.key == "socket")
            {
                all.push(Address::of(&socket.value, 80));
            }
            sockets(items, all);
        }
    }
}

/// Whether the host's entry acts on the header.
fn acts(host: &Host<'_>, question: &Query) -> (HeaderFate, Fact) {
    let at = host.place();
    let value = question.value.as_deref().unwrap_or_default();
    let folder = value.rsplit_once('/').map_or("/DIRECTORY", |(folder, _)| folder);
    match host.sends {
        true => {
            let fact =
                Fact::at(FactKind::HeaderObeyed, at, "acts on X-Sendfile in the app's responses");
            (HeaderFate::Obeyed, fact)
        }
        false => {
            let fix = format!(
                "In {}, add `\"x-sendfile\" => \"enable\", \"x-sendfile-docroot\" => ( \
                 \"{folder}/\" )` to the host's entry",
                at.line()
            );
            let fact = Fact::at(
                FactKind::FeatureOff,
                at,
                "no `\"x-sendfile\" => \"enable\"` for this host",
            );
            (HeaderFate::Dropped, fact.mended_by(fix))
        }
    }
}

/// What the header's path refers to: decoded, and below one of the directories if any are set.
fn target(question: &Query, host: &Host<'_>, disk: &dyn Disk, worker: &Worker) -> Vec<Fact> {
    let Some(value) = question.value.as_deref().filter(|it| it.starts_with('/')) else {
        return Vec::new();
    };
    let Some(path) = uri::normalised(&decoded(value), uri::Slashes::Merged) else {
        return Vec::new();
    };
    let mut facts = Vec::new();
    let folders = &host.folders;
    if !folders.is_empty() && !folders.iter().any(|it| is_below(&path, it)) {
        let at = host.place_of("x-sendfile-docroot");
        let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let through =
            folders.iter().find(|it| disk.real(it).is_some_and(|it| is_below(&path, &it)));
        let (detail, wanted) = match through.and_then(|it| Some((it, disk.real(it)?))) {
            Some((link, real)) => (
                format!(
                    "{path} is outside {}: {link} is a symbolic link to {real}, and links are not \
                     resolved",
                    folders.join(", ")
                ),
                real,
            ),
            None => (format!("{path} is outside {}", folders.join(", ")), folder.to_owned()),
        };
        let fix = format!(
            "In {}, add \"{}/\" to `x-sendfile-docroot`",
            at.line(),
            wanted.trim_end_matches('/')
        );
        facts.push(Fact::at(FactKind::PathNotAllowed, at, detail).mended_by(fix));
    }
    let (state, detail, fix) = seen(&path, disk, worker);
    if question.file.as_deref().is_none_or(|it| same(&path, it, disk)) {
        let says = FactKind::TargetOpens { path, state, wrong: None };
        facts.push(Fact {
            fix,
            ..Fact::at(says, host.place(), format!("the hand-off opens {detail}"))
        });
    }
    facts
}

/// Headers that enable the app's hand-off but are not sent.
fn announced(question: &Query, settings: &Settings<'_>, host: &Host<'_>) -> Vec<Fact> {
    let Some(app) = &question.app else { return Vec::new() };
    let set = |name: &str| {
        ["setenv.add-request-header", "setenv.set-request-header"].iter().any(|key| {
            let found = settings.value(key).into_iter().flat_map(|it| {
                it.entries().into_iter().map(|(n, _)| n.map(str::to_owned)).collect::<Vec<_>>()
            });
            found.flatten().any(|it| it.eq_ignore_ascii_case(name))
        })
    };
    let missing = app.headers.iter().filter(|(name, _)| is_switch(name) && !set(name));
    missing
        .map(|(name, value)| {
            let name = spelled(name);
            let fix = format!(
                "Before {}, add `setenv.add-request-header = ( \"{name}\" => \"{value}\" )` \
                 (requires mod_setenv)",
                host.place().line()
            );
            let detail = format!("{name} is not sent to the app");
            Fact::at(FactKind::NotAnnounced, host.place(), detail).mended_by(fix)
        })
        .collect()
}

fn wrongly_asked(host: &Host<'_>, settings: &Settings<'_>, question: &Query) -> Vec<Fact> {
    let Some(app) = &question.app else { return Vec::new() };
    let at = host.place();
    let mut facts = Vec::new();
    if !host.address.is(&app.address) {
        let detail =
            format!("passes requests to {}, but the app is at {}", host.address, app.address);
        let fix = format!("In {}, set the app's address: {}", at.line(), app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail).mended_by(fix));
    } else if !host.http {
        let detail = format!("uses FastCGI with {}, which expects HTTP", app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail));
    }
    let asked = settings.sent_path();
    if host.http && asked != decoded(&app.path) {
        let detail = format!("requests {asked} from the app; expected {}", app.path);
        facts.push(Fact::at(FactKind::PathRewritten, at, detail));
    }
    facts
}
