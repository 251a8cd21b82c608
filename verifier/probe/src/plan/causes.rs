//! Plans the requests that narrow down the possible causes if the download fails: which server
//! responds, how other clients fare, and what the app returns under other conditions. Pure.

use http::{HeaderName, HeaderValue, Method, header};
use sendfile_evidence::{Evidence, Outcome, ProbeId, Server, dialect};

use super::{
    layers::{PARAMETER, Plan},
    progress::Progress,
    request::{ExtraRequest, ProbeRequest},
    store::as_app,
    target::target_at,
};
use crate::url::{Url, UrlError};

/// The requests that narrow down the possible causes, and those that show how the app behaves
/// without its usual headers.
pub(super) fn causes(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let Progress { plan, evidence, .. } = *progress;
    let failed = !evidence.delivered();
    let narrow_down = failed && (undecided(evidence) || progress.thorough());
    let mut requests = Vec::new();
    if narrow_down {
        requests.extend(responding_server(plan, evidence));
        requests.extend(other_clients(plan));
    }
    requests.extend(app_bare(plan, evidence));
    if failed {
        requests.extend(as_app(progress));
    }
    requests.extend(app_engaged(plan, evidence));
    if narrow_down {
        requests.extend(plan.fixture_probes.iter().cloned().map(ExtraRequest::from));
    }
    requests
}

/// Whether further probes are useful. They are not if the storage cannot be read, unless the direct
/// location returns the dummy.
fn undecided(evidence: &Evidence) -> bool {
    // There is a response but no reference copy: no further probe would help.
    if let Some(full) = evidence.full.response()
        && evidence.dummy.is_none()
        && full.status == 200
    {
        return false;
    }
    let storage_failed = matches!(evidence.storage.outcome, Outcome::Failed(_));
    let direct_serves = match evidence.direct.response() {
        Some(direct) => evidence.is_dummy(&direct.body),
        None => false,
    };
    direct_serves || !storage_failed
}

/// The requests that show which server responds for the download, for its siblings, and for any
/// path: the app or the proxy.
fn responding_server(plan: &Plan, evidence: &Evidence) -> Vec<ExtraRequest> {
    let full = &plan.full.url;
    let neighbour = neighbour(full.path(), &plan.nonce);
    let elsewhere = format!("/sendfile-check-{}", plan.nonce);
    let mut requests = Vec::new();
    requests.extend(by_client(plan, ProbeId::Neighbour, full.with_target(&neighbour)));
    requests.extend(by_client(plan, ProbeId::Elsewhere, full.with_target(&elsewhere)));
    if let Some(app) = plan.app.request() {
        let neighbour = app.url.with_target(&neighbour);
        requests.extend(by_client_to_app(plan, ProbeId::AppNeighbour, neighbour));
        let elsewhere = app.url.with_target(&elsewhere);
        requests.extend(by_client_to_app(plan, ProbeId::AppElsewhere, elsewhere));
        if let Some(url) = target_at(plan, evidence, &app.url) {
            let request = to_app(plan, ProbeRequest::get(url));
            requests.push(ExtraRequest::new(ProbeId::AppTarget, request));
        }
    }
    if let Some(url) = target_at(plan, evidence, full) {
        let request = ProbeRequest { method: Method::OPTIONS, ..plan.client_request(url) };
        requests.push(ExtraRequest::new(ProbeId::TargetOptions, request));
    }
    if let Some(url) = bare_target(plan, evidence) {
        requests.push(ExtraRequest::new(ProbeId::TargetBare, plan.client_request(url)));
    }
    requests
}

fn by_client(plan: &Plan, id: ProbeId, url: Result<Url, UrlError>) -> Option<ExtraRequest> {
    let request = plan.client_request(url.ok()?);
    Some(ExtraRequest::new(id, request))
}

fn by_client_to_app(plan: &Plan, id: ProbeId, url: Result<Url, UrlError>) -> Option<ExtraRequest> {
    let request = to_app(plan, plan.client_request(url.ok()?));
    Some(ExtraRequest::new(id, request))
}

/// The request, sent through the app's Unix socket if the app has one.
fn to_app(plan: &Plan, request: ProbeRequest) -> ProbeRequest {
    ProbeRequest { unix_socket: plan.expectations.unix_socket.clone(), ..request }
}

/// A sibling of the hand-off's URI without a file extension, if a rule for extensions may match the
/// hand-off's URI: the response is not nginx's own page, and the fixture has no file for this
/// probe.
fn bare_target(plan: &Plan, evidence: &Evidence) -> Option<Url> {
    let full = evidence.full.response()?;
    if Server::of(full) != Some(Server::Nginx) || Server::by_error_page(full).is_some() {
        return None;
    }
    if !plan.fixture_probes.is_empty() {
        return None;
    }
    let target = target_at(plan, evidence, &plan.full.url)?;
    let (directory, name) = target.directory_and_name()?;
    if !name.contains('.') {
        return None;
    }
    let bare = format!("{directory}/sendfile-check-{}", plan.nonce);
    plan.full.url.with_target(&bare).ok()
}

