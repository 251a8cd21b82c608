//! Rules with culprit `frontend`: the request does not reach the app, or its response does not
//! reach the serving proxy.

use sendfile_evidence::{
    Check, FailureKind, Outcome, ProbeId, Response, Server, dialect, fact::FactKind,
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class},
    config_evidence::{ConfigEvidence, Symptom, app_elsewhere},
    frontend::{
        kept_error::keeps_error,
        routing::{
            by_proxy, closed_everywhere, gateway_error, not_routed, reaches_app,
            refused_before_app, refused_by_app, treated_as_anonymous, with_snippet,
        },
    },
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{app_page, before_app, passed_on, requests_at_another_place},
};

pub(crate) mod cache;
pub(crate) mod client;
pub(crate) mod kept_error;
pub(crate) mod routing;
pub(crate) mod wire;

pub(crate) const RULES: &[&Rule] = &[
    &BYPASSES_SERVING_PROXY,
    &LOCATION_SHADOWS_DOWNLOAD,
    &NOT_ROUTED_TO_APP,
    &PATH_REWRITTEN,
    &APP_UNREACHABLE,
    &UNAVAILABLE,
    &REDIRECTS,
    &ASKS_FOR_LOGIN,
    &TLS_FAILS,
    &CERTIFICATE_ENDS_SOON,
    &PROTOCOLS_DIFFER,
    &UNREACHABLE,
];

pub(crate) static BYPASSES_SERVING_PROXY: Rule = Rule {
    id: "frontend.bypasses-serving-proxy",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The app's response bypasses the proxy that supports the hand-off",
    meaning: "The server that responds to the client does not support the hand-off and passes the \
              app's header on with an empty body, while another proxy serves the file when \
              requested directly.",
    remedy: Remedy::any("Forward the request to the serving proxy instead of directly to the app"),
    config: ConfigEvidence::explains(|_, fact| fact.kind == FactKind::Bypassed, passed_on),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.unexplained_failure()?;
        let (header, _) = analysis.handoff()?;
        let kept = full.header(header).is_some();
        let name = dialect::spelling(header);
        let passed_on = kept || full.body.size == 0 && (200..300).contains(&full.status);
        if passed_on && let Some(id) = serving_inner(analysis) {
            let gets = analysis.client_gets();
            return Some(Match::sure(format!("{gets}, with {name}, but {id} returns the file")));
        }
        if !kept {
            return None;
        }
        if analysis.direct_by_app() {
            return Some(Match::likely(format!(
                "{name} reaches the client, and the app responds to the direct location's URL"
            )));
        }
        if analysis.obeys_others() {
            return Some(Match::likely(format!(
                "{name} reaches the client, but the site acts on other hand-offs of the app"
            )));
        }
        let server = analysis.server?;
        if !analysis.another_front() {
            return None;
        }
        Some(Match::likely(format!(
            "{} serves the file, but another server passes {name} on",
            server.name()
        )))
    },
};

pub(crate) static LOCATION_SHADOWS_DOWNLOAD: Rule = Rule {
    id: "frontend.location-shadows-download",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "Another location handles the download's URL before the app",
    meaning: "The request does not reach the app, because the proxy itself responds. Other paths \
              of the site reach the app. Typical cause: an older rule, or a regex location for the \
              file's extension, takes precedence.",
    remedy: Remedy {
        any: "Move the download's rule before the one that handles its URL",
        servers: &[
            (
                Server::Nginx,
                "Move the download's location before the other regex locations, or write it as a \
                 prefix with `^~`",
            ),
            (
                Server::Apache,
                "Put the `ProxyPass` of the download before the `Alias` or `ProxyPass … !` that \
                 matches its path",
            ),
        ],
    },
    config: ConfigEvidence::explains(|_, fact| fact.kind == FactKind::DownloadShadowed, before_app),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = not_routed(analysis)?;
        let Reached::NotReached(how) = &analysis.reached else { return None };
        let found = match reaches_app(analysis, ProbeId::Elsewhere, ProbeId::AppElsewhere) {
            Some(true) => {
                let gets = analysis.client_gets();
                shadows(analysis, full, format!("{how}, but other paths reach the app. {gets}"))
            }
            Some(false) => return None,
            None => Match::possible(format!("{how}. A client gets {}", analysis.describe(full))),
        };
        Some(with_snippet(analysis, found))
    },
};

