//! Rules whose culprit is the hand-off: storage, app and proxy are right by themselves, and do not
//! fit together.

use super::{
    Culprit, Match, Reading, Remedy, Rule, Severity, UNTOLD,
    instead::{Instead, instead},
    reached::Reached,
};
use sendfile_evidence::{
    End, ProbeId, Response,
    dialect::{Product, spelling},
};

mod browser;
mod headers;
mod location;
mod names;
pub(super) mod parts;
mod refusal;
mod relay;
mod stale;
mod store;

/// Whether anything can be asked by it, whether the hand-off is taken up at all, what refuses it,
/// where its URI leads, what a store makes of it, what is wrong beside the bytes, what is kept too
/// long, and which names are lost.
pub(super) const RULES: [&[Rule]; 10] = [
    relay::RULES,
    OWN,
    refusal::RULES,
    location::RULES,
    store::RULES,
    headers::RULES,
    parts::RULES,
    stale::RULES,
    browser::RULES,
    names::RULES,
];

const OWN: &[Rule] = &[
    Rule {
        id: "handoff.feature-off",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the proxy does not act on the hand-off header",
        meaning: "The app hands over as it should, and the visitor gets an empty body: the proxy \
                  passed the answer on. In nginx the header is ignored by proxy_ignore_headers; \
                  in Apache XSendFile is off, or set where it does not apply; in lighttpd \
                  x-sendfile is off; Caddy does nothing without a handle_response.",
        remedy: Remedy {
            any: "switch the hand-off on in the proxy",
            nginx: Some(
                "remove X-Accel-Redirect from proxy_ignore_headers (or fastcgi_ignore_headers, \
                 uwsgi_ignore_headers)",
            ),
            apache: Some(
                "enable mod_xsendfile (a2enmod xsendfile) and set `XSendFile On` in the virtual \
                 host or the <Location> of the app, not in a <Directory>",
            ),
            lighttpd: Some(
                "set \"x-sendfile\" => \"enable\" and \"x-sendfile-docroot\" for this host in \
                 proxy.server",
            ),
            caddy: Some(
                "add to reverse_proxy: @sendfile header X-Sendfile *; handle_response @sendfile \
                 { root * /; rewrite * {rp.header.X-Sendfile}; file_server } (see \
                 `sendfile-check snippet caddy`)",
            ),
        },
        matches: |r| {
            // What is passed on keeps the app's status.
            let passed_on = |it: &&Response| {
                it.body.size == 0 && r.app().is_some_and(|app| app.status == it.status)
            };
            let full = r
                .lost_after_app()
                .filter(passed_on)
                .filter(|it| (200..300).contains(&it.status))?;
            let (name, _) = r.handoff()?;
            match full.header(name) {
                Some(_) if r.obeys_others() => Some(Match::possible(
                    "this hand-off comes out at the visitor's end, and others are obeyed",
                )),
                Some(_) if !serves_elsewhere(r) => {
                    let because = format!(
                        "the visitor gets an empty body, and the header {}",
                        spelling(name)
                    );
                    Some(Match { fix: header_of_another(r, name), ..Match::sure(because) })
                }
                Some(_) => None,
                None if location::taken_for_its_ending(r, full) => None,
                None => Some(Match::likely(
                    "the visitor gets an empty body, and no hand-off header".to_owned(),
                )),
            }
        },
    },
    Rule {
        id: "handoff.not-engaged",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "the proxy does not tell the app to hand over; the app sends the bytes",
        meaning: "Rack, Symfony and their kin hand over only if the proxy's request says so \
                  (X-Sendfile-Type, and X-Accel-Mapping for nginx), and if the mapping matches the \
                  file. With those headers the app hands over; through the site the bytes come \
                  without the ETag, the time or the manners of the proxy's own files, so the app \
                  has sent them, at the cost of a worker for each download.",
        remedy: Remedy {
            any: "let the proxy send the app the request headers that switch the hand-off on",
            nginx: Some(
                "proxy_set_header X-Sendfile-Type X-Accel-Redirect; proxy_set_header \
                 X-Accel-Mapping /FOLDER/=/PREFIX/; with fastcgi_pass: fastcgi_param \
                 HTTP_X_SENDFILE_TYPE and HTTP_X_ACCEL_MAPPING",
            ),
            apache: Some("RequestHeader set X-Sendfile-Type X-Sendfile (with mod_headers)"),
            lighttpd: None,
            caddy: Some(
                "in reverse_proxy: header_up X-Sendfile-Type x-accel-redirect, and header_up \
                 X-Accel-Mapping /FOLDER/=/PREFIX/",
            ),
        },
        matches: |r| {
            let streamed = r.evidence.streamed().then_some(NOT_OF_THE_PROXY.to_owned());
            let streamed = streamed.filter(|_| r.delivered);
            if let Some((because, (name, _))) = streamed.as_ref().zip(r.engaged()) {
                let name = spelling(name);
                let found = Match::sure(format!(
                    "{because}; the app sends the bytes itself, and {name} only if it is told to"
                ));
                return Some(found.shown_by(ProbeId::AppEngaged));
            }
            let because = streamed.or_else(|| parts::unlike_a_file(r))?;
            (r.handoff().is_some() && r.gives_dummy(ProbeId::AppBare)).then(|| {
                Match::sure(format!(
                    "{because}, and the app, asked without --app-header, sends the bytes itself"
                ))
            })
        },
    },
    Rule {
        id: "handoff.swallowed-between",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "a proxy between the app and the serving proxy acts on the header",
        meaning: "An inner proxy, asked by itself, gives neither the file nor the app's hand-off \
                  header: it took the header for its own, and the serving proxy never sees it. \
                  Known too from the fixture's hand-off to the direct location: whoever obeys it \
                  has no such location, and so is not the proxy that visitors ask.",
        remedy: Remedy {
            nginx: Some(
                "in the inner nginx: proxy_ignore_headers X-Accel-Redirect; proxy_pass_header \
                 X-Accel-Redirect;",
            ),
            ..Remedy::any("let the inner proxy pass the hand-off header on without acting on it")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let (name, _) = r.handoff()?;
            if let Some((id, it)) = swallower(r) {
                let gives = r.describe(it);
                return Some(Match::sure(format!(
                    "asked by itself, {id} gives {gives}, without {name}"
                )));
            }
            if r.refused_between(full) {
                let gets = r.describe(full);
                let serving = r.server.map_or("another", Product::name);
                return Some(Match::likely(format!(
                    "{serving} serves the file directly, and what refuses it after the hand-off is \
                     another server: {gets}"
                )));
            }
            swallowed(r).then(|| {
                Match::likely(
                    "a hand-off to the direct location's own URI ends at the app again, though a \
                     visitor gets the file there",
                )
            })
        },
    },
    Rule {
        id: "handoff.bytes-changed",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "a filter changes the bytes on their way to the visitor",
        meaning: "The proxy's direct location gives the file as it is, and the download comes changed: \
                  sub_filter, ssi, charset, add_before_body or a compression that the visitor did not \
                  ask for acts where the hand-off ends, often because the app leaves its default type, \
                  text/html, on the answer.",
        remedy: Remedy {
            nginx: Some(
                "switch sub_filter, ssi, charset, addition and gzip_static off in the internal \
                 location, and let the app send the file's own type",
            ),
            ..Remedy::any("switch the filters off where the hand-off ends")
        },
        matches: |r| {
            let full = r.left_over().filter(|it| it.status == 200 && it.body.end == End::Whole)?;
            let changed = match instead(r.evidence, full) {
                Instead::Changed(_) | Instead::Gzip | Instead::Longer | Instead::Truncated => true,
                Instead::Older(_) | Instead::OtherInstance(_) => false,
                _ => contains_dummy(r, full),
            };
            let other_times = r.comes_past_cache() || r.comes_again();
            (changed && !other_times && r.direct_right()).then(|| Match::likely(r.visitor_gets()))
        },
    },
    Rule {
        id: "handoff.wrong-content-encoding",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the response says that the bytes are compressed, and they are not",
        meaning: "The right bytes come with a Content-Encoding. A browser tries to decode them and \
                  shows an error; only a client that decodes nothing, as this one, sees the file.",
        remedy: Remedy {
            nginx: Some("take the add_header Content-Encoding out of the internal location"),
            ..Remedy::any("send no Content-Encoding with a file that is sent as it is")
        },
        matches: |r| {
            let coding = encoding(r.evidence.full.answer().filter(|_| r.delivered)?)?;
            let by_app = r.app().and_then(encoding).is_some();
            (!by_app)
                .then(|| Match::sure(format!("content-encoding: {coding}, and the file as it is")))
        },
    },
    Rule {
        id: "handoff.not-internal",
        culprit: Culprit::Handoff,
        severity: Severity::Exposed,
        summary: "the hand-off's target can be fetched without the app",
        meaning: "The URI to which the app hands over, or another one that should refuse, gives \
                  the file's own bytes to anybody who asks: no permission is checked. The bytes \
                  were compared, not only the status.",
        remedy: Remedy {
            nginx: Some("add `internal;` to the location of the hand-off's target"),
            apache: Some(
                "keep the folder out of DocumentRoot and of every Alias, or set `Require all \
                 denied` for it",
            ),
            lighttpd: Some(
                "keep the folder out of server.document-root and alias.url, or deny it with \
                 url.access-deny",
            ),
            caddy: Some("serve the folder only inside handle_response"),
            ..Remedy::any("let only hand-offs reach the location of the target")
        },
        matches: |r| {
            let mut probes = r.evidence.probes.iter().filter(|it| leads_to_target(it.id));
            let open = probes.find(|it| r.gives_dummy(it.id))?;
            let because = format!("anybody gets the file at {}", open.probed.asked.url);
            Some(Match::sure(because).shown_by(open.id))
        },
    },
    Rule {
        id: "handoff.does-not-fit",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "storage, app and proxy are right, and do not fit together",
        meaning: "Each layer is right by itself, the request came to the app, and the visitor \
                  gets something else, which no known cause explains.",
        remedy: Remedy::any(
            "see the proxy's error log for the download's request: it names the path or the reason",
        ),
        matches: |r| {
            let full = r
                .lost_after_app()
                .filter(|_| matches!(r.reached, Reached::App(_) | Reached::AppTwice(_)))?;
            let asked = r.direct_right() && r.app().is_some();
            let found = || Match::possible(format!("a visitor gets {}", r.describe(full)));
            asked.then(|| if r.engaged().is_some() { found().also(UNTOLD) } else { found() })
        },
    },
];

