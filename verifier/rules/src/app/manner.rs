//! Rules about an app that sends a hand-off or the file, but not in the expected form.

use sendfile_evidence::{Check, FailureKind, Outcome, ProbeId, Response, dialect, media_type};

use crate::{
    analysis::Analysis,
    handoff::encoding,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[
    &SETTING_UNKNOWN,
    &WRONG_CONTENT_TYPE,
    &WRONG_CONTENT_ENCODING,
    &HEAD_REFUSED,
    &WRONG_HEADER,
    &DUPLICATE_HEADER,
    &CONTRADICTORY_LENGTHS,
    &BODY_BESIDE_HANDOFF,
    &OPEN_TO_ANYBODY,
    &HANDOFF_DIFFERS,
];

pub(crate) static SETTING_UNKNOWN: Rule = Rule {
    id: "app.setting-unknown",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::HandoffUsed),
    summary: "The app sends the file itself: its hand-off is disabled",
    meaning: "The app's response is the file without a hand-off header, although the request had \
              the headers that enable the hand-off. Typical causes: a misspelled setting, or a \
              rule that does not match this file. Neither causes an error, but each download \
              occupies a worker.",
    remedy: Remedy::any(
        "Check the spelling of the app's hand-off setting, and whether its rules cover this file: \
         unknown settings are often ignored",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let silent = analysis.handoff().is_none() && analysis.engaged().is_none();
        let app = analysis.app().filter(|it| silent && it.status == 200)?;
        analysis.evidence.is_dummy(&app.body).then(|| {
            Match::sure(
                "Requested directly, the app sends the file itself without a hand-off header",
            )
        })
    },
};

pub(crate) static WRONG_CONTENT_TYPE: Rule = Rule {
    id: "app.wrong-content-type",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Headers),
    summary: "The app sends a wrong Content-Type, which reaches the client",
    meaning: "The proxy keeps the app's Content-Type. Frameworks that set none fall back to a \
              default such as text/html, and browsers then display or save the file as a web page.",
    remedy: Remedy::any("In the app, set the file's own Content-Type on the hand-off"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = delivered(analysis)?;
        let wanted = expected(analysis, "content-type").map(media_type)?;
        let (sent, came) = (app.media_type(), full.media_type());
        let kept = sent.is_some() && sent == came && came.as_ref() != Some(&wanted);
        kept.then(|| {
            Match::sure(format!("The app sends {}; expected {wanted}", came.unwrap_or_default()))
        })
    },
};

pub(crate) static WRONG_CONTENT_ENCODING: Rule = Rule {
    id: "app.wrong-content-encoding",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: Some(Check::Headers),
    summary: "The app sends a Content-Encoding for a file that is not compressed, and the proxy \
              keeps it",
    meaning: "The app's hand-off carries a Content-Encoding, often from a middleware that \
              compresses responses. lighttpd and Caddy pass it on with the uncompressed file, and \
              browsers show an error.",
    remedy: Remedy::any("Disable response compression for hand-offs in the app"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = delivered(analysis)?;
        let (coding, _) = encoding(app).zip(encoding(full))?;
        Some(Match::sure(format!(
            "The app sends content-encoding: {coding}, and the client gets it"
        )))
    },
};

pub(crate) static HEAD_REFUSED: Rule = Rule {
    id: "app.head-refused",
    culprit: Culprit::App,
    severity: Severity::Warning,
    check: Some(Check::Head),
    summary: "The app responds to HEAD differently than to GET",
    meaning: "The app sends no hand-off for HEAD, or was not requested. Download managers and \
              players send HEAD first and learn nothing about the file.",
    remedy: Remedy::any("In the app, respond to HEAD as to GET"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.evidence.full.response()?;
        let head = analysis.repeated(ProbeId::Head)?;
        let length = |it: &Response| it.header("content-length").map(str::to_owned);
        let shorter = length(head).is_some() && length(head) != length(full);
        let app = analysis.probe(ProbeId::AppHead);
        let hands_over = app.is_some_and(|it| {
            dialect::handoff_of(it, analysis.evidence.intent.header.as_deref()).is_some()
        });
        let differs = head.status != full.status || shorter;
        let because = match (head.status != full.status, length(head)) {
            (false, Some(it)) => format!("HEAD announces {it} bytes; GET does not"),
            _ => format!("GET returns {}; HEAD returns {}", full.status, head.status),
        };
        let found = if app.is_some() { Match::sure(because) } else { Match::possible(because) };
        (differs && !hands_over).then(|| found.shown_by(ProbeId::Head))
    },
};

