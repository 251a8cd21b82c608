//! Which settings apply to a request: those of all matching conditions, and what handles it.

use std::collections::HashMap;

use sendfile_evidence::{
    fact::SourceLine,
    request::{Address, Request},
};

use super::{
    super::{
        pattern::{Case, Matcher},
        uri,
    },
    tree::{Branch, Condition, Item, Setting, Value},
};
use crate::disk::{Disk, Look};

/// The settings for a request.
pub(super) struct Settings<'a> {
    /// The decoded path, after rewrites.
    pub(super) path: String,
    /// What could not be evaluated.
    pub(super) unsure: Option<String>,
    request: &'a Request,
    matcher: &'a Matcher,
    found: HashMap<&'a str, (Vec<&'a Setting>, Value)>,
}

/// An upstream host.
pub(super) struct Host<'a> {
    setting: &'a Setting,
    /// Where it is.
    pub(super) address: Address,
    /// Whether it uses HTTP.
    pub(super) http: bool,
    /// Whether it acts on X-Sendfile.
    pub(super) sends: bool,
    /// The directories that may be sent; all if empty.
    pub(super) folders: Vec<String>,
}

impl Host<'_> {
    /// Its position.
    pub(super) fn place(&self) -> SourceLine {
        self.setting.place()
    }

    /// Its position, with one of its entries.
    pub(super) fn place_of(&self, entry: &str) -> SourceLine {
        self.setting.place_of(entry)
    }
}

/// The outcome of a request.
pub(super) enum End<'a> {
    /// It is passed to one of these hosts.
    Asks(Vec<Host<'a>>),
    Opens(String, SourceLine),
    Redirects(String, SourceLine),
    Answers(u16, SourceLine),
    Login(SourceLine),
    Unknown,
}

/// Settings that may route a request elsewhere, depending on something known only at run time.
const LEFT_ALONE: [&str; 5] = [
    "url.rewrite-if-not-file",
    "url.rewrite-repeat-if-not-file",
    "magnet.attract-raw-url-to",
    "magnet.attract-physical-path-to",
    "cgi.assign",
];

/// The settings that name upstream hosts.
const GATEWAYS: [&str; 5] =
    ["proxy.server", "fastcgi.server", "scgi.server", "ajp13.server", "uwsgi.server"];

/// The prefixes of keys, and the module without which they have no effect.
const MODULES: [(&str, &str); 14] = [
    ("proxy.", "mod_proxy"),
    ("fastcgi.", "mod_fastcgi"),
    ("scgi.", "mod_scgi"),
    ("ajp13.", "mod_ajp13"),
    ("uwsgi.", "mod_uwsgi"),
    ("cgi.", "mod_cgi"),
    ("alias.", "mod_alias"),
    ("url.rewrite", "mod_rewrite"),
    ("url.redirect", "mod_redirect"),
    ("url.access-", "mod_access"),
    ("auth.", "mod_auth"),
    ("setenv.", "mod_setenv"),
    ("evhost.", "mod_evhost"),
    ("simple-vhost.", "mod_simple_vhost"),
];

impl<'a> Settings<'a> {
    /// The settings for a request after rewrites; `None` for a path above the root.
    pub(super) fn of(
        items: &'a [Item],
        request: &'a Request,
        matcher: &'a Matcher,
    ) -> Option<Self> {
        let path = uri::normalised(&uri::decoded(&request.path), uri::Slashes::Merged)?;
        let at = |path: String| {
            let mut settings = Self { path, unsure: None, request, matcher, found: HashMap::new() };
            settings.collect(items);
            settings
        };
        let mut first = at(path);
        if let Some(key) = LEFT_ALONE.iter().find(|it| first.value(it).is_some()) {
            first.unsure = Some(format!("Cannot evaluate `{key}`"));
        }
        let Some(new) = first.rewritten() else { return Some(first) };
        let new = uri::normalised(new.split('?').next().unwrap_or(&new), uri::Slashes::Merged)?;
        let again = at(new);
        Some(Self { unsure: again.unsure.clone().or(first.unsure), ..again })
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.loaded(key).map(|(_, value)| value)
    }

