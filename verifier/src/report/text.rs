//! The text report: the verdict in the first line, the `full` layer before the others, then cause,
//! evidence and remedy.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{
    Detail, Judged, Report, checks,
    wrap::{Width, printable},
};
use sendfile_evidence::{Outcome, RequestRecord, Response};
use sendfile_rules::{Culprit, Finding, Layer, LayerResult, Severity, Verdict};

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const QUIET: Style = Style::new().dimmed();

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
        if n > 0 && detail != Detail::Verdict {
            writeln!(out)?;
        }
        target(out, judged, detail, width)?;
    }
    Ok(())
}

fn target(out: &mut impl Write, judged: &Judged, detail: Detail, width: Width) -> io::Result<()> {
    let it = &judged.diagnosis;
    match &it.verdict {
        Verdict::Inconclusive(reason) if detail != Detail::Verdict => {
            let style = style(&it.verdict);
            let line = printable(&format!("{}: {reason}", judged.evidence.target));
            writeln!(out, "{style}{}{style:#} {}", it.verdict, width.wrapped(&line, 13, 2))?;
        }
        _ => verdict(out, judged)?,
    }
    if detail == Detail::Verdict {
        return Ok(());
    }
    writeln!(out)?;
    for (name, layer) in
        [("full", &it.full), ("storage", &it.storage), ("app", &it.app), ("direct", &it.direct)]
    {
        self::layer(out, name, layer, width)?;
    }
    checks::line(out, &it.checks, width)?;
    let mut told = Vec::new();
    for finding in it.findings.iter().chain(&it.warnings) {
        self::finding(out, finding, &mut told, width)?;
    }
    if let Some(deciding) = &it.deciding {
        let line = format!("To narrow this down, add {}", printable(deciding));
        writeln!(out, "\n{}", width.wrapped(&line, 0, 2))?;
    }
    if detail == Detail::All { everything(out, judged, width) } else { Ok(()) }
}

/// The first line: verdict, target, culprit and rule. Never wrapped.
pub(super) fn verdict(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    let it = &judged.diagnosis;
    let style = style(&it.verdict);
    let told = match (&it.verdict, it.findings.first()) {
        (Verdict::Inconclusive(reason), _) => reason.clone(),
        (_, Some(first)) => format!("the cause is {} ({})", guilty(first), first.rule.id),
        (_, None) => {
            let size = judged.evidence.dummy.as_ref().map_or(0, |it| it.size);
            format!("clients receive the expected content ({size} bytes)")
        }
    };
    let name = printable(&judged.evidence.target);
    writeln!(out, "{style}{}{style:#} {name}: {}", it.verdict, printable(&told))
}

fn guilty(finding: &Finding) -> String {
    match finding.rule.culprit {
        Culprit::Handoff => "the hand-off".to_owned(),
        other => format!("the {other}"),
    }
}

fn style(verdict: &Verdict) -> Style {
    match verdict {
        Verdict::Healthy => GOOD,
        Verdict::Broken | Verdict::Exposed => BAD,
        Verdict::Degraded | Verdict::Inconclusive(_) => DOUBT,
    }
}

fn layer(out: &mut impl Write, name: &str, layer: &Layer, width: Width) -> io::Result<()> {
    let (style, word) = match layer.result {
        LayerResult::Pass => (GOOD, "ok  "),
        LayerResult::Fail => (BAD, "FAIL"),
        LayerResult::Skipped(_) => (QUIET, "skip"),
        LayerResult::Unknown(_) => (DOUBT, "?   "),
    };
    writeln!(
        out,
        "  {style}{word}{style:#}  {name:8} {}",
        width.wrapped(&printable(&layer.seen), 17, 17)
    )
}

/// One finding, without lines that an earlier one has printed.
fn finding<'a>(
    out: &mut impl Write,
    finding: &'a Finding,
    told: &mut Vec<&'a str>,
    width: Width,
) -> io::Result<()> {
    let style = if finding.severity == Severity::Warning { DOUBT } else { BAD };
    writeln!(out, "\n{style}{}{style:#} ({})", finding.rule.id, finding.confidence)?;
    writeln!(out, "  {}", width.wrapped(finding.rule.summary, 2, 2))?;
    let seen = finding.evidence.iter().map(|it| ("seen", it));
    let lines = seen.chain([("try", &finding.reproduce), ("fix", &finding.remedy)]);
    for (word, line) in lines.filter(|(_, line)| !told.contains(&line.as_str())) {
        let line = printable(line);
        let text = match word {
            // A command is not wrapped, so that it can be pasted.
            "try" => line,
            "fix" => width.remedy(&line, 8, 8),
            _ => width.wrapped(&line, 8, 8),
        };
        writeln!(out, "  {QUIET}{word:4}{QUIET:#}  {text}")?;
    }
    told.extend(finding.evidence.iter().chain([&finding.reproduce]).map(String::as_str));
    Ok(())
}

fn everything(out: &mut impl Write, judged: &Judged, width: Width) -> io::Result<()> {
    checks::lines(out, &judged.diagnosis.checks, width)?;
    let it = &judged.evidence;
    for (name, probed) in [("full", &it.full), ("app", &it.app), ("direct", &it.direct)] {
        exchange(out, name, &probed.request, &probed.outcome)?;
    }
    for further in &it.probes {
        exchange(out, &further.id.to_string(), &further.probed.request, &further.probed.outcome)?;
    }
    if !it.local.is_empty() {
        writeln!(out, "\n{QUIET}configuration and logs{QUIET:#}")?;
    }
    it.local.iter().try_for_each(|fact| writeln!(out, "  {}", printable(&fact.line())))
}

fn exchange(
    out: &mut impl Write,
    name: &str,
    asked: &RequestRecord,
    seen: &Outcome<Response>,
) -> io::Result<()> {
    writeln!(
        out,
        "\n{QUIET}{name}: {} {}{QUIET:#}",
        printable(&asked.method),
        printable(&asked.url)
    )?;
    asked.headers.iter().try_for_each(|(name, value)| {
        writeln!(out, "{QUIET}  {}{QUIET:#}", printable(&format!("> {name}: {value}")))
    })?;
    match seen {
        Outcome::Response(response) => {
            writeln!(
                out,
                "  {}, {} bytes, sha256 {}",
                response.status, response.body.size, response.body.sha256
            )?;
            response.headers.iter().try_for_each(|(name, value)| {
                writeln!(out, "  {}", printable(&format!("{name}: {value}")))
            })
        }
        Outcome::Failed(failure) => writeln!(out, "  {}", printable(&failure.chain)),
        Outcome::Skipped(reason) => writeln!(out, "  skipped: {}", printable(reason)),
    }
}
