//! Who is let in, where only the running nginx knows.

use super::{
    super::{Fact, Says},
    route::Route,
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
