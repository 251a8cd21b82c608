//! Rules whose culprit is the app: asked directly, with the headers that the proxy is meant to send,
//! it does not give the intended answer.

use super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use sendfile_evidence::{
    Failure, FailureKind, Response,
    dialect::{self, Product, ValueFault},
};

mod length;
mod manner;
pub(super) mod signature;

/// Whether the app hands over at all, and in which manner.
pub(super) const RULES: [&[Rule]; 4] = [OWN, signature::RULES, manner::RULES, length::RULES];

const OWN: &[Rule] = &[
    Rule {
        id: "app.unreachable",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app does not answer",
        meaning: "The app's own port or socket was asked without the proxy and gave no answer; \
                  the proxy, which asks the same place, has nothing to pass on.",
        remedy: Remedy::any(
            "start the app; if it runs, compare the address it listens on with --app and with \
             the proxy's",
        ),
        matches: |r| {
            let answered = |it: &&Failure| it.kind == FailureKind::Lengths;
            let failure = r.evidence.app.seen.failure().filter(|it| !answered(it))?;
            let full = r.evidence.full.answer();
            let because = || format!("the app gave no answer: {}", failure.chain);
            match full.map(|it| it.status) {
                _ if r.delivered || r.storage_to_blame() => None,
                None | Some(502..=504) => Some(Match::sure(because())),
                // A proxy that does not reach its app says so; another answer comes from elsewhere.
                Some(_) => None,
            }
        },
    },
    Rule {
        id: "app.wrong-dialect",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app sends a hand-off header that belongs to another server",
        meaning: "Each server acts on its own header: nginx on X-Accel-Redirect, Apache's \
                  mod_xsendfile and lighttpd on X-Sendfile. Another one is passed on or dropped, \
                  and the body is empty.",
        remedy: Remedy::any(
            "choose the hand-off for this proxy in the app's settings, or the fixture's --dialect",
        ),
        matches: |r| {
            let (name, _) = at_fault(r).and(r.handoff())?;
            let declared = r.evidence.intent.header.as_deref().filter(|_| !r.by_contract());
            let of_server = || r.server.filter(|it| r.passed_on() && !it.acts_on(name))?.header();
            let meant = declared.or_else(of_server)?;
            let servers = dialect::header_named(name).map_or("another server", |it| it.servers);
            let name = dialect::spelling(name);
            let because =
                || format!("the app sends {name}, which is for {servers}; {meant} was meant");
            (!name.eq_ignore_ascii_case(meant)).then(|| Match::sure(because()))
        },
    },
    Rule {
        id: "app.header-misspelt",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the hand-off header's name is misspelt",
        meaning: "A header that no server knows has a name that differs from a known one by \
                  punctuation or a letter or two, or has a word of it and the very value that was \
                  declared, or the file's own name. It is passed on to the visitor, and the body is empty.",
        remedy: Remedy::any("spell the header's name as the proxy's manual does, with hyphens"),
        matches: |r| {
            let app = at_fault(r).filter(|_| r.handoff().is_none())?;
            let (name, meant) = misspelt(r, app)?;
            Some(Match::sure(format!("the app sends `{name}`; `{meant}` was meant")))
        },
    },
    Rule {
        id: "app.filesystem-path-as-uri",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "a path on disk stands where a URI is wanted",
        meaning: "X-Accel-Redirect takes a URI that some location of the proxy maps to a folder. \
                  The app sends the file's path on disk, alone or behind the prefix, for which there \
                  is no file: often a mapping that does not cover this file, so that the framework sends the path as \
                  it is.",
        remedy: Remedy {
            nginx: Some(
                "let the app send the URI of the internal location, or, with Rack or Symfony, \
                 add the folder to X-Accel-Mapping (proxy_set_header X-Accel-Mapping \
                 /FOLDER/=/PREFIX/;)",
            ),
            ..Remedy::any(
                "let the app send the URI that the proxy maps to the folder, not the folder's path",
            )
        },
        matches: |r| value(r, ValueFault::FilesystemPath, "it is a path on disk"),
    },
    Rule {
        id: "app.relative-path",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "a relative name stands where an absolute one is wanted",
        meaning: "The proxy looks a relative value up below something that the app does not \
                  know, such as the request's own path.",
        remedy: Remedy::any(
            "let the app send the absolute path, or the URI with its leading slash",
        ),
        matches: |r| value(r, ValueFault::Relative, "it does not begin with a slash"),
    },
    Rule {
        id: "app.uri-not-encoded",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the value needs percent-encoding and has none, or one layer too few",
        meaning: "nginx since 1.5.9 and lighttpd decode the value. A raw % or ? in a file's name \
                  then means something else, and a name that is stored with percent signs must \
                  be encoded once more.",
        remedy: Remedy::any("percent-encode each segment of the path when the header is built"),
        matches: |r| value(r, ValueFault::NotEncoded, "decoded, it names another file"),
    },
    Rule {
        id: "app.uri-wrongly-encoded",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the value is encoded in a way that the server does not decode",
        meaning: "mod_xsendfile 0.12 takes the value as it is, and Caddy's rewrite takes the \
                  placeholder's text as a decoded path; percent signs are then part of the name \
                  that they look for. And no server knows the `+` of forms for a space, HTML's \
                  `&amp;`, or Latin-1 behind the percent signs of a name that is stored in UTF-8.",
        remedy: Remedy {
            apache: Some("let the app send the raw path; mod_xsendfile decodes only from 1.0 on"),
            ..Remedy::any("let the app send the raw path, without percent-encoding")
        },
        matches: |r| {
            let otherwise =
                "it is encoded for a form, for HTML or in Latin-1, not as a path in UTF-8";
            if let Some(found) = value(r, ValueFault::EncodedOtherwise, otherwise) {
                return Some(Match { fix: Some(AS_PATH.to_owned()), ..found });
            }
            value(r, ValueFault::WronglyEncoded, "it is encoded once more than this proxy decodes")
        },
    },
    Rule {
        id: "app.uri-truncated",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "part of the name was lost while the value was built",
        meaning: "The value is a beginning or an end of the intended one, or its last name lacks \
                  letters. URL parsers cut at # and ?, some code keeps only a file's last name, and \
                  a basename without a locale, such as PHP's, eats letters that are not ASCII.",
        remedy: Remedy::any(
            "encode # and ? before the URL is built, and keep the folders of the path",
        ),
        matches: |r| value(r, ValueFault::Truncated, "a part of it is missing"),
    },
    Rule {
        id: "app.wrong-value",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the hand-off names something else than was meant",
        meaning: "The app hands over with the right header, and its value differs from the \
                  declared one in a way that no common mistake explains.",
        remedy: Remedy::any(
            "compare the app's setting for the prefix or folder of hand-offs with the proxy's \
             configuration",
        ),
        matches: |r| {
            let found = value(r, ValueFault::Other, "it names something else")?;
            Some(Match { confidence: super::Confidence::Likely, ..found })
        },
    },
    Rule {
        id: "app.wrong-status",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app hands over with a status that the proxy does not act on",
        meaning: "mod_xsendfile acts on a 200 only: with 201, 206 or 404 the app's own answer goes \
                  out, header and all. lighttpd sends the file and keeps the status (measured with \
                  0.12 and 1.4.69). nginx acts on any, but with proxy_intercept_errors its own error \
                  page comes first. Frameworks that answer a Range request themselves run into \
                  this.",
        remedy: Remedy::any(
            "let the app answer 200 when it hands over, and leave Range to the proxy",
        ),
        matches: |r| {
            let app =
                at_fault(r).filter(|it| r.intended_handoff().is_some() && it.status != 200)?;
            let strict = matches!(r.server, Some(Product::Apache | Product::Lighttpd));
            let intercepted = r.server == Some(Product::Nginx) && app.status >= 300;
            let because = format!("the app answers {} with its hand-off", app.status);
            match r.value_fault() {
                None if strict => Some(Match::sure(because)),
                None if intercepted => Some(Match::likely(because)),
                _ => None,
            }
        },
    },
    Rule {
        id: "app.cannot-build-header",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app fails while it answers",
        meaning: "Asked directly, the app answers with a server error. Names that are not ASCII, \
                  control characters and dates are what frameworks most often fail on when they \
                  build the header.",
        remedy: Remedy::any("see the app's log; encode the value before it is put into the header"),
        matches: |r| {
            without_handoff(r, |status| status >= 500)
                .map(|said| Match::likely(format!("the app answers {said}")))
        },
    },
    Rule {
        id: "app.looks-in-wrong-storage",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app does not find the file that the storage has, and never hands over",
        meaning: "The storage has the file, and the app says that there is none: it looks in \
                  another place, or the URL is not that of this download.",
        remedy: Remedy::any(
            "compare the app's storage setting with --storage, and the URL with the app's routes",
        ),
        matches: |r| {
            let said = without_handoff(r, |status| matches!(status, 404 | 410))?;
            let stored = r.evidence.storage.answer().is_some();
            let because = format!("the app answers {said}");
            Some(if stored { Match::likely(because) } else { Match::possible(because) })
        },
    },
    Rule {
        id: "app.refuses",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app refuses, or wants a login first",
        meaning: "Asked directly, the app answers 401 or 403, or redirects. Either the visitor's \
                  headers are missing from the check, or the app's rights do not cover this \
                  download.",
        remedy: Remedy::any(
            "give --app-header and --full-header the login of a visitor who may download, then \
             look at the app's rights",
        ),
        matches: |r| {
            let said = without_handoff(r, |status| matches!(status, 300..=399 | 401 | 403))?;
            Some(Match::likely(format!("the app answers {said}")))
        },
    },
    Rule {
        id: "app.handoff-missing",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app answers without a hand-off header",
        meaning: "The app answers the download with success, and neither hands over nor sends \
                  the file.",
        remedy: Remedy::any(
            "enable X-Accel-Redirect or X-Sendfile in the app, and see that its rules cover this \
             file",
        ),
        matches: |r| {
            let app = at_fault(r)
                .filter(|it| r.handoff().is_none() && (200..300).contains(&it.status))?;
            let streams = r.evidence.is_dummy(&app.body);
            (misspelt(r, app).is_none() && !streams)
                .then(|| Match::sure(format!("the app answers {}", r.describe(app))))
        },
    },
];

