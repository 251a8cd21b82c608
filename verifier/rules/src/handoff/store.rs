//! Rules about a hand-off to a store over HTTP: the store does not accept the proxy's request.

use sendfile_evidence::{
    ProbeId, Response, Server,
    dialect::{link_not_allowed, link_of, store_error, store_refusal},
    fact::FactKind,
};

use crate::{
    analysis::Analysis,
    config_evidence::ConfigEvidence,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{inside_unlike_direct, refused_by_store},
};

pub(crate) const RULES: &[&Rule] = &[
    &UPSTREAM_UNREACHABLE,
    &LINK_NOT_ALLOWED,
    &CLIENT_AUTH_FORWARDED,
    &DECODED_FOR_UPSTREAM,
    &UPSTREAM_HOST_WRONG,
    &QUERY_DROPPED,
    &STORE_REFUSES,
];

pub(crate) static UPSTREAM_UNREACHABLE: Rule = Rule {
    id: "handoff.upstream-unreachable",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy cannot reach the upstream that serves the hand-off's target",
    meaning: "The app handed off, then the proxy returned its own gateway error. The location of \
              the hand-off's target forwards to a server (a store or an app) that does not respond \
              or whose name cannot be resolved. nginx keeps the app's Content-Disposition on that \
              error, which distinguishes this case from an unreachable app.",
    remedy: Remedy {
        any: "Correct the upstream address of the hand-off's location",
        servers: &[(
            Server::Nginx,
            "Correct `proxy_pass` in the internal location; if it contains variables, add a \
             `resolver`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let sent = analysis.app()?.header("content-disposition")?;
        let handed_over = full.header("content-disposition") == Some(sent);
        let gateway_error = matches!(full.status, 502 | 504) && !link_not_allowed(full);
        if !gateway_error || !handed_over || analysis.own_page(full).is_none() {
            return None;
        }
        let got = analysis.describe(full);
        Some(Match::likely(format!("After the hand-off, a client gets {got}")))
    },
};

pub(crate) static LINK_NOT_ALLOWED: Rule = Rule {
    id: "handoff.link-not-allowed",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The app's link points to a store that the proxy does not allow",
    meaning: "The app sends the proxy a complete link to the store, in a separate header with the \
              hand-off, and the proxy requests only links that its list allows. The link has a \
              different host, port, bucket or prefix, or the proxy reads a different header from \
              the one that the app sends.",
    remedy: Remedy {
        any: "Allow only the host, port, bucket and prefix of the app's links",
        servers: &[(
            Server::Nginx,
            "In the internal location, begin the pattern and `proxy_pass` with the host and prefix \
             of the app's links, and read the header that the app sends: `$upstream_http_NAME`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let app = analysis.app()?;
        if !link_not_allowed(full) {
            return None;
        }
        let because = format!("The proxy returns {} without a request to any store", full.status);
        Some(Match::sure(because).also(match link_of(app) {
            Some((name, link)) => format!("The app sends {name}: {link}"),
            None => "The app sends no signed link beside its hand-off".to_owned(),
        }))
    },
};

pub(crate) static CLIENT_AUTH_FORWARDED: Rule = Rule {
    id: "handoff.client-auth-forwarded",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy forwards the client's Authorization header to the store, in addition to \
              the signed query",
    meaning: "Stores accept one authentication method per request. For a signed query plus an \
              Authorization header, S3 returns 400 InvalidArgument (\"Only one auth mechanism \
              allowed\").",
    remedy: Remedy {
        any: "Remove Authorization and Cookie from the request to the store",
        servers: &[
            (
                Server::Nginx,
                "Set `proxy_set_header Authorization \"\";` and `proxy_set_header Cookie \"\";` in \
                 the internal location",
            ),
            (
                Server::Caddy,
                "Add `header_up -Authorization` and `header_up -Cookie` to the `reverse_proxy` to \
                 the store",
            ),
        ],
    },
    config: ConfigEvidence::explains(
        |_, fact| fact.kind == FactKind::AuthorizationForwarded,
        |analysis| refused_by_store(analysis, &["SignatureDoesNotMatch", "NoSuchKey"]),
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let headers = &analysis.evidence.full.request.headers;
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization")) {
            return None;
        }
        if analysis.returns_dummy(ProbeId::WithoutAuthorization) {
            return Some(Match::sure(
                "Without the client's Authorization header, the file arrives",
            ));
        }
        let code = store_error(&full.body)?;
        let one_mechanism = String::from_utf8_lossy(&full.body.head).contains("auth mechanism");
        if !one_mechanism && full.status != 400 {
            return None;
        }
        Some(Match::sure(format!(
            "The store returns {} {code} to a client with an Authorization header",
            full.status
        )))
    },
};

pub(crate) static DECODED_FOR_UPSTREAM: Rule = Rule {
    id: "handoff.decoded-for-upstream",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy sends the store a decoded path",
    meaning: "The hand-off's path has percent-escapes. A `proxy_pass` with variables sends the \
              decoded path, including raw spaces, so the store finds no such key or cannot parse \
              the request.",
    remedy: Remedy {
        any: "Encode the path again before it is sent to the store",
        servers: &[(
            Server::Nginx,
            "Use `proxy_pass http://STORE/BUCKET/;` without variables: nginx then encodes the path \
             again",
        )],
    },
    config: ConfigEvidence::explains(
        |_, fact| fact.kind == FactKind::PathDecoded,
        |analysis| refused_by_store(analysis, &[]),
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let (_, value) = analysis.handoff()?;
        let (path, _) = value.split_once('?').unwrap_or((value, ""));
        let code = match store_error(&full.body) {
            Some(code) => code,
            None if full.status == 400 && analysis.own_page(full).is_none() => {
                "Bad Request".to_owned()
            }
            None => return None,
        };
        let plain = matches!(code.as_str(), "AccessDenied" | "InvalidArgument");
        if plain || !path.contains('%') {
            return None;
        }
        Some(Match::likely(format!(
            "The hand-off's path is encoded, and the store returns {} {code}",
            full.status
        )))
    },
};

pub(crate) static UPSTREAM_HOST_WRONG: Rule = Rule {
    id: "handoff.upstream-host-wrong",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The Host header that the proxy sends to the store differs from the signed one",
    meaning: "The signature of a link covers the Host header. The store calculates a different \
              signature (SignatureDoesNotMatch) if the proxy forwards the site's own Host.",
    remedy: Remedy {
        any: "Send the store the Host that the link was signed for",
        servers: &[
            (Server::Nginx, "Set `proxy_set_header Host $proxy_host;` in the internal location"),
            (
                Server::Caddy,
                "Add `header_up Host {upstream_hostport}` to the `reverse_proxy` to the store",
            ),
        ],
    },
    config: ConfigEvidence::explains(
        |_, fact| fact.kind == FactKind::HostWrong,
        |analysis| {
            let refused = ["InvalidArgument", "AccessDenied", "NoSuchKey"];
            refused_by_store(analysis, &refused).or_else(|| inside_unlike_direct(analysis))
        },
    ),
    precedence: Precedence::Before(&[&QUERY_DROPPED]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        if let Some(because) = unexplained(analysis, full) {
            return Some(Match::possible(because));
        }
        let code = store_error(&full.body)?;
        if code != "SignatureDoesNotMatch" {
            return None;
        }
        Some(Match::likely(format!("The store returns {} {code}", full.status)))
    },
};

pub(crate) static QUERY_DROPPED: Rule = Rule {
    id: "handoff.query-dropped",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The signed query does not reach the store",
    meaning: "The app hands off with a signed query, but the store responds as if there were none \
              (AccessDenied).",
    remedy: Remedy {
        any: "Forward the query to the store",
        servers: &[
            (
                Server::Nginx,
                "End `proxy_pass` with `$is_args$args` if it contains variables. Without \
                 variables, nginx keeps the query",
            ),
            (
                Server::Caddy,
                "Use `rewrite * {rp.header.X-Accel-Redirect}?`, with a trailing `?`, which keeps \
                 the query",
            ),
        ],
    },
    config: ConfigEvidence::explains(
        |_, fact| fact.kind == FactKind::QueryDropped,
        |analysis| refused_by_store(analysis, &["InvalidArgument", "SignatureDoesNotMatch"]),
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        if let Some(because) = unexplained(analysis, full) {
            return Some(Match::possible(because));
        }
        let code = store_error(&full.body)?;
        let (_, value) = analysis.handoff()?;
        let expired = String::from_utf8_lossy(&full.body.head).contains("expired");
        if code != "AccessDenied" || expired || !value.contains('?') {
            return None;
        }
        Some(Match::likely(format!("The store returns {} {code}", full.status)))
    },
};

pub(crate) static STORE_REFUSES: Rule = Rule {
    id: "handoff.store-refuses",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The store refuses the proxy's request after the hand-off",
    meaning: "After the hand-off, the store returns an error to the proxy. For a request to the \
              direct location, it returns the file.",
    remedy: Remedy::any(
        "Compare the two requests in the store's log: Host, path, query, method, Authorization",
    ),
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::StoreKeyWrong),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        match (store_refusal(full), store_error(&full.body)) {
            (None, Some(code)) => {
                Some(Match::possible(format!("The store returns {} {code}", full.status)))
            }
            // The proxy does not show which of the store's reasons it is.
            (Some(_), Some(code)) => {
                Some(Match::likely(format!("The store returns {} {code}", full.status)))
            }
            (Some(status), None) => Some(Match::likely(format!("The store returns {status}"))),
            (None, None) => None,
        }
    },
};

/// The evidence that a store refuses a signed request, if the proxy hides the store's reason.
fn unexplained(analysis: &Analysis<'_>, full: &Response) -> Option<String> {
    let (_, value) = analysis.handoff()?;
    let status = store_refusal(full)?;
    let refusal = matches!(status, 400 | 401 | 403 | 404 | 409);
    if !refusal || !value.contains('?') || store_error(&full.body).is_some() {
        return None;
    }
    Some(format!("The store returns {status}, and the proxy hides its reason"))
}
