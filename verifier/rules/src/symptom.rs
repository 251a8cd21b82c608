//! The symptoms that must have been measured for a fact to explain them.

use sendfile_evidence::{
    ProbeId, Response, Server,
    dialect::{link_of, signed_link, store_error, store_refusal, store_status},
    fact::{Fact, FactKind, FileState},
    log::{LogEntry, LogEvent, LogSubject},
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class},
    config_evidence::{by_handoff, has},
    reached::Reached,
};

/// After the hand-off, the proxy itself responds that the file does not exist, denies access, or
/// sends the response configured for that case. The response is not the app's, because the app was
/// requested only once.
pub(crate) fn inside(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app()?;
    analysis.handoff()?;
    let masked = has(analysis, &[FactKind::ErrorsMasked]) && full.status < 500;
    let error = matches!(full.status, 301 | 302 | 403 | 404 | 500);
    let once =
        analysis.own_page(full).is_some() || !matches!(analysis.reached, Reached::AppTwice(_));
    if masked || error && once { Some(analysis.client_gets()) } else { None }
}

/// The symptom of `inside`, or a store responds that the file does not exist, or that the link does
/// not cover the request.
fn inside_or_at_store(analysis: &Analysis<'_>) -> Option<String> {
    if let Some(inside) = inside(analysis) {
        return Some(inside);
    }
    if has(analysis, &[FactKind::TargetAsksStore]) { refused_by_store(analysis, &[]) } else { None }
}

/// The symptom of `inside`, although the direct location returns the file.
pub(crate) fn inside_unlike_direct(analysis: &Analysis<'_>) -> Option<String> {
    if analysis.direct_right() { inside(analysis) } else { None }
}

/// The symptom of `inside_or_at_store`, or another file is returned and a file exists at the path
/// that the hand-off opens.
pub(crate) fn misled(analysis: &Analysis<'_>) -> Option<String> {
    inside_or_at_store(analysis).or_else(|| another_file(analysis))
}

fn another_file(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app()?;
    analysis.handoff()?;
    let content = full.status == 200 && full.body.size > 0 && analysis.own_page(full).is_none();
    if content && analysis.evidence.local.iter().any(opens_file) {
        return Some(analysis.client_gets());
    }
    None
}

/// Whether a file exists at the path that the hand-off opens.
fn opens_file(fact: &Fact) -> bool {
    match &fact.kind {
        FactKind::TargetOpens { state, .. } => {
            matches!(state, FileState::Readable | FileState::There)
        }
        _ => false,
    }
}

/// The client receives an error from neither the proxy nor the app, although requests to the app
/// are routed correctly.
pub(crate) fn kept_error(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_before_app()?;
    let misrouted = [FactKind::PathRewritten, FactKind::AppElsewhere, FactKind::Guarded];
    if full.status < 400
        || analysis.own_page(full).is_some()
        || !has(analysis, &[FactKind::CachesErrors])
        || has(analysis, &misrouted)
        || matches!(body_class(analysis.evidence, full), BodyClass::AppPage)
    {
        return None;
    }
    Some(analysis.client_gets())
}

/// The client receives something other than the file, and not a gateway error.
pub(crate) fn astray(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app()?;
    analysis.handoff()?;
    if is_gateway_error(full) { None } else { Some(analysis.client_gets()) }
}

/// The proxy's own page that denies access.
pub(crate) fn refused(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app()?;
    if matches!(full.status, 401 | 403) && analysis.own_page(full).is_some() {
        return Some(analysis.client_gets());
    }
    None
}

/// The proxy's own page for an internal error.
pub(crate) fn own_500(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unexplained_failure()?;
    if full.status != 500 {
        return None;
    }
    let server = analysis.own_page(full)?;
    Some(format!("{} itself returns 500", server.name()))
}

/// The proxy denies access after the hand-off, and the direct location was not requested; or the
/// log says that the file cannot be read, even if an error_page masks the error.
pub(crate) fn shut_out(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unread()?;
    if analysis.evidence.local.iter().any(|fact| logged_closed(analysis, fact)) {
        return Some(analysis.client_gets());
    }
    if matches!(full.status, 403 | 404)
        && analysis.direct().is_none()
        && analysis.failed_after_app().is_some()
        && analysis.own_page(full).is_some()
    {
        return Some(analysis.client_gets());
    }
    None
}

fn logged_closed(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    match &fact.kind {
        FactKind::Logged(LogEntry {
            event: LogEvent::Closed,
            of: LogSubject::Download | LogSubject::Direct,
            what: Some(path),
        }) => by_handoff(analysis, path),
        _ => false,
    }
}

