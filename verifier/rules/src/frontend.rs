//! Rules with culprit `frontend`: the request does not reach the app, or its response does not
//! reach the serving proxy.

use super::{
    Analysis, Culprit, Match, Remedy, Rule, Severity,
    body_class::{BodyClass, alike, body_class},
    reached::Reached,
};
use sendfile_evidence::{FailureKind, Outcome, ProbeId, Response, dialect};

pub(super) mod cache;
mod visitor;
mod wire;

/// In this order: caches, routing before and after the app, what clients can do, and how responses
/// end.
pub(super) const RULES: [&[Rule]; 4] = [cache::RULES, OWN, visitor::RULES, wire::RULES];

const OWN: &[Rule] = &[
    Rule {
        id: "frontend.bypasses-serving-proxy",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The app's response bypasses the proxy that supports the hand-off",
        meaning: "The server that responds to the client does not support the hand-off and passes \
                  the app's header on with an empty body, while another proxy serves the file when \
                  requested directly.",
        remedy: Remedy::any(
            "Forward the request to the serving proxy instead of directly to the app",
        ),
        matches: |analysis| {
            let full = analysis.unexplained_failure()?;
            let (name, _) = analysis.handoff()?;
            let came_out = full.header(name).is_some();
            let passed_on = came_out || full.body.size == 0 && (200..300).contains(&full.status);
            let name = dialect::spelling(name);
            let inner = analysis.inner().find(|(id, _)| analysis.returns_dummy(*id));
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
    },
    Rule {
        id: "frontend.location-shadows-download",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "Another location handles the download's URL before the app",
        meaning: "The request does not reach the app: the proxy responds itself, while other paths \
                  of the site reach the app. Typical causes: an older rule, or a regex location \
                  for the file's extension, takes precedence.",
        remedy: Remedy {
            nginx: Some(
                "Move the download's location before the other regex locations, or write it as a \
                 prefix with `^~`",
            ),
            apache: Some(
                "Put the `ProxyPass` of the download before the `Alias` or `ProxyPass … !` that \
                 matches its path",
            ),
            ..Remedy::any("Move the download's rule before the one that handles its URL")
        },
        matches: |analysis| {
            let full = not_routed(analysis)?;
            let catch_all = reaches_app(analysis, ProbeId::Elsewhere, ProbeId::AppElsewhere);
            let found = match (&analysis.reached, catch_all) {
                (Reached::NotReached(how), Some(true)) => {
                    let because =
                        format!("{how}; other paths reach the app. {}", analysis.client_gets());
                    Some(match by_proxy(analysis, full) {
                        _ if refuses(analysis, full) || cache::kept(analysis) => {
                            Match::possible(because)
                        }
                        true => Match::sure(because),
                        false => Match::likely(because),
                    })
                }
                (Reached::NotReached(how), None) => Some(Match::possible(format!(
                    "{how}; a client gets {}",
                    analysis.describe(full)
                ))),
                _ => None,
            }?;
            Some(with_snippet(analysis, found))
        },
    },
    Rule {
        id: "frontend.not-routed-to-app",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "No rule routes the URL to the app",
        meaning: "The request does not reach the app: the client gets the page that any path of \
                  the site returns, such as the fallback of a single-page application.",
        remedy: Remedy {
            nginx: Some(
                "Add a location with `proxy_pass` to the app for the download's path, before the \
                 fallback",
            ),
            apache: Some("Add a `ProxyPass` for the download's path, before the fallback"),
            caddy: Some(
                "Add a `handle` with `reverse_proxy` to the app for the download's path, before \
                 the fallback",
            ),
            ..Remedy::any("Route the download's path to the app, before the fallback")
        },
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
                (Reached::NotReached(how), _, None) => Some(Match::possible(format!(
                    "{how}; a client gets {}",
                    analysis.describe(full)
                ))),
                _ => None,
            }?;
            Some(with_snippet(analysis, found))
        },
    },
    Rule {
        id: "frontend.path-rewritten",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The proxy rewrites the request before it reaches the app",
        meaning: "The client gets a page of the app, although the app, requested directly, hands \
                  off. The path, the host or the method changes on the way: a trailing slash on \
                  `proxy_pass` strips the prefix, or the app refuses a wrong Host.",
        remedy: Remedy {
            nginx: Some(
                "Use `proxy_pass http://APP;` without a trailing slash or path, and add \
                 `proxy_set_header Host $host;`",
            ),
            ..Remedy::any("Forward the client's path and Host to the app unchanged")
        },
        matches: |analysis| {
            let full = analysis
                .unexplained_failure()
                .filter(|it| !visitor::treated_as_stranger(analysis, it))?;
            if let Reached::Misrouted(how) = &analysis.reached {
                return Some(Match::likely(format!("{how}. {}", analysis.client_gets())));
            }
            let page = matches!(body_class(analysis.evidence, full), BodyClass::AppPage);
            let unknown = page && analysis.reached == Reached::Unknown;
            (unknown || refused(analysis, full)).then(|| Match::possible(analysis.client_gets()))
        },
    },
    Rule {
        id: "frontend.app-unreachable",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The proxy cannot reach the app, or does not understand its response",
        meaning: "The proxy returns a gateway error for paths of the app, although the app \
                  responds to this program. Typical causes: a different address or protocol in the \
                  proxy's configuration (an HTTP port behind `fastcgi_pass` or `uwsgi_pass`), a \
                  dead socket, or a header that exceeds the proxy's buffer.",
        remedy: Remedy {
            nginx: Some(
                "Compare `proxy_pass` (or `fastcgi_pass`, `uwsgi_pass`) with the app's address and \
                 protocol. For a long header, raise `proxy_buffer_size`",
            ),
            ..Remedy::any(
                "Compare the address and protocol in the proxy's configuration with those of the \
                 app",
            )
        },
        matches: |analysis| {
            let full = analysis.unexplained_failure().filter(|it| gateway_error(analysis, it))?;
            let kept = analysis.app().and_then(|it| it.header("content-disposition"));
            let handed_over = kept.is_some() && full.header("content-disposition") == kept;
            let everywhere =
                analysis.probe(ProbeId::Elsewhere).is_some_and(|it| it.status == full.status);
            let because = analysis.client_gets();
            match (everywhere, handed_over) {
                (_, true) => None,
                (true, _) if closed(analysis, full) => None,
                (true, _) => Some(Match::sure(format!("Other paths fail too: {because}"))),
                (false, _) if analysis.direct_right() && full.status != 400 => {
                    Some(Match::likely(because))
                }
                (false, _) => Some(Match::possible(because)),
            }
        },
    },
    Rule {
        id: "frontend.unavailable",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The site returns the same error for every path",
        meaning: "The client's URL, the direct location, which needs no app, and an unknown path \
                  return the same 500 or 503. Typical causes: a maintenance page, a request or \
                  connection limit, or a frontend without an upstream.",
        remedy: Remedy::any(
            "Look for a maintenance switch, for limits (`limit_req`, `limit_conn`), and for this \
             request in the error log",
        ),
        matches: |analysis| {
            let full = analysis.wrong_full().filter(|it| closed(analysis, it))?;
            Some(Match::likely(format!(
                "Every path of the site returns {}",
                analysis.describe(full)
            )))
        },
    },
    Rule {
        id: "frontend.redirects",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The site redirects instead of serving the file",
        meaning: "The download's URL returns a redirect that the app did not send: to https, to \
                  another host, or to a path with a trailing slash. The redirect was not followed.",
        remedy: Remedy::any("Set --full to the final URL, or correct the redirect"),
        matches: |analysis| {
            let full = analysis
                .wrong_full()
                .filter(|_| !analysis.storage_is_culprit() && analysis.app_right())?;
            let BodyClass::Redirect(location) = body_class(analysis.evidence, full) else {
                return None;
            };
            let target = analysis.value().and_then(|it| it.split('?').next());
            let by_handoff = target.is_some_and(|it| it.starts_with('/') && location.contains(it));
            (!by_handoff
                && !visitor::treated_as_stranger(analysis, full)
                && analysis.masked().is_none())
            .then(|| Match::likely(format!("The site redirects to {location}")))
        },
    },
    Rule {
        id: "frontend.asks-for-login",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The site requires a login before the request reaches the app",
        meaning: "The site itself returns 401, although the app, requested directly, hands off.",
        remedy: Remedy::any("Pass the login with --full-header, or exempt the download's path"),
        matches: |analysis| {
            let app = matches!(analysis.reached, Reached::App(_)) || analysis.storage_is_culprit();
            let full = analysis
                .wrong_full()
                .filter(|it| it.status == 401 && analysis.app_right() && !app)?;
            let asked = visitor::treated_as_stranger(analysis, full);
            (!asked).then(|| Match::likely(format!("The site returns {}", analysis.describe(full))))
        },
    },
    Rule {
        id: "frontend.tls-fails",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The site's TLS certificate is not trusted, or the TLS handshake fails",
        meaning: "The connection is established, but TLS fails: the certificate is for another \
                  name, has expired or has an unknown issuer, or the port does not speak TLS.",
        remedy: Remedy::any(
            "Renew the certificate or complete its chain. If it is self-signed or from a private \
             CA, pass --cacert FILE",
        ),
        matches: |analysis| {
            let failure = analysis
                .evidence
                .full
                .outcome
                .failure()
                .filter(|it| it.kind == FailureKind::Tls)?;
            Some(Match::sure(failure.chain.clone()))
        },
    },
    Rule {
        id: "frontend.certificate-ends-soon",
        culprit: Culprit::Frontend,
        severity: Severity::Warning,
        summary: "The TLS certificate expires soon",
        meaning: "The site's certificate is valid for fewer days than --cert-days requires or, \
                  with -k, has expired. After it expires, browsers refuse the download.",
        remedy: Remedy::any(
            "Renew the certificate and reload the proxy; check why this was not automatic",
        ),
        matches: |analysis| {
            let left = analysis.evidence.certificate?.days_left;
            let until = humantime::format_rfc3339_seconds(analysis.evidence.certificate?.until);
            (left < i64::from(analysis.evidence.intent.cert_days))
                .then(|| Match::sure(format!("The certificate expires on {until}, in {left} days")))
        },
    },
    Rule {
        id: "frontend.protocols-differ",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "HTTP/2 and HTTP/1.1 return different responses",
        meaning: "The file arrives over HTTP/1.1, but not over HTTP/2, which browsers use. Typical \
                  causes: another server behind the same port, a condition on the protocol, or a \
                  frame limit.",
        remedy: Remedy {
            nginx: Some("Look for `$server_protocol` or `$http2` conditions in the server block"),
            ..Remedy::any("Compare the configuration for HTTP/2 with that for HTTP/1.1")
        },
        matches: |analysis| {
            let http2 = analysis.evidence.probes.iter().find(|it| it.id == ProbeId::Http2)?;
            let other = !analysis.returns_dummy(ProbeId::Http2)
                && analysis.delivered
                && !analysis.head_only();
            let wrong = other && !analysis.length_breaks_http2();
            let got = match &http2.probed.outcome {
                Outcome::Response(_) => analysis.describe(analysis.repeated(ProbeId::Http2)?),
                Outcome::Failed(failure) => failure.chain.clone(),
                Outcome::Skipped(_) => return None,
            };
            let because = || format!("Over HTTP/2, a client gets {got}");
            wrong.then(|| Match::sure(because()).shown_by(ProbeId::Http2))
        },
    },
    Rule {
        id: "frontend.unreachable",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "The site does not respond",
        meaning: "The download's URL could not be requested at all. The cause is its host name, \
                  its port, its certificate or the server behind it.",
        remedy: Remedy::any(
            "Start the proxy; if it runs, compare the name, port and certificate with the URL",
        ),
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
    },
];

