//! lighttpd: its configuration, and the facts that it contains about one download. It knows nothing
//! of other proxies, and of the app only what the query contains.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind, SourceLine},
    request::{Address, Request},
};

use crate::{
    disk::{Disk, Worker},
    opened,
    pattern::Matcher,
    query::{Query, is_switch, spelled},
    reader::{HeaderFate, Reader, RouteAnalysis},
    uri::{self, decoded, is_below},
};

mod route;
mod settings;
#[cfg(test)]
mod tests;
mod tree;
mod value;

use self::{
    route::{Host, RouteOutcome, any_gateway, route, upstream_path},
    settings::Settings,
    value::Item,
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

    /// The text of a setting outside of all conditions; `None` if it is empty or missing.
    fn main_setting(&self, key: &str) -> Option<String> {
        for item in self.items.iter().rev() {
            if let Item::Set(setting) = item
                && setting.key == key
            {
                let text = setting.value.text();
                return if text.is_empty() { None } else { Some(text.to_owned()) };
            }
        }
        None
    }

    fn settings<'a>(&'a self, request: &'a Request) -> Option<Settings<'a>> {
        Settings::of(&self.items, request, &self.matcher)
    }

    /// The addresses that the server listens on.
    fn listeners(&self) -> Vec<Address> {
        let port = match self.main_setting("server.port") {
            Some(port) => port.parse().unwrap_or(80),
            None => 80,
        };
        let bind = self.main_setting("server.bind").unwrap_or_default();
        let mut main = Address::of(&bind, port);
        // A Unix socket has no port.
        if main.port != 0 {
            main.port = port;
        }
        let mut listeners = vec![main];
        add_sockets(&self.items, &mut listeners);
        listeners
    }

    /// The facts about how the download URL is handled.
    fn download(
        &self,
        outcome: &RouteOutcome<'_>,
        settings: &Settings<'_>,
        query: &Query,
    ) -> Vec<Fact> {
        let fact = match outcome {
            RouteOutcome::Proxied(hosts) => return proxied(hosts, settings, query),
            RouteOutcome::Redirects(to, at) => {
                let detail = format!("redirects the client to {to}");
                Fact::at(FactKind::DownloadRedirected, at.clone(), detail)
            }
            RouteOutcome::Login(at) => {
                let detail = "requires a login before the request reaches the app";
                Fact::at(FactKind::LoginAsked, at.clone(), detail)
            }
            RouteOutcome::Responds(status, at) => {
                let detail = format!("matches the download URL and returns {status}");
                Fact::at(FactKind::DownloadShadowed, at.clone(), detail)
            }
            RouteOutcome::Opens(path, at) => self.not_proxied(path, at, settings),
            RouteOutcome::Unknown => return Vec::new(),
        };
        vec![fact]
    }

    /// The fact that the download URL is mapped to a file: a gateway that would match it has no
    /// effect, or there is no such gateway.
    fn not_proxied(&self, file: &str, at: &SourceLine, settings: &Settings<'_>) -> Fact {
        let outcome = format!("matches the download URL and opens {file}");
        let (reason, suggestion) = match any_gateway(&self.items, &settings.path) {
            Some(gateway) => {
                let there = gateway.place();
                match settings.missing_module(&gateway.key) {
                    Some(module) => (
                        format!(
                            "`{}` ({}) has no effect without {module}, which is not in \
                             `server.modules`",
                            there.text,
                            there.line()
                        ),
                        format!("Add \"{module}\" to `server.modules`"),
                    ),
                    None => (
                        format!(
                            "the condition around `{}` ({}) does not match it",
                            there.text,
                            there.line()
                        ),
                        format!(
                            "Extend the condition around {} to match the download URL",
                            there.line()
                        ),
                    ),
                }
            }
            None => (
                "no `proxy.server` or `fastcgi.server` passes it to the app".to_owned(),
                "Add a `proxy.server` for the download path".to_owned(),
            ),
        };
        let detail = format!("{outcome}; {reason}");
        Fact::at(FactKind::DownloadNotRouted, at.clone(), detail).mended_by(suggestion)
    }

    /// The file that the direct location opens.
    fn direct(
        &self,
        direct: &Request,
        query: &Query,
        disk: &dyn Disk,
        worker: &Worker,
    ) -> Option<Fact> {
        let settings = self.settings(direct)?;
        let RouteOutcome::Opens(path, at) = route(&settings, disk) else { return None };
        Some(opened::direct(&path, at, query, disk, worker))
    }
}

