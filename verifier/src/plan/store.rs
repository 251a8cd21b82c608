//! What to ask a store itself, where a download from it is wrong: whether it accepts what the app
//! signs, and whether it gives parts any better.

use http::HeaderName;

use super::{FurtherAsk, Plan, Scene, StoragePlan, checks::ENOUGH};
use crate::{
    config::StorageAt,
    evidence::{Evidence, Part, ProbeId, Response},
    probe::Ask,
};

/// The app's own signature, brought to the direct location and to the store, where both give the file
/// to another one.
pub(super) fn as_app(plan: &Plan, evidence: &Evidence) -> Vec<(ProbeId, Ask)> {
    let Some(query) = plan.handoff.as_deref().and_then(signed_query) else { return Vec::new() };
    let right = |it: &&Response| it.status == 200 && evidence.is_dummy(&it.body);
    let direct =
        plan.direct.as_ref().ok().filter(|_| evidence.direct.answer().is_some_and(|it| right(&it)));
    let direct = direct.filter(|it| it.url.uri().query() != Some(query)).and_then(|ask| {
        let url = ask.url.with_target(&format!("{}?{query}", ask.url.path())).ok()?;
        Some((ProbeId::DirectAsApp, Ask { url, ..ask.clone() }))
    });
    let stored = evidence.storage.answer().is_some_and(|it| evidence.is_dummy(it));
    let store = match &plan.storage {
        StoragePlan::Read(StorageAt::Bucket(at)) if stored => at.http(),
        _ => None,
    };
    let store = store.and_then(|url| format!("{url}?{query}").parse().ok());
    let store = store.map(|url| (ProbeId::StoreAsApp, Ask::get(url)));
    direct.into_iter().chain(store).collect()
}

/// The query of a hand-off, if it is a store's signature.
fn signed_query(value: &str) -> Option<&str> {
    let (_, query) = value.split_once('?')?;
    let mut names = query.split('&').filter_map(|it| it.split('=').next());
    let signs = |it: &str| it == "sig" || it.to_ascii_lowercase().ends_with("signature");
    names.any(signs).then_some(query)
}

/// The requests for parts whose answers are odd.
pub fn odd_parts(evidence: &Evidence) -> Vec<Part> {
    let odd = |it: &Part| {
        let further = evidence.probes.iter().find(|further| further.id == it.of_site());
        further.is_some_and(|further| {
            let Some(answer) = further.probed.answer() else { return false };
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

/// The same parts, asked of the store itself.
pub fn at_store(scene: &Scene<'_>, parts: &[Part], store: &Ask) -> Vec<FurtherAsk> {
    let at_store = |part: &Part| {
        let site = scene.evidence.probes.iter().find(|it| it.id == part.of_site())?;
        let mut ask = store.clone();
        for (name, value) in &site.probed.asked.headers {
            if matches!(name.as_str(), "range" | "if-range") {
                let name = HeaderName::try_from(name).ok()?;
                ask.headers.push((name, value.parse().ok()?));
            }
        }
        let further = FurtherAsk::new(ProbeId::AtStore(*part), ask);
        Some(FurtherAsk { wants: site.wants, most: Some(ENOUGH), ..further })
    };
    parts.iter().filter_map(at_store).collect()
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