pub(crate) static NOT_ROUTED_TO_APP: Rule = Rule {
    id: "frontend.not-routed-to-app",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "No rule routes the URL to the app",
    meaning: "The request does not reach the app. The client gets the page that the site returns \
              for any path, such as the fallback of a single-page application.",
    remedy: Remedy {
        any: "Route the download's path to the app, before the fallback",
        servers: &[
            (
                Server::Nginx,
                "Add a location with `proxy_pass` to the app for the download's path, before the \
                 fallback",
            ),
            (Server::Apache, "Add a `ProxyPass` for the download's path, before the fallback"),
            (
                Server::Caddy,
                "Add a `handle` with `reverse_proxy` to the app for the download's path, before \
                 the fallback",
            ),
        ],
    },
    config: Some(ConfigEvidence {
        confirms: |_, fact| fact.kind == FactKind::DownloadNotRouted,
        symptom: Symptom::Or(before_app),
        excluded_by: Some(|fact| fact.kind == FactKind::DownloadShadowed),
    }),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = not_routed(analysis)?;
        let got = analysis.describe(full);
        let same = analysis.probe(ProbeId::Elsewhere).is_some_and(|page| alike(page, full));
        let catch_all = reaches_app(analysis, ProbeId::Elsewhere, ProbeId::AppElsewhere);
        let found = match (&analysis.reached, catch_all) {
            (_, Some(false)) if same => {
                Match::sure(format!("An unknown path of the site returns the same response: {got}"))
            }
            (Reached::NotReached(how), Some(false)) => {
                Match::likely(format!("{how}. A client gets {got}"))
            }
            (Reached::NotReached(how), None) => {
                Match::possible(format!("{how}. A client gets {got}"))
            }
            _ => return None,
        };
        Some(with_snippet(analysis, found))
    },
};

pub(crate) static PATH_REWRITTEN: Rule = Rule {
    id: "frontend.path-rewritten",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy rewrites the request before it reaches the app",
    meaning: "The client gets a page of the app, although the app, requested directly, hands off. \
              The proxy changes the path, the host or the method. Typical causes: a trailing slash \
              on `proxy_pass` strips the prefix, or the proxy sends a Host that the app refuses.",
    remedy: Remedy {
        any: "Forward the client's path and Host to the app unchanged",
        servers: &[(
            Server::Nginx,
            "Use `proxy_pass http://APP;` without a trailing slash or path, and add \
             `proxy_set_header Host $host;`",
        )],
    },
    config: ConfigEvidence::explains(|_, fact| fact.kind == FactKind::PathRewritten, app_page),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.unexplained_failure()?;
        if treated_as_anonymous(analysis, full) {
            return None;
        }
        let gets = analysis.client_gets();
        if let Reached::Misrouted(how) = &analysis.reached {
            return Some(Match::likely(format!("{how}. {gets}")));
        }
        let page = matches!(body_class(analysis.evidence, full), BodyClass::AppPage);
        let unknown = page && analysis.reached == Reached::Unknown;
        if unknown || refused_by_app(analysis, full) { Some(Match::possible(gets)) } else { None }
    },
};

