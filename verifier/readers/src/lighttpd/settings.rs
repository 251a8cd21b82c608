//! Which settings apply to a request: those of all matching conditions, and those after a rewrite.
//! It knows only the settings that rewrite a request; the others are handled by `route`.

use std::collections::HashMap;

use sendfile_evidence::{
    fact::SourceLine,
    request::{Address, Request},
};

use super::value::{Branch, Condition, Item, Setting, Value};
use crate::{
    pattern::{Case, Matcher},
    uri,
};

/// Settings that may route a request elsewhere, depending on something known only at run time.
const NOT_SUPPORTED: [&str; 5] = [
    "url.rewrite-if-not-file",
    "url.rewrite-repeat-if-not-file",
    "magnet.attract-raw-url-to",
    "magnet.attract-physical-path-to",
    "cgi.assign",
];

/// The prefixes of keys, each with the module without which its keys have no effect.
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

/// The settings for a request.
pub(super) struct Settings<'a> {
    /// The decoded path, after rewrites.
    pub(super) path: String,
    /// What could not be evaluated.
    pub(super) unsure: Option<String>,
    pub(super) request: &'a Request,
    matcher: &'a Matcher,
    effective: HashMap<&'a str, Effective<'a>>,
}

/// The value of a key.
struct Effective<'a> {
    /// The last assignment to the key.
    setting: &'a Setting,
    /// The value, with all that was appended to it.
    value: Value,
}

impl<'a> Settings<'a> {
    /// The settings for a request after rewrites; `None` for a path above the root.
    pub(super) fn of(
        items: &'a [Item],
        request: &'a Request,
        matcher: &'a Matcher,
    ) -> Option<Self> {
        let path = uri::normalised(&uri::decoded(&request.path), uri::Slashes::Merged)?;
        let mut settings = Self::at(path, items, request, matcher);
        for key in NOT_SUPPORTED {
            if settings.value(key).is_some() {
                settings.unsure = Some(format!("Cannot evaluate `{key}`"));
                break;
            }
        }
        let Some(target) = settings.rewritten() else { return Some(settings) };
        let path = match target.split_once('?') {
            Some((path, _)) => path,
            None => &target,
        };
        let path = uri::normalised(path, uri::Slashes::Merged)?;
        let mut rewritten = Self::at(path, items, request, matcher);
        if rewritten.unsure.is_none() {
            rewritten.unsure = settings.unsure;
        }
        Some(rewritten)
    }

    /// The settings for a path, without rewrites.
    fn at(path: String, items: &'a [Item], request: &'a Request, matcher: &'a Matcher) -> Self {
        let effective = HashMap::new();
        let mut settings = Self { path, unsure: None, request, matcher, effective };
        settings.collect(items);
        settings
    }

    /// Adds the settings of a block, then those of its matching conditions, wherever they are.
    fn collect(&mut self, items: &'a [Item]) {
        for item in items {
            if let Item::Set(setting) = item {
                self.set(setting);
            }
        }
        for item in items {
            if let Item::If(branches) = item
                && let Some(branch) = self.matching_branch(branches)
            {
                self.collect(&branch.items);
            }
        }
    }

    fn set(&mut self, setting: &'a Setting) {
        let before = self.effective.remove(setting.key.as_str());
        let value = match (before, &setting.value) {
            (Some(Effective { value: Value::List(mut list), .. }), Value::List(more))
                if setting.appends =>
            {
                list.extend_from_slice(more);
                Value::List(list)
            }
            (_, value) => value.clone(),
        };
        self.effective.insert(&setting.key, Effective { setting, value });
    }

