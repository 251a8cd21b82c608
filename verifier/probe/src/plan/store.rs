//! Plans the probes of a store itself, if a download from it fails: whether it accepts the app's
//! signatures, for GET and for HEAD, and whether it handles range requests better. Pure.

use http::{HeaderName, HeaderValue, Method};
use sendfile_evidence::{Evidence, ExtraProbe, Part, ProbeId, dialect::signed_link};

use super::{
    layers::{Plan, StoragePlan},
    progress::Progress,
    request::{BEGINNING, Destination, ExtraRequest, ProbeRequest},
};
use crate::{config::StorageAt, url::Url};

/// The app's own signature, sent to the direct location and to the store, if both return the file
/// for another signature.
pub(super) fn as_app(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let Progress { plan, evidence, handoffs, .. } = *progress;
    let mut requests = Vec::new();
    let Some(query) = handoffs.get.as_deref().and_then(signed_query) else { return requests };
    if let Some(request) = direct_with(plan, evidence, query) {
        requests.push(ExtraRequest::new(ProbeId::DirectAsApp, request));
    }
    let stored = evidence.storage.response().is_some_and(|body| evidence.is_dummy(body));
    if stored && let Some(url) = store_with(plan, query) {
        let [get, head] = get_and_head(url);
        requests.push(ExtraRequest::new(ProbeId::StoreAsApp, get));
        requests.push(ExtraRequest::new(ProbeId::StoreAsAppHead, head));
    }
    requests
}

/// The request to the store with the app's signature for HEAD.
pub(super) fn as_app_for_head(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let mut requests = Vec::new();
    let handoff = progress.handoffs.head.as_deref();
    let Some(query) = handoff.and_then(signed_query) else { return requests };
    if let Some(url) = store_with(progress.plan, query) {
        let [get, head] = get_and_head(url);
        requests.push(ExtraRequest::of_beginning(ProbeId::StoreAsApp, get));
        requests.push(ExtraRequest::of_beginning(ProbeId::StoreAsAppHead, head));
    }
    requests
}

/// The direct location with another query, if it returns the file for a signature of its own.
fn direct_with(plan: &Plan, evidence: &Evidence, query: &str) -> Option<ProbeRequest> {
    let direct = plan.direct.request()?;
    let response = evidence.direct.response()?;
    if response.status != 200 || !evidence.is_dummy(&response.body) {
        return None;
    }
    // If the location serves the file without a signature, it rejects a second proof of access,
    // whoever made it.
    let own = direct.url.query().unwrap_or_default();
    if own == query || !is_signed(own) {
        return None;
    }
    Some(ProbeRequest { url: direct.url.with_query(query).ok()?, ..direct.clone() })
}

/// The file's URL at the store with another query, if the storage is one that checks signatures.
fn store_with(plan: &Plan, query: &str) -> Option<Url> {
    match &plan.storage {
        StoragePlan::Read(StorageAt::Bucket(bucket)) => {
            format!("{}?{query}", bucket.http()?).parse().ok()
        }
        StoragePlan::Read(StorageAt::Http(url, None)) if is_signed(url.query()?) => {
            url.with_query(query).ok()
        }
        _ => None,
    }
}

fn get_and_head(url: Url) -> [ProbeRequest; 2] {
    let get = ProbeRequest::get(url);
    let head = ProbeRequest { method: Method::HEAD, ..get.clone() };
    [get, head]
}

/// The query of a hand-off, if it is a store's signature.
fn signed_query(value: &str) -> Option<&str> {
    signed_link(value)?;
    let (_, query) = value.split_once('?')?;
    Some(query)
}

/// Whether the query of a URL is a store's signature.
fn is_signed(query: &str) -> bool {
    signed_link(&format!("?{query}")).is_some()
}

/// The ranges with an incorrect response, requested from the store itself, and the middle one from
/// the direct location.
pub(super) fn failed_ranges(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let mut requests = Vec::new();
    for part in Part::all() {
        if let Some(site) = failed_range(progress.evidence, part)
            && let Some(headers) = range_headers(site)
        {
            requests.push(ExtraRequest {
                id: ProbeId::AtStore(part),
                destination: Destination::Store(headers),
                expected: site.wants,
                max_bytes: Some(BEGINNING),
            });
        }
    }
    requests.extend(direct_range(progress));
    requests
}

/// The middle range from the direct location, if the site's response to it is incorrect.
fn direct_range(progress: &Progress<'_>) -> Option<ExtraRequest> {
    let site = failed_range(progress.evidence, Part::Middle)?;
    let mut request = progress.plan.direct.request()?.clone();
    request.headers.extend(range_headers(site)?);
    let range = ExtraRequest::of_beginning(ProbeId::DirectRange, request);
    Some(ExtraRequest { expected: site.wants, ..range })
}

/// The probe that requested a range from the site, if the response is incorrect.
fn failed_range(evidence: &Evidence, part: Part) -> Option<&ExtraProbe> {
    let probe = evidence.probes.iter().find(|probe| probe.id == part.of_site())?;
    let response = probe.probed.response()?;
    let wrong = match (response.status, part) {
        (206, Part::Beyond | Part::IfOther) => true,
        (206, _) => probe.wants.is_some_and(|expected| expected != response.body.sha256),
        (200, Part::Middle | Part::IfSame) => true,
        (400.., Part::Beyond | Part::Several) => false,
        (400.., _) => true,
        _ => false,
    };
    if wrong { Some(probe) } else { None }
}

/// The headers by which a probe requested a range.
fn range_headers(probe: &ExtraProbe) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers = Vec::new();
    for (name, value) in &probe.probed.request.headers {
        if matches!(name.as_str(), "range" | "if-range") {
            headers.push((HeaderName::try_from(name).ok()?, value.parse().ok()?));
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_signed_or_not() {
        assert_eq!(
            signed_query("/p/a?X-Amz-Expires=9&X-Amz-Signature=ab"),
            Some("X-Amz-Expires=9&X-Amz-Signature=ab")
        );
        assert_eq!(signed_query("/p/a?sv=1&sig=ab"), Some("sv=1&sig=ab"));
        assert_eq!(signed_query("/p/a?page=2"), None);
        assert_eq!(signed_query("/p/a"), None);
    }
}
