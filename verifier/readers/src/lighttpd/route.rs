//! What handles a request, by the settings that apply to it: a redirect, a refusal, an upstream
//! host or a file. It does not know which route would be right.

use sendfile_evidence::{fact::SourceLine, request::Address};

use super::{
    settings::Settings,
    value::{Item, Setting, Value},
};
use crate::disk::{Disk, Look};

/// The settings that name upstream hosts.
const GATEWAYS: [&str; 5] =
    ["proxy.server", "fastcgi.server", "scgi.server", "ajp13.server", "uwsgi.server"];

/// Settings of virtual host modules and error handlers. If any of them is set, only files that
/// exist are certain to be served.
const MAY_SERVE_OTHERS: [&str; 4] = [
    "server.error-handler-404",
    "server.error-handler",
    "evhost.path-pattern",
    "simple-vhost.server-root",
];

/// What handles a request in the end.
pub(super) enum RouteOutcome<'a> {
    /// The request is passed to one of these hosts.
    Proxied(Vec<Host<'a>>),
    /// A file is opened.
    Opens(String, SourceLine),
    /// lighttpd redirects.
    Redirects(String, SourceLine),
    /// lighttpd responds itself with this status.
    Responds(u16, SourceLine),
    /// A login is required.
    Login(SourceLine),
    /// The outcome is known only at run time, or nothing handles the request.
    Unknown,
}

/// An upstream host.
pub(super) struct Host<'a> {
    setting: &'a Setting,
    /// The address of the host.
    pub(super) address: Address,
    /// Whether the host uses HTTP.
    pub(super) http: bool,
    /// Whether X-Sendfile is enabled for the host.
    pub(super) sendfile: bool,
    /// The directories that may be sent; all if empty.
    pub(super) directories: Vec<String>,
}

impl<'a> Host<'a> {
    /// Reads a host's entry in a setting.
    fn of(setting: &'a Setting, entry: &Value) -> Self {
        let mut directories = Vec::new();
        if let Some(docroot) = entry.named("x-sendfile-docroot") {
            for (_, directory) in docroot.entries() {
                directories.push(directory.text().to_owned());
            }
        }
        let sendfile = is_enabled(entry, "x-sendfile") || is_enabled(entry, "allow-x-send-file");
        let http = setting.key == "proxy.server";
        Self { setting, address: address_of(entry), http, sendfile, directories }
    }

    /// Its position.
    pub(super) fn place(&self) -> SourceLine {
        self.setting.place()
    }

    /// Its position, with one of its entries.
    pub(super) fn place_of(&self, entry: &str) -> SourceLine {
        self.setting.place_of(entry)
    }
}

fn address_of(entry: &Value) -> Address {
    let host = entry.named_text("host").unwrap_or_default();
    if let Some(path) = entry.named_text("socket") {
        return Address { host: path.to_owned(), port: 0 };
    }
    if host.starts_with('/') {
        return Address { host: host.to_owned(), port: 0 };
    }
    let port = match entry.named_text("port") {
        Some(port) => port.parse().unwrap_or(80),
        None => 80,
    };
    Address { port, ..Address::of(host, port) }
}

fn is_enabled(entry: &Value, name: &str) -> bool {
    matches!(entry.named_text(name), Some("enable" | "enabled" | "true" | "1"))
}

/// Determines what handles a request.
pub(super) fn route<'a>(settings: &Settings<'a>, disk: &dyn Disk) -> RouteOutcome<'a> {
    if let Some((to, at)) = settings.first_match("url.redirect") {
        return RouteOutcome::Redirects(to, at);
    }
    if let Some(setting) = denied(settings) {
        return RouteOutcome::Responds(403, setting.place());
    }
    if let Some(setting) = login(settings) {
        return RouteOutcome::Login(setting.place());
    }
    for key in GATEWAYS {
        let hosts = hosts(settings, key);
        if !hosts.is_empty() {
            return RouteOutcome::Proxied(hosts);
        }
    }
    if settings.unsure.is_some() {
        return RouteOutcome::Unknown;
    }
    let Some((file, at)) = file(settings) else { return RouteOutcome::Unknown };
    if may_serve_others(settings) && disk.look(&file) != Look::File {
        return RouteOutcome::Unknown;
    }
    RouteOutcome::Opens(file, at)
}

