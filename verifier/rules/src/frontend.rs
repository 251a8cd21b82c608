//! Rules whose culprit is what stands in front: the request never reaches the app, or its answer
//! never reaches the serving proxy.

use super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, alike, instead},
    reached::Reached,
};
use sendfile_evidence::{FailureKind, ProbeId, Response, Seen, dialect};

pub(super) mod cache;
mod visitor;
mod wire;

/// What caches keep, what becomes of the request before the app and behind it, what visitors can do,
/// and how answers end.
pub(super) const RULES: [&[Rule]; 4] = [cache::RULES, OWN, visitor::RULES, wire::RULES];

const OWN: &[Rule] = &[
    Rule {
        id: "frontend.bypasses-serving-proxy",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the app's answer does not pass through a proxy that understands it",
        meaning: "The visitor is answered by a server that does not know the hand-off, and \
                  passes the app's header on with an empty body, while another proxy serves the \
                  file when it is asked.",
        remedy: Remedy::any(
            "let the front pass the request to the serving proxy instead of the app itself",
        ),
        matches: |r| {
            let full = r.left_over()?;
            let (name, _) = r.handoff()?;
            let came_out = full.header(name).is_some();
            let passed_on = came_out || full.body.size == 0 && (200..300).contains(&full.status);
            let name = dialect::spelling(name);
            let inner = r.inner().find(|(id, _)| r.gives_dummy(*id));
            if let Some((id, _)) = inner.filter(|_| passed_on) {
                let gets = r.visitor_gets();
                return Some(Match::sure(format!("{id} gives the file, and {gets}, with {name}")));
            }
            if came_out && r.direct_by_app() {
                return Some(Match::likely(format!(
                    "{name} came out, and the app answers for the direct location's URL"
                )));
            }
            if came_out && r.obeys_others() {
                return Some(Match::likely(format!(
                    "{name} came out, and other hand-offs of the app are obeyed on this site"
                )));
            }
            let server = r.server.filter(|_| came_out && r.another_front())?;
            let because =
                format!("{} serves the file, and {name} came out elsewhere", server.name());
            Some(Match::likely(because))
        },
    },
    Rule {
        id: "frontend.location-shadows-download",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "another location takes the download's URL before the app",
        meaning: "The request never comes to the app: the proxy answers by itself, while other \
                  paths of the site do reach the app. An older rule, or a regex location for the \
                  file's ending, comes first.",
        remedy: Remedy {
            nginx: Some(
                "move the download's location before the other regex locations, or write it as a \
                 prefix with ^~",
            ),
            apache: Some(
                "put the ProxyPass of the download before the Alias or ProxyPass … ! that takes \
                 its path",
            ),
            ..Remedy::any("let the download's rule come before the one that takes its URL")
        },
        matches: |r| {
            let full = not_routed(r)?;
            let catch_all = reaches_app(r, ProbeId::Elsewhere, ProbeId::AppElsewhere);
            let found = match (&r.reached, catch_all) {
                (Reached::Not(how), Some(true)) => {
                    let because = format!("{how}; other paths reach the app; {}", r.visitor_gets());
                    Some(match by_proxy(r, full) {
                        _ if refuses(r, full) || cache::kept(r) => Match::possible(because),
                        true => Match::sure(because),
                        false => Match::likely(because),
                    })
                }
                (Reached::Not(how), None) => {
                    Some(Match::possible(format!("{how}; {}", r.describe(full))))
                }
                _ => None,
            }?;
            Some(with_snippet(r, found))
        },
    },
    Rule {
        id: "frontend.not-routed-to-app",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "no rule sends the URL to the app",
        meaning: "The request never comes to the app: the visitor gets the page that any path of \
                  the site gets, such as the fallback of a single-page application.",
        remedy: Remedy {
            nginx: Some(
                "add a location for the download's path with proxy_pass to the app, before the \
                 fallback",
            ),
            apache: Some("add a ProxyPass for the download's path, before the fallback"),
            caddy: Some(
                "add a handle for the download's path with reverse_proxy to the app, before the \
                 fallback",
            ),
            ..Remedy::any("route the download's path to the app, before the fallback")
        },
        matches: |r| {
            let full = not_routed(r)?;
            let same = r.probe(ProbeId::Elsewhere).is_some_and(|it| alike(it, full));
            let catch_all = reaches_app(r, ProbeId::Elsewhere, ProbeId::AppElsewhere);
            let found = match (&r.reached, same, catch_all) {
                (_, true, Some(false)) => Some(Match::sure(format!(
                    "any path of the site gets the same: {}",
                    r.describe(full)
                ))),
                (Reached::Not(how), false, Some(false)) => {
                    Some(Match::likely(format!("{how}; {}", r.describe(full))))
                }
                (Reached::Not(how), _, None) => {
                    Some(Match::possible(format!("{how}; {}", r.describe(full))))
                }
                _ => None,
            }?;
            Some(with_snippet(r, found))
        },
    },
    Rule {
        id: "frontend.path-rewritten",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the app is asked another question than the visitor's",
        meaning: "The visitor gets a page of the app, though the app, asked directly for the \
                  download, hands over. On the way the path, the host or the method changes: a \
                  slash behind proxy_pass strips the prefix, a wrong Host is refused.",
        remedy: Remedy {
            nginx: Some(
                "write proxy_pass http://APP; without a slash or path behind it, and \
                 proxy_set_header Host $host;",
            ),
            ..Remedy::any("pass the visitor's path and Host to the app unchanged")
        },
        matches: |r| {
            let full = r.left_over().filter(|it| !visitor::treated_as_stranger(r, it))?;
            if let Reached::Otherwise(how) = &r.reached {
                return Some(Match::likely(format!("{how}; {}", r.visitor_gets())));
            }
            let page = matches!(instead(r.evidence, full), Instead::AppPage);
            let unknown = page && r.reached == Reached::Unknown;
            (unknown || refused(r, full)).then(|| Match::possible(r.visitor_gets()))
        },
    },
    Rule {
        id: "frontend.app-unreachable",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the proxy cannot reach the app, or does not understand its answer",
        meaning: "The proxy answers with a gateway error for paths of the app, though the app \
                  answers this program: another address or protocol in the proxy's configuration \
                  (an HTTP port behind fastcgi_pass or uwsgi_pass), a dead socket, or a header \
                  that is longer than the proxy's buffer.",
        remedy: Remedy {
            nginx: Some(
                "compare proxy_pass (or fastcgi_pass, uwsgi_pass) with the app's address and \
                 protocol; a long header needs a larger proxy_buffer_size",
            ),
            ..Remedy::any(
                "compare the app's address and protocol in the proxy's configuration with those \
                 of the app",
            )
        },
        matches: |r| {
            let full = r.left_over().filter(|it| gateway_error(r, it))?;
            let kept = r.app().and_then(|it| it.header("content-disposition"));
            let handed_over = kept.is_some() && full.header("content-disposition") == kept;
            let everywhere = r.probe(ProbeId::Elsewhere).is_some_and(|it| it.status == full.status);
            let because = r.visitor_gets();
            match (everywhere, handed_over) {
                (_, true) => None,
                (true, _) if closed(r, full) => None,
                (true, _) => Some(Match::sure(format!("{because}; other paths get the same"))),
                (false, _) if r.direct_right() && full.status != 400 => {
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
        summary: "the site answers everything with the same error",
        meaning: "The visitor's URL, the direct location, which needs no app, and a path that nobody \
                  knows get the same 500 or 503: a page for maintenance, a limit of requests or \
                  connections, or a front that has no server to ask.",
        remedy: Remedy::any(
            "look for a switch for maintenance, for limits (limit_req, limit_conn), and for the \
             error log's line about this request",
        ),
        matches: |r| {
            let full = r.wrong_full().filter(|it| closed(r, it))?;
            Some(Match::likely(format!("every path of the site gets {}", r.describe(full))))
        },
    },
    Rule {
        id: "frontend.redirects",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the site redirects instead of answering",
        meaning: "The download's URL answers with a redirect that the app did not send: to \
                  https, to another host, or to a path with a slash. It was not followed.",
        remedy: Remedy::any("give --full the URL that visitors end at, or correct the redirect"),
        matches: |r| {
            let full = r.wrong_full().filter(|_| !r.storage_to_blame() && r.app_right())?;
            let Instead::Redirect(location) = instead(r.evidence, full) else { return None };
            let target = r.value().and_then(|it| it.split('?').next());
            let by_handoff = target.is_some_and(|it| it.starts_with('/') && location.contains(it));
            (!by_handoff && !visitor::treated_as_stranger(r, full) && r.masked().is_none())
                .then(|| Match::likely(format!("the site redirects to {location}")))
        },
    },
    Rule {
        id: "frontend.asks-for-login",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the site asks for a login before the app is asked",
        meaning: "The site answers 401 by itself, though the app, asked directly, hands over.",
        remedy: Remedy::any("give --full-header the login, or except the download's path"),
        matches: |r| {
            let app = matches!(r.reached, Reached::App(_)) || r.storage_to_blame();
            let full = r.wrong_full().filter(|it| it.status == 401 && r.app_right() && !app)?;
            let asked = visitor::treated_as_stranger(r, full);
            (!asked).then(|| Match::likely(format!("the site answers {}", r.describe(full))))
        },
    },
    Rule {
        id: "frontend.tls-fails",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the site's certificate is not trusted, or TLS cannot be agreed on",
        meaning: "The connection stands, and TLS on it does not: the certificate is for another \
                  name, is over, is signed by somebody unknown, or the port does not speak TLS.",
        remedy: Remedy::any(
            "renew or complete the certificate; if it is one of your own, name it with --cacert \
             FILE",
        ),
        matches: |r| {
            let failure =
                r.evidence.full.seen.failure().filter(|it| it.kind == FailureKind::Tls)?;
            Some(Match::sure(failure.chain.clone()))
        },
    },
    Rule {
        id: "frontend.certificate-ends-soon",
        culprit: Culprit::Frontend,
        severity: Severity::Warning,
        summary: "the site's certificate is over soon",
        meaning: "The certificate that the site showed is good for fewer days than --cert-days says, \
                  or, with -k, is over. When it is, no browser gets the file.",
        remedy: Remedy::any(
            "renew the certificate and let the proxy load it; see why that did not happen by itself",
        ),
        matches: |r| {
            let left = r.evidence.certificate?.days_left;
            let until = humantime::format_rfc3339_seconds(r.evidence.certificate?.until);
            (left < i64::from(r.evidence.intent.cert_days))
                .then(|| Match::sure(format!("it ends on {until}, in {left} days")))
        },
    },
    Rule {
        id: "frontend.protocols-differ",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "over HTTP/2 comes something else than over HTTP/1.1",
        meaning: "The file arrives over HTTP/1.1, and over HTTP/2, which browsers speak, it does not: \
                  another server, a condition on the protocol, or a limit of the frames stands \
                  behind the same port.",
        remedy: Remedy {
            nginx: Some("look for conditions on $server_protocol or $http2 in the server block"),
            ..Remedy::any("compare what is configured for HTTP/2 with what is for HTTP/1.1")
        },
        matches: |r| {
            let http2 = r.evidence.probes.iter().find(|it| it.id == ProbeId::Http2)?;
            let other = !r.gives_dummy(ProbeId::Http2) && r.delivered && !r.head_only();
            let wrong = other && !r.length_breaks_http2();
            let got = match &http2.probed.seen {
                Seen::Answer(_) => r.describe(r.repeated(ProbeId::Http2)?),
                Seen::Nothing(failure) => failure.chain.clone(),
                Seen::Skipped(_) => return None,
            };
            let because = || format!("over HTTP/2 a visitor gets {got}");
            wrong.then(|| Match::sure(because()).shown_by(ProbeId::Http2))
        },
    },
    Rule {
        id: "frontend.unreachable",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the site does not answer",
        meaning: "The download's URL could not be asked at all: its name, its port, its \
                  certificate or the server behind it is at fault.",
        remedy: Remedy::any(
            "start the proxy; if it runs, compare the name, port and certificate with the URL",
        ),
        matches: |r| {
            let failure = r.evidence.full.seen.failure()?;
            let chain = failure.chain.clone();
            match failure.kind {
                FailureKind::Other | FailureKind::Tls | FailureKind::Lengths => None,
                _ if !r.site_answers() => Some(Match::sure(chain)),
                // The site is there: it is about this request.
                _ if matches!(r.reached, Reached::App(_) | Reached::AppTwice(_)) => None,
                _ => Some(Match::possible(chain).also("for other paths the site answers")),
            }
        },
    },
];

/// What else speaks for a server that does not know the download.
fn with_snippet(r: &Reading<'_>, found: Match) -> Match {
    let full = r.evidence.full.answer();
    let anybody = r.probe(ProbeId::OtherHost).zip(full).is_some_and(|(it, full)| alike(it, full));
    let found = match anybody && !r.direct_right() {
        true => found.also(
            "under a name that nobody has the site gives the same: it may be the default server \
             that answers",
        ),
        false => found,
    };
    // The snippet brings the direct location too: where neither is there, it is not active.
    match r.by_contract() && !r.direct_right() {
        true => found.also(
            "the direct location is not there either: include the snippet in this server and reload",
        ),
        false => found,
    }
}

/// Whether the proxy keeps the visitor out by its own word.
fn refuses(r: &Reading<'_>, full: &Response) -> bool {
    matches!(full.status, 403 | 405 | 410) && r.own_page(full).is_some()
}

/// Whether the proxy answered by itself, and not whoever it asked: by its own page, or a file of its
/// own.
fn by_proxy(r: &Reading<'_>, full: &Response) -> bool {
    let file = full.header("last-modified").is_some() || full.header("etag").is_some();
    file || r.own_page(full).is_some()
}

/// The visitor's response, where the proxy answered it without the app and without failing itself.
fn not_routed<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    let failed =
        |it: &Response| gateway_error(r, it) || it.status == 500 && r.own_page(it).is_some();
    let redirected = |it: &Response| matches!(instead(r.evidence, it), Instead::Redirect(_));
    let other = |it: &Response| failed(it) || redirected(it) || refused(r, it);
    r.lost_before_app().filter(|it| !other(it) && it.status != 401)
}

/// A 400 with a page that is not the proxy's: whoever was asked did not like the question, its Host
/// perhaps.
fn refused(r: &Reading<'_>, response: &Response) -> bool {
    response.status == 400 && response.body.size > 0 && r.own_page(response).is_none()
}

/// The proxy's own 502, 503 or 504, or a 400 that is not its own: whoever it asked did not
/// understand the question.
fn gateway_error(r: &Reading<'_>, response: &Response) -> bool {
    let own = r.own_page(response).is_some();
    match response.status {
        502..=504 => own || response.body.size == 0,
        400 => !own && response.body.size == 0,
        _ => false,
    }
}

/// Whether everything gets the same 500 or 503, also what needs no app.
fn closed(r: &Reading<'_>, full: &Response) -> bool {
    let elsewhere = r.probe(ProbeId::Elsewhere).into_iter();
    let mut others = elsewhere.chain(r.evidence.direct.answer());
    let several = r.probe(ProbeId::Elsewhere).and(r.evidence.direct.answer()).is_some();
    several && matches!(full.status, 500 | 503) && others.all(|it| alike(it, full))
}

/// Whether the site answers a path with the app's own page for it; `None` where it was not asked.
fn reaches_app(r: &Reading<'_>, site: ProbeId, app: ProbeId) -> Option<bool> {
    Some(alike(r.probe(site)?, r.probe(app)?))
}
