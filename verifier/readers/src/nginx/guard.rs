//! Access rules whose result is known only at run time.

use sendfile_evidence::fact::{Fact, FactKind};

use super::{
    route::{End, PASSES, Route},
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

/// An access rule that applies at the end of a route.
pub(super) fn guarded(route: &Route<'_>) -> Option<Fact> {
    let by = GUARDS.iter().find_map(|it| route.scope.is_on(it))?;
    Some(Fact::at(FactKind::Guarded, by.place(), "may refuse a request or replace its response"))
}

/// A refusal in a location that would pass the request to the app: unconditional, or with a
/// condition known only at run time.
pub(super) fn refused(route: &Route<'_>) -> Option<Fact> {
    let location = route.scope.location()?;
    let asks = PASSES.iter().any(|it| location.child(it).is_some());
    if let End::Answers(status @ 400..=499, Some(by)) = &route.end
        && (by.name == "deny" || asks && by.name == "return")
    {
        let (at, around) = (by.place(), route.scope.0.last().filter(|it| it.name == "if"));
        let fix = match around.map(|it| it.place()) {
            Some(it) => {
                format!("Exclude the download from the condition `{}` ({})", it.text, it.line())
            }
            None => format!("In {}, remove `{};`, or allow the download path", at.line(), at.text),
        };
        let detail = format!("returns {status} before the request reaches the app");
        return Some(Fact::at(FactKind::DownloadRefused, at, detail).mended_by(fix));
    }
    route.unsure.as_ref().filter(|_| asks)?;
    let around = route.scope.server().into_iter().chain([location]);
    let mut conditions = around.flat_map(|it| it.children("if"));
    let refusing = |it: &&Directive| {
        let known = route.env.clone().filled(it.arg(0).trim_start_matches('(')).is_ok();
        !known && it.child("return").is_some_and(|it| it.arg(0).starts_with('4'))
    };
    let condition = conditions.find(refusing)?;
    let at = condition.place();
    let fix = format!("Exclude the download from the condition in {}", at.line());
    let detail = "refuses the request if the condition holds, which is known only at run time";
    Some(Fact::at(FactKind::DownloadRefused, at, detail).mended_by(fix))
}
