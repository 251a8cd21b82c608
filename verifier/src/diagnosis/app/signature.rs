//! The app hands over a link to a store, and the store does not accept what the app signs.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use crate::{
    dialect::{store_error, store_refusal},
    evidence::{ProbeId, Response},
};

pub(super) const RULES: &[Rule] = &[Rule {
    id: "app.signature-refused",
    culprit: Culprit::App,
    severity: Severity::Broken,
    summary: "the store does not accept what the app signs",
    meaning: "The app hands over a signed link. With another signature the same file comes the same \
              way, and with the app's it does not: its key, the secret of that key, the region, the \
              host that it signs for or its clock is wrong, or the link had run out when it was used. \
              Known from the direct location or the store, asked with the app's own query, or from \
              the store's own words.",
    remedy: Remedy::any(
        "give the app the key, secret, region and endpoint of the store as the proxy reaches it; let \
         it sign each link anew, for longer than the proxy keeps an answer",
    ),
    matches: |r| {
        let full = r.lost_after_app().filter(|it| refusal(it).is_some())?;
        let (_, value) = r.handoff()?;
        let signed = value.split_once('?').is_some_and(|(_, query)| {
            let query = query.to_ascii_lowercase();
            query.contains("signature=") || query.starts_with("sig=") || query.contains("&sig=")
        });
        let accepted = [ProbeId::DirectAsApp, ProbeId::StoreAsApp].map(|it| r.gives_dummy(it));
        if !signed || accepted.contains(&true) || by_own_query(r, value) {
            return None;
        }
        let told = |it: &Response| refusal(it).map(|it| it.said);
        if let Some(said) = r.probe(ProbeId::DirectAsApp).and_then(told) {
            let because =
                "the direct location gives the file for another signature, and for the app's";
            return Some(Match::likely(format!("{because} {said}")).shown_by(ProbeId::DirectAsApp));
        }
        let at_store = r.probe(ProbeId::StoreAsApp).and_then(refusal);
        if let Some(refusal) = &at_store {
            let because = format!("the store itself answers the app's query with {}", refusal.said);
            let found =
                if refusal.of_app { Match::likely(because) } else { Match::possible(because) };
            return Some(found.shown_by(ProbeId::StoreAsApp));
        }
        let refusal = refusal(full).filter(|it| it.of_app)?;
        Some(Match::likely(format!("the store answers {}", refusal.said)))
    },
}];

/// What a store says instead of giving the file.
struct Refusal {
    said: String,
    /// Whether nobody but who has signed can be the cause.
    of_app: bool,
}

fn refusal(response: &Response) -> Option<Refusal> {
    let Some(code) = store_error(&response.body) else {
        let status = store_refusal(response).filter(|it| (400..500).contains(it))?;
        return Some(Refusal { said: status.to_string(), of_app: false });
    };
    let page = String::from_utf8_lossy(&response.body.head);
    let own = matches!(&*code, "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken");
    let of_app = own
        || page.contains("has expired")
        || page.contains("Signature not valid in the specified time");
    Some(Refusal { said: format!("{} {code}", response.status), of_app })
}

/// Whether the direct location gave the file for the very query that the app signs.
fn by_own_query(r: &Reading<'_>, value: &str) -> bool {
    let asked = r.evidence.direct.asked.url.split_once('?').map(|(_, query)| query);
    r.direct_right() && asked.is_some() && asked == value.split_once('?').map(|(_, query)| query)
}
