//! Rules with culprit `handoff`: the storage, the app and the proxy each work, but do not fit
//! together.

use sendfile_evidence::{Check, End, ProbeId, Response, Server, dialect::spelling, fact::FactKind};

use crate::{
    analysis::{Analysis, ENABLE_HINT},
    body_class::{BodyClass, body_class, declared_coding},
    config_evidence::ConfigEvidence,
    handoff::headers::HEADERS_DROPPED,
    handoff::location::{ALIAS_WRONG_DIRECTORY, BACK_TO_APP, ROOT_FOR_ALIAS},
    handoff::refusal::PATH_NOT_ALLOWED,
    hops::{swallowed, swallower},
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::astray,
};

pub(crate) mod browser;
pub(crate) mod headers;
pub(crate) mod location;
pub(crate) mod names;
pub(crate) mod parts;
pub(crate) mod refusal;
pub(crate) mod relay;
pub(crate) mod stale;
pub(crate) mod store;

pub(crate) const RULES: &[&Rule] = &[
    &FEATURE_OFF,
    &NOT_ENGAGED,
    &SWALLOWED_BETWEEN,
    &BYTES_CHANGED,
    &WRONG_CONTENT_ENCODING,
    &NOT_INTERNAL,
    &DOES_NOT_FIT,
];

pub(crate) static FEATURE_OFF: Rule = Rule {
    id: "handoff.feature-off",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy ignores the hand-off header",
    meaning: "The app hands off correctly, but the proxy passes the app's response on to the \
              client, which gets an empty body. Typical causes: in nginx, `proxy_ignore_headers` \
              lists the header; in Apache, `XSendFile` is off or set in the wrong context; in \
              lighttpd, `x-sendfile` is off; in Caddy, there is no `handle_response`.",
    remedy: Remedy {
        any: "Enable the hand-off in the proxy",
        servers: &[
            (
                Server::Nginx,
                "Remove X-Accel-Redirect from `proxy_ignore_headers` (or `fastcgi_ignore_headers`, \
                 `uwsgi_ignore_headers`)",
            ),
            (
                Server::Apache,
                "Enable mod_xsendfile (`a2enmod xsendfile`) and set `XSendFile On` in the virtual \
                 host or in the app's `<Location>`, not in a `<Directory>`",
            ),
            (
                Server::Lighttpd,
                "Set `\"x-sendfile\" => \"enable\"` and `\"x-sendfile-docroot\"` for this host in \
                 `proxy.server`",
            ),
            (
                Server::Caddy,
                "In `reverse_proxy`, add `@sendfile header X-Sendfile *` and `handle_response \
                 @sendfile { root * /; rewrite * {rp.header.X-Sendfile}; file_server }` (see \
                 `sendfile-check snippet caddy`)",
            ),
        ],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::FeatureOff),
    precedence: Precedence::Before(&[&BACK_TO_APP, &BYTES_CHANGED]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let (name, _) = analysis.handoff()?;
        // A response that is passed on keeps the app's status.
        let passed_on = full.body.size == 0
            && (200..300).contains(&full.status)
            && analysis.app()?.status == full.status;
        if !passed_on {
            return None;
        }
        if full.header(name).is_none() {
            if location::matched_by_extension(analysis, full) {
                return None;
            }
            return Some(Match::likely("The client gets an empty body and no hand-off header"));
        }
        if analysis.obeys_others() {
            return Some(Match::possible(
                "The proxy acts on other hand-offs, but passes this one on to the client",
            ));
        }
        if serves_elsewhere(analysis) {
            return None;
        }
        let name = spelling(name);
        let mut found = Match::sure(format!("The client gets an empty body and the header {name}"));
        found.fix = header_of_another(analysis, name);
        Some(found)
    },
};

