//! The report with one line per target and finding, for chats and for overviews of many targets.

use std::io::{self, Write};

use super::{
    contents::{Detail, Report},
    verdict,
    wrap::printable,
};

/// Writes all targets.
pub(super) fn write(out: &mut impl Write, report: &Report, detail: Detail) -> io::Result<()> {
    for judged in &report.targets {
        verdict::write(out, judged)?;
        if detail == Detail::Verdict {
            continue;
        }
        for finding in judged.diagnosis.findings.iter().chain(&judged.diagnosis.warnings) {
            let evidence = finding.evidence.first().map_or("", String::as_str);
            writeln!(
                out,
                "  {} {} ({}): {}",
                finding.severity,
                finding.rule.id,
                finding.confidence,
                printable(evidence)
            )?;
        }
    }
    Ok(())
}
