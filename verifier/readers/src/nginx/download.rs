//! Which location matches the download URL, and whether it passes the request to the app.

use sendfile_evidence::{
    fact::{Fact, FactKind, SourceLine},
    request::Request,
};

use super::{
    context::EvalContext,
    guard::{guarded, refused},
    location::{Form, all_below},
    route::{Route, RouteOutcome},
    scope::Scope,
    tree::Directive,
    upstream::{Upstream, family},
    variables::Env,
};
use crate::{
    disk::Look,
    opened::{state, words},
    reader::RouteAnalysis,
    uri::decoded,
};

/// The route of a download that is passed to an upstream.
pub(super) struct PassedRoute<'a> {
    /// The route of the request.
    pub(super) route: Route<'a>,
    /// The upstream; `None` if known only at run time.
    pub(super) upstream: Option<Upstream<'a>>,
    /// The `proxy_pass` or similar directive.
    pub(super) pass: &'a Directive,
}

/// Records how the download URL is handled, and returns the route if it is passed to an upstream.
pub(super) fn record<'a>(
    context: &EvalContext<'a>,
    env: Env<'a>,
    analysis: &mut RouteAnalysis,
) -> Option<PassedRoute<'a>> {
    let route = download_route(context, &env);
    if let Some(reason) = &route.unsure {
        analysis.download.push(Fact::of(FactKind::Unsure, reason.clone()));
        analysis.unsure = true;
    }
    analysis.download.extend(guarded(&route));
    analysis.download.extend(refused(&route));
    if let RouteOutcome::Passes(pass) = route.outcome {
        return Some(record_passed(context, route, pass, analysis));
    }
    if matches!(route.outcome, RouteOutcome::Unknown) {
        analysis.unsure = true;
        return None;
    }
    analysis.download.extend(not_passed(context, &env, &route));
    None
}

/// The route of the download. An `error_page 404` may lead to a front controller, so it is
/// followed; a direct response is kept.
fn download_route<'a>(context: &EvalContext<'a>, env: &Env<'a>) -> Route<'a> {
    let evaluator = context.evaluator;
    let route = evaluator.route(env.clone());
    let after_error = evaluator.with_error_page(evaluator.route(env.clone()));
    if matches!(after_error.outcome, RouteOutcome::Passes(_)) { after_error } else { route }
}

/// A route that does not lead to an upstream.
fn not_passed<'a>(context: &EvalContext<'a>, env: &Env<'a>, route: &Route<'a>) -> Option<Fact> {
    let what = match &route.outcome {
        RouteOutcome::Redirects(to, by) => {
            let detail = format!("redirects the client to {to}");
            return Some(Fact::at(FactKind::DownloadRedirected, by.place(), detail));
        }
        RouteOutcome::Login(by) => {
            let detail = "requires a login before the request reaches the app";
            return Some(Fact::at(FactKind::LoginAsked, by.place(), detail));
        }
        RouteOutcome::Opens(opened, _) => {
            let found = words(state(&opened.path, context.evaluator.disk, context.worker));
            format!("matches the download URL and opens {}, {found}", opened.path)
        }
        RouteOutcome::OpensUnknown(_) => "matches the download URL and opens a file".to_owned(),
        // The location would pass the request to the app.
        RouteOutcome::Responds(..) if refused(route).is_some() => return None,
        RouteOutcome::Responds(status, _) => {
            format!("matches the download URL and returns {status}")
        }
        RouteOutcome::Passes(_) | RouteOutcome::Unknown => return None,
    };
    Some(misrouted(context, env, end_of(route, context), &what))
}

/// The end of a route: its location, or the server if no location matches.
fn end_of(route: &Route<'_>, context: &EvalContext<'_>) -> SourceLine {
    let by = match &route.outcome {
        RouteOutcome::Responds(_, Some(by)) if by.name != "location" => Some(*by),
        _ => route.scope.location(),
    };
    by.unwrap_or(context.evaluator.server).place()
}

