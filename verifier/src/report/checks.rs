//! The checks in the text report: one paragraph, or one line per check if all evidence is printed.

use std::io::{self, Write};

use super::{
    text::{BAD, DOUBT, GOOD, QUIET},
    wrap::{Width, printable},
};
use sendfile_evidence::Check;
use sendfile_rules::CheckResult;

/// Writes the checks below the layers, in one paragraph.
pub(super) fn line(
    out: &mut impl Write,
    checks: &[(Check, CheckResult)],
    width: Width,
) -> io::Result<()> {
    if checks.is_empty() {
        return Ok(());
    }
    let count = |wanted: fn(&CheckResult) -> bool| checks.iter().filter(|it| wanted(&it.1)).count();
    let right = count(|it| *it == CheckResult::Pass);
    let failed = grouped(checks, |it| matches!(it, CheckResult::Fail(_)).then_some(""));
    let warned = grouped(checks, |it| matches!(it, CheckResult::Warning(_)).then_some(""));
    let unknown = grouped(checks, |it| match it {
        CheckResult::Unknown(reason) => Some(reason),
        _ => None,
    });
    let skipped = grouped(checks, |it| match it {
        CheckResult::Skipped(reason) => Some(reason),
        _ => None,
    });
    let (style, word) = match () {
        () if !failed.is_empty() => (BAD, "FAIL"),
        () if !warned.is_empty() => (DOUBT, "warn"),
        () if !unknown.is_empty() => (DOUBT, "?   "),
        () => (GOOD, "ok  "),
    };
    if let Some(reason) = why_most_are_skipped(checks).filter(|_| word == "ok  ") {
        let text = width.wrapped(&printable(&format!("skipped: {reason}")), 17, 17);
        return writeln!(out, "  {QUIET}skip{QUIET:#}  {:8} {text}", "checks");
    }
    let told = [
        ("failed: ", failed),
        ("warning: ", warned),
        ("unknown: ", unknown),
        ("skipped: ", skipped),
    ];
    let told =
        told.iter().filter(|it| !it.1.is_empty()).map(|(word, list)| format!("{word}{list}"));
    let text: Vec<_> = Some(format!("{right} passed")).into_iter().chain(told).collect();
    let text = width.wrapped(&printable(&text.join("; ")), 17, 17);
    writeln!(out, "  {style}{word}{style:#}  {:8} {text}", "checks")
}

/// Writes one line per check.
pub(super) fn lines(
    out: &mut impl Write,
    checks: &[(Check, CheckResult)],
    width: Width,
) -> io::Result<()> {
    if !checks.is_empty() {
        writeln!(out, "\n{QUIET}checks{QUIET:#}")?;
    }
    checks.iter().try_for_each(|(check, result)| {
        let (style, word, text) = match result {
            CheckResult::Pass => (GOOD, "ok  ", ""),
            CheckResult::Fail(rules) => (BAD, "FAIL", rules.as_str()),
            CheckResult::Warning(rules) => (DOUBT, "warn", rules.as_str()),
            CheckResult::Skipped(reason) => (QUIET, "skip", reason.as_str()),
            CheckResult::Unknown(reason) => (DOUBT, "?   ", reason.as_str()),
        };
        let line = format!("{:12}  {}", check.to_string(), width.wrapped(&printable(text), 22, 22));
        writeln!(out, "  {style}{word}{style:#}  {}", line.trim_end())
    })
}

/// The reason for which more than half of the checks were skipped, if there is one.
fn why_most_are_skipped(checks: &[(Check, CheckResult)]) -> Option<&str> {
    let reasons = checks.iter().filter_map(|(_, result)| match result {
        CheckResult::Skipped(reason) => Some(reason.as_str()),
        _ => None,
    });
    let often = |reason: &str| reasons.clone().filter(|it| *it == reason).count();
    reasons.clone().find(|reason| often(reason) * 2 > checks.len())
}

/// The checks that have a reason, grouped by it; large groups are shown as a number.
fn grouped<'a>(
    checks: &'a [(Check, CheckResult)],
    reason: impl Fn(&'a CheckResult) -> Option<&'a str>,
) -> String {
    let with: Vec<_> =
        checks.iter().filter_map(|(it, result)| Some((it, reason(result)?))).collect();
    let mut reasons: Vec<_> = with.iter().map(|(_, reason)| *reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let group = |reason: &str| {
        let names = with.iter().filter(|it| it.1 == reason).map(|(check, _)| check.to_string());
        let names: Vec<_> = names.collect();
        let names = if names.len() > 3 && !reason.is_empty() {
            names.len().to_string()
        } else {
            names.join(", ")
        };
        if reason.is_empty() { names } else { format!("{names} ({reason})") }
    };
    reasons.into_iter().map(group).collect::<Vec<_>>().join(", ")
}
