//! Routes a request through a server block: rewrites, location, access, try_files, content.
//!
//! Follows nginx's phases (ngx_http_core_module.c). Anything that cannot be evaluated makes a route
//! uncertain. Knows nothing about hand-offs: what a route means is decided by the callers.

use super::{
    location::{self, Form, is_pass},
    scope::Scope,
    tree::Directive,
    variables::{Env, Unknown, names, of_request},
};
use crate::{
    disk::{Disk, Look},
    opened::{Opened, PathRule},
    pattern::{Case, Matcher},
};

/// The route of a request.
pub(super) struct Route<'a> {
    /// The enclosing blocks.
    pub(super) scope: Scope<'a>,
    /// The state of the request at the end.
    pub(super) env: Env<'a>,
    /// How the route ends.
    pub(super) outcome: RouteOutcome<'a>,
    /// What could not be evaluated on the way.
    pub(super) unsure: Option<String>,
    /// The first path that a `try_files` did not find.
    pub(super) tried: Option<TriedPath<'a>>,
    /// The last `rewrite` that changed the URI.
    pub(super) rewrite: Option<&'a Directive>,
}

/// A path that a `try_files` did not find.
pub(super) struct TriedPath<'a> {
    /// The path.
    pub(super) opened: Opened,
    /// The directive that names its directory.
    pub(super) by: &'a Directive,
    /// The enclosing blocks.
    pub(super) scope: Scope<'a>,
}

