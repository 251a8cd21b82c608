//! Routes a request through a server block: rewrites, location, access, try_files, content.
//!
//! Follows nginx's phases (ngx_http_core_module.c). Anything that cannot be evaluated makes a route
//! uncertain.

use super::{
    super::{
        opened::{Opened, PathRule},
        pattern::Matcher,
    },
    location::{self, Form},
    rewrite::{Phase, rewritten},
    scope::Scope,
    tree::Directive,
    variables::{Env, Unknown, of_request},
};
use crate::disk::{Disk, Look};

/// The route of a request.
pub(super) struct Route<'a> {
    /// The enclosing blocks.
    pub(super) scope: Scope<'a>,
    /// Its state at the end.
    pub(super) env: Env<'a>,
    /// How it ends.
    pub(super) end: End<'a>,
    /// What could not be evaluated on the way.
    pub(super) unsure: Option<String>,
    /// The first path that a `try_files` did not find, the directive that names its directory, and
    /// the enclosing blocks.
    pub(super) tried: Option<(Opened, &'a Directive, Scope<'a>)>,
    /// The last `rewrite` that changed the URI.
    pub(super) rewrite: Option<&'a Directive>,
}

/// The outcome of a request.
pub(super) enum End<'a> {
    /// A `proxy_pass` or similar directive passes it to an upstream.
    Asks(&'a Directive),
    /// A file is opened; the directive that names the directory.
    Opens(Opened, &'a Directive),
    /// A file is opened whose path depends on a variable.
    OpensUnknown(Unknown),
    /// nginx responds itself.
    Answers(u16, Option<&'a Directive>),
    /// nginx redirects.
    Redirects(String, &'a Directive),
    /// nginx requires a login.
    Login(&'a Directive),
    /// A loop, or unknown.
    Unknown,
}

/// Maximum number of internal redirects and rewrites, as in nginx.
const LONGEST: usize = 10;

/// The directives that pass a request to an upstream.
pub(super) const PASSES: [&str; 5] =
    ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"];

/// Whether a directive has a handler respond that this reader does not support: lua, memcached …
fn answers_beyond(directive: &Directive) -> bool {
    let name = directive.name.as_str();
    let passes = name.ends_with("_pass") && !PASSES.contains(&name);
    passes || name.starts_with("content_by_") || matches!(name, "js_content" | "perl")
}

/// A server block, and what is needed to evaluate it.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) http: &'a Directive,
    pub(super) server: &'a Directive,
    pub(super) matcher: &'a Matcher,
    pub(super) disk: &'a dyn Disk,
}

/// The next step.
enum Next<'a> {
    /// The end.
    End(End<'a>),
    /// Another URI, looked up from the start; whether rewrites of the server run again.
    Uri(Rerun),
    /// A named location.
    Named(String),
}

enum Rerun {
    ServerBlock,
    Location,
}

impl<'a> Walk<'a> {
    /// The route of a request from the beginning.
    pub(super) fn from(&self, env: Env<'a>) -> Route<'a> {
        self.walk(env, Next::Uri(Rerun::ServerBlock))
    }

    /// The route of a request from a named location.
    pub(super) fn named(&self, name: &str, env: Env<'a>) -> Route<'a> {
        self.walk(env, Next::Named(name.to_owned()))
    }

    /// The route of a request in a given location, regardless of precedence.
    pub(super) fn inside(&self, way: &[&'a Directive], env: Env<'a>) -> Route<'a> {
        let mut route = self.start(env);
        route.scope.0.extend(way);
        let next = self.step(&mut route);
        self.follow(route, next)
    }

    fn start(&self, env: Env<'a>) -> Route<'a> {
        let scope = Scope(vec![self.http, self.server]);
        Route { scope, env, end: End::Unknown, unsure: None, tried: None, rewrite: None }
    }

    fn walk(&self, env: Env<'a>, next: Next<'a>) -> Route<'a> {
        self.follow(self.start(env), next)
    }

    fn follow(&self, mut route: Route<'a>, mut next: Next<'a>) -> Route<'a> {
        for _ in 0..LONGEST {
            next = match next {
                Next::End(end) => {
                    route.end = end;
                    return route;
                }
                Next::Named(name) => self.enter_named(&mut route, &name),
                Next::Uri(rerun) => self.enter(&mut route, &rerun),
            };
        }
        route.end = match next {
            Next::End(end) => end,
            _ => End::Answers(500, None),
        };
        route
    }

    fn enter_named(&self, route: &mut Route<'a>, name: &str) -> Next<'a> {
        let mut named = self.server.inside().iter();
        let location = named.find(|it| Form::of(it) == Some(Form::Named(name)));
        route.env.internal = true;
        route.scope = Scope(vec![self.http, self.server]);
        match location {
            Some(location) => {
                route.scope.0.push(location);
                self.step(route)
            }
            None => Next::End(End::Answers(500, None)),
        }
    }

    fn enter(&self, route: &mut Route<'a>, rerun: &Rerun) -> Next<'a> {
        route.scope = Scope(vec![self.http, self.server]);
        if matches!(rerun, Rerun::ServerBlock)
            && let Phase::Ends(end) = rewritten(self.server, route, self)
        {
            return Next::End(end);
        }
        route.scope = Scope(vec![self.http, self.server]);
        let Ok(found) = location::find(self.server, &route.env.uri, self.matcher) else {
            route.unsure = Some("Cannot evaluate a location's regular expression".to_owned());
            return Next::End(End::Unknown);
        };
        for captured in found.captured {
            route.env.capture(captured);
        }
        let last = found.way.last().copied();
        route.scope.0.extend(found.way);
        if let Some(location) = last.filter(|_| found.adds_slash) {
            return Next::End(End::Redirects(format!("{}/", route.env.uri), location));
        }
        if route.scope.is_internal() && !route.env.internal {
            return Next::End(End::Answers(404, route.scope.location()));
        }
        self.step(route)
    }

    /// Evaluates a location.
    fn step(&self, route: &mut Route<'a>) -> Next<'a> {
        if let Some(location) = route.scope.location() {
            match rewritten(location, route, self) {
                Phase::Ends(end) => return Next::End(end),
                Phase::Again => return Next::Uri(Rerun::Location),
                Phase::GoesOn => {}
            }
        }
        if let Some(end) = self.refused(route) {
            return Next::End(end);
        }
        let own = || route.scope.own().iter().rev().flat_map(|it| it.inside());
        if let Some(handler) = own().find(|it| answers_beyond(it)) {
            route.unsure = Some(format!("Cannot evaluate `{}`", handler.name));
            return Next::End(End::Unknown);
        }
        let pass = own().find(|it| PASSES.contains(&it.name.as_str()));
        if pass.is_none() && route.scope.is_on("passenger_enabled").is_some() {
            route.unsure = Some("Cannot evaluate Passenger".to_owned());
            return Next::End(End::Unknown);
        }
        // An `if` that holds has no try_files, even if its location has one.
        let tries = route.scope.0.last().and_then(|it| it.child("try_files"));
        if let Some(next) = tries.and_then(|it| self.tried(it, route)) {
            return next;
        }
        match pass {
            Some(pass) => Next::End(End::Asks(pass)),
            None => self.file(route),
        }
    }

    /// Access rules that refuse every client, and logins for which the client has no credentials.
    fn refused(&self, route: &Route<'a>) -> Option<End<'a>> {
        let rule = |it: &&Directive| matches!(it.name.as_str(), "allow" | "deny");
        let rules = route.scope.0.iter().rev().find_map(|it| it.inside().iter().find(rule));
        if let Some(rule) = rules.filter(|it| it.name == "deny" && it.arg(0) == "all") {
            return Some(End::Answers(403, Some(rule)));
        }
        let login = route.scope.is_on("auth_basic")?;
        let knows = route.env.request.header("authorization").is_some();
        (!knows).then_some(End::Login(login))
    }

    /// Evaluates `try_files`; `None` if a file was found and the request continues.
    fn tried(&self, tries: &'a Directive, route: &mut Route<'a>) -> Option<Next<'a>> {
        let (last, candidates) = tries.args.split_last()?;
        let pattern = route.scope.location().map_or(String::new(), Directive::text);
        for candidate in candidates {
            let Ok(uri) = route.env.filled(candidate) else {
                route.unsure = Some(format!("`{candidate}` is known only at run time"));
                continue;
            };
            let Ok((mut opened, by)) = route.scope.opens(&route.env.at(uri.clone())) else {
                continue;
            };
            opened.variables |= of_request(candidate, &pattern);
            // After the directory built from captures, nginx appends the whole candidate again.
            if opened.by == PathRule::Captures {
                opened.path.push_str(&uri);
            }
            let wanted = if uri.ends_with('/') { Look::Folder } else { Look::File };
            match self.disk.look(opened.path.trim_end_matches('/')) {
                found if found == wanted => {
                    if opened.by == PathRule::Captures {
                        route.unsure = Some(
                            "Cannot evaluate `try_files` with captures in an `alias`".to_owned(),
                        );
                    }
                    route.env.uri = uri;
                    return None;
                }
                Look::Unknown => route.unsure = Some(format!("Cannot inspect `{}`", opened.path)),
                _ => {}
            }
            route.tried.get_or_insert((opened, by, route.scope.clone()));
        }
        let alias = route.scope.0.last().is_some_and(|it| it.child("alias").is_some());
        if alias && last.contains('$') {
            route.unsure =
                Some("`try_files` with variables in an `alias` is unreliable in nginx".to_owned());
        }
        Some(self.goto(last, route))
    }

    /// Continues at the last argument of `try_files` or `error_page`.
    fn goto(&self, target: &str, route: &mut Route<'a>) -> Next<'a> {
        if let Some(code) = target.strip_prefix('=') {
            return Next::End(End::Answers(code.parse().unwrap_or(404), None));
        }
        if target.starts_with('@') {
            return Next::Named(target.to_owned());
        }
        let Ok(target) = route.env.filled(target) else {
            route.unsure = Some(format!("`{target}` is known only at run time"));
            return Next::End(End::Unknown);
        };
        if let Some((path, query)) = target.split_once('?') {
            (route.env.uri, route.env.args) = (path.to_owned(), Some(query.to_owned()));
        } else {
            route.env.uri = target;
        }
        (route.env.internal, route.env.broken) = (true, false);
        Next::Uri(Rerun::ServerBlock)
    }

    /// A file, or the index of a directory.
    fn file(&self, route: &mut Route<'a>) -> Next<'a> {
        let (opened, by) = match route.scope.opens(&route.env) {
            Ok(found) => found,
            Err(unknown) => return Next::End(End::OpensUnknown(unknown)),
        };
        if route.env.broken && by.name == "alias" {
            return Next::End(End::Answers(500, Some(by)));
        }
        if route.env.uri.ends_with('/') {
            let names = route.scope.list("index");
            let names = names.iter().flat_map(|it| it.args.iter().map(String::as_str));
            let there =
                |name: &&str| self.disk.look(&format!("{}{name}", opened.path)) == Look::File;
            if let Some(name) = names.clone().find(there).filter(|it| !it.starts_with('/')) {
                route.env.uri.push_str(name);
                route.env.internal = true;
                return Next::Uri(Rerun::ServerBlock);
            }
        }
        Next::End(End::Opens(opened, by))
    }

    /// The same route, or where an `error_page` leads if it ends with an error.
    pub(super) fn with_error_page(&self, route: Route<'a>) -> Route<'a> {
        let status = match &route.end {
            End::Opens(opened, _) => match self.disk.look(&opened.path) {
                Look::Missing => 404,
                Look::Folder => 403,
                Look::File | Look::Unknown => return route,
            },
            End::Answers(status, _) if *status >= 400 => *status,
            _ => return route,
        };
        match error_page(&route.scope, status) {
            Some((page, _)) => {
                let mut route = route;
                let target = page.args.last().cloned().unwrap_or_default();
                let target = if target.contains("://") { return route } else { target };
                let next = self.goto(&target, &mut route);
                self.follow(route, next)
            }
            None => route,
        }
    }
}

/// The `error_page` for a status, and the status that replaces it, if set.
pub(super) fn error_page<'a>(
    scope: &Scope<'a>,
    status: u16,
) -> Option<(&'a Directive, Option<u16>)> {
    let status = status.to_string();
    let page = scope.list("error_page").into_iter().find(|it| {
        let codes = it.args.split_last().map_or(&[][..], |(_, codes)| codes);
        codes.contains(&status)
    })?;
    let put = page.args.iter().find_map(|it| it.strip_prefix('='));
    Some((page, put.map(|it| it.parse().unwrap_or(200))))
}
