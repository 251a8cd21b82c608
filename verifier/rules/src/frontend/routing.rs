//! How the client's request is routed before it reaches the app. Knows no rule.

use sendfile_evidence::{ProbeId, Response};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class, is_app_page},
    rule::Match,
};

/// Adds evidence that another server block handles the download, or that the snippet is not active
/// in this one.
pub(crate) fn with_snippet(analysis: &Analysis<'_>, mut found: Match) -> Match {
    if analysis.direct_right() {
        return found;
    }
    if same_under_other_host(analysis) {
        found = found.also(
            "Requested with an unknown host name, the site returns the same response, so the \
             default server may be responding",
        );
    }
    // The snippet also adds the direct location. If both are missing, the snippet is not active.
    if analysis.by_contract() {
        found = found.also(
            "The direct location is missing too. Include the snippet in this server and reload it",
        );
    }
    found
}

/// Whether the site returns the same response under an unknown host name.
fn same_under_other_host(analysis: &Analysis<'_>) -> bool {
    let Some(other) = analysis.probe(ProbeId::OtherHost) else { return false };
    let Some(full) = analysis.evidence.full.response() else { return false };
    alike(other, full)
}

/// Whether the proxy itself refuses the client.
pub(crate) fn refused_before_app(analysis: &Analysis<'_>, full: &Response) -> bool {
    matches!(full.status, 403 | 405 | 410) && analysis.own_page(full).is_some()
}

/// Whether the proxy, and not its upstream, responded: with its own page, or with a file of its
/// own.
pub(crate) fn by_proxy(analysis: &Analysis<'_>, full: &Response) -> bool {
    let file = full.header("last-modified").is_some() || full.header("etag").is_some();
    file || analysis.own_page(full).is_some()
}

/// The client's response, if the proxy sent it without the app and without a failure of its own.
pub(crate) fn not_routed<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let full = analysis.failed_before_app()?;
    let own_failure = full.status == 500 && analysis.own_page(full).is_some();
    let redirect = matches!(body_class(analysis.evidence, full), BodyClass::Redirect(_));
    if full.status == 401
        || own_failure
        || redirect
        || gateway_error(analysis, full)
        || refused_by_app(analysis, full)
    {
        return None;
    }
    Some(full)
}

/// A 400 with a page that is not the proxy's: the upstream rejected the request, perhaps its Host.
pub(crate) fn refused_by_app(analysis: &Analysis<'_>, response: &Response) -> bool {
    response.status == 400 && response.body.size > 0 && analysis.own_page(response).is_none()
}

/// The proxy's own 502, 503 or 504, or a 400 that is not the proxy's own: the upstream did not
/// understand the request.
pub(crate) fn gateway_error(analysis: &Analysis<'_>, response: &Response) -> bool {
    let own = analysis.own_page(response).is_some();
    match response.status {
        502..=504 => own || response.body.size == 0,
        400 => !own && response.body.size == 0,
        _ => false,
    }
}

/// Whether all paths return the same 500 or 503, including paths that the proxy serves without the
/// app.
pub(crate) fn closed_everywhere(analysis: &Analysis<'_>, full: &Response) -> bool {
    let Some(elsewhere) = analysis.probe(ProbeId::Elsewhere) else { return false };
    let Some(direct) = analysis.evidence.direct.response() else { return false };
    matches!(full.status, 500 | 503) && alike(elsewhere, full) && alike(direct, full)
}

/// Whether the site returns the app's own page for a path; `None` if it was not probed.
pub(crate) fn reaches_app(analysis: &Analysis<'_>, site: ProbeId, app: ProbeId) -> Option<bool> {
    Some(alike(analysis.probe(site)?, analysis.probe(app)?))
}

/// Whether the site responds to an authorized client as the app responds to anonymous clients.
pub(crate) fn treated_as_anonymous(analysis: &Analysis<'_>, full: &Response) -> bool {
    let Some(anonymous) = analysis.probe(ProbeId::AppAnonymous) else { return false };
    let hands_off =
        analysis.app_right() && analysis.handoff().is_some() && !analysis.storage_is_culprit();
    hands_off
        && matches!(anonymous.status, 301..=303 | 307 | 400..=404)
        && same_refusal(analysis, anonymous, full)
}

/// Whether the client gets the response that the app sends to anonymous clients.
fn same_refusal(analysis: &Analysis<'_>, anonymous: &Response, full: &Response) -> bool {
    let evidence = analysis.evidence;
    if let BodyClass::Redirect(to_login) = body_class(evidence, anonymous)
        && let BodyClass::Redirect(location) = body_class(evidence, full)
    {
        return location == to_login;
    }
    // A page that the app also returns for other paths is no evidence about the client's rights.
    let distinctive = analysis.own_page(full).is_none() && !is_app_page(evidence, full);
    anonymous.body.size > 0 && alike(anonymous, full) && distinctive
}