impl Reader for Lighttpd {
    fn worker(&self) -> Worker {
        Worker {
            server: Server::Lighttpd.name(),
            user: self.main_setting("server.username"),
            group: self.main_setting("server.groupname"),
            pid_file: self.main_setting("server.pid-file"),
        }
    }

    fn listens(&self, address: &Address) -> bool {
        for listener in self.listeners() {
            let any = matches!(listener.host.as_str(), "" | "*" | "0.0.0.0" | "::");
            let is_host = any || listener.is(address) || !address.is_number();
            if listener.port == address.port && is_host {
                return true;
            }
        }
        false
    }

    fn analysis(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut analysis = RouteAnalysis::default();
        let Some(settings) = self.settings(&query.site) else { return analysis };
        let outcome = route(&settings, disk);
        if let Some(reason) = &settings.unsure {
            analysis.unsure = true;
            analysis.download.push(Fact::of(FactKind::Unsure, reason.clone()));
        }
        analysis.download.extend(self.download(&outcome, &settings, query));
        if let RouteOutcome::Proxied(hosts) = &outcome
            && let Some(host) = app_or_first(hosts, query)
        {
            analysis.forwards_to = Some(host.address.clone());
            analysis.header.extend(missing_request_headers(query, &settings, host));
            if query.hands_over_by("X-Sendfile") {
                let (fate, fact) = sendfile(host, query);
                analysis.fate = fate;
                analysis.header.push(fact);
                analysis.target = target(query, host, disk, worker);
            }
        }
        if let Some(direct) = &query.direct {
            analysis.direct.extend(self.direct(direct, query, disk, worker));
        }
        analysis
    }
}

/// Adds the addresses of all conditions on `$SERVER["socket"]`.
fn add_sockets(items: &[Item], listeners: &mut Vec<Address>) {
    for item in items {
        let Item::If(branches) = item else { continue };
        for branch in branches {
            if let Some(condition) = &branch.condition
                && condition.variable == "SERVER"
                && condition.key == "socket"
            {
                listeners.push(Address::of(&condition.value, 80));
            }
            add_sockets(&branch.items, listeners);
        }
    }
}

/// The host that is the app, else the first one.
fn app_or_first<'h, 'a>(hosts: &'h [Host<'a>], query: &Query) -> Option<&'h Host<'a>> {
    let app = hosts.iter().find(|host| query.is_app(&host.address) == Some(true));
    app.or(hosts.first())
}

