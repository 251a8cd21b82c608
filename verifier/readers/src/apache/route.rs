//! From a URL to what handles it, in Apache's order: rewrite rules of the server, ProxyPass,
//! Redirect, Alias, DocumentRoot, then the directory's own rules. It does not know which route
//! would be right.

use sendfile_evidence::{
    fact::{Fact, SourceLine},
    request::Request,
};

use super::{
    rewrite::{self, Rewrite, Subject},
    sections::{self, Scope},
    upstream::Upstream,
};
use crate::{
    directive::Directive,
    disk::{Disk, Look},
    pattern::{Case, Matcher},
    uri,
};

/// How a request is handled.
pub(super) struct Route<'a> {
    /// What handles it in the end.
    pub(super) outcome: RouteOutcome,
    /// The sections that apply to the request.
    pub(super) scope: Scope<'a>,
    /// A directive in a .htaccess file that is not allowed there.
    pub(super) forbidden: Option<Fact>,
}

/// What handles a request in the end.
#[derive(Debug)]
pub(super) enum RouteOutcome {
    /// The request is passed to an upstream.
    Proxied(Upstream),
    /// A file is opened.
    Opens(String, Option<SourceLine>),
    /// Apache redirects.
    Redirects(String, SourceLine),
    /// Apache responds itself with this status.
    Responds(u16, SourceLine),
    /// Unknown, for this reason.
    Unknown(String),
}

/// The path on disk that a URL is mapped to, and the directive that maps it.
struct MappedFile {
    path: String,
    by: Option<SourceLine>,
}

/// The configuration of the server that handles one request, and what is needed to evaluate it.
#[derive(Clone, Copy)]
pub(super) struct Router<'a> {
    /// The directives of the main server.
    pub(super) main: &'a [Directive],
    /// The virtual host, unless the main server handles the request.
    pub(super) virtual_host: Option<&'a Directive>,
    pub(super) disk: &'a dyn Disk,
    pub(super) matcher: &'a Matcher,
}