    /// The last setting of a key.
    pub(super) fn setting(&self, key: &str) -> Option<&'a Setting> {
        self.loaded(key).and_then(|(all, _)| all.last().copied())
    }

    fn loaded(&self, key: &str) -> Option<&(Vec<&'a Setting>, Value)> {
        self.found.get(key).filter(|_| self.lacks(key).is_none())
    }

    /// The module that a key needs and that is not in `server.modules`.
    pub(super) fn lacks(&self, key: &str) -> Option<&'static str> {
        let (_, modules) = self.found.get("server.modules")?;
        let (_, module) = MODULES.iter().find(|(begin, _)| key.starts_with(begin))?;
        let named = modules.entries().iter().any(|(_, it)| it.text() == *module);
        (!named).then_some(module)
    }

    /// Adds the settings of a block, then those of its matching conditions, wherever they are.
    fn collect(&mut self, items: &'a [Item]) {
        for item in items {
            if let Item::Set(setting) = item {
                self.set(setting);
            }
        }
        for item in items {
            let Item::If(branches) = item else { continue };
            if let Some(branch) = self.chosen(branches) {
                self.collect(&branch.items);
            }
        }
    }

    fn set(&mut self, setting: &'a Setting) {
        let before = self.found.remove(setting.key.as_str()).filter(|_| setting.adds);
        let (mut all, value) = match (before, &setting.value) {
            (Some((all, Value::List(mut list))), Value::List(more)) => {
                list.extend(more.iter().cloned());
                (all, Value::List(list))
            }
            (_, value) => (Vec::new(), value.clone()),
        };
        all.push(setting);
        self.found.insert(&setting.key, (all, value));
    }

    fn chosen(&mut self, branches: &'a [Branch]) -> Option<&'a Branch> {
        for branch in branches {
            let Some(condition) = &branch.condition else { return Some(branch) };
            match self.holds(condition) {
                Some(true) => return Some(branch),
                Some(false) => {}
                None => {
                    self.unsure = Some(format!(
                        "The condition on {}[\"{}\"] can be evaluated only at run time",
                        condition.of, condition.key
                    ));
                }
            }
        }
        None
    }

    fn holds(&self, condition: &Condition) -> Option<bool> {
        let Condition { of, key, sign, value } = condition;
        let request = self.request;
        let text = match (of.as_str(), key.to_ascii_lowercase().as_str()) {
            ("HTTP", "url") => self.path.clone(),
            ("HTTP", "host") => match sign.as_str() {
                // A pattern also sees the port.
                "=~" | "!~" => request.host(),
                _ => request.address.host.clone(),
            },
            ("HTTP", "scheme") => if request.https { "https" } else { "http" }.to_owned(),
            ("HTTP", "request-method" | "method") => request.method.clone(),
            ("HTTP", "querystring" | "query-string") => request.query.clone().unwrap_or_default(),
            ("HTTP", "cookie" | "referer" | "user-agent" | "useragent") | ("REQUEST_HEADER", _) => {
                request.header(key)?.to_owned()
            }
            ("SERVER", "socket") => {
                let socket = Address::of(value, 80);
                let any = matches!(socket.host.as_str(), "" | "0.0.0.0" | "::" | "*");
                let is =
                    socket.port == request.address.port && (any || socket.is(&request.address));
                return Some(is == (sign == "=="));
            }
            _ => return None,
        };
        let matches = || self.matcher.matches(value, Case::Matters, &text).ok();
        match sign.as_str() {
            "==" => Some(text == *value),
            "!=" => Some(text != *value),
            "=~" => matches(),
            "!~" => Some(!matches()?),
            "=^" => Some(text.starts_with(value)),
            "=$" => Some(text.ends_with(value)),
            _ => None,
        }
    }

    /// The first matching entry of a list of patterns, with captures filled in.
    fn pattern(&self, key: &str) -> Option<(String, SourceLine)> {
        let setting = self.setting(key)?;
        let target = match &self.request.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        for (pattern, to) in self.value(key)?.entries() {
            let found = self.matcher.captures(pattern?, Case::Matters, &target).ok()?;
            let Some(captured) = found else { continue };
            let filled = captured.filled(to.text()).ok()?;
            return (!filled.is_empty()).then(|| (filled, setting.place()));
        }
        None
    }

    fn rewritten(&self) -> Option<String> {
        ["url.rewrite-once", "url.rewrite", "url.rewrite-final", "url.rewrite-repeat"]
            .iter()
            .find_map(|key| self.pattern(key))
            .map(|(to, _)| to)
    }

    /// The path that is requested from a host.
    pub(super) fn sent_path(&self) -> String {
        let maps = self.value("proxy.header").and_then(|it| it.named("map-urlpath"));
        for (prefix, to) in maps.map(Value::entries).unwrap_or_default() {
            if let Some(rest) = prefix.and_then(|it| self.path.strip_prefix(it)) {
                return format!("{}{rest}", to.text());
            }
        }
        self.path.clone()
    }

    /// Determines what handles the request.
    pub(super) fn end(&self, disk: &dyn Disk) -> End<'a> {
        if let Some((to, at)) = self.pattern("url.redirect") {
            return End::Redirects(to, at);
        }
        let denied = self.value("url.access-deny").map(Value::entries).unwrap_or_default();
        if let Some(setting) = self.setting("url.access-deny")
            && denied.iter().any(|(_, it)| self.path.ends_with(it.text()))
        {
            return End::Answers(403, setting.place());
        }
        let guarded = self.value("auth.require").map(Value::entries).unwrap_or_default();
        let knows = self.request.header("authorization").is_some();
        if let Some(setting) = self.setting("auth.require").filter(|_| !knows)
            && guarded.iter().any(|(prefix, _)| prefix.is_some_and(|it| self.path.starts_with(it)))
        {
            return End::Login(setting.place());
        }
        if let Some(hosts) = GATEWAYS.iter().find_map(|key| self.hosts(key)) {
            return End::Asks(hosts);
        }
        if self.unsure.is_some() {
            return End::Unknown;
        }
        if [
            "server.error-handler-404",
            "server.error-handler",
            "evhost.path-pattern",
            "simple-vhost.server-root",
        ]
        .iter()
        .any(|key| self.value(key).is_some_and(|it| !it.text().is_empty()))
        {
            return self.vhost_or_unknown(disk);
        }
        self.file()
    }

    /// With virtual host modules or an error handler, only existing files are certain.
    fn vhost_or_unknown(&self, disk: &dyn Disk) -> End<'a> {
        match self.file() {
            End::Opens(path, at) if disk.look(&path) == Look::File => End::Opens(path, at),
            _ => End::Unknown,
        }
    }

    fn file(&self) -> End<'a> {
        for (prefix, folder) in self.value("alias.url").map(Value::entries).unwrap_or_default() {
            let rest = prefix.and_then(|it| self.path.strip_prefix(it));
            if let (Some(rest), Some(setting)) = (rest, self.setting("alias.url")) {
                return End::Opens(format!("{}{rest}", folder.text()), setting.place());
            }
        }
        match self.setting("server.document-root") {
            Some(root) => {
                let folder = root.value.text().trim_end_matches('/');
                End::Opens(format!("{folder}{}", self.path), root.place())
            }
            None => End::Unknown,
        }
    }

    /// The hosts that match the path, by a prefix with a slash or by an extension.
    fn hosts(&self, key: &str) -> Option<Vec<Host<'a>>> {
        let setting = self.setting(key)?;
        let entries = self.value(key)?.entries();
        let (_, hosts) =
            entries.into_iter().find(|(name, _)| takes(name.unwrap_or(""), &self.path))?;
        let entries = hosts.entries().into_iter().map(|(_, it)| it);
        let hosts = entries.filter(|it| matches!(it, Value::List(_)));
        let hosts: Vec<_> = hosts.map(|it| host_of(setting, it, key == "proxy.server")).collect();
        (!hosts.is_empty()).then_some(hosts)
    }
}

