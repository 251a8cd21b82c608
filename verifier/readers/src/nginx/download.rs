//! Which location matches the download URL, and whether it passes the request to the app.

use sendfile_evidence::fact::{Fact, FactKind, SourceLine};

use super::{
    super::{opened::words, uri::decoded},
    Case,
    guard::{guarded, refused},
    location::Form,
    route::{End, Route},
    tree::Directive,
    upstream::{Upstream, family},
    variables::Env,
};
use crate::{disk::Look, reader::RouteAnalysis};

/// The route of a download that is passed to an upstream, and the upstream.
pub(super) struct Asking<'a> {
    /// The route of the request.
    pub(super) route: Route<'a>,
    /// The upstream; `None` if known only at run time.
    pub(super) upstream: Option<Upstream<'a>>,
    /// The `proxy_pass` or similar directive.
    pub(super) pass: &'a Directive,
}

/// Records how the download URL is handled.
pub(super) fn treat<'a>(
    case: &Case<'a>,
    env: Env<'a>,
    treatment: &mut RouteAnalysis,
) -> Option<Asking<'a>> {
    let mut route = case.walk.from(env.clone());
    // A front controller may be behind `error_page 404`; a direct response is kept.
    let after = case.walk.with_error_page(case.walk.from(env.clone()));
    if matches!(after.end, End::Asks(_)) {
        route = after;
    }
    if let Some(reason) = &route.unsure {
        treatment.download.push(Fact::of(FactKind::Unsure, reason.clone()));
        treatment.unsure = true;
    }
    treatment.download.extend(guarded(&route));
    treatment.download.extend(refused(&route));
    if let End::Asks(pass) = route.end {
        return Some(asks(case, route, pass, treatment));
    }
    let at = place(&route, case);
    let fact = match &route.end {
        End::Redirects(to, by) => Fact::at(
            FactKind::DownloadRedirected,
            by.place(),
            format!("redirects the client to {to}"),
        ),
        End::Login(by) => Fact::at(
            FactKind::LoginAsked,
            by.place(),
            "requires a login before the request reaches the app",
        ),
        End::Unknown => {
            treatment.unsure = true;
            return None;
        }
        End::Opens(opened, _) => {
            let state = super::super::opened::state(&opened.path, case.walk.disk, case.worker);
            let what =
                format!("matches the download URL and opens {}, {}", opened.path, words(state));
            not_asking(case, &env, at, &what)
        }
        End::OpensUnknown(_) => {
            not_asking(case, &env, at, "matches the download URL and opens a file")
        }
        // The location would pass the request to the app.
        End::Answers(..) if refused(&route).is_some() => return None,
        End::Answers(status, _) => {
            not_asking(case, &env, at, &format!("matches the download URL and returns {status}"))
        }
        End::Asks(_) => return None,
    };
    treatment.download.push(fact);
    None
}

/// Where a route ends: its location, or the server if no location matches.
fn place(route: &Route<'_>, case: &Case<'_>) -> SourceLine {
    let by = match &route.end {
        End::Answers(_, Some(by)) if by.name != "location" => Some(*by),
        _ => route.scope.location(),
    };
    by.unwrap_or(case.walk.server).place()
}

/// A rule that does not pass the request to the app: is there another one that would?
fn not_asking<'a>(case: &Case<'a>, env: &Env<'a>, at: SourceLine, what: &str) -> Fact {
    let Some((meant, pass)) = other_that_asks(case, env, &at) else {
        let pass = "a location for the download path with `proxy_pass` to the app";
        let fix = format!("In {}, add {pass}", case.walk.server.place().line());
        return Fact::at(
            FactKind::DownloadNotRouted,
            at,
            format!("{what}; no matching location passes it to the app"),
        )
        .mended_by(fix);
    };
    let meant_at = meant.place();
    let detail = format!(
        "{what}; without it, `{}` ({}) would pass the request to the app",
        meant_at.text,
        meant_at.line()
    );
    let fix = match Form::of(meant) {
        Some(Form::Prefix(prefix)) if prefix != "/" => {
            format!("In {}, write `location ^~ {prefix}` to give it precedence", meant_at.line())
        }
        Some(Form::Pattern(..)) => {
            format!("Move `{}` ({}) before {}", meant_at.text, meant_at.line(), at.line())
        }
        _ => format!("In {}, remove `{}`, change its path, or add {pass}", at.line(), at.text),
    };
    Fact::at(FactKind::DownloadShadowed, at, detail).mended_by(fix)
}

/// The best other location of the server that matches the URI and passes it to the app, and the
/// directive that does so.
fn other_that_asks<'a>(
    case: &Case<'a>,
    env: &Env<'a>,
    at: &SourceLine,
) -> Option<(&'a Directive, String)> {
    let mut all = Vec::new();
    flatten(case.walk.server, &mut Vec::new(), &mut all);
    let mut asking = all.iter().filter_map(|way| {
        let (location, form) = (way.last()?, Form::of(way.last()?)?);
        if location.place() == *at || !form.matches(&env.uri, case.walk.matcher) {
            return None;
        }
        let route = case.walk.inside(way, env.inside());
        let End::Asks(pass) = route.end else { return None };
        let upstream = Upstream::of(pass, &route.scope, &route.env).ok()?;
        let other = case.question.is_app(upstream.address()?) == Some(false);
        let rank = match form {
            Form::Pattern(..) => usize::MAX,
            form => form.prefix().map_or(0, str::len),
        };
        let written = pass.place().text;
        (!other).then_some((rank, *location, format!("`{written};`")))
    });
    let first = asking.next()?;
    let best = asking.fold(first, |best, it| if it.0 > best.0 { it } else { best });
    Some((best.1, best.2))
}