impl<'a> Router<'a> {
    /// Determines what handles a request; `None` for a path above the root.
    pub(super) fn route(&self, request: &Request) -> Option<Route<'a>> {
        let decoded = uri::decoded(&request.path);
        let mut path = uri::normalised(&decoded, uri::Slashes::Merged)?;
        let mut scope = Scope { servers: self.servers(), ..Scope::default() };
        let rules = match self.virtual_host {
            Some(virtual_host) => virtual_host.inside(),
            None => self.main,
        };
        let mut rewritten_file = None;
        if rewrite::is_on(rules) {
            match rewrite::run(rules, &self.subject(request, &path, &path)) {
                Rewrite::Unchanged => {}
                Rewrite::Path(new) if self.is_on_disk(&new) => rewritten_file = Some(new),
                Rewrite::Path(new) => path = new,
                other => {
                    let outcome = self.rewrite_outcome(other, &path);
                    return Some(Route { outcome, scope, forbidden: None });
                }
            }
        }
        scope.locations = sections::locations(&scope.servers, &path, self.matcher);
        // The rules of a section are evaluated after all rules that map a URL to a file, but before
        // the request is proxied.
        let mut outcome = self.redirected_in_locations(&scope, &path);
        if outcome.is_none() && rewritten_file.is_none() {
            outcome = self.proxied(&scope, &path);
        }
        if outcome.is_none() {
            outcome = self.redirected_in_servers(&path);
        }
        if outcome.is_none() {
            outcome = self.run_as_program(&path);
        }
        if let Some(outcome) = outcome {
            return Some(Route { outcome, scope, forbidden: None });
        }
        let file = match rewritten_file {
            Some(file) => MappedFile { path: file, by: None },
            None => self.map_to_disk(&path),
        };
        Some(self.in_directory(request, &path, file, scope))
    }

    /// The blocks of the server, the main one first.
    fn servers(&self) -> Vec<&'a [Directive]> {
        let mut servers = vec![self.main];
        if let Some(virtual_host) = self.virtual_host {
            servers.push(virtual_host.inside());
        }
        servers
    }

    /// The directives of the server, those of the virtual host first: the order in which URL rules
    /// are looked up.
    fn virtual_host_first(&self) -> Vec<&'a Directive> {
        let mut directives = Vec::new();
        for server in self.servers().into_iter().rev() {
            directives.extend(server);
        }
        directives
    }

    /// The directives of the server, those of the main one first: the order in which mod_proxy
    /// merges them.
    fn main_first(&self) -> Vec<&'a Directive> {
        let mut directives = Vec::new();
        for server in self.servers() {
            directives.extend(server);
        }
        directives
    }

    /// The input of the rewrite rules of a server.
    fn subject<'s>(&'s self, request: &'s Request, path: &'s str, file: &'s str) -> Subject<'s> {
        Subject { request, path, file, directory: None, disk: self.disk, matcher: self.matcher }
    }

    /// Whether the first segment of a rewritten path exists on disk: then mod_rewrite treats the
    /// path as that of a file.
    fn is_on_disk(&self, path: &str) -> bool {
        let first: String = path.split_inclusive('/').take(2).collect();
        self.disk.look(first.trim_end_matches('/')) != Look::Missing && path.len() > 1
    }

    /// The outcome of rewrite rules that end the processing of a request.
    fn rewrite_outcome(&self, rewrite: Rewrite<'_>, path: &str) -> RouteOutcome {
        match rewrite {
            Rewrite::Proxy(url, by) => match Upstream::parse(&url, by.place(), self.main) {
                Some(upstream) => RouteOutcome::Proxied(upstream),
                None => RouteOutcome::Unknown(format!("`{url}` is not a valid URL")),
            },
            Rewrite::Redirect(to, by) => RouteOutcome::Redirects(to, by.place()),
            Rewrite::Status(status, by) => RouteOutcome::Responds(status, by.place()),
            Rewrite::Unknown(by) => {
                let reason = format!("{} can be evaluated only at run time", by.place());
                RouteOutcome::Unknown(reason)
            }
            Rewrite::Unchanged | Rewrite::Path(_) => RouteOutcome::Opens(path.to_owned(), None),
        }
    }

    /// The outcome of the redirects in the sections of locations.
    fn redirected_in_locations(&self, scope: &Scope<'_>, path: &str) -> Option<RouteOutcome> {
        for location in &scope.locations {
            for rule in location.inside() {
                if let Some(outcome) = self.redirected(rule, path) {
                    return Some(outcome);
                }
            }
        }
        None
    }

    /// The outcome of the redirects outside of sections.
    fn redirected_in_servers(&self, path: &str) -> Option<RouteOutcome> {
        for rule in self.virtual_host_first() {
            if let Some(outcome) = self.redirected(rule, path) {
                return Some(outcome);
            }
        }
        None
    }

    /// The outcome of a `Redirect` or a `RedirectMatch`, if it matches a path.
    fn redirected(&self, rule: &Directive, path: &str) -> Option<RouteOutcome> {
        let (status, args) = match rule.args.as_slice() {
            [first, rest @ ..] if is_status(first) => (first.parse().ok(), rest),
            all => (None, all),
        };
        match (rule.name.as_str(), args) {
            ("redirect" | "redirectpermanent" | "redirecttemp", [from, to]) => {
                let rest = below(path, from)?;
                Some(RouteOutcome::Redirects(format!("{to}{rest}"), rule.place()))
            }
            ("redirect", [from]) => {
                below(path, from)?;
                Some(RouteOutcome::Responds(status?, rule.place()))
            }
            ("redirectmatch", [from, to @ ..]) => {
                self.matcher.captures(from, Case::Matters, path).ok()??;
                match to.first() {
                    Some(to) => Some(RouteOutcome::Redirects(to.clone(), rule.place())),
                    None => Some(RouteOutcome::Responds(status?, rule.place())),
                }
            }
            _ => None,
        }
    }

    /// The outcome of the first ProxyPass that matches a path, those of locations before all
    /// others.
    fn proxied(&self, scope: &Scope<'_>, path: &str) -> Option<RouteOutcome> {
        for location in scope.locations.iter().rev() {
            let Some(pass) = location.child("proxypass") else { continue };
            if pass.args.len() != 1 && pass.arg(0).starts_with('/') {
                continue;
            }
            let url = pass.arg(0);
            return match (location.name.as_str(), location.arg(0)) {
                ("locationmatch", pattern) => self.proxied_match(pass, pattern, url, path),
                (_, "~") => self.proxied_match(pass, location.arg(1), url, path),
                (_, prefix) => {
                    let rest = path.strip_prefix(prefix).unwrap_or_default();
                    self.proxied_to(pass, url, rest)
                }
            };
        }
        for pass in self.main_first() {
            if pass.name == "proxypass"
                && let Some(rest) = below(path, pass.arg(0))
            {
                return self.proxied_to(pass, pass.arg(1), rest);
            }
            if pass.name == "proxypassmatch"
                && self.matcher.matches(pass.arg(0), Case::Matters, path) == Ok(true)
            {
                return self.proxied_match(pass, pass.arg(0), pass.arg(1), path);
            }
        }
        None
    }

    /// The outcome of a URL with `$1` for a path that the pattern matches; without captures, the
    /// path is appended.
    fn proxied_match(
        &self,
        pass: &Directive,
        pattern: &str,
        url: &str,
        path: &str,
    ) -> Option<RouteOutcome> {
        let captured = self.matcher.captures(pattern, Case::Matters, path).ok()??;
        let rest = if url.contains('$') { "" } else { path };
        self.proxied_to(pass, &captured.filled(url).ok()?, rest)
    }

    /// The outcome of a URL and the rest of a path; `None` for `!`, which excludes the path.
    fn proxied_to(&self, pass: &Directive, url: &str, rest: &str) -> Option<RouteOutcome> {
        if url == "!" {
            return None;
        }
        let upstream = Upstream::parse(&format!("{url}{rest}"), pass.place(), self.main)?;
        Some(RouteOutcome::Proxied(upstream))
    }

    /// The outcome of a directive that runs a program inside Apache for a path: CGI, mod_wsgi,
    /// Passenger.
    fn run_as_program(&self, path: &str) -> Option<RouteOutcome> {
        for directive in self.virtual_host_first() {
            let is_program = match directive.name.as_str() {
                "alias" if below(path, directive.arg(0)).is_some() => return None,
                "scriptalias" | "wsgiscriptalias" => below(path, directive.arg(0)).is_some(),
                "scriptaliasmatch" | "wsgiscriptaliasmatch" => {
                    self.matcher.matches(directive.arg(0), Case::Matters, path) == Ok(true)
                }
                "passengerenabled" => directive.arg(0).eq_ignore_ascii_case("on"),
                "passengerapproot" | "jkmount" => true,
                _ => false,
            };
            if is_program {
                return Some(runs_program(directive));
            }
        }
        None
    }

    /// The path on disk: from an Alias, or below the DocumentRoot.
    fn map_to_disk(&self, path: &str) -> MappedFile {
        let directives = self.virtual_host_first();
        for directive in &directives {
            if let Some(path) = self.aliased(directive, path) {
                return MappedFile { path, by: Some(directive.place()) };
            }
        }
        for directive in directives {
            if directive.name == "documentroot" {
                let root = directive.arg(0).trim_end_matches('/');
                return MappedFile { path: format!("{root}{path}"), by: Some(directive.place()) };
            }
        }
        MappedFile { path: path.to_owned(), by: None }
    }

    /// The path on disk that an `Alias` or an `AliasMatch` leads to, if it matches a path.
    fn aliased(&self, directive: &Directive, path: &str) -> Option<String> {
        match directive.name.as_str() {
            "alias" => {
                let rest = below(path, directive.arg(0))?;
                Some(format!("{}{rest}", directive.arg(1)))
            }
            "aliasmatch" => {
                let found = self.matcher.captures(directive.arg(0), Case::Matters, path);
                found.ok()??.filled(directive.arg(1)).ok()
            }
            _ => None,
        }
    }

    /// Applies the directory's sections and its .htaccess files: handlers, and rules that may still
    /// proxy the request.
    fn in_directory(
        &self,
        request: &Request,
        path: &str,
        file: MappedFile,
        mut scope: Scope<'a>,
    ) -> Route<'a> {
        scope.directories = sections::directories(&scope.servers, &file.path, self.matcher);
        let (htaccess, forbidden) =
            sections::htaccess(&scope.servers, &file.path, self.matcher, self.disk);
        scope.htaccess = htaccess;
        let mut outcome = self.handled(&scope, path, &file.path);
        if outcome.is_none() {
            outcome = self.rewritten_in_directory(request, path, &file.path, &scope);
        }
        let outcome = match outcome {
            Some(outcome) => outcome,
            None if has_fallback(&scope) && self.disk.look(&file.path) == Look::Missing => {
                RouteOutcome::Unknown("Cannot evaluate `FallbackResource`".to_owned())
            }
            None => RouteOutcome::Opens(file.path, file.by),
        };
        Route { outcome, scope, forbidden }
    }

    /// The outcome of a handler: `SetHandler proxy:…`, or one that runs a program in Apache.
    fn handled(&self, scope: &Scope<'_>, path: &str, file: &str) -> Option<RouteOutcome> {
        if let Some(handler) = scope.last("sethandler")
            && !is_default(handler.arg(0))
        {
            let Some(url) = handler.arg(0).strip_prefix("proxy:") else {
                return Some(runs_program(handler));
            };
            let url = format!("{}{path}", url.trim_end_matches('/'));
            let upstream = Upstream::parse(&url, handler.place(), self.main)?;
            return Some(RouteOutcome::Proxied(upstream));
        }
        for name in ["addhandler", "addtype"] {
            for directive in scope.all(name) {
                if adds_handler(directive, file) {
                    return Some(runs_program(directive));
                }
            }
        }
        None
    }

    /// The outcome of the rewrite rules of the directory. Only the rules of the last section or
    /// .htaccess file with any apply.
    fn rewritten_in_directory(
        &self,
        request: &Request,
        path: &str,
        file: &str,
        scope: &Scope<'_>,
    ) -> Option<RouteOutcome> {
        let (directory, rules) = last_rewrite_rules(scope)?;
        if !rewrite::is_on(rules) {
            return None;
        }
        let directory = format!("{}/", directory.trim_end_matches('/'));
        let subject = self.subject(request, path, file);
        match rewrite::run(rules, &Subject { directory: Some(&directory), ..subject }) {
            Rewrite::Unchanged => None,
            Rewrite::Path(new) => {
                let reason =
                    format!("The rules in {directory} rewrite to {new}, which cannot be evaluated");
                Some(RouteOutcome::Unknown(reason))
            }
            other => Some(self.rewrite_outcome(other, path)),
        }
    }

    /// The `ProxyPass … !` that excludes a path from proxying.
    pub(super) fn excluded(&self, path: &str) -> Option<&'a Directive> {
        for location in sections::locations(&self.servers(), path, self.matcher).iter().rev() {
            let Some(pass) = location.child("proxypass") else { continue };
            if pass.arg(0) == "!" {
                return Some(pass);
            }
            break;
        }
        for pass in self.main_first() {
            if pass.name == "proxypass" && below(path, pass.arg(0)).is_some() {
                return if pass.arg(1) == "!" { Some(pass) } else { None };
            }
        }
        None
    }

    /// A ProxyPass that would match the path if no `!` came before it.
    pub(super) fn other_pass(&self, path: &str) -> Option<&'a Directive> {
        for pass in self.main_first() {
            let proxies = pass.name == "proxypass" && pass.arg(1) != "!";
            if proxies && below(path, pass.arg(0)).is_some() {
                return Some(pass);
            }
        }
        None
    }
}

