//! Detects an error that no component returns any more, so that it probably comes from a cache.
//! Knows no rule.

use sendfile_evidence::{ProbeId, Response};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class},
    frontend::routing::{by_proxy, reaches_app, refused_by_app, treated_as_anonymous},
    reached::Reached,
    rule::Match,
};

/// Whether no component returns this error any more: the page is not the proxy's own, the app
/// responds for sibling URLs, and the app hands off if it is requested for this URL.
pub(crate) fn error_without_source(analysis: &Analysis<'_>) -> Option<Match> {
    let full = analysis.unexplained_failure()?;
    if full.status < 400
        || !unknown_page(analysis, full)
        || !lasts_here_only(analysis, full)
        || treated_as_anonymous(analysis, full)
    {
        return None;
    }
    let because = format!("{}, although the app hands off now", analysis.client_gets());
    let routed = match &analysis.reached {
        Reached::NotReached(_) | Reached::Unknown => false,
        Reached::App(_) => true,
        Reached::AppTwice(_) | Reached::Misrouted(_) => return None,
    };
    if analysis.returns_dummy(ProbeId::OtherHost) && !bears_app_headers(analysis, full) {
        let found = Match::likely(because);
        return Some(found.also(
            "With a different host name, and therefore a different cache key, the file arrives",
        ));
    }
    if routed {
        return None;
    }
    // The app may have refused the client for a reason that only the app knows.
    let perhaps_refused = !matches!(full.status, 404 | 410 | 500..);
    Some(if perhaps_refused { Match::possible(because) } else { Match::likely(because) })
}

/// Whether a cache seems to keep an error.
pub(crate) fn keeps_error(analysis: &Analysis<'_>) -> bool {
    error_without_source(analysis).is_some()
}

/// Whether an error page is neither the proxy's own nor a page that the app returns for other
/// paths.
fn unknown_page(analysis: &Analysis<'_>, full: &Response) -> bool {
    let other = matches!(body_class(analysis.evidence, full), BodyClass::Other);
    other && !by_proxy(analysis, full) && !refused_by_app(analysis, full)
}

/// Whether the same request fails again in the same way, while requests for other paths reach the
/// app.
fn lasts_here_only(analysis: &Analysis<'_>, full: &Response) -> bool {
    let lasts = analysis.probe(ProbeId::Again).is_some_and(|again| alike(again, full));
    let beside = reaches_app(analysis, ProbeId::Neighbour, ProbeId::AppNeighbour) == Some(true);
    let general = reaches_app(analysis, ProbeId::Elsewhere, ProbeId::AppElsewhere) == Some(true);
    // A server that is responsible for this directory alone may have a page for missing files, but
    // hardly one for server errors.
    let routed = beside || general && full.status >= 500;
    let shared = analysis.probe(ProbeId::Neighbour).is_some_and(|page| alike(page, full));
    lasts && routed && !shared
}

/// Whether the response has headers that the app sends for this very request.
fn bears_app_headers(analysis: &Analysis<'_>, full: &Response) -> bool {
    if let Some((name, _)) = analysis.handoff()
        && full.header(name).is_some()
    {
        return true;
    }
    reached_app(analysis) || full.header("content-disposition").is_some()
}

/// Whether this very download reached the app, so that no cache in front of the app responded.
pub(crate) fn reached_app(analysis: &Analysis<'_>) -> bool {
    let reached = matches!(analysis.reached, Reached::App(_) | Reached::AppTwice(_));
    reached && analysis.evidence.request_log.is_some()
}
