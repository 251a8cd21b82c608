//! The colours of the reports for people. Colour is never the only sign of a result.

use anstyle::{AnsiColor, Style};
use sendfile_rules::Verdict;

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBT: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const QUIET: Style = Style::new().dimmed();

/// The style of a verdict.
pub(super) fn of(verdict: &Verdict) -> Style {
    match verdict {
        Verdict::Healthy => GOOD,
        Verdict::Broken | Verdict::Exposed => BAD,
        Verdict::Degraded | Verdict::Inconclusive(_) => DOUBT,
    }
}
