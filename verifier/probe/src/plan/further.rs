//! Plans the probes that follow the four layers: whether the file is exposed, always; and what
//! narrows down the possible causes, if the download fails.

use http::{HeaderName, Method};

use super::{
    ExtraRequest, PARAMETER, Plan,
    exposure::{exposure, target},
    store::as_app,
};
use crate::{config::Depth, plan::ProbeRequest, url::Url};
use sendfile_evidence::{Evidence, Outcome, ProbeId, Server, dialect};

/// The probes that follow the four layers.
pub fn further(plan: &Plan, evidence: &Evidence, depth: Depth) -> Vec<ExtraRequest> {
    let mut asks = exposure(plan, evidence, depth);
    let lost = !evidence.delivered();
    let split = lost && (undecided(evidence) || depth == Depth::Thorough);
    if split {
        asks.extend(who_answers(plan, evidence));
        asks.extend(other_visitors(plan));
    }
    let by_app = evidence.streamed() || evidence.lacks_etag();
    if !plan.expectations.app_headers.is_empty() && (lost || by_app) {
        asks.extend(plan.app.clone().ok().map(|app| {
            (
                ProbeId::AppBare,
                ProbeRequest { headers: plan.expectations.full_headers.clone(), ..app },
            )
        }));
    }
    if lost {
        asks.extend(as_app(plan, evidence));
    }
    asks.extend(engaged(plan, evidence).map(|ask| (ProbeId::AppEngaged, ask)));
    let asks = asks.into_iter().map(|(id, ask)| ExtraRequest::new(id, ask));
    let of_fixture = plan.fixture_probes.iter().filter(|_| split).cloned();
    asks.chain(of_fixture).collect()
}

/// The app with the request headers that enable its hand-off, if it does not send one by default:
/// Rack, Symfony and similar frameworks send it only if the proxy requests it.
fn engaged(plan: &Plan, evidence: &Evidence) -> Option<ProbeRequest> {
    let app = evidence.app.response().filter(|it| it.status == 200)?;
    if dialect::handoff_of(app, plan.expectations.intent.header.as_deref()).is_some() {
        return None;
    }
    let mut ask = plan.app.clone().ok()?;
    let server = evidence.full.response().and_then(Server::of);
    let maps = matches!(server, Some(Server::Nginx | Server::Caddy));
    let kind = if maps { "X-Accel-Redirect" } else { "X-Sendfile" };
    let mut tell = |name: HeaderName, value| {
        if !ask.headers.iter().any(|(it, _)| *it == name) {
            ask.headers.push((name, http::HeaderValue::from_static(value)));
        }
    };
    tell(SENDFILE_TYPE, kind);
    if maps {
        tell(ACCEL_MAPPING, "/=/sendfile-check/");
    }
    Some(ask)
}

const SENDFILE_TYPE: HeaderName = HeaderName::from_static("x-sendfile-type");
const ACCEL_MAPPING: HeaderName = HeaderName::from_static("x-accel-mapping");

/// If the storage lacks the file, or the app sends no hand-off, no further probe is needed.
fn undecided(evidence: &Evidence) -> bool {
    let no_storage = matches!(evidence.storage.outcome, Outcome::Failed(_));
    let no_direct = evidence.direct.response().is_none_or(|it| !evidence.is_dummy(&it.body));
    // There is a response but no reference copy: no further probe would help.
    let no_reference_reason =
        evidence.dummy.is_none() && evidence.full.response().is_some_and(|it| it.status == 200);
    !(no_reference_reason || no_storage && no_direct)
}