/// A path next to another one, with the same extension, that surely does not exist.
fn neighbour(path: &str, nonce: &str) -> String {
    let (directory, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
    let extension = match name.rsplit_once('.') {
        Some((_, extension)) => format!(".{extension}"),
        None => String::new(),
    };
    format!("{directory}/sendfile-check-{nonce}{extension}")
}

/// The same download requested in other ways: repeated, bypassing a cache, under another name, with
/// GET, without a login, from the inner proxies.
fn other_clients(plan: &Plan) -> Vec<ExtraRequest> {
    let full = &plan.full;
    let mut requests = Vec::new();
    let fresh = full.url.with_parameter(&format!("{PARAMETER}-again={}", plan.nonce));
    if let Ok(url) = fresh {
        let request = ProbeRequest { url, ..full.clone() };
        requests.push(ExtraRequest::new(ProbeId::FreshQuery, request));
    }
    requests.push(ExtraRequest::new(ProbeId::Again, full.clone()));
    if let Some(request) = under_another_name(plan) {
        requests.push(ExtraRequest::new(ProbeId::OtherHost, request));
    }
    if full.method != Method::GET {
        let request = ProbeRequest { method: Method::GET, ..full.clone() };
        requests.push(ExtraRequest::new(ProbeId::FullGet, request));
    }
    let mut without_login = full.clone();
    without_login.headers.retain(|(name, _)| *name != header::AUTHORIZATION);
    if without_login.headers.len() < full.headers.len() {
        requests.push(ExtraRequest::new(ProbeId::WithoutAuthorization, without_login));
    }
    for (url, n) in plan.expectations.inner.iter().zip(1..) {
        let request = ProbeRequest { url: url.clone(), ..full.clone() };
        requests.push(ExtraRequest::new(ProbeId::Inner(n), request));
    }
    requests
}

/// The download under an unknown host name, requested from whichever server handles it.
fn under_another_name(plan: &Plan) -> Option<ProbeRequest> {
    let host = HeaderValue::from_str(&format!("{}.invalid", plan.nonce)).ok()?;
    let mut request = plan.full.clone();
    request.headers.retain(|(name, _)| *name != header::HOST);
    request.headers.push((header::HOST, host));
    Some(request)
}

/// The request to the app without the headers that the proxy should send, if the download fails or
/// the app may have sent the file itself.
fn app_bare(plan: &Plan, evidence: &Evidence) -> Option<ExtraRequest> {
    if plan.expectations.app_headers.is_empty() {
        return None;
    }
    let by_app = evidence.streamed() || evidence.lacks_etag();
    if evidence.delivered() && !by_app {
        return None;
    }
    let headers = plan.expectations.full_headers.clone();
    let request = ProbeRequest { headers, ..plan.app.request()?.clone() };
    Some(ExtraRequest::new(ProbeId::AppBare, request))
}

/// The request to the app with the headers that enable its hand-off, if it sends none by default:
/// Rack, Symfony and similar frameworks send a hand-off only if the proxy requests it.
fn app_engaged(plan: &Plan, evidence: &Evidence) -> Option<ExtraRequest> {
    let app = evidence.app.response()?;
    if app.status != 200 {
        return None;
    }
    if dialect::handoff_of(app, plan.expectations.intent.header.as_deref()).is_some() {
        return None;
    }
    let mut request = plan.app.request()?.clone();
    let server = evidence.full.response().and_then(Server::of);
    if matches!(server, Some(Server::Nginx | Server::Caddy)) {
        add_missing(&mut request, SENDFILE_TYPE, "X-Accel-Redirect");
        add_missing(&mut request, ACCEL_MAPPING, "/=/sendfile-check/");
    } else {
        add_missing(&mut request, SENDFILE_TYPE, "X-Sendfile");
    }
    Some(ExtraRequest::new(ProbeId::AppEngaged, request))
}

/// Adds a header unless the operator already gives one of this name.
fn add_missing(request: &mut ProbeRequest, name: HeaderName, value: &'static str) {
    if !request.headers.iter().any(|(given, _)| *given == name) {
        request.headers.push((name, HeaderValue::from_static(value)));
    }
}

const SENDFILE_TYPE: HeaderName = HeaderName::from_static("x-sendfile-type");
const ACCEL_MAPPING: HeaderName = HeaderName::from_static("x-accel-mapping");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours() {
        assert_eq!(neighbour("/a/b.xlsx", "n"), "/a/sendfile-check-n.xlsx");
        assert_eq!(neighbour("/listen/7/", "n"), "/listen/sendfile-check-n");
        assert_eq!(neighbour("/", "n"), "/sendfile-check-n");
    }
}