pub(crate) static NOT_ENGAGED: Rule = Rule {
    id: "handoff.not-engaged",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::HandoffUsed),
    summary: "The proxy's request does not enable the hand-off, so the app sends the file itself",
    meaning: "Rack, Symfony and similar frameworks hand off only if the proxy's request enables it \
              (X-Sendfile-Type, and X-Accel-Mapping for nginx) and the mapping matches the file. \
              With those headers, the app hands off. Through the site, the file arrives without \
              the ETag, the Last-Modified or the range and conditional request support of the \
              proxy's own files. So the app sent the file, which occupies a worker for each \
              download.",
    remedy: Remedy {
        any: "Configure the proxy to send the app the request headers that enable the hand-off",
        servers: &[
            (
                Server::Nginx,
                "Set `proxy_set_header X-Sendfile-Type X-Accel-Redirect;` and `proxy_set_header \
                 X-Accel-Mapping /DIRECTORY/=/PREFIX/;`. With `fastcgi_pass`, set \
                 HTTP_X_SENDFILE_TYPE and HTTP_X_ACCEL_MAPPING with `fastcgi_param`",
            ),
            (
                Server::Apache,
                "Add `RequestHeader set X-Sendfile-Type X-Sendfile` (requires mod_headers)",
            ),
            (
                Server::Caddy,
                "In `reverse_proxy`, add `header_up X-Sendfile-Type x-accel-redirect` and \
                 `header_up X-Accel-Mapping /DIRECTORY/=/PREFIX/`",
            ),
        ],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::NotAnnounced),
    precedence: Precedence::Before(&[&HEADERS_DROPPED]),
    matches: |analysis| {
        let by_app = analysis.delivered && analysis.evidence.streamed();
        if let Some((name, _)) = analysis.engaged()
            && by_app
        {
            let found = Match::sure(format!(
                "{NOT_OF_THE_PROXY}. The app sends the file itself, and sends {} only if the \
                 request enables it",
                spelling(name)
            ));
            return Some(found.shown_by(ProbeId::AppEngaged));
        }
        let because = match by_app {
            true => NOT_OF_THE_PROXY.to_owned(),
            false => parts::unlike_a_file(analysis)?,
        };
        if analysis.handoff().is_none() || !analysis.returns_dummy(ProbeId::AppBare) {
            return None;
        }
        Some(Match::sure(format!(
            "{because}. Without the --app-header headers, the app sends the file itself"
        )))
    },
};

pub(crate) static SWALLOWED_BETWEEN: Rule = Rule {
    id: "handoff.swallowed-between",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "A proxy between the app and the serving proxy acts on the hand-off header",
    meaning: "Requested directly, an inner proxy returns neither the file nor the app's hand-off \
              header. It acted on the header, so the serving proxy never receives it. A hand-off \
              from the fixture to the direct location also shows this: the proxy that acts on that \
              hand-off has no such location, so it is not the proxy that clients connect to.",
    remedy: Remedy {
        any: "Configure the inner proxy to pass the hand-off header on without acting on it",
        servers: &[(
            Server::Nginx,
            "In the inner nginx, add `proxy_ignore_headers X-Accel-Redirect;` and \
             `proxy_pass_header X-Accel-Redirect;`",
        )],
    },
    config: ConfigEvidence::explains_only(
        |_, fact| fact.kind == FactKind::SwallowedBetween,
        astray,
    ),
    precedence: Precedence::Before(&[&ALIAS_WRONG_DIRECTORY, &PATH_NOT_ALLOWED]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let (name, _) = analysis.handoff()?;
        if let Some((id, response)) = swallower(analysis) {
            let got = analysis.describe(response);
            return Some(Match::sure(format!(
                "Requested directly, {id} returns {got}, without {name}"
            )));
        }
        if analysis.refused_between(full) {
            let got = analysis.describe(full);
            let serving = analysis.server.map_or("Another server", Server::name);
            return Some(Match::likely(format!(
                "{serving} serves the file directly, but after the hand-off a different server \
                 denies access: {got}"
            )));
        }
        if !swallowed(analysis) {
            return None;
        }
        Some(Match::likely(
            "After a hand-off to the direct location's URI, the app gets a second request, \
             although clients get the file at that URI",
        ))
    },
};

pub(crate) static BYTES_CHANGED: Rule = Rule {
    id: "handoff.bytes-changed",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "A filter changes the file on its way to the client",
    meaning: "The proxy's direct location returns the file unchanged, but the download arrives \
              changed. A filter acts at the hand-off's target: `sub_filter`, `ssi`, `charset`, \
              `add_before_body`, or a compression that the client did not ask for. Often the app \
              sends its default type, text/html, with the hand-off.",
    remedy: Remedy {
        any: "Turn off the filters at the hand-off's target",
        servers: &[(
            Server::Nginx,
            "Turn off `sub_filter`, `ssi`, `charset`, addition and `gzip_static` in the internal \
             location, and send the file's own Content-Type from the app",
        )],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::BytesChanged),
    precedence: Precedence::Before(&[&ALIAS_WRONG_DIRECTORY, &ROOT_FOR_ALIAS]),
    matches: |analysis| {
        let full = analysis.unexplained_failure()?;
        let complete = full.status == 200 && full.body.end == End::Whole;
        let changed = match body_class(analysis.evidence, full) {
            BodyClass::Changed(_) | BodyClass::Gzip | BodyClass::Longer | BodyClass::Truncated => {
                true
            }
            BodyClass::Older(_) | BodyClass::OtherInstance(_) => false,
            _ => contains_dummy(analysis, full),
        };
        let at_times = analysis.succeeds_past_cache() || analysis.retry_succeeds();
        if !complete || !changed || at_times || !analysis.direct_right() {
            return None;
        }
        Some(Match::likely(analysis.client_gets()))
    },
};