pub(crate) static APP_UNREACHABLE: Rule = Rule {
    id: "frontend.app-unreachable",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy cannot reach the app, or does not understand its response",
    meaning: "The proxy returns a gateway error for paths of the app, although the app responds to \
              this program. Typical causes: a different address or protocol in the proxy's \
              configuration (an HTTP port behind `fastcgi_pass` or `uwsgi_pass`), a dead socket, \
              or a header that exceeds the proxy's buffer.",
    remedy: Remedy {
        any: "Compare the address and protocol in the proxy's configuration with those of the app",
        servers: &[(
            Server::Nginx,
            "Compare `proxy_pass` (or `fastcgi_pass`, `uwsgi_pass`) with the app's address and \
             protocol. For a long header, raise `proxy_buffer_size`",
        )],
    },
    config: ConfigEvidence::explains(app_elsewhere, requests_at_another_place),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.unexplained_failure()?;
        if !gateway_error(analysis, full) || keeps_disposition(analysis, full) {
            return None;
        }
        let because = analysis.client_gets();
        let elsewhere = analysis.probe(ProbeId::Elsewhere);
        if elsewhere.is_some_and(|page| page.status == full.status) {
            if closed_everywhere(analysis, full) {
                return None;
            }
            return Some(Match::sure(format!("Other paths fail too: {because}")));
        }
        Some(if analysis.direct_right() && full.status != 400 {
            Match::likely(because)
        } else {
            Match::possible(because)
        })
    },
};

pub(crate) static UNAVAILABLE: Rule = Rule {
    id: "frontend.unavailable",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site returns the same error for every path",
    meaning: "The client's URL, an unknown path and the direct location (which does not need the \
              app) return the same 500 or 503. Typical causes: a maintenance page, a request or \
              connection limit, or a frontend without an upstream.",
    remedy: Remedy::any(
        "Look for a maintenance switch, for limits (`limit_req`, `limit_conn`), and for this \
         request in the error log",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.wrong_full()?;
        if !closed_everywhere(analysis, full) {
            return None;
        }
        let got = analysis.describe(full);
        Some(Match::likely(format!("Every path of the site returns {got}")))
    },
};

pub(crate) static REDIRECTS: Rule = Rule {
    id: "frontend.redirects",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site redirects instead of serving the file",
    meaning: "The download's URL returns a redirect that the app did not send: to https, to \
              another host, or to a path with a trailing slash. The redirect was not followed.",
    remedy: Remedy::any("Set --full to the final URL, or correct the redirect"),
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::DownloadRedirected),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.wrong_full()?;
        if analysis.storage_is_culprit() || !analysis.app_right() {
            return None;
        }
        let BodyClass::Redirect(location) = body_class(analysis.evidence, full) else {
            return None;
        };
        if leads_to_target(analysis, &location) || analysis.masked().is_some() {
            return None;
        }
        Some(Match::likely(format!("The site redirects to {location}")))
    },
};

pub(crate) static ASKS_FOR_LOGIN: Rule = Rule {
    id: "frontend.asks-for-login",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site requires a login before the request reaches the app",
    meaning: "The site itself returns 401, although the app, requested directly, hands off.",
    remedy: Remedy::any(
        "Pass the credentials with --full-header, or exempt the download's path from the login",
    ),
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::LoginAsked),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.wrong_full()?;
        let by_app = matches!(analysis.reached, Reached::App(_)) || analysis.storage_is_culprit();
        if full.status != 401 || !analysis.app_right() || by_app {
            return None;
        }
        Some(Match::likely(format!("The site returns {}", analysis.describe(full))))
    },
};

pub(crate) static TLS_FAILS: Rule = Rule {
    id: "frontend.tls-fails",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site's TLS certificate is not trusted, or the TLS handshake fails",
    meaning: "The connection is established, but TLS fails: the certificate is for another name, \
              has expired or has an unknown issuer, or the port does not speak TLS.",
    remedy: Remedy::any(
        "Renew the certificate or complete its chain. If it is self-signed or from a private CA, \
         pass --cacert FILE",
    ),
    config: None,
    precedence: Precedence::Replaces(&[&UNREACHABLE]),
    matches: |analysis| {
        let failure = analysis.evidence.full.outcome.failure()?;
        if failure.kind == FailureKind::Tls {
            Some(Match::sure(failure.chain.clone()))
        } else {
            None
        }
    },
};

