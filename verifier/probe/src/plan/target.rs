//! The hand-off's target as a URL that a client can request. Pure.

use sendfile_evidence::{
    Evidence,
    dialect::{self, ValueKind},
};

use super::layers::Plan;
use crate::url::{Url, as_target};

/// The hand-off's URI on another origin; `None` if the hand-off contains no URI.
pub(super) fn target_at(plan: &Plan, evidence: &Evidence, origin: &Url) -> Option<Url> {
    let (name, value) = handoff(plan, evidence)?;
    let kind = dialect::header_named(name).map(|header| header.names);
    let names_uri = matches!(kind, None | Some(ValueKind::Uri));
    if !names_uri || !value.starts_with('/') {
        return None;
    }
    let url = origin.with_target(&as_target(value)).ok()?;
    if declared_public(plan, &url) { None } else { Some(url) }
}

/// The header and the value of the intended hand-off or, if none was declared, of the one that the
/// app sent.
fn handoff<'a>(plan: &'a Plan, evidence: &'a Evidence) -> Option<(&'a str, &'a str)> {
    let intent = &plan.expectations.intent;
    if let (Some(name), Some(value)) = (&intent.header, &intent.value) {
        return Some((name, value));
    }
    dialect::handoff_of(evidence.app.response()?, intent.header.as_deref())
}

/// Whether a URL belongs to the direct location, which is declared public.
pub(super) fn declared_public(plan: &Plan, url: &Url) -> bool {
    let Some(direct) = plan.direct.request() else { return false };
    direct.url.path() == url.path() && direct.url.origin() == url.origin()
}
