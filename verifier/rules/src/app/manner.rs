//! Rules about an app that sends a hand-off or the file, but not in the expected form.

use std::collections::BTreeSet;

use sendfile_evidence::{Check, ProbeId, Response, dialect, media_type};

use crate::{
    analysis::Analysis,
    body_class::declared_coding,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[
    &SETTING_UNKNOWN,
    &WRONG_CONTENT_TYPE,
    &WRONG_CONTENT_ENCODING,
    &HEAD_REFUSED,
    &WRONG_HEADER,
    &DUPLICATE_HEADER,
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
        "Check the spelling of the app's hand-off setting, and whether its rules cover this file. \
         Unknown settings are often ignored",
    ),
    config: None,
    precedence: Precedence::Before(&[&BODY_BESIDE_HANDOFF]),
    matches: |analysis| {
        let app = analysis.app()?;
        let hands_off = analysis.handoff().is_some() || analysis.engaged().is_some();
        if hands_off || app.status != 200 || !analysis.evidence.is_dummy(&app.body) {
            return None;
        }
        Some(Match::sure(
            "Requested directly, the app sends the file itself without a hand-off header",
        ))
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
        let expected = media_type(expected_header(analysis, "content-type")?);
        let (sent, received) = (app.media_type()?, full.media_type()?);
        if received != sent || received == expected {
            return None;
        }
        Some(Match::sure(format!("The app sends {sent}; expected {expected}")))
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
        let coding = declared_coding(app)?;
        declared_coding(full)?;
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
    meaning: "The app sends no hand-off for HEAD, or the check did not request the app. Download \
              managers and players send HEAD first, so they do not get the file's size and type.",
    remedy: Remedy::any("In the app, send the same status and headers for HEAD as for GET"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.evidence.full.response()?;
        let head = analysis.repeated(ProbeId::Head)?;
        let length = head.header("content-length");
        let other_length = length.is_some() && length != full.header("content-length");
        if head.status == full.status && !other_length {
            return None;
        }
        let app = analysis.probe(ProbeId::AppHead);
        if app.is_some_and(|response| hands_off(analysis, response)) {
            return None;
        }
        let because = match length {
            Some(length) if head.status == full.status => {
                format!("HEAD announces {length} bytes, but GET does not")
            }
            _ => format!("GET returns {}, but HEAD returns {}", full.status, head.status),
        };
        let found = if app.is_some() { Match::sure(because) } else { Match::possible(because) };
        Some(found.shown_by(ProbeId::Head))
    },
};

pub(crate) static WRONG_HEADER: Rule = Rule {
    id: "app.wrong-header",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Headers),
    summary: "A response header is already wrong in the app's response",
    meaning: "Requested directly, the app does not send the header, or its value differs from \
              --expect-header.",
    remedy: Remedy::any("Set the header in the app's response"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = delivered(analysis)?;
        for (name, value) in &analysis.evidence.intent.expect {
            let correct = sends(app, name, value) || sends(full, name, value);
            if name != "content-type" && !correct {
                let sent = app.header(name).unwrap_or("none");
                let because = format!("{name}: expected `{value}`; the app sends {sent}");
                return Some(Match::sure(because));
            }
        }
        None
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
        "Set the header once. Often a framework and the app's own code both add it",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = analysis.app()?;
        let (handoff, _) = analysis.handoff()?;
        if analysis.storage_is_culprit() {
            return None;
        }
        for name in ONCE.into_iter().chain([handoff]) {
            let times = app.all(name).count();
            if times > 1 {
                let name = dialect::spelling(name);
                return Some(Match::sure(format!("The app sends {name} {times} times")));
            }
        }
        contradicts_itself(analysis)
    },
};

pub(crate) static BODY_BESIDE_HANDOFF: Rule = Rule {
    id: "app.body-beside-handoff",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Wire),
    summary: "The app sends a body with its hand-off, and part of it follows the file",
    meaning: "More bytes than announced follow the file. If the app's body is longer than 8192 \
              bytes, mod_xsendfile sends the rest of it after the file. On a persistent \
              connection, a client interprets these bytes as the next response (measured with 0.12 \
              and 1.0).",
    remedy: Remedy::any("In the app, send the hand-off with an empty body and Content-Length: 0"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.evidence.full.response()?;
        if !analysis.delivered {
            return None;
        }
        let range = analysis.repeated(ProbeId::Range);
        let gzip = analysis.repeated(ProbeId::Gzip);
        let mut responses = [Some(full), range, gzip].into_iter().flatten();
        let longer = responses.find(|response| response.body.beyond > 0)?;
        let because =
            format!("{} bytes follow the announced end of the response", longer.body.beyond);
        let by_app = analysis.app().is_some_and(|app| app.body.size > 0);
        Some(if by_app { Match::sure(because) } else { Match::likely(because) })
    },
};

