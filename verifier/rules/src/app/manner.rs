//! The app hands over, or sends the file, and not in the manner that it should.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity, handoff::encoding};
use sendfile_evidence::{FailureKind, ProbeId, Response, Seen, dialect, media_type};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "app.setting-unknown",
        culprit: Culprit::App,
        severity: Severity::Degraded,
        summary: "the app sends the bytes itself: its hand-off is switched off",
        meaning: "The app's answer is the file, and no hand-off header, although it got the \
                  headers that should switch it on. A misspelt setting, or a rule that does not \
                  match this file, does so silently, at the cost of a worker for each download.",
        remedy: Remedy::any(
            "check the spelling of the app's hand-off setting and whether its rules cover this \
             file: an unknown name is often ignored",
        ),
        matches: |r| {
            let silent = r.handoff().is_none() && r.engaged().is_none();
            let app = r.app().filter(|it| silent && it.status == 200)?;
            r.evidence.is_dummy(&app.body).then(|| {
                Match::sure("the app, asked directly, sends the file itself and no hand-off header")
            })
        },
    },
    Rule {
        id: "app.wrong-content-type",
        culprit: Culprit::App,
        severity: Severity::Degraded,
        summary: "the app sends a wrong Content-Type, and it is kept",
        meaning: "The proxy keeps the app's Content-Type. Frameworks that set none leave their \
                  default, such as text/html, and browsers then show or save the file as a web \
                  page.",
        remedy: Remedy::any("set the file's own type in the app when it hands over"),
        matches: |r| {
            let (app, full) = delivered(r)?;
            let wanted = expected(r, "content-type").map(media_type)?;
            let (sent, came) = (app.media_type(), full.media_type());
            let kept = sent.is_some() && sent == came && came.as_ref() != Some(&wanted);
            kept.then(|| {
                Match::sure(format!(
                    "the app sends {}; {wanted} was meant",
                    came.unwrap_or_default()
                ))
            })
        },
    },
    Rule {
        id: "app.wrong-content-encoding",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "the app says that the file is compressed, it is not, and the proxy keeps it",
        meaning: "The app's hand-off carries a Content-Encoding, often from a middleware that \
                  compresses responses. lighttpd and Caddy pass it on beside the plain file, and a \
                  browser shows an error.",
        remedy: Remedy::any("keep compression away from hand-offs in the app"),
        matches: |r| {
            let (app, full) = delivered(r)?;
            let (coding, _) = encoding(app).zip(encoding(full))?;
            Some(Match::sure(format!("the app sends content-encoding: {coding}, and it is kept")))
        },
    },
    Rule {
        id: "app.head-refused",
        culprit: Culprit::App,
        severity: Severity::Warning,
        summary: "HEAD does not get what GET gets, from the app on",
        meaning: "The app does not hand over for HEAD, or was not asked: download managers and players, \
                  which ask so first, learn nothing of the file.",
        remedy: Remedy::any("let the app answer HEAD as it answers GET"),
        matches: |r| {
            let full = r.evidence.full.answer()?;
            let head = r.repeated(ProbeId::Head)?;
            let length = |it: &Response| it.header("content-length").map(str::to_owned);
            let shorter = length(head).is_some() && length(head) != length(full);
            let app = r.probe(ProbeId::AppHead);
            let hands_over = app.is_some_and(|it| {
                dialect::handoff_of(it, r.evidence.intent.header.as_deref()).is_some()
            });
            let differs = head.status != full.status || shorter;
            let because = match (head.status != full.status, length(head)) {
                (false, Some(it)) => format!("HEAD announces {it} bytes, and GET does not"),
                _ => format!("GET gives {}, HEAD {}", full.status, head.status),
            };
            let found = if app.is_some() { Match::sure(because) } else { Match::possible(because) };
            (differs && !hands_over).then(|| found.shown_by(ProbeId::Head))
        },
    },
    Rule {
        id: "app.wrong-header",
        culprit: Culprit::App,
        severity: Severity::Degraded,
        summary: "a header that should reach the visitor is wrong from the start",
        meaning: "The app, asked directly, sends another value than the one that was declared \
                  with --expect-header, or none.",
        remedy: Remedy::any("set the header in the app's answer"),
        matches: |r| {
            let (app, full) = delivered(r)?;
            let wrong = |(name, value): &&(String, String)| {
                name != "content-type"
                    && !app.all(name).any(|it| it == value)
                    && !full.all(name).any(|it| it == value)
            };
            let (name, value) = r.evidence.intent.expect.iter().find(wrong)?;
            let sent = app.header(name).unwrap_or("none");
            Some(Match::sure(format!("{name} should be `{value}`; the app sends {sent}")))
        },
    },
    Rule {
        id: "app.duplicate-header",
        culprit: Culprit::App,
        severity: Severity::Degraded,
        summary: "the app sends a header twice",
        meaning: "Two Content-Disposition, Content-Type or Content-Length lines contradict each \
                  other; the proxy passes both on, and Chrome refuses the response. Several \
                  Cache-Control lines count as one and may stand, but not where one lets every cache \
                  keep the file and another forbids it.",
        remedy: Remedy::any(
            "set the header once; often a framework and the app's own code both add it",
        ),
        matches: |r| {
            let app = r.app().filter(|_| !r.storage_to_blame())?;
            let (handoff, _) = r.handoff()?;
            let mut once = ONCE.into_iter().chain([handoff]);
            let repeated = once.find(|name| app.all(name).count() > 1);
            let Some(twice) = repeated else { return contradicts_itself(r) };
            let times = app.all(twice).count();
            Some(Match::sure(format!("the app sends {} {times} times", dialect::spelling(twice))))
        },
    },
    Rule {
        id: "app.contradictory-lengths",
        culprit: Culprit::App,
        severity: Severity::Degraded,
        summary: "the app announces its answer's end in contradictory ways",
        meaning: "Asked directly, the app sends a Content-Length that is no number, or several that \
                  differ. Beside a hand-off nginx 1.22, Apache 2.4 and lighttpd 1.4.69 do not mind, \
                  and Caddy 2.6 answers 502 (measured); whoever reads the body is at odds. Often a \
                  framework and the app's own code both set it.",
        remedy: Remedy::any("let the app set Content-Length once, to the length of its own body"),
        matches: |r| {
            let failure = r.evidence.app.seen.failure()?;
            let because = format!("the app's answer cannot be read: {}", failure.chain);
            (failure.kind == FailureKind::Lengths).then(|| Match::sure(because))
        },
    },
    Rule {
        id: "app.body-beside-handoff",
        culprit: Culprit::App,
        severity: Severity::Degraded,
        summary: "the app sends a body beside its hand-off, and the rest of it follows the file",
        meaning: "Behind the file came more bytes than the response announced. mod_xsendfile sends \
                  what is left of an app's body after the file once it is longer than 8192 bytes; \
                  on a connection that is kept open, a client takes it for the next response \
                  (measured with 0.12 and 1.0).",
        remedy: Remedy::any("let the app hand over with an empty body and Content-Length: 0"),
        matches: |r| {
            let full = r.evidence.full.answer().filter(|_| r.delivered)?;
            let again = [ProbeId::Range, ProbeId::Gzip].into_iter();
            let mut answers = [full].into_iter().chain(again.filter_map(|id| r.repeated(id)));
            let longer = answers.find(|it| it.body.beyond > 0)?;
            let because = format!("{} bytes came behind the announced end", longer.body.beyond);
            let body = r.app().is_some_and(|it| it.body.size > 0);
            Some(if body { Match::sure(because) } else { Match::likely(because) })
        },
    },
    Rule {
        id: "app.open-to-anybody",
        culprit: Culprit::App,
        severity: Severity::Exposed,
        summary: "the app hands the file over to visitors without rights",
        meaning: "With --private, the app was asked without the visitor's own headers, and \
                  handed over all the same.",
        remedy: Remedy::any("check the visitor's rights before the hand-off"),
        matches: |r| {
            let app = r.probe(ProbeId::AppAnonymous)?;
            let open = dialect::handoff_of(app, r.evidence.intent.header.as_deref()).is_some();
            let because = "without the visitor's headers the app hands over, and the site gives \
                           the file";
            let found = || Match::sure(because).shown_by(ProbeId::Anonymous);
            (open && r.gives_dummy(ProbeId::Anonymous)).then(found)
        },
    },
    Rule {
        id: "app.handoff-differs",
        culprit: Culprit::App,
        severity: Severity::Warning,
        summary: "the download is right, and the hand-off is not the one that was declared",
        meaning: "A visitor gets the file, and the app hands over with another header or value than \
                  --handoff says. The declaration is out of date, or the app's answer works by luck.",
        remedy: Remedy::any("correct --handoff, or the app's setting, so that the two agree"),
        matches: |r| {
            let (name, value) = r.handoff().filter(|_| r.delivered && !r.app_right())?;
            let declared = r.evidence.intent.header.is_some() && !r.by_contract();
            let sent = format!("the app sends {}: {value}", dialect::spelling(name));
            declared.then(|| Match::sure(sent))
        },
    },
];