/// All locations below a block, each with its ancestors.
pub(super) fn flatten<'a>(
    block: &'a Directive,
    way: &mut Vec<&'a Directive>,
    all: &mut Vec<Vec<&'a Directive>>,
) {
    for location in block.inside().iter().filter(|it| it.name == "location") {
        way.push(location);
        all.push(way.clone());
        flatten(location, way, all);
        way.pop();
    }
}

fn asks<'a>(
    case: &Case<'a>,
    route: Route<'a>,
    pass: &'a Directive,
    treatment: &mut RouteAnalysis,
) -> Asking<'a> {
    let upstream = match Upstream::of(pass, &route.scope, &route.env) {
        Ok(upstream) => upstream,
        Err(unknown) => {
            let reason = format!("${} is known only at run time", unknown.0);
            treatment.download.push(Fact::at(FactKind::DownloadAsksApp, pass.place(), reason));
            return Asking { route, upstream: None, pass };
        }
    };
    let shown = upstream.shown();
    let taken =
        route.scope.location().map_or(String::new(), |it| format!("`{}` ", it.place().text));
    let detail = format!("{taken}matches the download URL and passes it to {shown}");
    treatment.download.push(Fact::at(FactKind::DownloadAsksApp, pass.place(), detail));
    treatment.download.extend(caches_errors(case, &route, pass));
    treatment.asks = upstream.address().cloned();
    if let Some(app) = &case.question.app {
        treatment.download.extend(elsewhere(&upstream, app, case));
        treatment.download.extend(rewritten(&upstream, route.rewrite, app));
    }
    Asking { route, upstream: Some(upstream), pass }
}

/// A cache of the app's responses that stores errors with the client's status.
fn caches_errors(case: &Case<'_>, route: &Route<'_>, pass: &Directive) -> Option<Fact> {
    let status = case.question.status.filter(|it| *it >= 400)?.to_string();
    let family = family(pass);
    route.scope.is_on(&format!("{family}_cache"))?;
    let name = format!("{family}_cache_valid");
    let keeps = |it: &&Directive| {
        let statuses = it.args.split_last().map_or(&[][..], |(_, statuses)| statuses);
        statuses.iter().any(|it| *it == status || it == "any")
    };
    let at = route.scope.list(&name).into_iter().find(keeps)?.place();
    let fix = format!("In {}, remove `{}`, then purge the cache", at.line(), at.text);
    let detail = format!("caches the app's {status} responses");
    Some(Fact::at(FactKind::CachesErrors, at, detail).mended_by(fix))
}

/// An address or protocol other than the app's.
fn elsewhere(upstream: &Upstream<'_>, app: &super::Request, case: &Case<'_>) -> Option<Fact> {
    let at = upstream.directive.place();
    let family = family(upstream.directive);
    let there = upstream.addresses.iter().any(|it| it.is(&app.address));
    let wanted = format!("`proxy_pass http://{};`", app.address);
    let (detail, fix) = if !there {
        let asked =
            format!("passes requests to {}, but the app is at {}", upstream.shown(), app.address);
        let gone = match upstream.address() {
            Some(it) if it.port == 0 && case.walk.disk.look(&it.host) == Look::Missing => {
                format!("{asked}; the socket {} does not exist", it.host)
            }
            _ => asked,
        };
        (gone, format!("In {}, set the app's address: {wanted}", at.line()))
    } else if family != "proxy" {
        let detail = format!("uses {family} with {}, which expects HTTP", app.address);
        (detail, format!("In {}, replace `{};` with {wanted}", at.line(), at.text))
    } else if upstream.https != app.https {
        let (speaks, answers) = if app.https { ("HTTP", "HTTPS") } else { ("TLS", "plain HTTP") };
        let detail = format!("uses {speaks} with {}, which expects {answers}", app.address);
        (detail, format!("In {}, replace `{};` with {wanted}", at.line(), at.text))
    } else {
        return None;
    };
    Some(Fact::at(FactKind::AppElsewhere, at, detail).mended_by(fix))
}

/// A path other than the one requested from the app directly.
fn rewritten(
    upstream: &Upstream<'_>,
    rewrite: Option<&Directive>,
    app: &super::Request,
) -> Option<Fact> {
    if family(upstream.directive) != "proxy" || decoded(&upstream.path) == decoded(&app.path) {
        return None;
    }
    let at = upstream.directive.place();
    let written = upstream.directive.arg(0);
    let detail = format!("requests {} from the app; expected {}", upstream.path, app.path);
    let bare = written.split_once("://").and_then(|(scheme, rest)| {
        let (host, path) = rest.split_once('/')?;
        Some((format!("{scheme}://{host}"), path))
    });
    if let Some(by) = rewrite.map(Directive::place) {
        let fix = format!("In {}, remove `{};`, or change it to keep the path", by.line(), by.text);
        return Some(Fact::at(FactKind::PathRewritten, by, detail).mended_by(fix));
    }
    let fact = Fact::at(FactKind::PathRewritten, at.clone(), detail);
    Some(match bare {
        Some((bare, _)) => fact.mended_by(format!(
            "In {}, replace `{};` with `proxy_pass {bare};`",
            at.line(),
            at.text
        )),
        None => fact,
    })
}
