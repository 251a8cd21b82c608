//! Plans the probes for exposure: the hand-off target requested directly, under its own name or
//! another spelling, on another server of the same port, or in the storage directory; clients
//! without access rights; and clients that choose the hand-off themselves. Pure.
//!
//! Every probe requests the download's own file.

use http::{HeaderName, HeaderValue, header};
use sendfile_evidence::{Access, ProbeId, Spelling, dialect};

use super::{
    layers::{PARAMETER, Plan, StoragePlan},
    progress::Progress,
    request::{ExtraRequest, ProbeRequest},
    target::{declared_public, target_at},
};
use crate::{
    config::StorageAt,
    url::{Url, encoded},
};

/// Request headers by which Rack, Symfony and similar frameworks accept a hand-off chosen by the
/// proxy, and those that name a file themselves.
pub(crate) const SPOOFED: [HeaderName; 4] = [
    HeaderName::from_static("x-sendfile-type"),
    HeaderName::from_static("x-accel-mapping"),
    HeaderName::from_static("x-accel-redirect"),
    HeaderName::from_static("x-sendfile"),
];

/// The nonce of the client that chooses the hand-off, in the fixture's request log.
pub(crate) fn spoofing_nonce(plan: &Plan) -> String {
    format!("{}-spoofed", plan.nonce)
}

/// The probes that are always sent, whatever the layers return, and those that a thorough run adds.
pub(super) fn exposure(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let Progress { plan, evidence, .. } = *progress;
    let mut requests = Vec::new();
    for (url, n) in plan.expectations.refused.iter().zip(1..) {
        requests.push(ExtraRequest::new(ProbeId::Refused(n), ProbeRequest::get(url.clone())));
    }
    let target = target_at(plan, evidence, &plan.full.url);
    if let Some(url) = &target {
        let request = plan.client_request(url.clone());
        requests.push(ExtraRequest::new(ProbeId::TargetOutside, request));
    }
    requests.extend(anonymous(progress));
    if progress.thorough() && evidence.delivered() {
        if let Some(url) = &target {
            requests.extend(spelled(plan, url));
            requests.extend(target_at_other_host(plan, url));
            requests.extend(relay_outside(plan, url));
        }
        requests.extend(storage_public(plan));
        requests.extend(direct_up(plan));
        requests.extend(spoofed(plan));
        requests.extend(app_spoofed(plan));
    }
    requests
}

/// The download, requested by a client without access rights from the site and from the app.
fn anonymous(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let Progress { plan, evidence, .. } = *progress;
    let mut requests = Vec::new();
    // If the client sends no headers of its own, it is anonymous already.
    if plan.expectations.full_headers.is_empty() {
        return requests;
    }
    let private = plan.expectations.intent.access == Access::Private;
    if private {
        let request = ProbeRequest { headers: Vec::new(), ..plan.full.clone() };
        requests.push(ExtraRequest::new(ProbeId::Anonymous, request));
    }
    // If the download fails, the credentials may have been lost on the way.
    if let Some(app) = plan.app.request()
        && (private || !evidence.delivered())
    {
        let request = ProbeRequest { headers: anonymous_app_headers(plan), ..app.clone() };
        requests.push(ExtraRequest::new(ProbeId::AppAnonymous, request));
    }
    requests
}

/// The headers that the proxy sends to the app for an anonymous client: those that no client
/// provides.
fn anonymous_app_headers(plan: &Plan) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = plan.expectations.app_headers.clone();
    for (by_client, _) in &plan.expectations.full_headers {
        headers.retain(|(name, _)| name != by_client);
    }
    headers
}

/// The requests for the target in other spellings.
fn spelled(plan: &Plan, target: &Url) -> Vec<ExtraRequest> {
    let mut requests = Vec::new();
    for spelling in Spelling::all() {
        let Some(path) = respelled(spelling, target.path()) else { continue };
        let Ok(url) = target.with_target(&path) else { continue };
        let request = plan.client_request(url);
        requests.push(ExtraRequest::new(ProbeId::Spelled(spelling), request));
    }
    requests
}

