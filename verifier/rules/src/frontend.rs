//! Rules with culprit `frontend`: the request does not reach the app, or its response does not
//! reach the serving proxy.

use sendfile_evidence::{Check, FailureKind, Outcome, ProbeId, Server, dialect, fact::FactKind};

use crate::{
    body_class::{BodyClass, alike, body_class},
    config_evidence::{ConfigEvidence, Symptom, app_elsewhere},
    frontend::{
        cache::kept,
        routing::{
            by_proxy, closed_everywhere, gateway_error, not_routed, reaches_app,
            refused_before_app, refused_by_app, treated_as_stranger, with_snippet,
        },
    },
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{app_page, asked_elsewhere, before_app, passed_on},
};

pub(crate) mod cache;
pub(crate) mod routing;
pub(crate) mod visitor;
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
        let (name, _) = analysis.handoff()?;
        let came_out = full.header(name).is_some();
        let passed_on = came_out || full.body.size == 0 && (200..300).contains(&full.status);
        let name = dialect::spelling(name);
        let inner = analysis.inner().into_iter().find(|(id, _)| analysis.returns_dummy(*id));
        if let Some((id, _)) = inner.filter(|_| passed_on) {
            let gets = analysis.client_gets();
            return Some(Match::sure(format!("{gets}, with {name}; {id} returns the file")));
        }
        if came_out && analysis.direct_by_app() {
            return Some(Match::likely(format!(
                "{name} reaches the client, and the app responds to the direct location's URL"
            )));
        }
        if came_out && analysis.obeys_others() {
            return Some(Match::likely(format!(
                "{name} reaches the client, but the site acts on other hand-offs of the app"
            )));
        }
        let server = analysis.server.filter(|_| came_out && analysis.another_front())?;
        let because =
            format!("{} serves the file, but another server passes {name} on", server.name());
        Some(Match::likely(because))
    },
};

pub(crate) static LOCATION_SHADOWS_DOWNLOAD: Rule = Rule {
    id: "frontend.location-shadows-download",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "Another location handles the download's URL before the app",
    meaning: "The request does not reach the app: the proxy responds itself, while other paths of \
              the site reach the app. Typical causes: an older rule, or a regex location for the \
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
        let catch_all = reaches_app(analysis, ProbeId::Elsewhere, ProbeId::AppElsewhere);
        let found = match (&analysis.reached, catch_all) {
            (Reached::NotReached(how), Some(true)) => {
                let because =
                    format!("{how}; other paths reach the app. {}", analysis.client_gets());
                Some(match by_proxy(analysis, full) {
                    _ if refused_before_app(analysis, full) || kept(analysis) => {
                        Match::possible(because)
                    }
                    true => Match::sure(because),
                    false => Match::likely(because),
                })
            }
            (Reached::NotReached(how), None) => {
                Some(Match::possible(format!("{how}; a client gets {}", analysis.describe(full))))
            }
            _ => None,
        }?;
        Some(with_snippet(analysis, found))
    },
};

pub(crate) static NOT_ROUTED_TO_APP: Rule = Rule {
    id: "frontend.not-routed-to-app",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "No rule routes the URL to the app",
    meaning: "The request does not reach the app: the client gets the page that any path of the \
              site returns, such as the fallback of a single-page application.",
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
        let same = analysis.probe(ProbeId::Elsewhere).is_some_and(|it| alike(it, full));
        let catch_all = reaches_app(analysis, ProbeId::Elsewhere, ProbeId::AppElsewhere);
        let found = match (&analysis.reached, same, catch_all) {
            (_, true, Some(false)) => Some(Match::sure(format!(
                "An unknown path of the site returns the same: {}",
                analysis.describe(full)
            ))),
            (Reached::NotReached(how), false, Some(false)) => {
                Some(Match::likely(format!("{how}; a client gets {}", analysis.describe(full))))
            }
            (Reached::NotReached(how), _, None) => {
                Some(Match::possible(format!("{how}; a client gets {}", analysis.describe(full))))
            }
            _ => None,
        }?;
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
              The path, the host or the method changes on the way: a trailing slash on \
              `proxy_pass` strips the prefix, or the app refuses a wrong Host.",
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
        let full =
            analysis.unexplained_failure().filter(|it| !treated_as_stranger(analysis, it))?;
        if let Reached::Misrouted(how) = &analysis.reached {
            return Some(Match::likely(format!("{how}. {}", analysis.client_gets())));
        }
        let page = matches!(body_class(analysis.evidence, full), BodyClass::AppPage);
        let unknown = page && analysis.reached == Reached::Unknown;
        (unknown || refused_by_app(analysis, full)).then(|| Match::possible(analysis.client_gets()))
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
    config: ConfigEvidence::explains(app_elsewhere, asked_elsewhere),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.unexplained_failure().filter(|it| gateway_error(analysis, it))?;
        let kept = analysis.app().and_then(|it| it.header("content-disposition"));
        let handed_over = kept.is_some() && full.header("content-disposition") == kept;
        let everywhere =
            analysis.probe(ProbeId::Elsewhere).is_some_and(|it| it.status == full.status);
        let because = analysis.client_gets();
        match (everywhere, handed_over) {
            (_, true) => None,
            (true, _) if closed_everywhere(analysis, full) => None,
            (true, _) => Some(Match::sure(format!("Other paths fail too: {because}"))),
            (false, _) if analysis.direct_right() && full.status != 400 => {
                Some(Match::likely(because))
            }
            (false, _) => Some(Match::possible(because)),
        }
    },
};