/// Several Cache-Control lines of which one forbids what another allows, from the app to the visitor.
fn contradicts_itself(r: &Reading<'_>) -> Option<Match> {
    let (app, full) = delivered(r)?;
    let lines: Vec<_> = app.all("cache-control").collect();
    let arrived: Vec<_> = full.all("cache-control").collect();
    let found = lines.len() > 1 && contradictory(&lines) && contradictory(&arrived);
    let listed = lines.join("` and `");
    found.then(|| Match::sure(format!("the app sends Cache-Control `{listed}`, and both arrive")))
}

/// Whether Cache-Control lines at once allow every cache to keep a response and forbid it, or name
/// two ages.
fn contradictory(lines: &[&str]) -> bool {
    let words = lines.iter().flat_map(|it| it.split(','));
    let words: Vec<_> = words.map(|it| it.trim().to_ascii_lowercase()).collect();
    let has = |word: &str| words.iter().any(|it| it == word);
    let mut ages: Vec<_> = words.iter().filter(|it| it.starts_with("max-age=")).collect();
    ages.sort_unstable();
    ages.dedup();
    has("public") && (has("private") || has("no-store")) || ages.len() > 1
}

/// Headers that may stand in a response once.
const ONCE: [&str; 3] = ["content-disposition", "content-type", "content-length"];

/// The app's and the visitor's response, where the bytes arrive and the app hands over.
fn delivered<'a>(r: &Reading<'a>) -> Option<(&'a Response, &'a Response)> {
    let full = r.evidence.full.answer().filter(|_| r.delivered)?;
    match &r.evidence.app.seen {
        Seen::Answer(app) if r.handoff().is_some() => Some((app, full)),
        _ => None,
    }
}

fn expected<'a>(r: &Reading<'a>, name: &str) -> Option<&'a str> {
    r.evidence.intent.expect.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}