/// The fact that a rule does not pass the request to the app, with the rule that would, if there is
/// one.
fn misrouted<'a>(context: &EvalContext<'a>, env: &Env<'a>, at: SourceLine, what: &str) -> Fact {
    let Some((location, pass)) = other_passing_location(context, env, &at) else {
        let server = context.evaluator.server.place();
        let pass = "a location for the download path with `proxy_pass` to the app";
        let suggestion = format!("In {}, add {pass}", server.line());
        let detail = format!("{what}; no matching location passes it to the app");
        return Fact::at(FactKind::DownloadNotRouted, at, detail).mended_by(suggestion);
    };
    let other = location.place();
    let (text, line) = (&other.text, other.line());
    let detail = format!("{what}; without it, `{text}` ({line}) would pass the request to the app");
    let suggestion = match Form::of(location) {
        Some(Form::Prefix(prefix)) if prefix != "/" => {
            format!("In {line}, write `location ^~ {prefix}` to give it precedence")
        }
        Some(Form::Pattern(..)) => format!("Move `{text}` ({line}) before {}", at.line()),
        _ => format!("In {}, remove `{}`, change its path, or add `{pass};`", at.line(), at.text),
    };
    Fact::at(FactKind::DownloadShadowed, at, detail).mended_by(suggestion)
}

/// The best other location of the server that matches the URI and passes it to the app, and the
/// text of the directive that passes it.
fn other_passing_location<'a>(
    context: &EvalContext<'a>,
    env: &Env<'a>,
    at: &SourceLine,
) -> Option<(&'a Directive, String)> {
    let mut best: Option<(usize, &Directive, &Directive)> = None;
    for locations in all_below(context.evaluator.server) {
        let Some(location) = locations.last().copied() else { continue };
        let Some(form) = Form::of(location) else { continue };
        if location.place() == *at || !form.matches(&env.uri, context.evaluator.matcher) {
            continue;
        }
        let Some(pass) = pass_to_app(context, env, &locations) else { continue };
        let rank = match form {
            Form::Pattern(..) => usize::MAX,
            form => form.prefix().map_or(0, str::len),
        };
        if best.is_none_or(|(best_rank, ..)| rank > best_rank) {
            best = Some((rank, location, pass));
        }
    }
    let (_, location, pass) = best?;
    Some((location, pass.place().text))
}

/// The directive by which a location passes the request to the app, or to an upstream that may be
/// the app.
fn pass_to_app<'a>(
    context: &EvalContext<'a>,
    env: &Env<'a>,
    locations: &[&'a Directive],
) -> Option<&'a Directive> {
    let route = context.evaluator.route_inside(locations, env.as_internal());
    let RouteOutcome::Passes(pass) = route.outcome else { return None };
    let upstream = Upstream::of(pass, &route.scope, &route.env).ok()?;
    match context.query.is_app(upstream.address()?) {
        Some(false) => None,
        Some(true) | None => Some(pass),
    }
}

/// Records which upstream the request is passed to.
fn record_passed<'a>(
    context: &EvalContext<'a>,
    route: Route<'a>,
    pass: &'a Directive,
    analysis: &mut RouteAnalysis,
) -> PassedRoute<'a> {
    let upstream = match Upstream::of(pass, &route.scope, &route.env) {
        Ok(upstream) => upstream,
        Err(unknown) => {
            let reason = format!("${} is known only at run time", unknown.0);
            analysis.download.push(Fact::at(FactKind::DownloadAsksApp, pass.place(), reason));
            return PassedRoute { route, upstream: None, pass };
        }
    };
    let location = match route.scope.location() {
        Some(location) => format!("`{}` ", location.place().text),
        None => String::new(),
    };
    let shown = upstream.shown();
    let detail = format!("{location}matches the download URL and passes it to {shown}");
    analysis.download.push(Fact::at(FactKind::DownloadAsksApp, pass.place(), detail));
    analysis.download.extend(caches_errors(context, &route.scope, pass));
    analysis.forwards_to = upstream.address().cloned();
    if let Some(app) = &context.query.app {
        analysis.download.extend(not_at_app(context, &upstream, app));
        analysis.download.extend(path_rewritten(&upstream, route.rewrite, app));
    }
    PassedRoute { route, upstream: Some(upstream), pass }
}