/// The facts about a download URL that is passed to one of these hosts.
fn proxied(hosts: &[Host<'_>], settings: &Settings<'_>, query: &Query) -> Vec<Fact> {
    let Some(host) = app_or_first(hosts, query) else { return Vec::new() };
    let mut facts = wrong_upstream(host, settings, query);
    let detail = format!("matches the download URL and passes it to {}", host.address);
    facts.push(Fact::at(FactKind::DownloadAsksApp, host.place(), detail));
    // Whether a client has the credentials for a login is known only at run time.
    if let Some(login) = settings.setting("auth.require") {
        facts.push(Fact::at(FactKind::Guarded, login.place(), "may refuse a request"));
    }
    facts
}

/// An upstream address, protocol or path other than the app's.
fn wrong_upstream(host: &Host<'_>, settings: &Settings<'_>, query: &Query) -> Vec<Fact> {
    let mut facts = Vec::new();
    let Some(app) = &query.app else { return facts };
    let at = host.place();
    if !host.address.is(&app.address) {
        let detail =
            format!("passes requests to {}, but the app is at {}", host.address, app.address);
        let suggestion = format!("In {}, set the app's address: {}", at.line(), app.address);
        let fact = Fact::at(FactKind::AppElsewhere, at.clone(), detail);
        facts.push(fact.mended_by(suggestion));
    } else if !host.http {
        let detail = format!("uses FastCGI with {}, which expects HTTP", app.address);
        facts.push(Fact::at(FactKind::AppElsewhere, at.clone(), detail));
    }
    let path = upstream_path(settings);
    if host.http && path != decoded(&app.path) {
        let detail = format!("requests {path} from the app; expected {}", app.path);
        facts.push(Fact::at(FactKind::PathRewritten, at, detail));
    }
    facts
}

/// Request headers that enable the app's hand-off but are not sent.
fn missing_request_headers(query: &Query, settings: &Settings<'_>, host: &Host<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let Some(app) = &query.app else { return facts };
    for (name, value) in &app.headers {
        if !is_switch(name) || sets_request_header(settings, name) {
            continue;
        }
        let name = spelled(name);
        let suggestion = format!(
            "Before {}, add `setenv.add-request-header = ( \"{name}\" => \"{value}\" )` (requires \
             mod_setenv)",
            host.place().line()
        );
        let detail = format!("{name} is not sent to the app");
        let fact = Fact::at(FactKind::NotAnnounced, host.place(), detail);
        facts.push(fact.mended_by(suggestion));
    }
    facts
}

fn sets_request_header(settings: &Settings<'_>, header: &str) -> bool {
    for key in ["setenv.add-request-header", "setenv.set-request-header"] {
        for (name, _) in settings.entries(key) {
            if let Some(name) = name
                && name.eq_ignore_ascii_case(header)
            {
                return true;
            }
        }
    }
    false
}

/// Whether the host's entry enables X-Sendfile.
fn sendfile(host: &Host<'_>, query: &Query) -> (HeaderFate, Fact) {
    let at = host.place();
    if host.sendfile {
        let detail = "acts on X-Sendfile in the app's responses";
        return (HeaderFate::Obeyed, Fact::at(FactKind::HeaderObeyed, at, detail));
    }
    let directory = match query.value.as_deref().unwrap_or_default().rsplit_once('/') {
        Some((directory, _)) => directory,
        None => "/DIRECTORY",
    };
    let suggestion = format!(
        "In {}, add `\"x-sendfile\" => \"enable\", \"x-sendfile-docroot\" => ( \"{directory}/\" )` \
         to the host's entry",
        at.line()
    );
    let detail = "no `\"x-sendfile\" => \"enable\"` for this host";
    let fact = Fact::at(FactKind::FeatureOff, at, detail);
    (HeaderFate::Dropped, fact.mended_by(suggestion))
}

/// Determines what the header's path refers to: lighttpd decodes it, and restricts it to the
/// host's directories if any are set.
fn target(query: &Query, host: &Host<'_>, disk: &dyn Disk, worker: &Worker) -> Vec<Fact> {
    let mut facts = Vec::new();
    let Some(path) = target_path(query) else { return facts };
    let directories = &host.directories;
    let is_allowed = directories.iter().any(|directory| is_below(&path, directory));
    if !directories.is_empty() && !is_allowed {
        facts.push(not_allowed(&path, host, disk));
    }
    let (state, detail, fix) = opened::seen(&path, disk, worker);
    let is_other_file = query.file.as_deref().is_some_and(|file| !opened::same(&path, file, disk));
    if !is_other_file {
        let kind = FactKind::TargetOpens { path, state, wrong: None };
        let fact = Fact::at(kind, host.place(), format!("the hand-off opens {detail}"));
        facts.push(Fact { fix, ..fact });
    }
    facts
}

fn target_path(query: &Query) -> Option<String> {
    let value = query.value.as_deref()?;
    if !value.starts_with('/') {
        return None;
    }
    uri::normalised(&decoded(value), uri::Slashes::Merged)
}

/// The fact that a path is outside the directories of `x-sendfile-docroot`.
fn not_allowed(path: &str, host: &Host<'_>, disk: &dyn Disk) -> Fact {
    let at = host.place_of("x-sendfile-docroot");
    let mut detail = format!("{path} is outside {}", host.directories.join(", "));
    let mut wanted = match path.rsplit_once('/') {
        Some((directory, _)) => directory.to_owned(),
        None => "/".to_owned(),
    };
    for directory in &host.directories {
        if let Some(real) = disk.real(directory)
            && is_below(path, &real)
        {
            detail = format!(
                "{detail}: {directory} is a symbolic link to {real}, and links are not resolved"
            );
            wanted = real;
            break;
        }
    }
    let suggestion = format!(
        "In {}, add \"{}/\" to `x-sendfile-docroot`",
        at.line(),
        wanted.trim_end_matches('/')
    );
    Fact::at(FactKind::PathNotAllowed, at, detail).mended_by(suggestion)
}
