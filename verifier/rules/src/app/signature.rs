//! Rules about signed links: the store does not accept the app's signature, or accepts it only for
//! another method.

use sendfile_evidence::{
    Check, ProbeId, Response, Server,
    dialect::{handoff_of, signed_link, store_error, store_refusal},
};

use crate::{
    analysis::Analysis,
    app::manner::{BODY_BESIDE_HANDOFF, DUPLICATE_HEADER},
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[&SIGNED_FOR_OTHER_METHOD, &SIGNATURE_REFUSED];

pub(crate) static SIGNATURE_REFUSED: Rule = Rule {
    id: "app.signature-refused",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The store rejects the app's signature",
    meaning: "The app hands off a signed link. The store returns the file for a different \
              signature, but not for the app's. Typical causes: a wrong access key, secret key, \
              region or host in the signature, a wrong clock, or a link that had expired when it \
              was used. Requests with the app's query to the direct location or the store show \
              this, or the store's error does.",
    remedy: Remedy::any(
        "Set the app's key, secret and region to those of the store, and its endpoint to the one \
         that the proxy uses. Sign a new link for each download, with an expiry time longer than \
         the proxy caches a response",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let (_, value) = analysis.handoff()?;
        let refused = refusal(full)?;
        let accepted = analysis.returns_dummy(ProbeId::DirectAsApp)
            || analysis.returns_dummy(ProbeId::StoreAsApp);
        if !is_signed(value) || accepted || by_own_query(analysis, value) {
            return None;
        }
        if let Some(direct) = refusal_of(analysis, ProbeId::DirectAsApp) {
            let because = format!(
                "The direct location returns the file for a different signature, but for the app's \
                 signature it returns {}",
                direct.error
            );
            return Some(Match::likely(because).shown_by(ProbeId::DirectAsApp));
        }
        if let Some(store) = refusal_of(analysis, ProbeId::StoreAsApp) {
            let because = format!(
                "Requested directly with the app's query, the store returns {}",
                store.error
            );
            let found =
                if store.of_app { Match::likely(because) } else { Match::possible(because) };
            return Some(found.shown_by(ProbeId::StoreAsApp));
        }
        if !refused.of_app {
            return None;
        }
        Some(Match::likely(format!("The store returns {}", refused.error)))
    },
};

pub(crate) static SIGNED_FOR_OTHER_METHOD: Rule = Rule {
    id: "app.signed-for-other-method",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Head),
    summary: "The signed link does not cover the request method",
    meaning: "A link to a store is signed for one method. The app hands off a signed link, but the \
              store accepts it for a different method than the client's. If only HEAD \
              fails, download managers and players fail too, because they send HEAD first.",
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
    precedence: Precedence::Before(&[&BODY_BESIDE_HANDOFF, &DUPLICATE_HEADER]),
    matches: |analysis| {
        succeeds_with_get(analysis)
            .or_else(|| for_get(analysis))
            .or_else(|| for_head(analysis))
            .or_else(|| forwards_method(analysis))
    },
};

/// A match if the same download succeeds with GET.
fn succeeds_with_get(analysis: &Analysis<'_>) -> Option<Match> {
    let full = analysis.wrong_full()?;
    let (_, value) = analysis.handoff()?;
    if !is_signed(value) || !analysis.returns_dummy(ProbeId::FullGet) {
        return None;
    }
    let method = &analysis.evidence.full.request.method;
    let got = analysis.describe(full);
    Some(Match::sure(format!("GET returns the file, but {method} returns {got}")))
}

