//! The answer's end is announced in two ways.

use super::super::{Culprit, Match, Remedy, Rule, Severity};
use sendfile_evidence::FailureKind;

pub(super) const RULES: &[Rule] = &[Rule {
    id: "frontend.contradictory-lengths",
    culprit: Culprit::Frontend,
    severity: Severity::Degraded,
    summary: "the answer announces its end twice",
    meaning: "Two Content-Length lines, or one beside Transfer-Encoding: clients and caches that \
                  believe different ones take the rest for another answer, which can be used to put \
                  answers into others' connections (RFC 9112 §6.3). Where the two differ, browsers \
                  refuse the answer, as this program does.",
    remedy: Remedy::any("let only the part that sends the file set Content-Length"),
    matches: |r| {
        if let Some(failure) = r.evidence.full.seen.failure() {
            let lengths = failure.kind == FailureKind::Lengths;
            let of_app = r.evidence.app.seen.failure().is_some_and(|it| it.kind == failure.kind);
            let because = format!("the answer cannot be read: {}", failure.chain);
            return (lengths && !of_app).then(|| Match::sure(because));
        }
        let full = r.evidence.full.answer().filter(|_| r.delivered)?;
        let lengths: Vec<_> = full.all("content-length").collect();
        let chunked = full.header("transfer-encoding").filter(|_| !lengths.is_empty());
        let told = lengths.join(" and ");
        let twice = lengths.len() > 1 || told.contains(',');
        match chunked {
            Some(it) => Some(Match::sure(format!("content-length: {told} beside {it}"))),
            None => twice.then(|| Match::sure(format!("content-length: {told}"))),
        }
    },
}];