/// What shows that the app has sent the bytes.
const NOT_OF_THE_PROXY: &str =
    "the file came without the ETag and Last-Modified of the proxy's own files";

/// What to do where the server that was recognised acts on another header than the app's.
fn header_of_another(r: &Reading<'_>, name: &str) -> Option<String> {
    let server = r.server.filter(|it| !it.acts_on(name))?;
    Some(format!(
        "{} acts on {} only: let the app send that, or switch the hand-off on in the server \
         behind it",
        server.name(),
        server.header()?
    ))
}

/// Whether a probe asks for the hand-off's target as any visitor can.
fn leads_to_target(id: ProbeId) -> bool {
    matches!(id, ProbeId::TargetOutside | ProbeId::TargetOtherHost)
        || matches!(id, ProbeId::Spelled(_) | ProbeId::Refused(_))
}

/// Whether the beginning of a dummy stands somewhere behind the beginning of a body.
fn contains_dummy(r: &Reading<'_>, full: &Response) -> bool {
    let mark = b"sendfile-fixture/1 dummy ";
    r.by_contract() && full.body.head.windows(mark.len()).any(|it| it == mark)
}

/// An inner proxy that, asked by itself, gives neither the file nor the app's hand-off header.
pub(super) fn swallower<'a>(r: &Reading<'a>) -> Option<(ProbeId, &'a Response)> {
    let (name, _) = r.handoff()?;
    r.inner().find(|(id, it)| it.header(name).is_none() && !r.gives_dummy(*id))
}

/// Whether a hand-off to the direct location, which gives visitors the file, falls through: who obeys
/// it is another proxy.
fn swallowed(r: &Reading<'_>) -> bool {
    let fallen =
        r.probe(ProbeId::DirectUri).is_some_and(|it| it.header("x-sendfile-fixture").is_some());
    fallen && r.direct_right()
}

/// The coding that a response announces, if it is not the identity.
pub(super) fn encoding(response: &Response) -> Option<&str> {
    // An object that was stored compressed, and says so, is as it should be.
    let packed = response.body.head.starts_with(&[0x1f, 0x8b]);
    let coding = response.header("content-encoding").filter(|_| !packed)?;
    (!coding.trim().eq_ignore_ascii_case("identity")).then_some(coding)
}

/// Whether another proxy than the one that answers the visitor serves the file.
fn serves_elsewhere(r: &Reading<'_>) -> bool {
    let by_inner = r.inner().any(|(id, _)| r.gives_dummy(id));
    by_inner || r.direct_by_app() || r.another_front()
}
