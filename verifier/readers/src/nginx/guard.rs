//! Access rules whose result is known only at run time.

use sendfile_evidence::fact::{Fact, FactKind};

use super::{
    location::passes_requests,
    route::{Route, RouteOutcome},
    tree::Directive,
};

/// Directives that may refuse a request, or replace a response with nginx's own page.
const GUARDS: [&str; 11] = [
    "auth_request",
    "auth_basic",
    "auth_jwt",
    "deny",
    "limit_except",
    "limit_req",
    "limit_conn",
    "disable_symlinks",
    "modsecurity",
    "SecRulesEnabled",
    "proxy_intercept_errors",
];

/// The access rule that applies at the end of a route, if there is one.
pub(super) fn guarded(route: &Route<'_>) -> Option<Fact> {
    let by = GUARDS.iter().find_map(|name| route.scope.is_on(name))?;
    Some(Fact::at(FactKind::Guarded, by.place(), "may refuse a request or replace its response"))
}

/// A rule in a location that refuses the request, although the location would pass it to the app:
/// always, or under a condition known only at run time.
pub(super) fn refused(route: &Route<'_>) -> Option<Fact> {
    let location = route.scope.location()?;
    let passes = passes_requests(location);
    if let RouteOutcome::Responds(status @ 400..=499, Some(by)) = &route.outcome
        && (by.name == "deny" || passes && by.name == "return")
    {
        return Some(refused_by(by, *status, route));
    }
    if !passes || route.unsure.is_none() {
        return None;
    }
    refused_at_run_time(location, route)
}

fn refused_by(by: &Directive, status: u16, route: &Route<'_>) -> Fact {
    let at = by.place();
    let suggestion = match route.scope.blocks.last() {
        Some(condition) if condition.name == "if" => {
            let condition = condition.place();
            let (text, line) = (&condition.text, condition.line());
            format!("Exclude the download from the condition `{text}` ({line})")
        }
        _ => format!("In {}, remove `{};`, or allow the download path", at.line(), at.text),
    };
    let detail = format!("returns {status} before the request reaches the app");
    Fact::at(FactKind::DownloadRefused, at, detail).mended_by(suggestion)
}

/// The first `if` of the server or the location that refuses the request under a condition known
/// only at run time.
fn refused_at_run_time(location: &Directive, route: &Route<'_>) -> Option<Fact> {
    let mut conditions: Vec<&Directive> = Vec::new();
    if let Some(server) = route.scope.server() {
        conditions.extend(server.children("if"));
    }
    conditions.extend(location.children("if"));
    let condition = conditions.into_iter().find(|condition| may_refuse(condition, route))?;
    let at = condition.place();
    let suggestion = format!("Exclude the download from the condition in {}", at.line());
    let detail = "refuses the request if the condition holds, which is known only at run time";
    Some(Fact::at(FactKind::DownloadRefused, at, detail).mended_by(suggestion))
}

fn may_refuse(condition: &Directive, route: &Route<'_>) -> bool {
    let is_known = route.env.expand(condition.arg(0).trim_start_matches('(')).is_ok();
    if is_known {
        return false;
    }
    condition.child("return").is_some_and(|directive| directive.arg(0).starts_with('4'))
}