/// A path that some servers consider equal to this one and others do not.
fn respelled(spelling: Spelling, path: &str) -> Option<String> {
    let inner = path.strip_prefix('/')?;
    let first = inner.chars().next()?;
    if !first.is_ascii_alphanumeric() {
        return None;
    }
    match spelling {
        Spelling::TwoSlashes => Some(format!("//{inner}")),
        Spelling::Letter => Some(format!("/%{:02x}{}", u32::from(first), &inner[1..])),
        Spelling::Dots => Some(format!("/sendfile-check/%2e%2e/{inner}")),
        Spelling::Semicolon => Some(format!("/sendfile-check/..;/{inner}")),
        Spelling::Case => in_other_case(inner),
        Spelling::LastDot => Some(format!("{path}.")),
        Spelling::Slash => Some(format!("/{}", inner.replacen('/', "%2f", 1))),
    }
}

/// The path with the case of its first segment changed, if it has more than one segment.
fn in_other_case(path: &str) -> Option<String> {
    let (prefix, rest) = path.split_once('/')?;
    let other = if prefix.contains(|letter: char| letter.is_ascii_lowercase()) {
        prefix.to_ascii_uppercase()
    } else {
        prefix.to_ascii_lowercase()
    };
    if other == prefix { None } else { Some(format!("/{other}/{rest}")) }
}

/// The target, requested from whichever server handles an unknown host name.
fn target_at_other_host(plan: &Plan, target: &Url) -> Option<ExtraRequest> {
    let host = HeaderValue::from_str(&format!("{}.invalid", plan.nonce)).ok()?;
    let mut request = plan.client_request(target.clone());
    request.headers.retain(|(name, _)| *name != header::HOST);
    request.headers.push((header::HOST, host));
    Some(ExtraRequest::new(ProbeId::TargetOtherHost, request))
}

/// The target with the fixture's address in place of a server's within the path, as in
/// `/fetch/http/10.0.0.7:9000/bucket/a.bin`: no other host is contacted.
fn relay_outside(plan: &Plan, target: &Url) -> Option<ExtraRequest> {
    let fixture = plan.fixture.as_ref()?;
    if fixture.unix_socket.is_some() {
        return None;
    }
    let (directory, name) = target.directory_and_name()?;
    if name.is_empty() {
        return None;
    }
    let before = before_server(directory)?;
    let path = format!("{before}/{}{}/astray", fixture.url.authority(), fixture.url.path());
    let request = plan.client_request(target.with_target(&path).ok()?);
    Some(ExtraRequest::new(ProbeId::RelayOutside, request))
}

/// The part of a directory before the first segment that names a server: `HOST:PORT`, or any name
/// that follows a scheme.
fn before_server(directory: &str) -> Option<String> {
    let mut before: Vec<&str> = Vec::new();
    for segment in directory.split('/') {
        let named = before.iter().rfind(|segment| !segment.is_empty());
        let after_scheme = named.is_some_and(|segment| is_scheme(segment));
        if has_port(segment) || (after_scheme && !segment.is_empty()) {
            return Some(before.join("/"));
        }
        before.push(segment);
    }
    None
}

fn is_scheme(segment: &str) -> bool {
    matches!(segment.trim_end_matches(':'), "http" | "https")
}

fn has_port(segment: &str) -> bool {
    match segment.split_once(':') {
        Some((host, port)) => !host.is_empty() && port.parse::<u16>().is_ok(),
        None => false,
    }
}

/// The file in the storage directory, under the URL at which sites usually publish it:
/// `/media/a.bin` for `/srv/media/a.bin`.
///
/// An app may serve that path itself to authorised clients. Only an anonymous request is proof, and
/// only if the download is not anonymous.
fn storage_public(plan: &Plan) -> Option<ExtraRequest> {
    if plan.fixture.is_none() && plan.expectations.full_headers.is_empty() {
        return None;
    }
    let StoragePlan::Read(StorageAt::File(path)) = &plan.storage else { return None };
    let root = storage_root(plan, path)?;
    let (_, directory) = root.rsplit_once('/').unwrap_or(("", root));
    if directory.is_empty() {
        return None;
    }
    let below = path.strip_prefix(root)?;
    let full = &plan.full.url;
    let url = full.with_target(&format!("/{}{}", encoded(directory), encoded(below))).ok()?;
    let is_download = dialect::decoded(url.path()) == dialect::decoded(full.path());
    if is_download || declared_public(plan, &url) {
        return None;
    }
    Some(ExtraRequest::new(ProbeId::StoragePublic, ProbeRequest::get(url)))
}

