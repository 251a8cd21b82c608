//! The hand-off goes to a store over HTTP, and the store does not understand what the proxy asks.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use sendfile_evidence::{
    ProbeId, Response,
    dialect::{link_not_allowed, link_of, store_error, store_refusal},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.upstream-unreachable",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the hand-off ends at a server that the proxy cannot reach",
        meaning: "The app handed over, and then came the proxy's own gateway error: the location of \
                  the hand-off's target asks a server, a store or an app, that does not answer or \
                  cannot be looked up. nginx keeps the app's Content-Disposition on that error, \
                  which tells it from an app that cannot be reached.",
        remedy: Remedy {
            nginx: Some(
                "correct proxy_pass in the internal location; if it has variables in it, add a \
                 `resolver`",
            ),
            ..Remedy::any("correct the address to which the hand-off's location passes requests")
        },
        matches: |r| {
            let asked = |it: &&Response| matches!(it.status, 502 | 504) && !link_not_allowed(it);
            let full = r.lost_after_app().filter(asked)?;
            let kept = r.app().and_then(|it| it.header("content-disposition"));
            let handed_over = kept.is_some() && full.header("content-disposition") == kept;
            (handed_over && r.own_page(full).is_some()).then(|| {
                Match::likely(format!("after the hand-off a visitor gets {}", r.describe(full)))
            })
        },
    },
    Rule {
        id: "handoff.link-not-allowed",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the app's link leads to no store that the proxy may ask",
        meaning: "The app tells the proxy a whole link to the store, in a header beside the \
                  hand-off, and the proxy asks only what its list allows. The link begins \
                  otherwise: another host or port, bucket or prefix; or the proxy reads another \
                  header than the one that the app sends.",
        remedy: Remedy {
            nginx: Some(
                "in the internal location, let the pattern and proxy_pass begin as the app's links \
                 do, and read the header that the app sends: $upstream_http_NAME",
            ),
            ..Remedy::any("allow what the app's links begin with, and nothing more")
        },
        matches: |r| {
            let full = r.lost_after_app().filter(|it| link_not_allowed(it))?;
            let because = format!("the proxy answers {}, and has asked no store", full.status);
            let link = r.app().map(link_of)?;
            Some(Match::sure(because).also(match link {
                Some((name, link)) => format!("the app sends {name}: {link}"),
                None => "the app sends no signed link beside its hand-off".to_owned(),
            }))
        },
    },
    Rule {
        id: "handoff.client-auth-forwarded",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the visitor's Authorization header travels on to the store beside the signed \
                  query",
        meaning: "Stores accept one way of proving a right. With a signed query and an \
                  Authorization header S3 answers 400 InvalidArgument (\"Only one auth mechanism \
                  allowed\").",
        remedy: Remedy {
            nginx: Some(
                "proxy_set_header Authorization \"\"; proxy_set_header Cookie \"\"; in the \
                 internal location",
            ),
            caddy: Some(
                "header_up -Authorization and header_up -Cookie in the reverse_proxy to the store",
            ),
            ..Remedy::any("drop Authorization and Cookie from the request to the store")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let visitor = r
                .evidence
                .full
                .asked
                .headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            if visitor && r.gives_dummy(ProbeId::WithoutAuthorization) {
                return Some(Match::sure(
                    "without the visitor's Authorization header the file arrives",
                ));
            }
            let code = store_error(&full.body)?;
            let one_mechanism = String::from_utf8_lossy(&full.body.head).contains("auth mechanism");
            let because = format!(
                "the store answers {} {code} to a visitor with an Authorization header",
                full.status
            );
            (visitor && (one_mechanism || full.status == 400)).then(|| Match::sure(because))
        },
    },
    Rule {
        id: "handoff.decoded-for-upstream",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the path reaches the store decoded",
        meaning: "The hand-off's path has percent-escapes. A proxy_pass with variables sends the \
                  decoded path, raw spaces and all, and the store finds no such key, or no \
                  request that it understands.",
        remedy: Remedy {
            nginx: Some(
                "proxy_pass http://STORE/BUCKET/; without variables: nginx then encodes the path \
                 again",
            ),
            ..Remedy::any("encode the path again before it goes to the store")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let (_, value) = r.handoff()?;
            let escaped = value.split('?').next().is_some_and(|path| path.contains('%'));
            let code = store_error(&full.body).or_else(|| {
                (full.status == 400 && r.own_page(full).is_none()).then(|| "Bad Request".to_owned())
            })?;
            let plain = matches!(code.as_str(), "AccessDenied" | "InvalidArgument");
            (escaped && !plain).then(|| {
                Match::likely(format!(
                    "the hand-off's path is encoded, and the store answers {} {code}",
                    full.status
                ))
            })
        },
    },
    Rule {
        id: "handoff.upstream-host-wrong",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the proxy sends the store another Host than the one that was signed",
        meaning: "The Host header is part of what a signed link signs. The store calculates \
                  another signature (SignatureDoesNotMatch) when the proxy passes the site's own \
                  Host on.",
        remedy: Remedy {
            nginx: Some("proxy_set_header Host $proxy_host; in the internal location"),
            caddy: Some("header_up Host {upstream_hostport} in the reverse_proxy to the store"),
            ..Remedy::any("send the store the Host that the link was signed for")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            if let Some(status) = unexplained(r, full) {
                return Some(Match::possible(status));
            }
            let code = store_error(&full.body).filter(|it| it == "SignatureDoesNotMatch")?;
            Some(Match::likely(format!("the store answers {} {code}", full.status)))
        },
    },
    Rule {
        id: "handoff.query-dropped",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the signed query does not reach the store",
        meaning: "The app hands over with a signed query, and the store answers as to somebody \
                  without one (AccessDenied).",
        remedy: Remedy {
            nginx: Some(
                "end the proxy_pass with $is_args$args if it has variables; without variables \
                 nginx keeps the query",
            ),
            caddy: Some(
                "rewrite * {rp.header.X-Accel-Redirect}? with a question mark at its end, which \
                 keeps the query",
            ),
            ..Remedy::any("pass the query on to the store")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            if let Some(status) = unexplained(r, full) {
                return Some(Match::possible(status));
            }
            let code = store_error(&full.body).filter(|it| it == "AccessDenied")?;
            let expired = String::from_utf8_lossy(&full.body.head).contains("expired");
            let signed = r.handoff().is_some_and(|(_, value)| value.contains('?'));
            (signed && !expired)
                .then(|| Match::likely(format!("the store answers {} {code}", full.status)))
        },
    },
    Rule {
        id: "handoff.store-refuses",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the store refuses the request that the hand-off makes",
        meaning: "The store answers the hand-off's request with an error, and answers the direct \
                  location's with the file.",
        remedy: Remedy::any(
            "compare the two requests at the store's log: Host, path, query, method, Authorization",
        ),
        matches: |r| {
            let full = r.lost_after_app()?;
            let answer = match (store_error(&full.body), store_refusal(full)) {
                (Some(code), _) => format!("{} {code}", full.status),
                (None, Some(status)) => status.to_string(),
                (None, None) => return None,
            };
            let because = format!("the store answers {answer}");
            Some(match store_refusal(full) {
                // Which of its reasons it was is not shown.
                Some(_) => Match::likely(because),
                None => Match::possible(because),
            })
        },
    },
];

/// That a store refuses a signed request, where the proxy keeps its reason back.
fn unexplained(r: &Reading<'_>, full: &Response) -> Option<String> {
    let (_, value) = r.handoff()?;
    let status = store_refusal(full).filter(|it| matches!(it, 400 | 401 | 403 | 404 | 409))?;
    let hidden = value.contains('?') && store_error(&full.body).is_none();
    hidden.then(|| format!("the store answers {status}, and the proxy keeps its reason back"))
}
