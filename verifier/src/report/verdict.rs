//! The first line about a target, which the text format and the short format share.

use std::io::{self, Write};

use sendfile_rules::{Culprit, Verdict};

use super::{contents::Judged, style, wrap::printable};

/// Writes verdict, target, culprit and rule in one line, which is never wrapped.
pub(super) fn write(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    let verdict = &judged.diagnosis.verdict;
    let style = style::of(verdict);
    let name = printable(&judged.evidence.target);
    let reason = printable(&reason(judged));
    writeln!(out, "{style}{verdict}{style:#} {name}: {reason}")
}

fn reason(judged: &Judged) -> String {
    if let Verdict::Inconclusive(reason) = &judged.diagnosis.verdict {
        return reason.clone();
    }
    let Some(first) = judged.diagnosis.findings.first() else {
        let size = judged.evidence.dummy.as_ref().map_or(0, |dummy| dummy.size);
        return format!("clients receive the expected content ({size} bytes)");
    };
    let culprit = match first.rule.culprit {
        Culprit::Handoff => "the hand-off".to_owned(),
        other => format!("the {other}"),
    };
    format!("the cause is {culprit} ({})", first.rule.id)
}