/// The storage directory: the dummy's path without its key, or the directory of the operator's
/// file.
fn storage_root<'a>(plan: &Plan, path: &'a str) -> Option<&'a str> {
    let key = plan.dummy.as_ref().and_then(|dummy| dummy.key.as_deref());
    if let Some(key) = key {
        return Some(path.strip_suffix(key)?.trim_end_matches('/'));
    }
    let (directory, _) = path.rsplit_once('/')?;
    Some(directory)
}

/// A path that leaves the direct location: `/direct../healthcheck/a.bin`, which an alias in a
/// location without a trailing slash maps to a sibling directory.
fn direct_up(plan: &Plan) -> Option<ExtraRequest> {
    let direct = plan.direct.request()?;
    let StoragePlan::Read(StorageAt::File(path)) = &plan.storage else { return None };
    let directory = path.rsplit('/').nth(1)?;
    let (location, name) = direct.url.directory_and_name()?;
    if directory.is_empty() || location.is_empty() {
        return None;
    }
    let target = format!("{location}../{}/{name}", encoded(directory));
    let request = plan.client_request(direct.url.with_target(&target).ok()?);
    Some(ExtraRequest::new(ProbeId::DirectUp, request))
}

/// A client that chooses the hand-off itself. The request has its own nonce in the fixture's
/// request log.
fn spoofed(plan: &Plan) -> Option<ExtraRequest> {
    let nonce = spoofing_nonce(plan);
    let own = format!("{PARAMETER}={}", plan.nonce);
    let target = plan.full.url.target().replace(&own, &format!("{PARAMETER}={nonce}"));
    let url = plan.full.url.with_target(&target).ok()?;
    let mut request = ProbeRequest { url, ..plan.full.clone() };
    choose_handoff(plan, &mut request);
    if let Ok(nonce) = HeaderValue::from_str(&nonce) {
        request.headers.push((NONCE, nonce));
    }
    Some(ExtraRequest::new(ProbeId::Spoofed, request))
}

/// The request to the app by a client that chooses the hand-off itself.
fn app_spoofed(plan: &Plan) -> Option<ExtraRequest> {
    let mut request = plan.app.request()?.clone();
    choose_handoff(plan, &mut request);
    Some(ExtraRequest::new(ProbeId::AppSpoofed, request))
}

/// Sets the headers that choose a hand-off to values with a distinct mark.
fn choose_handoff(plan: &Plan, request: &mut ProbeRequest) {
    let mark = format!("/sendfile-check-{}", plan.nonce);
    let values = ["X-Accel-Redirect".to_owned(), format!("/={mark}/"), mark.clone(), mark];
    request.headers.retain(|(name, _)| !SPOOFED.contains(name));
    for (name, value) in SPOOFED.into_iter().zip(values) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers.push((name, value));
        }
    }
}

const NONCE: HeaderName = HeaderName::from_static("x-sendfile-check");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let expected = [
            "//p/a.bin",
            "/%70/a.bin",
            "/sendfile-check/%2e%2e/p/a.bin",
            "/sendfile-check/..;/p/a.bin",
            "/P/a.bin",
            "/p/a.bin.",
            "/p%2fa.bin",
        ];
        let all = Spelling::all().filter_map(|spelling| respelled(spelling, "/p/a.bin"));
        assert_eq!(all.collect::<Vec<_>>(), expected);
        assert!(Spelling::all().all(|spelling| respelled(spelling, "/").is_none()));
    }

    #[test]
    fn servers_in_paths() {
        assert_eq!(before_server("/fetch/http/10.0.0.7:9000/b").as_deref(), Some("/fetch/http"));
        assert_eq!(before_server("/fetch/https:/host/b").as_deref(), Some("/fetch/https:"));
        assert_eq!(before_server("/host:80").as_deref(), Some(""));
        assert_eq!(before_server("/a/b"), None);
    }
}