/// The outcome of a request.
pub(super) enum RouteOutcome<'a> {
    /// A `proxy_pass` or similar directive passes the request to an upstream.
    Passes(&'a Directive),
    /// A file is opened; the directive that names the directory.
    Opens(Opened, &'a Directive),
    /// A file is opened, but its path depends on a variable.
    OpensUnknown(Unknown),
    /// nginx responds itself.
    Responds(u16, Option<&'a Directive>),
    /// nginx redirects.
    Redirects(String, &'a Directive),
    /// nginx requires a login.
    Login(&'a Directive),
    /// The route is a loop, or its end is unknown.
    Unknown,
}

/// Maximum number of internal redirects and rewrites, as in nginx.
const LONGEST: usize = 10;

/// Maximum depth of nested ifs; nginx allows none, so this is for invalid files.
const DEEPEST_IF: usize = 4;

/// A server block, and what is needed to evaluate it.
#[derive(Clone, Copy)]
pub(super) struct Evaluator<'a> {
    /// The `http` block.
    pub(super) http: &'a Directive,
    /// The server block.
    pub(super) server: &'a Directive,
    /// Matches the regular expressions of the configuration.
    pub(super) matcher: &'a Matcher,
    /// The disk on which files are looked up.
    pub(super) disk: &'a dyn Disk,
}

/// The next step.
enum Next<'a> {
    /// The route ends.
    End(RouteOutcome<'a>),
    /// Another URI is looked up from the start; states whether rewrites of the server run again.
    Uri(Rerun),
    /// A named location.
    Named(String),
}

enum Rerun {
    ServerBlock,
    Location,
}

/// The outcome of the rewrite phase.
enum Phase<'a> {
    /// The request continues in the same location.
    GoesOn,
    /// The URI changed: a location is looked up again.
    Again,
    /// nginx responds.
    Ends(RouteOutcome<'a>),
}

/// Whether the following directives of the rewrite phase are evaluated.
enum Flow<'a> {
    On,
    Break,
    Over(Phase<'a>),
}

impl<'a> Evaluator<'a> {
    /// The route of a request from the beginning.
    pub(super) fn route(&self, env: Env<'a>) -> Route<'a> {
        self.follow(self.start(env), Next::Uri(Rerun::ServerBlock))
    }

    /// The route of a request from a named location.
    pub(super) fn route_from_named(&self, name: &str, env: Env<'a>) -> Route<'a> {
        self.follow(self.start(env), Next::Named(name.to_owned()))
    }

    /// The route of a request in a given location, regardless of precedence. The location comes
    /// after its parent locations, the outermost first.
    pub(super) fn route_inside(&self, locations: &[&'a Directive], env: Env<'a>) -> Route<'a> {
        let mut route = self.start(env);
        route.scope.blocks.extend(locations);
        let next = self.evaluate_location(&mut route);
        self.follow(route, next)
    }

    /// The same route or, if it ends with an error, the route to which an `error_page` leads.
    pub(super) fn with_error_page(&self, mut route: Route<'a>) -> Route<'a> {
        let status = match &route.outcome {
            RouteOutcome::Opens(opened, _) => match self.disk.look(&opened.path) {
                Look::Missing => 404,
                Look::Directory => 403,
                Look::File | Look::Unknown => return route,
            },
            RouteOutcome::Responds(status, _) if *status >= 400 => *status,
            _ => return route,
        };
        let Some((page, _)) = error_page(&route.scope, status) else { return route };
        let target = page.args.last().map_or("", String::as_str);
        if target.contains("://") {
            return route;
        }
        let next = self.goto(target, &mut route);
        self.follow(route, next)
    }

    fn start(&self, env: Env<'a>) -> Route<'a> {
        Route {
            scope: self.server_scope(),
            env,
            outcome: RouteOutcome::Unknown,
            unsure: None,
            tried: None,
            rewrite: None,
        }
    }

    fn server_scope(&self) -> Scope<'a> {
        Scope { blocks: vec![self.http, self.server] }
    }

    fn follow(&self, mut route: Route<'a>, mut next: Next<'a>) -> Route<'a> {
        for _ in 0..LONGEST {
            next = match next {
                Next::End(outcome) => {
                    route.outcome = outcome;
                    return route;
                }
                Next::Named(name) => self.enter_named(&mut route, &name),
                Next::Uri(rerun) => self.enter(&mut route, &rerun),
            };
        }
        route.outcome = match next {
            Next::End(outcome) => outcome,
            _ => RouteOutcome::Responds(500, None),
        };
        route
    }

    fn enter_named(&self, route: &mut Route<'a>, name: &str) -> Next<'a> {
        route.env.internal = true;
        route.scope = self.server_scope();
        let mut directives = self.server.inside().iter();
        let named = directives.find(|directive| Form::of(directive) == Some(Form::Named(name)));
        let Some(location) = named else {
            return Next::End(RouteOutcome::Responds(500, None));
        };
        route.scope.blocks.push(location);
        self.evaluate_location(route)
    }

    fn enter(&self, route: &mut Route<'a>, rerun: &Rerun) -> Next<'a> {
        route.scope = self.server_scope();
        if matches!(rerun, Rerun::ServerBlock)
            && let Phase::Ends(outcome) = self.rewrite_phase(self.server, route)
        {
            return Next::End(outcome);
        }
        route.scope = self.server_scope();
        let Ok(found) = location::find(self.server, &route.env.uri, self.matcher) else {
            route.unsure = Some("Cannot evaluate a location's regular expression".to_owned());
            return Next::End(RouteOutcome::Unknown);
        };
        for captured in found.captured {
            route.env.capture(captured);
        }
        let location = found.locations.last().copied();
        route.scope.blocks.extend(found.locations);
        if found.adds_slash
            && let Some(location) = location
        {
            let to = format!("{}/", route.env.uri);
            return Next::End(RouteOutcome::Redirects(to, location));
        }
        if route.scope.is_internal() && !route.env.internal {
            return Next::End(RouteOutcome::Responds(404, route.scope.location()));
        }
        self.evaluate_location(route)
    }

    fn evaluate_location(&self, route: &mut Route<'a>) -> Next<'a> {
        if let Some(location) = route.scope.location() {
            match self.rewrite_phase(location, route) {
                Phase::Ends(outcome) => return Next::End(outcome),
                Phase::Again => return Next::Uri(Rerun::Location),
                Phase::GoesOn => {}
            }
        }
        if let Some(outcome) = access_phase(route) {
            return Next::End(outcome);
        }
        let directives = route.scope.own_directives();
        if let Some(handler) = directives.iter().find(|directive| is_unsupported(directive)) {
            route.unsure = Some(format!("Cannot evaluate `{}`", handler.name));
            return Next::End(RouteOutcome::Unknown);
        }
        let pass = directives.into_iter().find(|directive| is_pass(directive));
        if pass.is_none() && route.scope.is_on("passenger_enabled").is_some() {
            route.unsure = Some("Cannot evaluate Passenger".to_owned());
            return Next::End(RouteOutcome::Unknown);
        }
        // An `if` that holds has no try_files, even if its location has one.
        if let Some(try_files) = route.scope.innermost("try_files")
            && let Some(next) = self.try_files(try_files, route)
        {
            return next;
        }
        match pass {
            Some(pass) => Next::End(RouteOutcome::Passes(pass)),
            None => self.open_file(route),
        }
    }

    /// Evaluates `try_files`; `None` if a file was found and the request continues.
    fn try_files(&self, try_files: &'a Directive, route: &mut Route<'a>) -> Option<Next<'a>> {
        let (last, candidates) = try_files.args.split_last()?;
        for candidate in candidates {
            if self.try_candidate(candidate, route) {
                return None;
            }
        }
        if route.scope.innermost("alias").is_some() && last.contains('$') {
            route.unsure =
                Some("`try_files` with variables in an `alias` is unreliable in nginx".to_owned());
        }
        Some(self.goto(last, route))
    }

    /// Whether a candidate of `try_files` exists; if so, the candidate becomes the URI.
    fn try_candidate(&self, candidate: &str, route: &mut Route<'a>) -> bool {
        let Ok(uri) = route.env.expand(candidate) else {
            route.unsure = Some(format!("`{candidate}` is known only at run time"));
            return false;
        };
        let Ok((mut opened, by)) = route.scope.opens(&route.env.with_uri(uri.clone())) else {
            return false;
        };
        let pattern = route.scope.location().map_or(String::new(), Directive::text);
        opened.variables |= of_request(candidate, &pattern);
        // After the directory built from captures, nginx appends the whole candidate again.
        if opened.by == PathRule::Captures {
            opened.path.push_str(&uri);
        }
        let wanted = if uri.ends_with('/') { Look::Directory } else { Look::File };
        let found = self.disk.look(opened.path.trim_end_matches('/'));
        if found == wanted {
            if opened.by == PathRule::Captures {
                route.unsure =
                    Some("Cannot evaluate `try_files` with captures in an `alias`".to_owned());
            }
            route.env.uri = uri;
            return true;
        }
        if found == Look::Unknown {
            route.unsure = Some(format!("Cannot inspect `{}`", opened.path));
        }
        if route.tried.is_none() {
            route.tried = Some(TriedPath { opened, by, scope: route.scope.clone() });
        }
        false
    }

    /// Continues at the last argument of `try_files` or `error_page`.
    fn goto(&self, target: &str, route: &mut Route<'a>) -> Next<'a> {
        if let Some(status) = target.strip_prefix('=') {
            return Next::End(RouteOutcome::Responds(status.parse().unwrap_or(404), None));
        }
        if target.starts_with('@') {
            return Next::Named(target.to_owned());
        }
        let Ok(target) = route.env.expand(target) else {
            route.unsure = Some(format!("`{target}` is known only at run time"));
            return Next::End(RouteOutcome::Unknown);
        };
        if let Some((path, query)) = target.split_once('?') {
            route.env.uri = path.to_owned();
            route.env.args = Some(query.to_owned());
        } else {
            route.env.uri = target;
        }
        route.env.internal = true;
        route.env.rewritten_in_place = false;
        Next::Uri(Rerun::ServerBlock)
    }

    /// The outcome for a file, or for the index of a directory.
    fn open_file(&self, route: &mut Route<'a>) -> Next<'a> {
        let (opened, by) = match route.scope.opens(&route.env) {
            Ok(found) => found,
            Err(unknown) => return Next::End(RouteOutcome::OpensUnknown(unknown)),
        };
        if route.env.rewritten_in_place && by.name == "alias" {
            return Next::End(RouteOutcome::Responds(500, Some(by)));
        }
        if route.env.uri.ends_with('/')
            && let Some(index) = self.index_of(&opened.path, &route.scope)
            && !index.starts_with('/')
        {
            route.env.uri.push_str(index);
            route.env.internal = true;
            return Next::Uri(Rerun::ServerBlock);
        }
        Next::End(RouteOutcome::Opens(opened, by))
    }

    /// The first index file that exists in a directory.
    fn index_of(&self, directory: &str, scope: &Scope<'a>) -> Option<&'a str> {
        for directive in scope.list("index") {
            for name in &directive.args {
                if self.disk.look(&format!("{directory}{name}")) == Look::File {
                    return Some(name);
                }
            }
        }
        None
    }

    /// Runs the rewrite phase of a server or a location: `set`, `if`, `rewrite`, `return`, `break`,
    /// in the order of the file.
    fn rewrite_phase(&self, block: &'a Directive, route: &mut Route<'a>) -> Phase<'a> {
        let before = route.env.uri.clone();
        match self.run(block, route, 0) {
            Flow::Over(phase) => phase,
            Flow::On if route.env.uri != before => Phase::Again,
            Flow::On | Flow::Break => Phase::GoesOn,
        }
    }

    fn run(&self, block: &'a Directive, route: &mut Route<'a>, depth: usize) -> Flow<'a> {
        for directive in block.inside() {
            let flow = match directive.name.as_str() {
                "set" => {
                    let value = expand_here(directive.arg(1), route).ok();
                    route.env.set(directive.arg(0).trim_start_matches('$'), value);
                    Flow::On
                }
                "return" => Flow::Over(Phase::Ends(returned(directive, &route.env))),
                "break" => Flow::Break,
                "rewrite" => self.rewrite(directive, route),
                "if" if depth < DEEPEST_IF => self.run_if(directive, route, depth),
                "rewrite_by_lua_block"
                | "rewrite_by_lua_file"
                | "access_by_lua_block"
                | "access_by_lua_file" => {
                    route.unsure = Some(format!("Cannot evaluate `{}`", directive.name));
                    Flow::On
                }
                _ => Flow::On,
            };
            if !matches!(flow, Flow::On) {
                return flow;
            }
        }
        Flow::On
    }

    fn run_if(&self, directive: &'a Directive, route: &mut Route<'a>, depth: usize) -> Flow<'a> {
        match self.holds(&directive.args, route) {
            Some(false) => Flow::On,
            Some(true) => {
                // The last `if` that holds replaces the earlier ones.
                while route.scope.blocks.last().is_some_and(|block| block.name == "if") {
                    route.scope.blocks.pop();
                }
                route.scope.blocks.push(directive);
                self.run(directive, route, depth + 1)
            }
            None => {
                skip_if(directive, route);
                Flow::On
            }
        }
    }

    /// Whether a condition holds; `None` if unknown.
    fn holds(&self, words: &[String], route: &mut Route<'_>) -> Option<bool> {
        match condition(words)[..] {
            [variable] => {
                let value = route.env.expand(variable).ok()?;
                Some(!value.is_empty() && value != "0")
            }
            [test, path] => self.holds_on_disk(test, path, route),
            [left, operator, right] => self.compares(left, operator, right, &mut route.env),
            _ => None,
        }
    }

    /// Whether a file or a directory exists: `-f`, `-d`, `-e`, or their negation.
    fn holds_on_disk(&self, test: &str, word: &str, route: &Route<'_>) -> Option<bool> {
        let path = expand_here(word, route).ok()?;
        let look = self.disk.look(path.trim_end_matches('/'));
        if look == Look::Unknown {
            return None;
        }
        match test {
            "-f" => Some(look == Look::File),
            "!-f" => Some(look != Look::File),
            "-d" => Some(look == Look::Directory),
            "!-d" => Some(look != Look::Directory),
            "-e" => Some(look != Look::Missing),
            "!-e" => Some(look == Look::Missing),
            _ => None,
        }
    }

    fn compares(&self, left: &str, operator: &str, right: &str, env: &mut Env<'_>) -> Option<bool> {
        let value = env.expand(left).ok()?;
        let case = if operator.ends_with('*') { Case::Ignored } else { Case::Matters };
        match operator {
            "=" => Some(value == env.expand(right).ok()?),
            "!=" => Some(value != env.expand(right).ok()?),
            "~" | "~*" | "!~" | "!~*" => {
                let found = self.matcher.captures(right, case, &value).ok()?;
                let is_match = found.is_some();
                match found {
                    Some(captured) => env.capture(captured),
                    None => env.clear_captures(),
                }
                Some(is_match != operator.starts_with('!'))
            }
            _ => None,
        }
    }

    fn rewrite(&self, directive: &'a Directive, route: &mut Route<'a>) -> Flow<'a> {
        match self.matcher.captures(directive.arg(0), Case::Matters, &route.env.uri) {
            Ok(Some(captured)) => route.env.capture(captured),
            Ok(None) => {
                route.env.clear_captures();
                return Flow::On;
            }
            Err(_) => {
                let at = directive.place().line();
                route.unsure = Some(format!("Cannot evaluate the pattern at {at}"));
                return Flow::On;
            }
        }
        let Ok(replacement) = expand_here(directive.arg(1), route) else {
            let at = directive.place().line();
            route.unsure = Some(format!("The rewrite at {at} can be evaluated only at run time"));
            return Flow::Over(Phase::Ends(RouteOutcome::Unknown));
        };
        let flag = directive.arg(2);
        if is_absolute(directive.arg(1)) || matches!(flag, "redirect" | "permanent") {
            return Flow::Over(Phase::Ends(RouteOutcome::Redirects(replacement, directive)));
        }
        let (path, new_query) = match replacement.split_once('?') {
            Some((path, query)) => (path, query),
            None => (replacement.as_str(), ""),
        };
        // A trailing question mark drops the old query.
        let old_query = if directive.arg(1).ends_with('?') { None } else { route.env.args.take() };
        route.env.args = joined_queries(new_query, old_query);
        route.env.uri = path.to_owned();
        route.rewrite = Some(directive);
        route.env.internal = true;
        match flag {
            "last" => Flow::Over(Phase::Again),
            "break" => {
                route.env.rewritten_in_place = true;
                Flow::Break
            }
            _ => Flow::On,
        }
    }
}

/// The `error_page` for a status, and the status that replaces it, if set.
pub(super) fn error_page<'a>(
    scope: &Scope<'a>,
    status: u16,
) -> Option<(&'a Directive, Option<u16>)> {
    let status = status.to_string();
    for page in scope.list("error_page") {
        if let Some((_, statuses)) = page.args.split_last()
            && statuses.contains(&status)
        {
            return Some((page, replacing_status(page)));
        }
    }
    None
}

/// The status after the `=` of an `error_page`.
fn replacing_status(page: &Directive) -> Option<u16> {
    for argument in &page.args {
        if let Some(status) = argument.strip_prefix('=') {
            return Some(status.parse().unwrap_or(200));
        }
    }
    None
}

/// Whether a directive makes a handler respond that this reader does not support: lua, memcached …
fn is_unsupported(directive: &Directive) -> bool {
    let name = directive.name.as_str();
    let passes = name.ends_with("_pass") && !is_pass(directive);
    passes || name.starts_with("content_by_") || matches!(name, "js_content" | "perl")
}

/// The outcome of access rules that refuse every client, and of logins for which the client has no
/// credentials.
fn access_phase<'a>(route: &Route<'a>) -> Option<RouteOutcome<'a>> {
    if let Some(rule) = first_access_rule(&route.scope)
        && rule.name == "deny"
        && rule.arg(0) == "all"
    {
        return Some(RouteOutcome::Responds(403, Some(rule)));
    }
    let login = route.scope.is_on("auth_basic")?;
    if route.env.request.header("authorization").is_some() {
        return None;
    }
    Some(RouteOutcome::Login(login))
}

/// The first rule of the innermost block that has any.
fn first_access_rule<'a>(scope: &Scope<'a>) -> Option<&'a Directive> {
    for block in scope.blocks.iter().rev() {
        for directive in block.inside() {
            if matches!(directive.name.as_str(), "allow" | "deny") {
                return Some(directive);
            }
        }
    }
    None
}

/// The outcome of a `return`.
fn returned<'a>(directive: &'a Directive, env: &Env<'_>) -> RouteOutcome<'a> {
    match directive.arg(0).parse::<u16>() {
        Ok(301..=303 | 307 | 308) if directive.args.len() > 1 => {
            RouteOutcome::Redirects(expanded_or_written(directive.arg(1), env), directive)
        }
        Ok(status) => RouteOutcome::Responds(status, Some(directive)),
        Err(_) => RouteOutcome::Redirects(expanded_or_written(directive.arg(0), env), directive),
    }
}

fn expanded_or_written(text: &str, env: &Env<'_>) -> String {
    match env.expand(text) {
        Ok(expanded) => expanded,
        Err(_) => text.to_owned(),
    }
}

/// Records what an `if` with an unknown condition may change.
fn skip_if(directive: &Directive, route: &mut Route<'_>) {
    for inside in directive.inside() {
        match inside.name.as_str() {
            "set" => route.env.set(inside.arg(0).trim_start_matches('$'), None),
            "add_header" | "access_log" | "expires" => {}
            _ => {
                let at = directive.place().line();
                route.unsure = Some(format!("The `if` at {at} can be evaluated only at run time"));
            }
        }
    }
}

/// The words of a condition without the surrounding parentheses, which may be attached to a word.
/// Words between others may be empty.
fn condition(words: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(first) = words.first_mut() {
        *first = first.strip_prefix('(').unwrap_or(first);
    }
    if words.first() == Some(&"") {
        words.remove(0);
    }
    if let Some(last) = words.pop() {
        let last = last.strip_suffix(')').unwrap_or(last);
        if !last.is_empty() {
            words.push(last);
        }
    }
    words
}

/// A text with its variables replaced, including the path that the request would open here.
fn expand_here(text: &str, route: &Route<'_>) -> Result<String, Unknown> {
    const PATH: &str = "request_filename";
    if !names(text).contains(&PATH) {
        return route.env.expand(text);
    }
    let mut env = route.env.clone();
    let (opened, _) = route.scope.opens(&env)?;
    env.set(PATH, Some(opened.path));
    env.expand(text)
}

/// Whether a `rewrite` replaces the whole URL, so that nginx redirects the client.
fn is_absolute(replacement: &str) -> bool {
    let beginnings = ["http://", "https://", "$scheme"];
    beginnings.iter().any(|beginning| replacement.starts_with(beginning))
}

/// The query after a `rewrite`, which puts its own query before the old one.
fn joined_queries(new: &str, old: Option<String>) -> Option<String> {
    match old {
        old if new.is_empty() => old,
        Some(old) => Some(format!("{new}&{old}")),
        None => Some(new.to_owned()),
    }
}
