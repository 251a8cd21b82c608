//! The app hands over a link to a store, and the store does not accept what the app signs, or not
//! with the method that is used.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use sendfile_evidence::{
    ProbeId, Response,
    dialect::{Product, handoff_of, signed_link, store_error, store_refusal},
};

pub(super) const RULES: &[Rule] = &[FOR_ANOTHER_METHOD, REFUSED];

const REFUSED: Rule = Rule {
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
        let accepted = [ProbeId::DirectAsApp, ProbeId::StoreAsApp].map(|it| r.gives_dummy(it));
        if !is_signed(value) || accepted.contains(&true) || by_own_query(r, value) {
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
};

const FOR_ANOTHER_METHOD: Rule = Rule {
    id: "app.signed-for-other-method",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    summary: "a signed link does not cover the method that is used",
    meaning: "A link to a store is signed for one method. The app hands over with a signed link, and \
              the file comes for another method than the one that the visitor uses. Where only HEAD \
              fails, download managers and players, which ask so first, do.",
    remedy: Remedy {
        nginx: Some(
            "proxy_method GET; in the internal location, or let the app sign for the visitor's method",
        ),
        caddy: Some(
            "`method GET` in handle_response, before the reverse_proxy to the store, or let the app \
             sign for the visitor's method",
        ),
        ..Remedy::any(
            "let the app sign for the visitor's method, or let the proxy always ask the store with GET",
        )
    },
    matches: |r| by_get(r).or_else(|| for_get(r)).or_else(|| for_head(r)).or_else(|| as_it_came(r)),
};

/// The same download comes with GET.
fn by_get(r: &Reading<'_>) -> Option<Match> {
    let full = r.wrong_full().filter(|_| r.gives_dummy(ProbeId::FullGet))?;
    let method = &r.evidence.full.asked.method;
    let because = || format!("GET gives the file; {method} gives {}", r.describe(full));
    r.handoff().filter(|(_, value)| is_signed(value)).map(|_| Match::sure(because()))
}

/// What the app hands over for HEAD is signed for GET: the store itself says so.
pub(in super::super) fn for_get(r: &Reading<'_>) -> Option<Match> {
    let head = r.repeated(ProbeId::Head).filter(|it| it.status >= 400)?;
    let app = r.probe(ProbeId::AppHead)?;
    let (_, value) = handoff_of(app, r.evidence.intent.header.as_deref())?;
    let by_get = r.probe(ProbeId::StoreAsApp).filter(|it| it.status == 200)?;
    let by_head = r.probe(ProbeId::StoreAsAppHead).filter(|it| matches!(it.status, 401 | 403))?;
    let at_store = format!(
        "the store itself, asked with the query that the app hands over for HEAD, answers {} to GET \
         and {} to HEAD",
        by_get.status, by_head.status
    );
    let because = format!("GET gives the file; HEAD gives {}", head.status);
    // It may be a store that refuses every HEAD.
    let found = || Match::likely(because).also(at_store).shown_by(ProbeId::StoreAsAppHead);
    is_signed(value).then(found)
}

/// What the app hands over for GET is signed for HEAD.
fn for_head(r: &Reading<'_>) -> Option<Match> {
    let get = r.lost_after_app().and(r.probe(ProbeId::StoreAsApp)).and_then(refusal)?;
    let head = r.probe(ProbeId::StoreAsAppHead).filter(|it| it.status == 200)?;
    let length = head.header("content-length")?.parse().ok();
    let the_file = r.evidence.dummy.as_ref().map(|it| it.size) == length;
    let because = format!(
        "the store itself, asked with the app's query, answers {} to GET and 200 to HEAD",
        get.said
    );
    let asked = r.evidence.full.asked.method == "GET";
    (asked && the_file).then(|| Match::sure(because).shown_by(ProbeId::StoreAsAppHead))
}

/// Caddy asks the store with the visitor's own method, and the store accepts the app's query with GET.
fn as_it_came(r: &Reading<'_>) -> Option<Match> {
    let full = r
        .lost_after_app()
        .filter(|it| store_error(&it.body).is_some_and(|code| code == "SignatureDoesNotMatch"))?;
    let method = &r.evidence.full.asked.method;
    let kept = r.server == Some(Product::Caddy) && !matches!(method.as_str(), "GET" | "HEAD");
    let accepted = r.gives_dummy(ProbeId::StoreAsApp);
    let because = format!(
        "the store itself accepts the app's query with GET; to the site's {method} it answers {}",
        full.status
    );
    (kept && accepted).then(|| Match::likely(because).shown_by(ProbeId::StoreAsApp))
}

fn is_signed(value: &str) -> bool {
    signed_link(value).is_some()
}

/// What a store says instead of giving the file.
struct Refusal {
    said: String,
    /// Whether nobody but who has signed can be the cause.
    of_app: bool,
}

fn refusal(response: &Response) -> Option<Refusal> {
    // Two proofs at once, or a parameter that nobody signed: no word about the signature.
    if store_error(&response.body).as_deref() == Some("InvalidArgument") {
        return None;
    }
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