fn takes(name: &str, path: &str) -> bool {
    if name.starts_with('/') { path.starts_with(name) } else { path.ends_with(name) }
}

fn host_of<'a>(setting: &'a Setting, host: &Value, http: bool) -> Host<'a> {
    let text = |name: &str| host.named(name).map(|it| it.text().to_owned());
    let port = text("port").and_then(|it| it.parse().ok()).unwrap_or(80);
    let socket = text("socket").or(text("host").filter(|it| it.starts_with('/')));
    let address = match socket {
        Some(path) => Address { host: path, port: 0 },
        None => Address { port, ..Address::of(&text("host").unwrap_or_default(), port) },
    };
    let on = |it: &str| matches!(it, "enable" | "enabled" | "true" | "1");
    let sends =
        ["x-sendfile", "allow-x-send-file"].iter().any(|it| text(it).is_some_and(|it| on(&it)));
    let folders = host.named("x-sendfile-docroot").map(Value::entries).unwrap_or_default();
    let folders = folders.iter().map(|(_, it)| it.text().to_owned()).collect();
    Host { setting, address, http, sends, folders }
}

/// A setting, under any condition, that names a host for a path.
pub(super) fn any_gateway<'a>(items: &'a [Item], path: &str) -> Option<&'a Setting> {
    items.iter().find_map(|item| match item {
        Item::Set(setting) => {
            let gateway = GATEWAYS.contains(&setting.key.as_str());
            let entries = setting.value.entries();
            let takes = entries.iter().any(|(name, _)| takes(name.unwrap_or(""), path));
            (gateway && takes).then_some(setting)
        }
        Item::If(branches) => branches.iter().find_map(|it| any_gateway(&it.items, path)),
    })
}