pub(crate) static OPEN_TO_ANYBODY: Rule = Rule {
    id: "app.open-to-anybody",
    culprit: Culprit::App,
    severity: Severity::Exposed,
    check: Some(Check::Refusal),
    summary: "The app sends the hand-off to clients without permission",
    meaning: "With --private, the check requested the app without the client's own headers, and \
              the app still sent the hand-off.",
    remedy: Remedy::any("In the app, check the client's permissions before the hand-off"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = analysis.probe(ProbeId::AppAnonymous)?;
        if !hands_off(analysis, app) || !analysis.returns_dummy(ProbeId::Anonymous) {
            return None;
        }
        let because = "Without the client's headers, the app sends the hand-off and the site \
                       returns the file";
        Some(Match::sure(because).shown_by(ProbeId::Anonymous))
    },
};

pub(crate) static HANDOFF_DIFFERS: Rule = Rule {
    id: "app.handoff-differs",
    culprit: Culprit::App,
    severity: Severity::Warning,
    check: None,
    summary: "The download succeeds, but the hand-off differs from the declared one",
    meaning: "The client gets the file, but the app sends a header or value that differs from \
              --handoff. The declaration is out of date, or the download works only by \
              coincidence.",
    remedy: Remedy::any("Correct --handoff or the app's setting so that both agree"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (name, value) = analysis.handoff()?;
        let declared = analysis.evidence.intent.header.is_some() && !analysis.by_contract();
        if !declared || !analysis.delivered || analysis.app_right() {
            return None;
        }
        Some(Match::sure(format!("The app sends {}: {value}", dialect::spelling(name))))
    },
};

/// Headers that may occur only once in a response.
const ONCE: [&str; 3] = ["content-disposition", "content-type", "content-length"];

/// Finds contradictory Cache-Control lines in the app's response and in the client's.
fn contradicts_itself(analysis: &Analysis<'_>) -> Option<Match> {
    let (app, full) = delivered(analysis)?;
    let sent: Vec<&str> = app.all("cache-control").collect();
    let received: Vec<&str> = full.all("cache-control").collect();
    if sent.len() < 2 || !contradictory(&sent) || !contradictory(&received) {
        return None;
    }
    let lines = sent.join("` and `");
    Some(Match::sure(format!("The app sends Cache-Control `{lines}`, and the client gets both")))
}

/// Whether Cache-Control lines both allow and forbid every cache to store a response, or give two
/// different ages.
fn contradictory(lines: &[&str]) -> bool {
    let list = lines.join(",").to_ascii_lowercase();
    let directives: BTreeSet<&str> = list.split(',').map(str::trim).collect();
    let forbids = directives.contains("private") || directives.contains("no-store");
    if directives.contains("public") && forbids {
        return true;
    }
    let ages = directives.iter().filter(|directive| directive.starts_with("max-age="));
    ages.count() > 1
}

/// The app's and the client's response, if the client gets the file and the app sends a
/// hand-off.
fn delivered<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, &'a Response)> {
    let full = analysis.evidence.full.response()?;
    let app = analysis.app()?;
    analysis.handoff()?;
    if analysis.delivered { Some((app, full)) } else { None }
}

/// The value that the operator expects of a header.
fn expected_header<'a>(analysis: &Analysis<'a>, name: &str) -> Option<&'a str> {
    let mut expected = analysis.evidence.intent.expect.iter();
    let (_, value) = expected.find(|(header, _)| header == name)?;
    Some(value)
}

/// Whether one of a response's headers of this name has this value.
fn sends(response: &Response, name: &str, value: &str) -> bool {
    response.all(name).any(|sent| sent == value)
}

/// Whether a response of the app is a hand-off.
fn hands_off(analysis: &Analysis<'_>, response: &Response) -> bool {
    dialect::handoff_of(response, analysis.evidence.intent.header.as_deref()).is_some()
}