/// Adds evidence that the server block does not include the download.
fn with_snippet(analysis: &Analysis<'_>, found: Match) -> Match {
    let full = analysis.evidence.full.response();
    let anybody =
        analysis.probe(ProbeId::OtherHost).zip(full).is_some_and(|(it, full)| alike(it, full));
    let found = match anybody && !analysis.direct_right() {
        true => found.also(
            "Requested under an unknown host name, the site returns the same: the default server \
             may be responding",
        ),
        false => found,
    };
    // The snippet also adds the direct location: if both are missing, the snippet is not active.
    match analysis.by_contract() && !analysis.direct_right() {
        true => found.also(
            "The direct location is missing too: include the snippet in this server and reload",
        ),
        false => found,
    }
}

/// Whether the proxy itself refuses the client.
fn refuses(analysis: &Analysis<'_>, full: &Response) -> bool {
    matches!(full.status, 403 | 405 | 410) && analysis.own_page(full).is_some()
}

/// Whether the proxy responded itself, not its upstream: with its own page, or a file of its own.
fn by_proxy(analysis: &Analysis<'_>, full: &Response) -> bool {
    let file = full.header("last-modified").is_some() || full.header("etag").is_some();
    file || analysis.own_page(full).is_some()
}

/// The client's response, if the proxy sent it without the app and without a failure of its own.
fn not_routed<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let failed = |it: &Response| {
        gateway_error(analysis, it) || it.status == 500 && analysis.own_page(it).is_some()
    };
    let redirected =
        |it: &Response| matches!(body_class(analysis.evidence, it), BodyClass::Redirect(_));
    let other = |it: &Response| failed(it) || redirected(it) || refused(analysis, it);
    analysis.failed_before_app().filter(|it| !other(it) && it.status != 401)
}