pub(crate) static WRONG_HEADER: Rule = Rule {
    id: "app.wrong-header",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Headers),
    summary: "A response header is already wrong in the app's response",
    meaning: "Requested directly, the app sends another value than the one declared with \
              --expect-header, or none.",
    remedy: Remedy::any("Set the header in the app's response"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = delivered(analysis)?;
        let wrong = |(name, value): &&(String, String)| {
            name != "content-type"
                && !app.all(name).any(|it| it == value)
                && !full.all(name).any(|it| it == value)
        };
        let (name, value) = analysis.evidence.intent.expect.iter().find(wrong)?;
        let sent = app.header(name).unwrap_or("none");
        Some(Match::sure(format!("{name}: expected `{value}`; the app sends {sent}")))
    },
};

pub(crate) static DUPLICATE_HEADER: Rule = Rule {
    id: "app.duplicate-header",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Headers),
    summary: "The app sends a header twice",
    meaning: "Several Content-Disposition, Content-Type or Content-Length lines contradict each \
              other. The proxy passes them on, and Chrome rejects the response. Several \
              Cache-Control lines are combined into one and are allowed, unless one permits every \
              cache to store the file and another forbids it.",
    remedy: Remedy::any(
        "Set the header once; often a framework and the app's own code both add it",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = analysis.app().filter(|_| !analysis.storage_is_culprit())?;
        let (handoff, _) = analysis.handoff()?;
        let mut once = ONCE.into_iter().chain([handoff]);
        let repeated = once.find(|name| app.all(name).count() > 1);
        let Some(twice) = repeated else { return contradicts_itself(analysis) };
        let times = app.all(twice).count();
        Some(Match::sure(format!("The app sends {} {times} times", dialect::spelling(twice))))
    },
};

pub(crate) static CONTRADICTORY_LENGTHS: Rule = Rule {
    id: "app.contradictory-lengths",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Wire),
    summary: "The app sends an invalid Content-Length, or several that differ",
    meaning: "Requested directly, the app sends a Content-Length that is not a number, or several \
              that differ. On a hand-off, nginx 1.22, Apache 2.4 and lighttpd 1.4.69 ignore this, \
              and Caddy 2.6 returns 502 (measured); readers of the body disagree about its end. \
              Typical cause: a framework and the app's own code both set the header.",
    remedy: Remedy::any(
        "In the app, set Content-Length once, to the length of the response's own body",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.app.outcome.failure()?;
        let because = format!("The app's response cannot be parsed: {}", failure.chain);
        (failure.kind == FailureKind::Lengths).then(|| Match::sure(because))
    },
};

pub(crate) static BODY_BESIDE_HANDOFF: Rule = Rule {
    id: "app.body-beside-handoff",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Wire),
    summary: "The app sends a body with its hand-off, and part of it follows the file",
    meaning: "More bytes than announced follow the file. If the app's body is longer than 8192 \
              bytes, mod_xsendfile sends the rest of it after the file; on a persistent \
              connection, a client takes these bytes for the next response (measured with 0.12 and \
              1.0).",
    remedy: Remedy::any("In the app, send the hand-off with an empty body and Content-Length: 0"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.evidence.full.response().filter(|_| analysis.delivered)?;
        let again = [ProbeId::Range, ProbeId::Gzip].into_iter();
        let mut answers = [full].into_iter().chain(again.filter_map(|id| analysis.repeated(id)));
        let longer = answers.find(|it| it.body.beyond > 0)?;
        let because =
            format!("{} bytes follow the announced end of the response", longer.body.beyond);
        let body = analysis.app().is_some_and(|it| it.body.size > 0);
        Some(if body { Match::sure(because) } else { Match::likely(because) })
    },
};