/// The `url.access-deny` that refuses the path.
fn denied<'a>(settings: &Settings<'a>) -> Option<&'a Setting> {
    let setting = settings.setting("url.access-deny")?;
    for (_, end) in settings.entries("url.access-deny") {
        if settings.path.ends_with(end.text()) {
            return Some(setting);
        }
    }
    None
}

/// The `auth.require` that asks for a login, unless the request has credentials.
fn login<'a>(settings: &Settings<'a>) -> Option<&'a Setting> {
    let setting = settings.setting("auth.require")?;
    if settings.request.header("authorization").is_some() {
        return None;
    }
    for (prefix, _) in settings.entries("auth.require") {
        if let Some(prefix) = prefix
            && settings.path.starts_with(prefix)
        {
            return Some(setting);
        }
    }
    None
}

/// The hosts that a setting names for the path, by a prefix with a slash or by an extension.
fn hosts<'a>(settings: &Settings<'a>, key: &str) -> Vec<Host<'a>> {
    let mut hosts = Vec::new();
    let Some(setting) = settings.setting(key) else { return hosts };
    for (name, list) in settings.entries(key) {
        if !is_for_path(name, &settings.path) {
            continue;
        }
        for (_, entry) in list.entries() {
            if matches!(entry, Value::List(_)) {
                hosts.push(Host::of(setting, entry));
            }
        }
        break;
    }
    hosts
}

fn is_for_path(name: Option<&str>, path: &str) -> bool {
    let name = name.unwrap_or_default();
    if name.starts_with('/') { path.starts_with(name) } else { path.ends_with(name) }
}

/// The file that the path is mapped to, and the setting that maps it.
fn file(settings: &Settings<'_>) -> Option<(String, SourceLine)> {
    if let Some(setting) = settings.setting("alias.url") {
        for (prefix, directory) in settings.entries("alias.url") {
            if let Some(prefix) = prefix
                && let Some(rest) = settings.path.strip_prefix(prefix)
            {
                return Some((format!("{}{rest}", directory.text()), setting.place()));
            }
        }
    }
    let root = settings.setting("server.document-root")?;
    let directory = root.value.text().trim_end_matches('/');
    Some((format!("{directory}{}", settings.path), root.place()))
}

fn may_serve_others(settings: &Settings<'_>) -> bool {
    for key in MAY_SERVE_OTHERS {
        if let Some(value) = settings.value(key)
            && !value.text().is_empty()
        {
            return true;
        }
    }
    false
}

/// The path that is requested from a host.
pub(super) fn upstream_path(settings: &Settings<'_>) -> String {
    if let Some(header) = settings.value("proxy.header")
        && let Some(map) = header.named("map-urlpath")
    {
        for (prefix, replacement) in map.entries() {
            if let Some(prefix) = prefix
                && let Some(rest) = settings.path.strip_prefix(prefix)
            {
                return format!("{}{rest}", replacement.text());
            }
        }
    }
    settings.path.clone()
}

/// A setting that names a host for a path, under any condition.
pub(super) fn any_gateway<'a>(items: &'a [Item], path: &str) -> Option<&'a Setting> {
    for item in items {
        match item {
            Item::Set(setting) => {
                if GATEWAYS.contains(&setting.key.as_str()) && names_host(setting, path) {
                    return Some(setting);
                }
            }
            Item::If(branches) => {
                for branch in branches {
                    if let Some(setting) = any_gateway(&branch.items, path) {
                        return Some(setting);
                    }
                }
            }
        }
    }
    None
}

fn names_host(setting: &Setting, path: &str) -> bool {
    setting.value.entries().into_iter().any(|(name, _)| is_for_path(name, path))
}