/// The app's answer, where the download fails and the app is the one to look at: it is not right,
/// and the storage is.
fn at_fault<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    r.app().filter(|_| !r.delivered && !r.storage_to_blame() && !r.app_right())
}

/// What the app says where it fails with such a status and without a hand-off.
fn without_handoff(r: &Reading<'_>, status: impl Fn(u16) -> bool) -> Option<String> {
    at_fault(r).filter(|it| r.handoff().is_none() && status(it.status)).map(|it| r.describe(it))
}

/// What to do about a value that is encoded by the rules of something else.
const AS_PATH: &str = "percent-encode each segment of the path as UTF-8, a space as %20, and escape \
                       nothing for HTML";

/// A header that was surely meant to be the hand-off's: by its name, or by its value, and the name
/// that was meant.
fn misspelt<'a>(r: &Reading<'a>, app: &'a Response) -> Option<(&'a str, &'a str)> {
    let intent = &r.evidence.intent;
    let names_file = |value: &str| match (&intent.value, r.stored_at()) {
        (Some(wanted), _) => value == wanted,
        (None, Some(stored)) => {
            let name = stored.rsplit('/').next().unwrap_or(stored);
            value.starts_with('/') && dialect::decoded(value).ends_with(&format!("/{name}"))
        }
        (None, None) => false,
    };
    let by_value = |name: &str, value: &str| {
        let meant = intent.header.as_deref().filter(|_| dialect::header_named(name).is_none())?;
        (dialect::shares_word(name, meant) && names_file(value)).then_some(meant)
    };
    app.headers.iter().find_map(|(name, value)| {
        let by_name = dialect::header_meant(name).map(|it| it.name);
        Some((name.as_str(), by_name.or_else(|| by_value(name, value))?))
    })
}

fn value(r: &Reading<'_>, fault: ValueFault, problem: &str) -> Option<Match> {
    let (name, value) = at_fault(r).and(r.intended_handoff())?;
    let meant = r
        .evidence
        .intent
        .value
        .as_deref()
        .map_or(String::new(), |it| format!("; `{it}` was meant"));
    (r.value_fault() == Some(fault)).then(|| {
        Match::sure(format!(
            "the app sends {}: `{value}`{meant}: {problem}",
            dialect::spelling(name)
        ))
    })
}