/// The fact that a cache of the app's responses stores errors with the client's status.
fn caches_errors(context: &EvalContext<'_>, scope: &Scope<'_>, pass: &Directive) -> Option<Fact> {
    let Some(status @ 400..) = context.query.status else { return None };
    let family = family(pass);
    scope.is_on(&format!("{family}_cache"))?;
    let status = status.to_string();
    let directives = scope.list(&format!("{family}_cache_valid"));
    let at = directives.into_iter().find(|directive| caches(directive, &status))?.place();
    let suggestion = format!("In {}, remove `{}`, then purge the cache", at.line(), at.text);
    let detail = format!("caches the app's {status} responses");
    Some(Fact::at(FactKind::CachesErrors, at, detail).mended_by(suggestion))
}

/// Whether a `proxy_cache_valid` or similar directive names a status; its last argument is a
/// time.
fn caches(directive: &Directive, status: &str) -> bool {
    match directive.args.split_last() {
        Some((_, statuses)) => statuses.iter().any(|named| named == status || named == "any"),
        None => false,
    }
}

/// The fact that the address or protocol is not the app's.
fn not_at_app(context: &EvalContext<'_>, upstream: &Upstream<'_>, app: &Request) -> Option<Fact> {
    let at = upstream.directive.place();
    let family = family(upstream.directive);
    let pass = format!("`proxy_pass http://{};`", app.address);
    let address = &app.address;
    if !upstream.is_at(address) {
        let mut detail =
            format!("passes requests to {}, but the app is at {address}", upstream.shown());
        if let Some(socket) = missing_socket(context, upstream) {
            detail.push_str(&format!("; the socket {socket} does not exist"));
        }
        let suggestion = format!("In {}, set the app's address: {pass}", at.line());
        return Some(Fact::at(FactKind::AppElsewhere, at, detail).mended_by(suggestion));
    }
    let detail = if family != "proxy" {
        format!("uses {family} with {address}, which expects HTTP")
    } else if upstream.https == app.https {
        return None;
    } else if app.https {
        format!("uses HTTP with {address}, which expects HTTPS")
    } else {
        format!("uses TLS with {address}, which expects plain HTTP")
    };
    let suggestion = format!("In {}, replace `{};` with {pass}", at.line(), at.text);
    Some(Fact::at(FactKind::AppElsewhere, at, detail).mended_by(suggestion))
}

/// The upstream's Unix socket, if it does not exist.
fn missing_socket<'c>(context: &EvalContext<'_>, upstream: &'c Upstream<'_>) -> Option<&'c str> {
    let address = upstream.address()?;
    let is_missing =
        address.port == 0 && context.evaluator.disk.look(&address.host) == Look::Missing;
    if is_missing { Some(&address.host) } else { None }
}

/// The fact that the path differs from the one requested from the app directly.
fn path_rewritten(
    upstream: &Upstream<'_>,
    rewrite: Option<&Directive>,
    app: &Request,
) -> Option<Fact> {
    if family(upstream.directive) != "proxy" || decoded(&upstream.path) == decoded(&app.path) {
        return None;
    }
    let detail = format!("requests {} from the app; expected {}", upstream.path, app.path);
    if let Some(rewrite) = rewrite {
        let at = rewrite.place();
        let suggestion =
            format!("In {}, remove `{};`, or change it to keep the path", at.line(), at.text);
        return Some(Fact::at(FactKind::PathRewritten, at, detail).mended_by(suggestion));
    }
    let at = upstream.directive.place();
    let fact = Fact::at(FactKind::PathRewritten, at.clone(), detail);
    let Some(bare) = without_path(upstream.directive.arg(0)) else { return Some(fact) };
    let suggestion = format!("In {}, replace `{};` with `proxy_pass {bare};`", at.line(), at.text);
    Some(fact.mended_by(suggestion))
}

/// The URL of a `proxy_pass` without its path; `None` if it has none.
fn without_path(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let (host, _) = rest.split_once('/')?;
    Some(format!("{scheme}://{host}"))
}