pub(crate) static WRONG_CONTENT_ENCODING: Rule = Rule {
    id: "handoff.wrong-content-encoding",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: Some(Check::Headers),
    summary: "The response declares a Content-Encoding, but the body is not encoded",
    meaning: "The body is the expected file, but the response has a Content-Encoding header. A \
              browser tries to decode the body and shows an error. Only clients that do not \
              decode, such as this program, get the file.",
    remedy: Remedy {
        any: "Do not send Content-Encoding with a file that is not encoded",
        servers: &[(
            Server::Nginx,
            "Remove `add_header Content-Encoding` from the internal location",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let coding = declared_coding(analysis.evidence.full.response()?)?;
        let by_app = analysis.app().and_then(declared_coding).is_some();
        if !analysis.delivered || by_app {
            return None;
        }
        Some(Match::sure(format!("content-encoding: {coding}, but the body is the unencoded file")))
    },
};

pub(crate) static NOT_INTERNAL: Rule = Rule {
    id: "handoff.not-internal",
    culprit: Culprit::Handoff,
    severity: Severity::Exposed,
    check: Some(Check::Exposure),
    summary: "Clients can fetch the hand-off's target without the app",
    meaning: "The URI that the app hands off to, or another URI that must be refused, returns the \
              file to any client without a permission check. The content was compared, not only \
              the status.",
    remedy: Remedy {
        any: "Restrict the location of the target to hand-offs",
        servers: &[
            (Server::Nginx, "Add `internal;` to the location of the hand-off's target"),
            (
                Server::Apache,
                "Keep the directory out of `DocumentRoot` and of every `Alias`, or set `Require \
                 all denied` for it",
            ),
            (
                Server::Lighttpd,
                "Keep the directory out of `server.document-root` and `alias.url`, or deny it with \
                 `url.access-deny`",
            ),
            (Server::Caddy, "Serve the directory only inside `handle_response`"),
        ],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::NotInternal),
    precedence: Precedence::Usual,
    matches: |analysis| {
        for extra in &analysis.evidence.probes {
            if leads_to_target(extra.id) && analysis.returns_dummy(extra.id) {
                let url = &extra.probed.request.url;
                let because = format!("Any client gets the file at {url}");
                return Some(Match::sure(because).shown_by(extra.id));
            }
        }
        None
    },
};

pub(crate) static DOES_NOT_FIT: Rule = Rule {
    id: "handoff.does-not-fit",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "Storage, app and proxy each work, but the download fails",
    meaning: "Each layer works when requested directly, and the request reached the app, but the \
              client gets a different response. No known cause explains it.",
    remedy: Remedy::any(
        "Check the proxy's error log for the download's request. The log names the path or the \
         reason",
    ),
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::TargetRefused),
    precedence: Precedence::Last,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        analysis.app()?;
        let reached_app = matches!(analysis.reached, Reached::App(_) | Reached::AppTwice(_));
        if !reached_app || !analysis.direct_right() {
            return None;
        }
        let found = Match::possible(format!("A client gets {}", analysis.describe(full)));
        Some(match analysis.engaged() {
            Some(_) => found.also(ENABLE_HINT),
            None => found,
        })
    },
};

/// Evidence that the app sent the file itself instead of handing it off.
const NOT_OF_THE_PROXY: &str =
    "The file arrives without the ETag and Last-Modified of the proxy's own files";

/// The remedy if the recognised server acts on a different header than the app sends.
fn header_of_another(analysis: &Analysis<'_>, name: &str) -> Option<String> {
    let server = analysis.server?;
    if server.acts_on(name) {
        return None;
    }
    Some(format!(
        "Send {1} from the app, the only hand-off header that {0} acts on, or enable the hand-off \
         in the server behind {0}",
        server.name(),
        server.header()?
    ))
}

/// Whether a probe requests the hand-off's target directly, as any client can.
fn leads_to_target(id: ProbeId) -> bool {
    matches!(id, ProbeId::TargetOutside | ProbeId::TargetOtherHost)
        || matches!(id, ProbeId::Spelled(_) | ProbeId::Refused(_))
}

/// Whether the beginning of a dummy appears somewhere in the beginning of a body.
fn contains_dummy(analysis: &Analysis<'_>, full: &Response) -> bool {
    let mark = b"sendfile-fixture/1 dummy ";
    analysis.by_contract() && full.body.head.windows(mark.len()).any(|bytes| bytes == mark)
}

/// Whether a different proxy serves the file than the one that responds to the client.
fn serves_elsewhere(analysis: &Analysis<'_>) -> bool {
    let by_inner = analysis.inner().into_iter().any(|(id, _)| analysis.returns_dummy(id));
    by_inner || analysis.direct_by_app() || analysis.another_front()
}
