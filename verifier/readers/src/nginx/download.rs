//! Who takes the visitor's URL, and whether that asks the app.

use sendfile_evidence::fact::{Fact, Place, Says};

use super::{
    super::{Look, Treatment, opened::words, uri::decoded},
    Case,
    guard::{guarded, refused},
    location::Form,
    route::{End, Route},
    tree::Directive,
    upstream::{Upstream, family},
    variables::Env,
};

/// The route of a download that asks somebody, and whom.
pub(super) struct Asking<'a> {
    /// The way of the request.
    pub(super) route: Route<'a>,
    /// Whom it asks; `None` where only the running server knows.
    pub(super) upstream: Option<Upstream<'a>>,
    /// The `proxy_pass` or its kin.
    pub(super) pass: &'a Directive,
}

/// Writes down what becomes of the visitor's URL.
pub(super) fn treat<'a>(
    case: &Case<'a>,
    env: Env<'a>,
    treatment: &mut Treatment,
) -> Option<Asking<'a>> {
    let mut route = case.walk.from(env.clone());
    // A front controller may stand behind `error_page 404`; an answer of its own stays one.
    let after = case.walk.with_error_page(case.walk.from(env.clone()));
    if matches!(after.end, End::Asks(_)) {
        route = after;
    }
    if let Some(reason) = &route.unsure {
        treatment.download.push(Fact::of(Says::Unsure, reason.clone()));
        treatment.unsure = true;
    }
    treatment.download.extend(guarded(&route));
    treatment.download.extend(refused(&route));
    if let End::Asks(pass) = route.end {
        return Some(asks(case, route, pass, treatment));
    }
    let at = place(&route, case);
    let fact = match &route.end {
        End::Redirects(to, by) => {
            Fact::at(Says::DownloadRedirected, by.place(), format!("redirects the visitor to {to}"))
        }
        End::Login(by) => Fact::at(
            Says::LoginAsked,
            by.place(),
            "asks the visitor for a login before the app is asked",
        ),
        End::Unknown => {
            treatment.unsure = true;
            return None;
        }
        End::Opens(opened, _) => {
            let state = super::super::opened::state(&opened.path, case.walk.disk, case.worker);
            let what =
                format!("takes the visitor's URL and opens {}, {}", opened.path, words(state));
            not_asking(case, &env, at, &what)
        }
        End::OpensUnknown(_) => {
            not_asking(case, &env, at, "takes the visitor's URL and opens a file")
        }
        // The location would ask the app.
        End::Answers(..) if refused(&route).is_some() => return None,
        End::Answers(status, _) => not_asking(
            case,
            &env,
            at,
            &format!("takes the visitor's URL and answers {status} by itself"),
        ),
        End::Asks(_) => return None,
    };
    treatment.download.push(fact);
    None
}

/// Where a route ends, for people: its location, or the server where no location takes it.
fn place(route: &Route<'_>, case: &Case<'_>) -> Place {
    let by = match &route.end {
        End::Answers(_, Some(by)) if by.name != "location" => Some(*by),
        _ => route.scope.location(),
    };
    by.unwrap_or(case.walk.server).place()
}

/// A rule that does not ask the app: is there another one that would?
fn not_asking<'a>(case: &Case<'a>, env: &Env<'a>, at: Place, what: &str) -> Fact {
    let Some((meant, pass)) = other_that_asks(case, env, &at) else {
        let pass = "a location for the download's path with proxy_pass to the app";
        let fix = format!("in {}, add {pass}", case.walk.server.place().line());
        return Fact::at(
            Says::DownloadNotRouted,
            at,
            format!("{what}; no location for it asks the app"),
        )
        .mended_by(fix);
    };
    let meant_at = meant.place();
    let detail =
        format!("{what}; without it, `{}` in {} would ask the app", meant_at.text, meant_at.line());
    let fix = match Form::of(meant) {
        Some(Form::Prefix(prefix)) if prefix != "/" => {
            format!("in {}, write `location ^~ {prefix}`, so that it comes first", meant_at.line())
        }
        Some(Form::Pattern(..)) => {
            format!("move `{}` ({}) before {}", meant_at.text, meant_at.line(), at.line())
        }
        _ => format!(
            "in {}, remove `{}`, give it another path, or pass it on: {pass}",
            at.line(),
            at.text
        ),
    };
    Fact::at(Says::DownloadShadowed, at, detail).mended_by(fix)
}

