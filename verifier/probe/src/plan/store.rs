//! Plans the probes of a store itself, if a download from it fails: whether it accepts the app's
//! signatures, for GET and for HEAD, and whether it handles range requests better.

use http::{HeaderName, Method};

use super::{CheckContext, ExtraRequest, Plan, StoragePlan, checks::ENOUGH};
use crate::{config::StorageAt, plan::ProbeRequest, url::Url};
use sendfile_evidence::{Evidence, Part, ProbeId, Response, dialect::signed_link};

/// The app's own signature, sent to the direct location and to the store, if both return the file
/// for another signature.
pub(super) fn as_app(plan: &Plan, evidence: &Evidence) -> Vec<(ProbeId, ProbeRequest)> {
    let Some(query) = plan.handoff.as_deref().and_then(signed_query) else { return Vec::new() };
    let right = |it: &&Response| it.status == 200 && evidence.is_dummy(&it.body);
    let direct = plan
        .direct
        .as_ref()
        .ok()
        .filter(|_| evidence.direct.response().is_some_and(|it| right(&it)));
    // A location that serves the file without a signature rejects a second proof, whoever made it.
    let signed = |it: &&ProbeRequest| {
        let own = it.url.uri().query().unwrap_or_default();
        own != query && signed_query(&format!("?{own}")).is_some()
    };
    let direct = direct.filter(signed).and_then(|ask| {
        let url = ask.url.with_target(&format!("{}?{query}", ask.url.path())).ok()?;
        Some((ProbeId::DirectAsApp, ProbeRequest { url, ..ask.clone() }))
    });
    let stored = evidence.storage.response().is_some_and(|it| evidence.is_dummy(it));
    let store = store_with(plan, query).filter(|_| stored).into_iter().flat_map(by_methods);
    direct.into_iter().chain(store).collect()
}

/// The store, requested with the app's signature for HEAD.
pub fn as_app_for_head(plan: &Plan, handoff: &str) -> Vec<ExtraRequest> {
    let store = signed_query(handoff).and_then(|query| store_with(plan, query));
    let asks = store.into_iter().flat_map(by_methods);
    asks.map(|(id, ask)| ExtraRequest { most: Some(ENOUGH), ..ExtraRequest::new(id, ask) })
        .collect()
}

fn by_methods(url: Url) -> [(ProbeId, ProbeRequest); 2] {
    let head = ProbeRequest { method: Method::HEAD, ..ProbeRequest::get(url.clone()) };
    [(ProbeId::StoreAsApp, ProbeRequest::get(url)), (ProbeId::StoreAsAppHead, head)]
}

/// The file's URL at the store with another query, if the storage is one that checks signatures.
fn store_with(plan: &Plan, query: &str) -> Option<Url> {
    match &plan.storage {
        StoragePlan::Read(StorageAt::Bucket(at)) => {
            at.http().and_then(|url| format!("{url}?{query}").parse().ok())
        }
        StoragePlan::Read(StorageAt::Http(url, None)) => {
            signed_query(&format!("?{}", url.uri().query()?))?;
            url.with_target(&format!("{}?{query}", url.path())).ok()
        }
        _ => None,
    }
}

/// The query of a hand-off, if it is a store's signature.
fn signed_query(value: &str) -> Option<&str> {
    signed_link(value)?;
    value.split_once('?').map(|(_, query)| query)
}

/// The range requests with an incorrect response.
pub fn odd_parts(evidence: &Evidence) -> Vec<Part> {
    let odd = |it: &Part| {
        let further = evidence.probes.iter().find(|further| further.id == it.of_site());
        further.is_some_and(|further| {
            let Some(answer) = further.probed.response() else { return false };
            match (answer.status, it) {
                (206, Part::Beyond | Part::IfOther) => true,
                (206, _) => further.wants.is_some_and(|it| it != answer.body.sha256),
                (200, Part::Middle | Part::IfSame) => true,
                (400.., Part::Beyond | Part::Several) => false,
                (400.., _) => true,
                _ => false,
            }
        })
    };
    Part::all().filter(odd).collect()
}

/// The same ranges, requested from the store itself, and the middle one from the direct location.
pub fn past_handoff(
    scene: &CheckContext<'_>,
    parts: &[Part],
    store: Option<&ProbeRequest>,
) -> Vec<ExtraRequest> {
    let at_store = |store: &ProbeRequest| {
        let ask = |part: &Part| part_of(scene, *part, ProbeId::AtStore(*part), store);
        parts.iter().filter_map(ask).collect::<Vec<_>>()
    };
    let direct = scene.plan.direct.as_ref().ok().filter(|_| parts.contains(&Part::Middle));
    let direct = direct.and_then(|it| part_of(scene, Part::Middle, ProbeId::DirectRange, it));
    store.map(at_store).into_iter().flatten().chain(direct).collect()
}

/// A range that was requested from the site, requested elsewhere.
fn part_of(
    scene: &CheckContext<'_>,
    part: Part,
    id: ProbeId,
    whole: &ProbeRequest,
) -> Option<ExtraRequest> {
    let site = scene.evidence.probes.iter().find(|it| it.id == part.of_site())?;
    let mut ask = whole.clone();
    for (name, value) in &site.probed.request.headers {
        if matches!(name.as_str(), "range" | "if-range") {
            let name = HeaderName::try_from(name).ok()?;
            ask.headers.push((name, value.parse().ok()?));
        }
    }
    let further = ExtraRequest::new(id, ask);
    Some(ExtraRequest { wants: site.wants, most: Some(ENOUGH), ..further })
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