/// A match if the link that the app hands off for HEAD is signed for GET, as the store itself
/// shows.
pub(crate) fn for_get(analysis: &Analysis<'_>) -> Option<Match> {
    let head = analysis.repeated(ProbeId::Head)?;
    let app = analysis.probe(ProbeId::AppHead)?;
    let (_, value) = handoff_of(app, analysis.evidence.intent.header.as_deref())?;
    let store_get = analysis.probe(ProbeId::StoreAsApp)?;
    let store_head = analysis.probe(ProbeId::StoreAsAppHead)?;
    let get_only = store_get.status == 200 && matches!(store_head.status, 401 | 403);
    if head.status < 400 || !get_only || !is_signed(value) {
        return None;
    }
    let at_store = format!(
        "Requested directly with the query of the app's hand-off for HEAD, the store returns {} to \
         GET and {} to HEAD",
        store_get.status, store_head.status
    );
    let because = format!("GET returns the file, but HEAD returns {}", head.status);
    // The store may reject every HEAD request.
    Some(Match::likely(because).also(at_store).shown_by(ProbeId::StoreAsAppHead))
}

/// A match if the link that the app hands off for GET is signed for HEAD.
fn for_head(analysis: &Analysis<'_>) -> Option<Match> {
    analysis.failed_after_app()?;
    let get = refusal_of(analysis, ProbeId::StoreAsApp)?;
    let head = analysis.probe(ProbeId::StoreAsAppHead)?;
    let length = head.header("content-length")?.parse().ok();
    let size = analysis.evidence.dummy.as_ref().map(|dummy| dummy.size);
    let by_get = analysis.evidence.full.request.method == "GET";
    if !by_get || head.status != 200 || length != size {
        return None;
    }
    let because = format!(
        "Requested directly with the app's query, the store returns {} to GET and 200 to HEAD",
        get.error
    );
    Some(Match::sure(because).shown_by(ProbeId::StoreAsAppHead))
}

/// A match if Caddy forwards the client's own method to the store, while the store accepts the
/// app's query with GET.
fn forwards_method(analysis: &Analysis<'_>) -> Option<Match> {
    let full = analysis.failed_after_app()?;
    let code = store_error(&full.body)?;
    let method = analysis.evidence.full.request.method.as_str();
    let forwarded = analysis.server == Some(Server::Caddy) && !matches!(method, "GET" | "HEAD");
    if code != "SignatureDoesNotMatch" || !forwarded || !analysis.returns_dummy(ProbeId::StoreAsApp)
    {
        return None;
    }
    let because = format!(
        "The store accepts the app's query with GET, but {method} through the site returns {}",
        full.status
    );
    Some(Match::likely(because).shown_by(ProbeId::StoreAsApp))
}

fn is_signed(value: &str) -> bool {
    signed_link(value).is_some()
}

/// A store's error that the client receives in place of the file.
struct Refusal {
    /// The status, and the store's code if there is one.
    error: String,
    /// Whether only the signer can be the cause.
    of_app: bool,
}

/// The store's error in the response to a further probe.
fn refusal_of(analysis: &Analysis<'_>, id: ProbeId) -> Option<Refusal> {
    refusal(analysis.probe(id)?)
}

fn refusal(response: &Response) -> Option<Refusal> {
    let Some(code) = store_error(&response.body) else {
        let status = store_refusal(response)?;
        if !(400..500).contains(&status) {
            return None;
        }
        return Some(Refusal { error: status.to_string(), of_app: false });
    };
    // Two authentication methods at once, or an unsigned parameter: the signature itself is not the
    // problem.
    if code == "InvalidArgument" {
        return None;
    }
    let page = String::from_utf8_lossy(&response.body.head);
    let of_app = matches!(&*code, "InvalidAccessKeyId" | "ExpiredToken" | "InvalidToken")
        || page.contains("has expired")
        || page.contains("Signature not valid in the specified time");
    Some(Refusal { error: format!("{} {code}", response.status), of_app })
}

/// Whether the direct location returned the file for the same query that the app signs.
fn by_own_query(analysis: &Analysis<'_>, value: &str) -> bool {
    let Some((_, requested)) = analysis.evidence.direct.request.url.split_once('?') else {
        return false;
    };
    let Some((_, signed)) = value.split_once('?') else { return false };
    analysis.direct_right() && requested == signed
}
