//! Rules about signed links: the store does not accept what the app signs, or not for the method in
//! use.

use sendfile_evidence::{
    Check, ProbeId, Response, Server,
    dialect::{handoff_of, signed_link, store_error, store_refusal},
};

use crate::{
    analysis::Analysis,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[&SIGNED_FOR_OTHER_METHOD, &SIGNATURE_REFUSED];

pub(crate) static SIGNATURE_REFUSED: Rule = Rule {
    id: "app.signature-refused",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The store rejects the app's signature",
    meaning: "The app hands off a signed link. With another signature the same file is returned, \
              but with the app's it is not. Typical causes: a wrong access key, secret key, region \
              or host in the signature, a wrong clock, or a link that had expired when it was \
              used. Known from requests to the direct location or the store with the app's own \
              query, or from the store's error.",
    remedy: Remedy::any(
        "Set the app's key, secret, region and endpoint to those of the store as the proxy reaches \
         it. Sign every link anew, with an expiry longer than the proxy caches a response",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app().filter(|it| refusal(it).is_some())?;
        let (_, value) = analysis.handoff()?;
        let accepted =
            [ProbeId::DirectAsApp, ProbeId::StoreAsApp].map(|it| analysis.returns_dummy(it));
        if !is_signed(value) || accepted.contains(&true) || by_own_query(analysis, value) {
            return None;
        }
        let told = |it: &Response| refusal(it).map(|it| it.said);
        if let Some(said) = analysis.probe(ProbeId::DirectAsApp).and_then(told) {
            let because = "The direct location returns the file for another signature; for the \
                           app's signature it returns";
            return Some(Match::likely(format!("{because} {said}")).shown_by(ProbeId::DirectAsApp));
        }
        let at_store = analysis.probe(ProbeId::StoreAsApp).and_then(refusal);
        if let Some(refusal) = &at_store {
            let because = format!(
                "Requested directly with the app's query, the store returns {}",
                refusal.said
            );
            let found =
                if refusal.of_app { Match::likely(because) } else { Match::possible(because) };
            return Some(found.shown_by(ProbeId::StoreAsApp));
        }
        let refusal = refusal(full).filter(|it| it.of_app)?;
        Some(Match::likely(format!("The store returns {}", refusal.said)))
    },
};

pub(crate) static SIGNED_FOR_OTHER_METHOD: Rule = Rule {
    id: "app.signed-for-other-method",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Head),
    summary: "The signed link does not cover the request method",
    meaning: "A link to a store is signed for one method. The app hands off a signed link, and the \
              file is returned for a method other than the client's. Where only HEAD fails, \
              download managers and players fail too, because they send HEAD first.",
    remedy: Remedy {
        any: "Sign for the client's method in the app, or make the proxy always send GET to the \
              store",
        servers: &[
            (
                Server::Nginx,
                "Set `proxy_method GET;` in the internal location, or sign for the client's method \
                 in the app",
            ),
            (
                Server::Caddy,
                "Set `method GET` in handle_response, before the reverse_proxy to the store, or \
                 sign for the client's method in the app",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        by_get(analysis)
            .or_else(|| for_get(analysis))
            .or_else(|| for_head(analysis))
            .or_else(|| as_it_came(analysis))
    },
};

/// The same download succeeds with GET.
fn by_get(analysis: &Analysis<'_>) -> Option<Match> {
    let full = analysis.wrong_full().filter(|_| analysis.returns_dummy(ProbeId::FullGet))?;
    let method = &analysis.evidence.full.request.method;
    let because = || format!("GET returns the file; {method} returns {}", analysis.describe(full));
    analysis.handoff().filter(|(_, value)| is_signed(value)).map(|_| Match::sure(because()))
}

/// The link that the app hands off for HEAD is signed for GET, as the store itself shows.
pub(crate) fn for_get(analysis: &Analysis<'_>) -> Option<Match> {
    let head = analysis.repeated(ProbeId::Head).filter(|it| it.status >= 400)?;
    let app = analysis.probe(ProbeId::AppHead)?;
    let (_, value) = handoff_of(app, analysis.evidence.intent.header.as_deref())?;
    let by_get = analysis.probe(ProbeId::StoreAsApp).filter(|it| it.status == 200)?;
    let by_head =
        analysis.probe(ProbeId::StoreAsAppHead).filter(|it| matches!(it.status, 401 | 403))?;
    let at_store = format!(
        "Requested directly with the query of the app's hand-off for HEAD, the store returns {} to \
         GET and {} to HEAD",
        by_get.status, by_head.status
    );
    let because = format!("GET returns the file; HEAD returns {}", head.status);
    // The store may reject every HEAD request.
    let found = || Match::likely(because).also(at_store).shown_by(ProbeId::StoreAsAppHead);
    is_signed(value).then(found)
}

/// The link that the app hands off for GET is signed for HEAD.
fn for_head(analysis: &Analysis<'_>) -> Option<Match> {
    let get =
        analysis.failed_after_app().and(analysis.probe(ProbeId::StoreAsApp)).and_then(refusal)?;
    let head = analysis.probe(ProbeId::StoreAsAppHead).filter(|it| it.status == 200)?;
    let length = head.header("content-length")?.parse().ok();
    let the_file = analysis.evidence.dummy.as_ref().map(|it| it.size) == length;
    let because = format!(
        "Requested directly with the app's query, the store returns {} to GET and 200 to HEAD",
        get.said
    );
    let asked = analysis.evidence.full.request.method == "GET";
    (asked && the_file).then(|| Match::sure(because).shown_by(ProbeId::StoreAsAppHead))
}

/// Caddy forwards the client's own method to the store, and the store accepts the app's query with
/// GET.
fn as_it_came(analysis: &Analysis<'_>) -> Option<Match> {
    let full = analysis
        .failed_after_app()
        .filter(|it| store_error(&it.body).is_some_and(|code| code == "SignatureDoesNotMatch"))?;
    let method = &analysis.evidence.full.request.method;
    let kept = analysis.server == Some(Server::Caddy) && !matches!(method.as_str(), "GET" | "HEAD");
    let accepted = analysis.returns_dummy(ProbeId::StoreAsApp);
    let because = format!(
        "The store accepts the app's query with GET; the site's {method} returns {}",
        full.status
    );
    (kept && accepted).then(|| Match::likely(because).shown_by(ProbeId::StoreAsApp))
}

fn is_signed(value: &str) -> bool {
    signed_link(value).is_some()
}

/// A store's error in place of the file.
struct Refusal {
    said: String,
    /// Whether only the signer can be the cause.
    of_app: bool,
}

fn refusal(response: &Response) -> Option<Refusal> {
    // Two authentication methods at once, or an unsigned parameter: not about the signature.
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

/// Whether the direct location returned the file for the same query that the app signs.
fn by_own_query(analysis: &Analysis<'_>, value: &str) -> bool {
    let asked = analysis.evidence.direct.request.url.split_once('?').map(|(_, query)| query);
    analysis.direct_right()
        && asked.is_some()
        && asked == value.split_once('?').map(|(_, query)| query)
}
