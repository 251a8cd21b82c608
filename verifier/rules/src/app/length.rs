//! Rules about the lengths that the app announces.

use sendfile_evidence::{Check, End, FailureKind, Outcome, ProbeId, Server};

use crate::{
    analysis::Analysis,
    app::UNREACHABLE,
    frontend::PROTOCOLS_DIFFER,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

const REMEDY: Remedy = Remedy::any("In the app, send Content-Length: 0 with the hand-off");

pub(crate) const RULES: &[&Rule] =
    &[&LENGTH_WITHOUT_BODY, &LENGTH_BREAKS_HTTP2, &CONTRADICTORY_LENGTHS];

pub(crate) static LENGTH_WITHOUT_BODY: Rule = Rule {
    id: "app.length-without-body",
    culprit: Culprit::App,
    severity: Severity::Warning,
    check: Some(Check::HandoffUsed),
    summary: "The app announces the file's length with its hand-off, but sends no body",
    meaning: "A framework that leaves the file's Content-Length on a hand-off violates HTTP: the \
              recipient waits for bytes that never arrive. nginx and lighttpd are not affected. \
              Apache's mod_proxy waits until the app closes the connection, which delays every \
              further request on the client's connection by that time: 2 s with gunicorn \
              (measured). Over HTTP/2, downloads may be cut off.",
    remedy: REMEDY,
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| length_without_body(analysis).map(Match::sure),
};

pub(crate) static LENGTH_BREAKS_HTTP2: Rule = Rule {
    id: "app.length-breaks-http2",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: Some(Check::Protocol),
    summary: "Over HTTP/2 the download is cut off, because the app announces a length but sends no \
              body",
    meaning: "If the app closes its connection after a hand-off with the file's Content-Length, as \
              gunicorn's sync workers do, Apache treats the response as incomplete. Over HTTP/1.1 \
              the file still arrives. Over HTTP/2, which browsers use, Apache resets the stream \
              before, during or after the file, depending on timing (measured with 2.4.71).",
    remedy: REMEDY,
    config: None,
    precedence: Precedence::Replaces(&[&LENGTH_WITHOUT_BODY, &PROTOCOLS_DIFFER]),
    matches: |analysis| {
        let because = length_without_body(analysis)?;
        if !http2_breaks_off(analysis) {
            return None;
        }
        Some(Match::sure(because).shown_by(ProbeId::Http2))
    },
};

pub(crate) static CONTRADICTORY_LENGTHS: Rule = Rule {
    id: "app.contradictory-lengths",
    culprit: Culprit::App,
    severity: Severity::Degraded,
    check: Some(Check::Wire),
    summary: "The app sends an invalid Content-Length header, or several conflicting ones",
    meaning: "Requested directly, the app sends a Content-Length that is not a number, or several \
              with different values. On a hand-off, nginx 1.22, Apache 2.4 and lighttpd 1.4.69 \
              ignore this, and Caddy 2.6 returns 502 (measured). Clients and proxies may disagree \
              about where the body ends. Typical cause: a framework and the app's own code both \
              set the header.",
    remedy: Remedy::any(
        "In the app, set Content-Length once, to the length of the response's own body",
    ),
    config: None,
    precedence: Precedence::Replaces(&[&UNREACHABLE]),
    matches: |analysis| {
        let failure = analysis.evidence.app.outcome.failure()?;
        if failure.kind != FailureKind::Lengths {
            return None;
        }
        Some(Match::sure(format!("The app's response cannot be parsed: {}", failure.chain)))
    },
};

/// The length that the app announces with its hand-off although it sends no body; Apache then waits
/// for that body.
fn length_without_body(analysis: &Analysis<'_>) -> Option<String> {
    let app = analysis.app()?;
    analysis.handoff()?;
    let announced = app.header("content-length")?;
    let nothing = app.body.size == 0 && app.body.end != End::Whole;
    let waits = analysis.delivered && analysis.server == Some(Server::Apache);
    if announced == "0" || !nothing || !waits {
        return None;
    }
    Some(format!("The app announces {announced} bytes and sends none"))
}

/// Whether the download succeeds over HTTP/1.1 while its stream is reset over HTTP/2.
fn http2_breaks_off(analysis: &Analysis<'_>) -> bool {
    let Some(http2) = analysis.evidence.probed(ProbeId::Http2) else { return false };
    let reset = match &http2.outcome {
        Outcome::Response(response) => response.status == 200 && response.body.end == End::Cut,
        Outcome::Failed(failure) => {
            matches!(failure.kind, FailureKind::Closed | FailureKind::Other)
        }
        Outcome::Skipped(_) => false,
    };
    reset && analysis.delivered
}