    /// The first branch whose condition holds.
    fn matching_branch(&mut self, branches: &'a [Branch]) -> Option<&'a Branch> {
        for branch in branches {
            let Some(condition) = &branch.condition else { return Some(branch) };
            match self.holds(condition) {
                Some(true) => return Some(branch),
                Some(false) => {}
                None => {
                    self.unsure = Some(format!(
                        "The condition on {}[\"{}\"] can be evaluated only at run time",
                        condition.variable, condition.key
                    ));
                }
            }
        }
        None
    }

    /// Whether a condition holds; `None` if that is known only at run time.
    fn holds(&self, condition: &Condition) -> Option<bool> {
        let value = &condition.value;
        let operator = condition.operator.as_str();
        if condition.variable == "SERVER" && condition.key.eq_ignore_ascii_case("socket") {
            return Some(self.is_at(value) == (operator == "=="));
        }
        let actual = self.actual_value(condition)?;
        match operator {
            "==" => Some(actual == *value),
            "!=" => Some(actual != *value),
            "=~" => self.matcher.matches(value, Case::Matters, &actual).ok(),
            "!~" => Some(!self.matcher.matches(value, Case::Matters, &actual).ok()?),
            "=^" => Some(actual.starts_with(value)),
            "=$" => Some(actual.ends_with(value)),
            _ => None,
        }
    }

    /// Whether the request arrives at a socket.
    fn is_at(&self, socket: &str) -> bool {
        let address = &self.request.address;
        let socket = Address::of(socket, 80);
        let any = matches!(socket.host.as_str(), "" | "0.0.0.0" | "::" | "*");
        socket.port == address.port && (any || socket.is(address))
    }

    /// The request's value for the variable of a condition; `None` if it is known only at run time.
    fn actual_value(&self, condition: &Condition) -> Option<String> {
        let request = self.request;
        let key = condition.key.to_ascii_lowercase();
        let value = match (condition.variable.as_str(), key.as_str()) {
            ("HTTP", "url") => self.path.clone(),
            ("HTTP", "host") => match condition.operator.as_str() {
                // lighttpd matches a pattern against the host with its port.
                "=~" | "!~" => request.host(),
                _ => request.address.host.clone(),
            },
            ("HTTP", "scheme") => if request.https { "https" } else { "http" }.to_owned(),
            ("HTTP", "request-method" | "method") => request.method.clone(),
            ("HTTP", "querystring" | "query-string") => request.query.clone().unwrap_or_default(),
            ("HTTP", "cookie" | "referer" | "user-agent" | "useragent") | ("REQUEST_HEADER", _) => {
                request.header(&condition.key)?.to_owned()
            }
            _ => return None,
        };
        Some(value)
    }

    /// The target of the rewrite rule that matches the request.
    fn rewritten(&self) -> Option<String> {
        for key in ["url.rewrite-once", "url.rewrite", "url.rewrite-final", "url.rewrite-repeat"] {
            if let Some((target, _)) = self.first_match(key) {
                return Some(target);
            }
        }
        None
    }

    /// The first matching entry of a list of patterns, with captures replaced, and its position.
    pub(super) fn first_match(&self, key: &str) -> Option<(String, SourceLine)> {
        let setting = self.setting(key)?;
        let target = match &self.request.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        for (pattern, replacement) in self.value(key)?.entries() {
            let found = self.matcher.captures(pattern?, Case::Matters, &target).ok()?;
            let Some(captured) = found else { continue };
            let replaced = captured.filled(replacement.text()).ok()?;
            return if replaced.is_empty() { None } else { Some((replaced, setting.place())) };
        }
        None
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        Some(&self.loaded(key)?.value)
    }

    /// The entries of the value of a key; empty if it is not set.
    pub(super) fn entries(&self, key: &str) -> Vec<(Option<&str>, &Value)> {
        match self.value(key) {
            Some(value) => value.entries(),
            None => Vec::new(),
        }
    }

    /// The last setting of a key.
    pub(super) fn setting(&self, key: &str) -> Option<&'a Setting> {
        Some(self.loaded(key)?.setting)
    }

    /// The value of a key, unless the key has no effect because its module is not loaded.
    fn loaded(&self, key: &str) -> Option<&Effective<'a>> {
        let effective = self.effective.get(key)?;
        if self.missing_module(key).is_some() {
            return None;
        }
        Some(effective)
    }

    /// The module that a key needs and that is not in `server.modules`. Without `server.modules`,
    /// all modules are assumed to be loaded.
    pub(super) fn missing_module(&self, key: &str) -> Option<&'static str> {
        let modules = self.effective.get("server.modules")?.value.entries();
        for (prefix, module) in MODULES {
            if key.starts_with(prefix) {
                let is_loaded = modules.iter().any(|(_, entry)| entry.text() == module);
                return if is_loaded { None } else { Some(module) };
            }
        }
        None
    }
}