/// The proxy's own gateway error.
pub(crate) fn bad_gateway(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unexplained_failure()?;
    let own = full.body.size == 0 || analysis.own_page(full).is_some();
    if is_gateway_error(full) && own { Some(analysis.client_gets()) } else { None }
}

/// The symptom of `bad_gateway`, or the direct location receives no response from the store either.
pub(crate) fn no_store(analysis: &Analysis<'_>) -> Option<String> {
    if let Some(error) = bad_gateway(analysis) {
        return Some(error);
    }
    let direct = store_fails(analysis)?;
    Some(format!("The direct location returns {}", analysis.describe(direct)))
}

/// The symptom of `bad_gateway`, or the client receives a response from neither the app nor the
/// proxy.
pub(crate) fn requests_at_another_place(analysis: &Analysis<'_>) -> Option<String> {
    if let Some(error) = bad_gateway(analysis) {
        return Some(error);
    }
    let full = analysis.failed_before_app()?;
    // Without the snippet, the site's own app responds, which is right.
    let snippet = !analysis.by_contract() || analysis.direct_right();
    if snippet && full.status < 500 && analysis.own_page(full).is_none() {
        return Some(analysis.client_gets());
    }
    None
}

/// A store's error whose code is not among `not`, or another error that is not the proxy's own
/// page.
pub(crate) fn refused_by_store(analysis: &Analysis<'_>, not: &[&str]) -> Option<String> {
    let full = analysis.failed_after_app()?;
    let status = store_status(full).unwrap_or(full.status);
    let fits = match store_error(&full.body) {
        Some(code) => !not.contains(&code.as_str()),
        None => analysis.own_page(full).is_none(),
    };
    if (400..500).contains(&status) && fits { Some(analysis.client_gets()) } else { None }
}

/// The app's own response, with or without the hand-off header.
pub(crate) fn passed_on(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unexplained_failure()?;
    let (name, _) = analysis.handoff()?;
    let empty = full.body.size == 0 && (200..300).contains(&full.status);
    if full.header(name).is_some() || empty { Some(analysis.client_gets()) } else { None }
}

/// The client receives a page from the app or of unknown origin.
pub(crate) fn app_page(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.unexplained_failure()?;
    let server_error = (500..600).contains(&full.status);
    if full.body.size == 0 || server_error || analysis.own_page(full).is_some() {
        return None;
    }
    Some(analysis.client_gets())
}

/// The request did not reach the app, and the response is not a gateway error.
pub(crate) fn before_app(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_before_app()?;
    let by_app = analysis.probe(ProbeId::AppTarget).is_some_and(|page| alike(page, full));
    if by_app || is_gateway_error(full) { None } else { Some(analysis.client_gets()) }
}

/// The download succeeds by a hand-off.
pub(crate) fn comes_by_handoff(analysis: &Analysis<'_>) -> Option<String> {
    analysis.handoff()?;
    if !analysis.delivered || analysis.evidence.streamed() {
        return None;
    }
    Some("The download is served through this hand-off".to_owned())
}

/// The hand-off's own URI is public.
pub(crate) fn open_target(analysis: &Analysis<'_>) -> Option<String> {
    if !analysis.returns_dummy(ProbeId::TargetOutside) {
        return None;
    }
    Some("Anyone can download the file at the hand-off's own URI".to_owned())
}

/// The direct location returns the proxy's own server error, and the storage is a server.
pub(crate) fn store_fails<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let direct = cannot_read(analysis)?;
    // Files that a fixture reads back may be on a disk, unless the app signs links to them.
    let on_server = analysis.stored_at().is_none()
        && (signs_links(analysis) || analysis.evidence.request_log.is_none());
    let by_proxy = matches!(direct.status, 500 | 502..=504)
        && store_refusal(direct).is_none()
        && (direct.body.size == 0 || Server::by_error_page(direct).is_some());
    if on_server && by_proxy { Some(direct) } else { None }
}

/// Whether the app hands off links to a store.
fn signs_links(analysis: &Analysis<'_>) -> bool {
    if let Some((_, value)) = analysis.handoff()
        && signed_link(value).is_some()
    {
        return true;
    }
    analysis.app().is_some_and(|response| link_of(response).is_some())
}

/// The direct location's response, if it is wrong, the download fails, and the storage and the app
/// are right.
pub(crate) fn cannot_read<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let alone = !analysis.delivered
        && !analysis.storage_is_culprit()
        && analysis.app_right()
        && !analysis.direct_unknown();
    if alone { analysis.direct_wrong() } else { None }
}

fn is_gateway_error(response: &Response) -> bool {
    matches!(response.status, 502..=504)
}
