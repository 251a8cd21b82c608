//! The checks in the text report: one paragraph, or one line per check if all evidence is printed.

use std::io::{self, Write};

use sendfile_evidence::Check;
use sendfile_rules::CheckResult;

use crate::report::{
    style::{BAD, DOUBT, GOOD, QUIET},
    wrap::{Width, printable},
};

/// Writes the checks below the layers, in one paragraph.
pub(super) fn write_paragraph(
    out: &mut impl Write,
    checks: &[(Check, CheckResult)],
    width: Width,
) -> io::Result<()> {
    if checks.is_empty() {
        return Ok(());
    }
    let groups = Groups::of(checks);
    let (style, word) = groups.worst();
    if word == "ok  "
        && let Some(reason) = why_most_are_skipped(checks)
    {
        let text = width.wrapped(&printable(&format!("skipped: {reason}")), 17, 17);
        return writeln!(out, "  {QUIET}skip{QUIET:#}  {:8} {text}", "checks");
    }
    let text = width.wrapped(&printable(&groups.summary()), 17, 17);
    writeln!(out, "  {style}{word}{style:#}  {:8} {text}", "checks")
}

/// Writes one line per check.
pub(super) fn write_lines(
    out: &mut impl Write,
    checks: &[(Check, CheckResult)],
    width: Width,
) -> io::Result<()> {
    if !checks.is_empty() {
        writeln!(out, "\n{QUIET}checks{QUIET:#}")?;
    }
    for (check, result) in checks {
        let (style, word, text) = match result {
            CheckResult::Pass => (GOOD, "ok  ", ""),
            CheckResult::Fail(rules) => (BAD, "FAIL", rules.as_str()),
            CheckResult::Warning(rules) => (DOUBT, "warn", rules.as_str()),
            CheckResult::Skipped(reason) => (QUIET, "skip", reason.as_str()),
            CheckResult::Unknown(reason) => (DOUBT, "?   ", reason.as_str()),
        };
        let line = format!("{:12}  {}", check.to_string(), width.wrapped(&printable(text), 22, 22));
        writeln!(out, "  {style}{word}{style:#}  {}", line.trim_end())?;
    }
    Ok(())
}

/// The checks grouped by their result, with the reasons of those results that have one.
#[derive(Default)]
struct Groups<'a> {
    passed: usize,
    failed: Vec<(Check, &'a str)>,
    warned: Vec<(Check, &'a str)>,
    unknown: Vec<(Check, &'a str)>,
    skipped: Vec<(Check, &'a str)>,
}

impl<'a> Groups<'a> {
    fn of(checks: &'a [(Check, CheckResult)]) -> Self {
        let mut groups = Self::default();
        for (check, result) in checks {
            match result {
                CheckResult::Pass => groups.passed += 1,
                // The findings below the paragraph name the rules.
                CheckResult::Fail(_) => groups.failed.push((*check, "")),
                CheckResult::Warning(_) => groups.warned.push((*check, "")),
                CheckResult::Unknown(reason) => groups.unknown.push((*check, reason)),
                CheckResult::Skipped(reason) => groups.skipped.push((*check, reason)),
            }
        }
        groups
    }

    fn worst(&self) -> (anstyle::Style, &'static str) {
        if !self.failed.is_empty() {
            (BAD, "FAIL")
        } else if !self.warned.is_empty() {
            (DOUBT, "warn")
        } else if !self.unknown.is_empty() {
            (DOUBT, "?   ")
        } else {
            (GOOD, "ok  ")
        }
    }

    fn summary(&self) -> String {
        let mut summary = format!("{} passed", self.passed);
        for (label, checks) in [
            ("failed", &self.failed),
            ("warning", &self.warned),
            ("unknown", &self.unknown),
            ("skipped", &self.skipped),
        ] {
            if !checks.is_empty() {
                summary.push_str(&format!("; {label}: {}", by_reason(checks)));
            }
        }
        summary
    }
}

/// The names of checks, grouped by their reason. Of a large group with a reason, only the number is
/// shown.
fn by_reason(checks: &[(Check, &str)]) -> String {
    let mut reasons: Vec<_> = checks.iter().map(|(_, reason)| *reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let mut groups = Vec::new();
    for reason in reasons {
        let group = checks.iter().filter(|(_, other)| *other == reason);
        let names: Vec<_> = group.map(|(check, _)| check.to_string()).collect();
        groups.push(match (reason, names.len()) {
            ("", _) => names.join(", "),
            (_, count @ 4..) => format!("{count} ({reason})"),
            _ => format!("{} ({reason})", names.join(", ")),
        });
    }
    groups.join(", ")
}

/// The reason for which more than half of the checks were skipped, if there is one.
fn why_most_are_skipped(checks: &[(Check, CheckResult)]) -> Option<&str> {
    for (_, result) in checks {
        let CheckResult::Skipped(reason) = result else { continue };
        let skipped = checks.iter().filter(|(_, other)| other == result).count();
        if skipped * 2 > checks.len() {
            return Some(reason);
        }
    }
    None
}
