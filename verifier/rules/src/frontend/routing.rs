//! How the client's request is routed before it reaches the app.
use sendfile_evidence::{ProbeId, Response};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class, is_app_page},
    rule::Match,
};

/// Adds evidence that the server block does not include the download.
pub(crate) fn with_snippet(analysis: &Analysis<'_>, found: Match) -> Match {
    let full = analysis.evidence.full.response();
    let anybody =
        analysis.probe(ProbeId::OtherHost).zip(full).is_some_and(|(it, full)| alike(it, full));
    let found = match anybody && !analysis.direct_right() {
        true => found.also(
            "Requested under an unknown host name, the site returns the same: the default server \
             may be responding",
        ),
        false => found,
    };
    // The snippet also adds the direct location: if both are missing, the snippet is not active.
    match analysis.by_contract() && !analysis.direct_right() {
        true => found.also(
            "The direct location is missing too: include the snippet in this server and reload",
        ),
        false => found,
    }
}

/// Whether the proxy itself refuses the client.
pub(crate) fn refused_before_app(analysis: &Analysis<'_>, full: &Response) -> bool {
    matches!(full.status, 403 | 405 | 410) && analysis.own_page(full).is_some()
}

/// Whether the proxy responded itself, not its upstream: with its own page, or a file of its own.
pub(crate) fn by_proxy(analysis: &Analysis<'_>, full: &Response) -> bool {
    let file = full.header("last-modified").is_some() || full.header("etag").is_some();
    file || analysis.own_page(full).is_some()
}

/// The client's response, if the proxy sent it without the app and without a failure of its own.
pub(crate) fn not_routed<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let failed = |it: &Response| {
        gateway_error(analysis, it) || it.status == 500 && analysis.own_page(it).is_some()
    };
    let redirected =
        |it: &Response| matches!(body_class(analysis.evidence, it), BodyClass::Redirect(_));
    let other = |it: &Response| failed(it) || redirected(it) || refused_by_app(analysis, it);
    analysis.failed_before_app().filter(|it| !other(it) && it.status != 401)
}

/// A 400 with a page that is not the proxy's: the upstream rejected the request, perhaps its Host.
pub(crate) fn refused_by_app(analysis: &Analysis<'_>, response: &Response) -> bool {
    response.status == 400 && response.body.size > 0 && analysis.own_page(response).is_none()
}

/// The proxy's own 502, 503 or 504, or a 400 that is not its own: the upstream did not understand
/// the request.
pub(crate) fn gateway_error(analysis: &Analysis<'_>, response: &Response) -> bool {
    let own = analysis.own_page(response).is_some();
    match response.status {
        502..=504 => own || response.body.size == 0,
        400 => !own && response.body.size == 0,
        _ => false,
    }
}

/// Whether every path returns the same 500 or 503, including those that need no app.
pub(crate) fn closed_everywhere(analysis: &Analysis<'_>, full: &Response) -> bool {
    let elsewhere = analysis.probe(ProbeId::Elsewhere).into_iter();
    let mut others = elsewhere.chain(analysis.evidence.direct.response());
    let several =
        analysis.probe(ProbeId::Elsewhere).and(analysis.evidence.direct.response()).is_some();
    several && matches!(full.status, 500 | 503) && others.all(|it| alike(it, full))
}

/// Whether the site returns the app's own page for a path; `None` if it was not probed.
pub(crate) fn reaches_app(analysis: &Analysis<'_>, site: ProbeId, app: ProbeId) -> Option<bool> {
    Some(alike(analysis.probe(site)?, analysis.probe(app)?))
}

/// Whether the site responds to an authorized client as the app responds to an anonymous one.
pub(crate) fn treated_as_stranger(analysis: &Analysis<'_>, full: &Response) -> bool {
    let left =
        analysis.app_right() && analysis.handoff().is_some() && !analysis.storage_is_culprit();
    let refusal = |it: &Response| matches!(it.status, 301..=303 | 307 | 400..=404);
    // A page that the app also returns for other paths is no evidence about the client's rights.
    let page = analysis.own_page(full).is_none() && !is_app_page(analysis.evidence, full);
    let same = |it: &Response| match (
        body_class(analysis.evidence, it),
        body_class(analysis.evidence, full),
    ) {
        (BodyClass::Redirect(a), BodyClass::Redirect(b)) => a == b,
        _ => it.body.size > 0 && alike(it, full) && page,
    };
    let stranger = analysis.probe(ProbeId::AppAnonymous).filter(|it| refusal(it) && same(it));
    left && stranger.is_some()
}
