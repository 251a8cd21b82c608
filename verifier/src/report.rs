//! The report in all output formats, one file per format. Rendering is the last step: it decides
//! nothing.

use std::io;

use clap::ValueEnum;

use sendfile_evidence::Evidence;
use sendfile_rules::{Choice, Diagnosis, Verdict, judge};

mod checks;
pub mod json;
mod short;
mod text;
mod wrap;

/// The output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Report for people
    Text,
    /// One line per target and finding
    Short,
    /// One JSON document for programs, version 1
    Json,
}

/// The outcome of a run.
pub struct Report {
    /// The name and version of the program that sent the requests.
    pub tool: String,
    /// The start time, in UTC.
    pub started: String,
    /// Which rules were applied.
    pub choice: Choice,
    /// The judged targets.
    pub targets: Vec<Judged>,
}

/// A judged target.
pub struct Judged {
    /// Its evidence.
    pub evidence: Evidence,
    /// Its diagnosis.
    pub diagnosis: Diagnosis,
}

/// How much to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Only the verdict.
    Verdict,
    /// The verdict, the layers and the findings.
    Normal,
    /// All evidence.
    All,
}

impl Report {
    /// Judges the evidence of all targets.
    pub fn new(tool: String, started: String, seen: Vec<Evidence>, choice: &Choice) -> Self {
        let judged = |evidence: Evidence| Judged { diagnosis: judge(&evidence, choice), evidence };
        let targets = seen.into_iter().map(judged).collect();
        Self { tool, started, choice: choice.clone(), targets }
    }

    /// The exit status: 0 if healthy, 1 if broken, degraded or exposed, 3 if inconclusive or nothing
    /// was checked. The same in every format.
    pub fn status(&self) -> u8 {
        let any = |wanted: fn(&Verdict) -> bool| {
            self.targets.iter().any(|it| wanted(&it.diagnosis.verdict))
        };
        if any(|it| matches!(it, Verdict::Broken | Verdict::Degraded | Verdict::Exposed)) {
            1
        } else if self.targets.is_empty() || any(|it| matches!(it, Verdict::Inconclusive(_))) {
            3
        } else {
            0
        }
    }

    /// Writes the report with colours; the caller removes them if the output does not support them.
    /// Only the text format has a width.
    pub fn write(
        &self,
        out: &mut impl io::Write,
        format: Format,
        detail: Detail,
        width: Width,
    ) -> io::Result<()> {
        match format {
            Format::Text => text::write(out, self, detail, width),
            Format::Short => short::write(out, self, detail),
            Format::Json => json::write(out, self),
        }
    }
}

pub use wrap::Width;
pub(crate) use wrap::printable;