/// A 400 with a page that is not the proxy's: the upstream rejected the request, perhaps its Host.
fn refused(analysis: &Analysis<'_>, response: &Response) -> bool {
    response.status == 400 && response.body.size > 0 && analysis.own_page(response).is_none()
}

/// The proxy's own 502, 503 or 504, or a 400 that is not its own: the upstream did not understand
/// the request.
fn gateway_error(analysis: &Analysis<'_>, response: &Response) -> bool {
    let own = analysis.own_page(response).is_some();
    match response.status {
        502..=504 => own || response.body.size == 0,
        400 => !own && response.body.size == 0,
        _ => false,
    }
}

/// Whether every path returns the same 500 or 503, including those that need no app.
fn closed(analysis: &Analysis<'_>, full: &Response) -> bool {
    let elsewhere = analysis.probe(ProbeId::Elsewhere).into_iter();
    let mut others = elsewhere.chain(analysis.evidence.direct.response());
    let several =
        analysis.probe(ProbeId::Elsewhere).and(analysis.evidence.direct.response()).is_some();
    several && matches!(full.status, 500 | 503) && others.all(|it| alike(it, full))
}

/// Whether the site returns the app's own page for a path; `None` if it was not probed.
fn reaches_app(analysis: &Analysis<'_>, site: ProbeId, app: ProbeId) -> Option<bool> {
    Some(alike(analysis.probe(site)?, analysis.probe(app)?))
}
