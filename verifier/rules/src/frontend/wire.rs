//! The end of a response is announced in two ways.

use sendfile_evidence::{Check, FailureKind};

use crate::rule::{Culprit, Match, Precedence, Remedy, Rule, Severity};

pub(crate) const RULES: &[&Rule] = &[&CONTRADICTORY_LENGTHS];

pub(crate) static CONTRADICTORY_LENGTHS: Rule = Rule {
    id: "frontend.contradictory-lengths",
    culprit: Culprit::Frontend,
    severity: Severity::Degraded,
    check: Some(Check::Wire),
    summary: "The response has several Content-Length headers, or one beside Transfer-Encoding",
    meaning: "Clients and caches that trust different headers take the remaining bytes for another \
              response, which can be used to inject responses into other clients' connections (RFC \
              9112 §6.3). If the values differ, browsers refuse the response, as this program \
              does.",
    remedy: Remedy::any("Set Content-Length only in the component that sends the file"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some(failure) = analysis.evidence.full.outcome.failure() {
            let lengths = failure.kind == FailureKind::Lengths;
            let of_app =
                analysis.evidence.app.outcome.failure().is_some_and(|it| it.kind == failure.kind);
            let because = format!("The response cannot be read: {}", failure.chain);
            return (lengths && !of_app).then(|| Match::sure(because));
        }
        let full = analysis.evidence.full.response().filter(|_| analysis.delivered)?;
        let lengths: Vec<_> = full.all("content-length").collect();
        let chunked = full.header("transfer-encoding").filter(|_| !lengths.is_empty());
        let told = lengths.join(" and ");
        let twice = lengths.len() > 1 || told.contains(',');
        match chunked {
            Some(it) => {
                Some(Match::sure(format!("content-length: {told} and transfer-encoding: {it}")))
            }
            None => twice.then(|| Match::sure(format!("content-length: {told}"))),
        }
    },
};