pub(crate) static UNAVAILABLE: Rule = Rule {
    id: "frontend.unavailable",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site returns the same error for every path",
    meaning: "The client's URL, the direct location, which needs no app, and an unknown path \
              return the same 500 or 503. Typical causes: a maintenance page, a request or \
              connection limit, or a frontend without an upstream.",
    remedy: Remedy::any(
        "Look for a maintenance switch, for limits (`limit_req`, `limit_conn`), and for this \
         request in the error log",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.wrong_full().filter(|it| closed_everywhere(analysis, it))?;
        Some(Match::likely(format!("Every path of the site returns {}", analysis.describe(full))))
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
        let full = analysis
            .wrong_full()
            .filter(|_| !analysis.storage_is_culprit() && analysis.app_right())?;
        let BodyClass::Redirect(location) = body_class(analysis.evidence, full) else {
            return None;
        };
        let target = analysis.value().and_then(|it| it.split('?').next());
        let by_handoff = target.is_some_and(|it| it.starts_with('/') && location.contains(it));
        (!by_handoff && !treated_as_stranger(analysis, full) && analysis.masked().is_none())
            .then(|| Match::likely(format!("The site redirects to {location}")))
    },
};

pub(crate) static ASKS_FOR_LOGIN: Rule = Rule {
    id: "frontend.asks-for-login",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site requires a login before the request reaches the app",
    meaning: "The site itself returns 401, although the app, requested directly, hands off.",
    remedy: Remedy::any("Pass the login with --full-header, or exempt the download's path"),
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::LoginAsked),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = matches!(analysis.reached, Reached::App(_)) || analysis.storage_is_culprit();
        let full =
            analysis.wrong_full().filter(|it| it.status == 401 && analysis.app_right() && !app)?;
        let asked = treated_as_stranger(analysis, full);
        (!asked).then(|| Match::likely(format!("The site returns {}", analysis.describe(full))))
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
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure =
            analysis.evidence.full.outcome.failure().filter(|it| it.kind == FailureKind::Tls)?;
        Some(Match::sure(failure.chain.clone()))
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
        "Renew the certificate and reload the proxy; check why this was not automatic",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let left = analysis.evidence.certificate?.days_left;
        let until = humantime::format_rfc3339_seconds(analysis.evidence.certificate?.until);
        (left < i64::from(analysis.evidence.intent.cert_days))
            .then(|| Match::sure(format!("The certificate expires on {until}, in {left} days")))
    },
};

pub(crate) static PROTOCOLS_DIFFER: Rule = Rule {
    id: "frontend.protocols-differ",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: Some(Check::Protocol),
    summary: "HTTP/2 and HTTP/1.1 return different responses",
    meaning: "The file arrives over HTTP/1.1, but not over HTTP/2, which browsers use. Typical \
              causes: another server behind the same port, a condition on the protocol, or a frame \
              limit.",
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
        let http2 = analysis.evidence.probes.iter().find(|it| it.id == ProbeId::Http2)?;
        let other =
            !analysis.returns_dummy(ProbeId::Http2) && analysis.delivered && !analysis.head_only();
        let wrong = other && !analysis.length_breaks_http2();
        let got = match &http2.probed.outcome {
            Outcome::Response(_) => analysis.describe(analysis.repeated(ProbeId::Http2)?),
            Outcome::Failed(failure) => failure.chain.clone(),
            Outcome::Skipped(_) => return None,
        };
        let because = || format!("Over HTTP/2, a client gets {got}");
        wrong.then(|| Match::sure(because()).shown_by(ProbeId::Http2))
    },
};

pub(crate) static UNREACHABLE: Rule = Rule {
    id: "frontend.unreachable",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The site does not respond",
    meaning: "The download's URL could not be requested at all. The cause is its host name, its \
              port, its certificate or the server behind it.",
    remedy: Remedy::any(
        "Start the proxy; if it runs, compare the name, port and certificate with the URL",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.full.outcome.failure()?;
        let chain = failure.chain.clone();
        match failure.kind {
            FailureKind::Other | FailureKind::Tls | FailureKind::Lengths => None,
            _ if !analysis.site_answers() => Some(Match::sure(chain)),
            // The site is reachable: the failure concerns this request.
            _ if matches!(analysis.reached, Reached::App(_) | Reached::AppTwice(_)) => None,
            _ => Some(Match::possible(chain).also("Other paths of the site respond")),
        }
    },
};