/// The best other location of the server that matches the URI and asks the app, and how it asks.
fn other_that_asks<'a>(
    case: &Case<'a>,
    env: &Env<'a>,
    at: &Place,
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

/// All locations below a block, each with the way to it.
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
    treatment: &mut Treatment,
) -> Asking<'a> {
    let upstream = match Upstream::of(pass, &route.scope, &route.env) {
        Ok(upstream) => upstream,
        Err(unknown) => {
            let reason = format!("${} is only known while nginx runs", unknown.0);
            treatment.download.push(Fact::at(Says::DownloadAsksApp, pass.place(), reason));
            return Asking { route, upstream: None, pass };
        }
    };
    let shown = upstream.shown();
    let taken =
        route.scope.location().map_or(String::new(), |it| format!("`{}` ", it.place().text));
    let detail = format!("{taken}takes the visitor's URL and asks {shown}");
    treatment.download.push(Fact::at(Says::DownloadAsksApp, pass.place(), detail));
    treatment.download.extend(caches_errors(case, &route, pass));
    treatment.asks = upstream.address().cloned();
    if let Some(app) = &case.question.app {
        treatment.download.extend(elsewhere(&upstream, app, case));
        treatment.download.extend(rewritten(&upstream, route.rewrite, app));
    }
    Asking { route, upstream: Some(upstream), pass }
}

/// A cache of the app's answers that keeps errors such as the visitor's.
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
    let fix = format!("in {}, keep no errors (now `{}`)", at.line(), at.text);
    let detail = format!("keeps the app's {status} for a while, and answers with it");
    Some(Fact::at(Says::CachesErrors, at, detail).mended_by(fix))
}

/// Another address or protocol than the app's.
fn elsewhere(upstream: &Upstream<'_>, app: &super::Request, case: &Case<'_>) -> Option<Fact> {
    let at = upstream.directive.place();
    let family = family(upstream.directive);
    let there = upstream.addresses.iter().any(|it| it.is(&app.address));
    let wanted = format!("`proxy_pass http://{};`", app.address);
    let (detail, fix) = if !there {
        let asked = format!("asks {}; the app answers at {}", upstream.shown(), app.address);
        let gone = match upstream.address() {
            Some(it) if it.port == 0 && case.walk.disk.look(&it.host) == Look::Missing => {
                format!("{asked}, and there is no socket {}", it.host)
            }
            _ => asked,
        };
        (gone, format!("in {}, name the app's address: {wanted}", at.line()))
    } else if family != "proxy" {
        let detail = format!("speaks {family} to {}, which answers HTTP", app.address);
        (detail, format!("in {}, write {wanted} instead of `{};`", at.line(), at.text))
    } else if upstream.https != app.https {
        let (speaks, answers) = if app.https { ("HTTP", "HTTPS") } else { ("TLS", "plain HTTP") };
        let detail = format!("speaks {speaks} to {}, which answers {answers}", app.address);
        (detail, format!("in {}, write {wanted} instead of `{};`", at.line(), at.text))
    } else {
        return None;
    };
    Some(Fact::at(Says::AppElsewhere, at, detail).mended_by(fix))
}

/// Another path than the one that the app was asked for.
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
    let detail = format!("asks the app for {}; the download is {}", upstream.path, app.path);
    let bare = written.split_once("://").and_then(|(scheme, rest)| {
        let (host, path) = rest.split_once('/')?;
        Some((format!("{scheme}://{host}"), path))
    });
    if let Some(by) = rewrite.map(Directive::place) {
        let fix = format!("in {}, remove `{};`, or let it keep the path", by.line(), by.text);
        return Some(Fact::at(Says::PathRewritten, by, detail).mended_by(fix));
    }
    let fact = Fact::at(Says::PathRewritten, at.clone(), detail);
    Some(match bare {
        Some((bare, _)) => fact.mended_by(format!(
            "in {}, write `proxy_pass {bare};` instead of `{};`",
            at.line(),
            at.text
        )),
        None => fact,
    })
}
