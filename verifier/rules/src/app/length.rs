//! The app announces the length of the file beside its hand-off, and sends no body.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use sendfile_evidence::{End, FailureKind, ProbeId, Seen, dialect::Product};

const REMEDY: Remedy = Remedy::any("let the app send Content-Length: 0 when it hands over");

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "app.length-without-body",
        culprit: Culprit::App,
        severity: Severity::Warning,
        summary: "the app announces the file's length beside its hand-off, and sends no body",
        meaning: "Frameworks that leave the file's Content-Length on a hand-off break HTTP: whoever asks \
                  the app waits for bytes that never come. nginx and lighttpd do not care; Apache's \
                  mod_proxy waits until the app gives the connection up, which costs every further \
                  request of a visitor's connection that time: 2 s with gunicorn (measured). Over \
                  HTTP/2, downloads may break off.",
        remedy: REMEDY,
        matches: |r| {
            let because = r.length_without_body().filter(|_| !r.http2_breaks_off())?;
            Some(Match::sure(because))
        },
    },
    Rule {
        id: "app.length-breaks-http2",
        culprit: Culprit::App,
        severity: Severity::Broken,
        summary: "over HTTP/2 the download breaks off: the app announces a length and sends no body",
        meaning: "Where the app closes its connection after a hand-off whose Content-Length is the \
                  file's, as gunicorn's sync workers do, Apache takes its answer for a broken one. \
                  Over HTTP/1.1 the file still arrives; over HTTP/2, which browsers speak, Apache \
                  breaks the stream off before, within or after the file, as it happens (measured \
                  with 2.4.71).",
        remedy: REMEDY,
        matches: |r| {
            let because = r.length_without_body().filter(|_| r.http2_breaks_off())?;
            Some(Match::sure(because).shown_by(ProbeId::Http2))
        },
    },
];

impl Reading<'_> {
    /// What the app announces beside its hand-off and does not send, where Apache waits for it.
    fn length_without_body(&self) -> Option<String> {
        let app = self.app().filter(|_| self.delivered && self.handoff().is_some())?;
        let announced = app.header("content-length").filter(|it| *it != "0")?;
        let nothing = app.body.size == 0 && app.body.end != End::Whole;
        let because = format!("the app announces {announced} bytes and sends none");
        (nothing && self.server == Some(Product::Apache)).then_some(because)
    }

    /// Whether the download comes over HTTP/1.1, and over HTTP/2 its stream is broken off.
    fn http2_breaks_off(&self) -> bool {
        let http2 = self.evidence.probed(ProbeId::Http2).filter(|_| self.delivered);
        http2.is_some_and(|it| match &it.seen {
            Seen::Answer(it) => it.status == 200 && it.body.end == End::Cut,
            Seen::Nothing(it) => matches!(it.kind, FailureKind::Closed | FailureKind::Other),
            Seen::Skipped(_) => false,
        })
    }

    /// Whether the length that the app announces is why HTTP/2 does not give what HTTP/1.1 does.
    pub(crate) fn length_breaks_http2(&self) -> bool {
        self.http2_breaks_off() && self.length_without_body().is_some()
    }
}