pub(crate) static OPEN_TO_ANYBODY: Rule = Rule {
    id: "app.open-to-anybody",
    culprit: Culprit::App,
    severity: Severity::Exposed,
    check: Some(Check::Refusal),
    summary: "The app sends the hand-off to clients without permission",
    meaning: "With --private, the check requested the app without the client's own headers, and \
              the app sent the hand-off nevertheless.",
    remedy: Remedy::any("In the app, check the client's permissions before the hand-off"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = analysis.probe(ProbeId::AppAnonymous)?;
        let open = dialect::handoff_of(app, analysis.evidence.intent.header.as_deref()).is_some();
        let because = "Without the client's headers, the app sends the hand-off and the site \
                       returns the file";
        let found = || Match::sure(because).shown_by(ProbeId::Anonymous);
        (open && analysis.returns_dummy(ProbeId::Anonymous)).then(found)
    },
};

pub(crate) static HANDOFF_DIFFERS: Rule = Rule {
    id: "app.handoff-differs",
    culprit: Culprit::App,
    severity: Severity::Warning,
    check: None,
    summary: "The download succeeds, but the hand-off differs from the declared one",
    meaning: "The client gets the file, but the app sends another header or value than --handoff \
              declares. The declaration is out of date, or the download works only by coincidence.",
    remedy: Remedy::any("Correct --handoff or the app's setting so that both agree"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (name, value) =
            analysis.handoff().filter(|_| analysis.delivered && !analysis.app_right())?;
        let declared = analysis.evidence.intent.header.is_some() && !analysis.by_contract();
        let sent = format!("The app sends {}: {value}", dialect::spelling(name));
        declared.then(|| Match::sure(sent))
    },
};

/// Finds Cache-Control lines that contradict each other in the app's response and in the client's.
fn contradicts_itself(analysis: &Analysis<'_>) -> Option<Match> {
    let (app, full) = delivered(analysis)?;
    let lines: Vec<_> = app.all("cache-control").collect();
    let arrived: Vec<_> = full.all("cache-control").collect();
    let found = lines.len() > 1 && contradictory(&lines) && contradictory(&arrived);
    let listed = lines.join("` and `");
    found.then(|| {
        Match::sure(format!("The app sends Cache-Control `{listed}`, and the client gets both"))
    })
}

/// Whether Cache-Control lines both permit every cache to store a response and forbid it, or give
/// two different ages.
fn contradictory(lines: &[&str]) -> bool {
    let words = lines.iter().flat_map(|it| it.split(','));
    let words: Vec<_> = words.map(|it| it.trim().to_ascii_lowercase()).collect();
    let has = |word: &str| words.iter().any(|it| it == word);
    let mut ages: Vec<_> = words.iter().filter(|it| it.starts_with("max-age=")).collect();
    ages.sort_unstable();
    ages.dedup();
    has("public") && (has("private") || has("no-store")) || ages.len() > 1
}

/// Headers that may occur only once in a response.
const ONCE: [&str; 3] = ["content-disposition", "content-type", "content-length"];

/// The app's and the client's response, if the client gets the file and the app sends a
/// hand-off.
fn delivered<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, &'a Response)> {
    let full = analysis.evidence.full.response().filter(|_| analysis.delivered)?;
    match &analysis.evidence.app.outcome {
        Outcome::Response(app) if analysis.handoff().is_some() => Some((app, full)),
        _ => None,
    }
}

fn expected<'a>(analysis: &Analysis<'a>, name: &str) -> Option<&'a str> {
    analysis.evidence.intent.expect.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}
