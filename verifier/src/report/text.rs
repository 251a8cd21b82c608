//! The text report: the verdict in the first line, the `full` layer before the others, then cause,
//! evidence and remedy.

use std::io::{self, Write};

use sendfile_evidence::{Outcome, RequestRecord, Response};
use sendfile_rules::{Finding, Layer, LayerResult, Severity, Verdict};

use super::{
    contents::{Detail, Judged, Report},
    style::{self, BAD, DOUBT, GOOD, QUIET},
    verdict,
    wrap::{Width, printable},
};

mod checks;

/// Writes all targets, separated by empty lines.
pub(super) fn write(
    out: &mut impl Write,
    report: &Report,
    detail: Detail,
    width: Width,
) -> io::Result<()> {
    if report.targets.is_empty() {
        writeln!(out, "{DOUBT}inconclusive{DOUBT:#}: no target was checked")?;
    }
    for (n, judged) in report.targets.iter().enumerate() {
        if detail == Detail::Verdict {
            verdict::write(out, judged)?;
            continue;
        }
        if n > 0 {
            writeln!(out)?;
        }
        write_target(out, judged, width)?;
        if detail == Detail::All {
            write_evidence(out, judged, width)?;
        }
    }
    Ok(())
}

fn write_target(out: &mut impl Write, judged: &Judged, width: Width) -> io::Result<()> {
    let diagnosis = &judged.diagnosis;
    match &diagnosis.verdict {
        Verdict::Inconclusive(reason) => {
            let style = style::of(&diagnosis.verdict);
            let line = printable(&format!("{}: {reason}", judged.evidence.target));
            let line = width.wrapped(&line, 13, 2);
            writeln!(out, "{style}{}{style:#} {line}", diagnosis.verdict)?;
        }
        _ => verdict::write(out, judged)?,
    }
    writeln!(out)?;
    write_layer(out, "full", &diagnosis.full, width)?;
    write_layer(out, "storage", &diagnosis.storage, width)?;
    write_layer(out, "app", &diagnosis.app, width)?;
    write_layer(out, "direct", &diagnosis.direct, width)?;
    checks::write_paragraph(out, &diagnosis.checks, width)?;
    let mut printed = Vec::new();
    for finding in diagnosis.findings.iter().chain(&diagnosis.warnings) {
        write_finding(out, finding, &mut printed, width)?;
    }
    if let Some(deciding) = &diagnosis.deciding {
        let line = format!("To narrow this down, add {}", printable(deciding));
        writeln!(out, "\n{}", width.wrapped(&line, 0, 2))?;
    }
    Ok(())
}

fn write_layer(out: &mut impl Write, name: &str, layer: &Layer, width: Width) -> io::Result<()> {
    let (style, word) = match layer.result {
        LayerResult::Pass => (GOOD, "ok  "),
        LayerResult::Fail => (BAD, "FAIL"),
        LayerResult::Skipped(_) => (QUIET, "skip"),
        LayerResult::Unknown(_) => (DOUBT, "?   "),
    };
    let text = width.wrapped(&printable(&layer.seen), 17, 17);
    writeln!(out, "  {style}{word}{style:#}  {name:8} {text}")
}

/// Writes one finding, without lines that an earlier one has printed.
fn write_finding<'a>(
    out: &mut impl Write,
    finding: &'a Finding,
    printed: &mut Vec<&'a str>,
    width: Width,
) -> io::Result<()> {
    let style = if finding.severity == Severity::Warning { DOUBT } else { BAD };
    writeln!(out, "\n{style}{}{style:#} ({})", finding.rule.id, finding.confidence)?;
    writeln!(out, "  {}", width.wrapped(finding.rule.summary, 2, 2))?;
    for line in &finding.evidence {
        if !printed.contains(&line.as_str()) {
            write_labelled(out, "seen", &width.wrapped(&printable(line), 8, 8))?;
        }
    }
    if !printed.contains(&finding.reproduce.as_str()) {
        // A command is not wrapped, so that it can be pasted.
        write_labelled(out, "try", &printable(&finding.reproduce))?;
    }
    if !printed.contains(&finding.remedy.as_str()) {
        write_labelled(out, "fix", &width.remedy(&printable(&finding.remedy), 8, 8))?;
    }
    printed.extend(finding.evidence.iter().map(String::as_str));
    printed.push(&finding.reproduce);
    Ok(())
}

fn write_labelled(out: &mut impl Write, label: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {QUIET}{label:4}{QUIET:#}  {text}")
}

/// Writes all checks, requests, responses and facts of a target.
fn write_evidence(out: &mut impl Write, judged: &Judged, width: Width) -> io::Result<()> {
    checks::write_lines(out, &judged.diagnosis.checks, width)?;
    let evidence = &judged.evidence;
    for (name, layer) in
        [("full", &evidence.full), ("app", &evidence.app), ("direct", &evidence.direct)]
    {
        write_exchange(out, name, &layer.request, &layer.outcome)?;
    }
    for extra in &evidence.probes {
        let name = extra.id.to_string();
        write_exchange(out, &name, &extra.probed.request, &extra.probed.outcome)?;
    }
    if !evidence.local.is_empty() {
        writeln!(out, "\n{QUIET}configuration and logs{QUIET:#}")?;
    }
    for fact in &evidence.local {
        writeln!(out, "  {}", printable(&fact.line()))?;
    }
    Ok(())
}

fn write_exchange(
    out: &mut impl Write,
    name: &str,
    request: &RequestRecord,
    outcome: &Outcome<Response>,
) -> io::Result<()> {
    let (method, url) = (printable(&request.method), printable(&request.url));
    writeln!(out, "\n{QUIET}{name}: {method} {url}{QUIET:#}")?;
    for (name, value) in &request.headers {
        writeln!(out, "{QUIET}  {}{QUIET:#}", printable(&format!("> {name}: {value}")))?;
    }
    match outcome {
        Outcome::Response(response) => {
            let Response { status, body, .. } = response;
            writeln!(out, "  {status}, {} bytes, sha256 {}", body.size, body.sha256)?;
            for (name, value) in &response.headers {
                writeln!(out, "  {}", printable(&format!("{name}: {value}")))?;
            }
            Ok(())
        }
        Outcome::Failed(failure) => writeln!(out, "  {}", printable(&failure.chain)),
        Outcome::Skipped(reason) => writeln!(out, "  skipped: {}", printable(reason)),
    }
}