pub(crate) static CERTIFICATE_ENDS_SOON: Rule = Rule {
    id: "frontend.certificate-ends-soon",
    culprit: Culprit::Frontend,
    severity: Severity::Warning,
    check: Some(Check::Tls),
    summary: "The TLS certificate expires soon",
    meaning: "The site's certificate is valid for fewer days than --cert-days requires or, with \
              -k, has expired. After it expires, browsers refuse the download.",
    remedy: Remedy::any(
        "Renew the certificate and reload the proxy, then check why it was not renewed \
         automatically",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let certificate = analysis.evidence.certificate?;
        let days = certificate.days_left;
        if days >= i64::from(analysis.evidence.intent.cert_days) {
            return None;
        }
        let until = humantime::format_rfc3339_seconds(certificate.until);
        Some(Match::sure(format!("The certificate expires on {until}, in {days} days")))
    },
};

pub(crate) static PROTOCOLS_DIFFER: Rule = Rule {
    id: "frontend.protocols-differ",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: Some(Check::Protocol),
    summary: "HTTP/2 and HTTP/1.1 return different responses",
    meaning: "The file arrives over HTTP/1.1, but not over HTTP/2, which browsers use. Typical \
              causes: a different server behind the same port, a condition on the protocol, or a \
              frame limit.",
    remedy: Remedy {
        any: "Compare the configuration for HTTP/2 with that for HTTP/1.1",
        servers: &[(
            Server::Nginx,
            "Look for `$server_protocol` or `$http2` conditions in the server block",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let http2 = analysis.evidence.probed(ProbeId::Http2)?;
        if analysis.returns_dummy(ProbeId::Http2) || !analysis.delivered || analysis.head_only() {
            return None;
        }
        let got = match &http2.outcome {
            Outcome::Response(_) => analysis.describe(analysis.repeated(ProbeId::Http2)?),
            Outcome::Failed(failure) => failure.chain.clone(),
            Outcome::Skipped(_) => return None,
        };
        let because = format!("Over HTTP/2, a client gets {got}");
        Some(Match::sure(because).shown_by(ProbeId::Http2))
    },
};

pub(crate) static UNREACHABLE: Rule = Rule {
    id: "frontend.unreachable",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site does not respond",
    meaning: "The request for the download's URL got no response. The cause is the host name, the \
              port, the certificate or the server itself.",
    remedy: Remedy::any(
        "Start the proxy. If it is running, compare its host name, port and certificate with the \
         URL",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.full.outcome.failure()?;
        // Either the site responded, or the failure shows nothing about the site.
        if matches!(failure.kind, FailureKind::Other | FailureKind::Lengths) {
            return None;
        }
        let chain = failure.chain.clone();
        if !analysis.site_answers() {
            return Some(Match::sure(chain));
        }
        // The site is reachable: the failure concerns this request.
        match analysis.reached {
            Reached::App(_) | Reached::AppTwice(_) => None,
            Reached::Misrouted(_) | Reached::NotReached(_) | Reached::Unknown => {
                Some(Match::possible(chain).also("Other paths of the site respond"))
            }
        }
    },
};

/// The inner proxy that returns the file, if one does.
fn serving_inner(analysis: &Analysis<'_>) -> Option<ProbeId> {
    let inner = analysis.inner();
    let (id, _) = inner.iter().find(|(id, _)| analysis.returns_dummy(*id))?;
    Some(*id)
}

/// A match if the download's request does not reach the app, although requests for other paths do.
fn shadows(analysis: &Analysis<'_>, full: &Response, because: String) -> Match {
    if refused_before_app(analysis, full) || keeps_error(analysis) {
        Match::possible(because)
    } else if by_proxy(analysis, full) {
        Match::sure(because)
    } else {
        Match::likely(because)
    }
}

/// Whether a response has the app's Content-Disposition, so that it follows the hand-off.
fn keeps_disposition(analysis: &Analysis<'_>, full: &Response) -> bool {
    let Some(app) = analysis.app() else { return false };
    let sent = app.header("content-disposition");
    sent.is_some() && full.header("content-disposition") == sent
}

/// Whether a redirect leads to the hand-off's URI.
fn leads_to_target(analysis: &Analysis<'_>, location: &str) -> bool {
    let Some(value) = analysis.value() else { return false };
    let (path, _) = value.split_once('?').unwrap_or((value, ""));
    path.starts_with('/') && location.contains(path)
}