/// Which server responds for the download, for its neighbours, and for any path: app or proxy.
fn who_answers(plan: &Plan, evidence: &Evidence) -> Vec<(ProbeId, ProbeRequest)> {
    let full = &plan.full.url;
    let elsewhere = format!("/sendfile-check-{}", plan.nonce);
    let neighbour = neighbour(full.path(), &plan.nonce);
    let mut asks = Vec::new();
    let mut add =
        |id, url: Result<Url, _>| asks.extend(url.ok().map(|url| (id, plan.by_visitor(url))));
    add(ProbeId::Neighbour, full.with_target(&neighbour));
    add(ProbeId::Elsewhere, full.with_target(&elsewhere));
    if let Ok(app) = &plan.app {
        add(ProbeId::AppNeighbour, app.url.with_target(&neighbour));
        add(ProbeId::AppElsewhere, app.url.with_target(&elsewhere));
        asks.extend(
            target(plan, evidence, &app.url)
                .map(|url| (ProbeId::AppTarget, ProbeRequest::get(url))),
        );
    }
    for (_, ask) in asks.iter_mut().filter(|(id, _)| {
        matches!(id, ProbeId::AppNeighbour | ProbeId::AppElsewhere | ProbeId::AppTarget)
    }) {
        ask.unix_socket.clone_from(&plan.expectations.unix_socket);
    }
    asks.extend(target(plan, evidence, full).map(|url| {
        (ProbeId::TargetOptions, ProbeRequest { method: Method::OPTIONS, ..plan.by_visitor(url) })
    }));
    asks.extend(bare_target(plan, evidence).map(|url| (ProbeId::TargetBare, plan.by_visitor(url))));
    asks
}

/// A URI next to the hand-off's without a file extension, if a rule for extensions may match the
/// latter: the response is not nginx's own page, and the fixture has no file for this probe.
fn bare_target(plan: &Plan, evidence: &Evidence) -> Option<Url> {
    let full = evidence.full.response().filter(|it| Server::of(it) == Some(Server::Nginx))?;
    let own = Server::by_error_page(full).is_some() || !plan.fixture_probes.is_empty();
    let target = target(plan, evidence, &plan.full.url).filter(|_| !own)?;
    let (folder, name) = target.path().rsplit_once('/')?;
    let bare = format!("{folder}/sendfile-check-{}", plan.nonce);
    name.contains('.').then(|| plan.full.url.with_target(&bare))?.ok()
}

/// A path next to another one, with the same extension, that surely does not exist.
fn neighbour(path: &str, nonce: &str) -> String {
    let (folder, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
    let ending = name.rsplit_once('.').map_or(String::new(), |(_, ending)| format!(".{ending}"));
    format!("{folder}/sendfile-check-{nonce}{ending}")
}

/// The same download requested in other ways: repeated, bypassing a cache, under another name, with
/// GET, without a login, from the inner proxies.
fn other_visitors(plan: &Plan) -> Vec<(ProbeId, ProbeRequest)> {
    let full = &plan.full;
    let mut asks = Vec::new();
    let fresh = full.url.with_parameter(&format!("{PARAMETER}-again={}", plan.nonce));
    asks.extend(fresh.ok().map(|url| (ProbeId::FreshQuery, ProbeRequest { url, ..full.clone() })));
    asks.push((ProbeId::Again, full.clone()));
    asks.extend(under_another_name(plan).map(|ask| (ProbeId::OtherHost, ask)));
    if full.method != Method::GET {
        asks.push((ProbeId::FullGet, ProbeRequest { method: Method::GET, ..full.clone() }));
    }
    if full.headers.iter().any(|(name, _)| name == http::header::AUTHORIZATION) {
        let headers = full
            .headers
            .iter()
            .filter(|(name, _)| name != http::header::AUTHORIZATION)
            .cloned()
            .collect();
        asks.push((ProbeId::WithoutAuthorization, ProbeRequest { headers, ..full.clone() }));
    }
    let inner = plan.expectations.inner.iter().zip(1..);
    asks.extend(
        inner
            .map(|(url, n)| (ProbeId::Inner(n), ProbeRequest { url: url.clone(), ..full.clone() })),
    );
    asks
}

/// The download, requested from whichever server handles an unknown host name.
fn under_another_name(plan: &Plan) -> Option<ProbeRequest> {
    let name = http::HeaderValue::from_str(&format!("{}.invalid", plan.nonce)).ok()?;
    let others = plan.full.headers.iter().filter(|(name, _)| name != http::header::HOST);
    let headers = others.cloned().chain([(http::header::HOST, name)]).collect();
    Some(ProbeRequest { headers, ..plan.full.clone() })
}

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
