//! Rules about a response that announces its end in two ways.

use sendfile_evidence::{Check, FailureKind};

use crate::{
    analysis::Analysis,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[&CONTRADICTORY_LENGTHS];

pub(crate) static CONTRADICTORY_LENGTHS: Rule = Rule {
    id: "frontend.contradictory-lengths",
    culprit: Culprit::Frontend,
    severity: Severity::Degraded,
    check: Some(Check::Wire),
    summary: "The response has several Content-Length headers, or both Content-Length and \
              Transfer-Encoding",
    meaning: "Clients and caches that trust different headers interpret the remaining bytes as \
              another response, which can be used to inject responses into other clients' \
              connections (RFC 9112 §6.3). If the values differ, browsers refuse the response, as \
              this program does.",
    remedy: Remedy::any("Set Content-Length only in the component that sends the file"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some(failure) = analysis.evidence.full.outcome.failure() {
            if failure.kind != FailureKind::Lengths || app_sends_them(analysis) {
                return None;
            }
            return Some(Match::sure(format!("The response cannot be read: {}", failure.chain)));
        }
        let full = analysis.evidence.full.response()?;
        if !analysis.delivered {
            return None;
        }
        let lengths: Vec<&str> = full.all("content-length").collect();
        let sent = lengths.join(" and ");
        if let Some(coding) = full.header("transfer-encoding")
            && !lengths.is_empty()
        {
            return Some(Match::sure(format!(
                "content-length: {sent} and transfer-encoding: {coding}"
            )));
        }
        let several = lengths.len() > 1 || sent.contains(',');
        if several { Some(Match::sure(format!("content-length: {sent}"))) } else { None }
    },
};

/// Whether the app's own response has contradictory lengths.
fn app_sends_them(analysis: &Analysis<'_>) -> bool {
    match analysis.evidence.app.outcome.failure() {
        Some(failure) => failure.kind == FailureKind::Lengths,
        None => false,
    }
}
