//! Who is let in, where only the running nginx knows.

use sendfile_evidence::fact::{Fact, Says};

use super::{
    route::{End, PASSES, Route},
    tree::Directive,
};

/// Directives that may keep a request out, or put nginx's own page in place of an answer.
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

/// What stands guard at the end of a route.
pub(super) fn guarded(route: &Route<'_>) -> Option<Fact> {
    let by = GUARDS.iter().find_map(|it| route.scope.is_on(it))?;
    Some(Fact::at(Says::Guarded, by.place(), "may refuse a request, or replace its answer"))
}

/// A refusal in a location that would ask the app: one that holds for everybody, or one whose
/// condition only the running nginx knows.
pub(super) fn refused(route: &Route<'_>) -> Option<Fact> {
    let location = route.scope.location()?;
    let asks = PASSES.iter().any(|it| location.child(it).is_some());
    if let End::Answers(status @ 400..=499, Some(by)) = &route.end
        && (by.name == "deny" || asks && by.name == "return")
    {
        let (at, around) = (by.place(), route.scope.0.last().filter(|it| it.name == "if"));
        let fix = match around.map(|it| it.place()) {
            Some(it) => {
                format!("let the condition `{}` ({}) leave the download out", it.text, it.line())
            }
            None => format!(
                "in {}, remove `{};`, or let the download's path through",
                at.line(),
                at.text
            ),
        };
        let detail = format!("answers {status}, before the app is asked");
        return Some(Fact::at(Says::DownloadRefused, at, detail).mended_by(fix));
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
    let fix = format!("let the condition in {} leave the download out", at.line());
    let detail = "refuses the visitor where it holds, which only the running nginx knows";
    Some(Fact::at(Says::DownloadRefused, at, detail).mended_by(fix))
}