/// Whether the first word of a Redirect is a status.
fn is_status(word: &str) -> bool {
    word.parse::<u16>().is_ok() || matches!(word, "permanent" | "temp" | "seeother" | "gone")
}

/// The rest of a path after a prefix, if the prefix ends at a segment (mod_alias, mod_proxy).
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    if prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/') {
        return Some(rest);
    }
    None
}

/// The outcome for a program that responds, which may be the app.
fn runs_program(by: &Directive) -> RouteOutcome {
    RouteOutcome::Unknown(format!("{} runs a program, which cannot be evaluated", by.place()))
}

fn is_default(handler: &str) -> bool {
    handler.eq_ignore_ascii_case("none") || handler.eq_ignore_ascii_case("default-handler")
}

/// Whether an `AddHandler`, or an `AddType` for PHP, applies to a file by its extension.
fn adds_handler(directive: &Directive, file: &str) -> bool {
    if directive.name != "addhandler" && !directive.arg(0).contains("httpd-php") {
        return false;
    }
    let mut extensions = directive.args.iter().skip(1);
    extensions.any(|extension| file.ends_with(&format!(".{}", extension.trim_start_matches('.'))))
}

/// The last directory section or .htaccess file with rewrite rules: its directory and directives.
fn last_rewrite_rules<'s>(scope: &'s Scope<'_>) -> Option<(&'s str, &'s [Directive])> {
    for directives in scope.htaccess.iter().rev() {
        if let Some(first) = directives.first()
            && let Some((directory, _)) = first.file.rsplit_once('/')
            && has_rewrite_rules(directives)
        {
            return Some((directory, directives));
        }
    }
    for section in scope.directories.iter().rev() {
        if section.name == "directory"
            && section.arg(0).starts_with('/')
            && has_rewrite_rules(section.inside())
        {
            return Some((section.arg(0), section.inside()));
        }
    }
    None
}

fn has_rewrite_rules(directives: &[Directive]) -> bool {
    directives.iter().any(|directive| directive.name.starts_with("rewrite"))
}

fn has_fallback(scope: &Scope<'_>) -> bool {
    scope.last("fallbackresource").is_some_and(|fallback| fallback.arg(0) != "disabled")
}
