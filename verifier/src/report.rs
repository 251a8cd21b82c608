//! What is told to people and programs: a file for each format. Rendering is the last step, and
//! knows nothing.

use std::io;

use clap::ValueEnum;

use sendfile_evidence::Evidence;
use sendfile_rules::{Choice, Diagnosis, Verdict, judge};

mod checks;
pub mod json;
mod short;
mod text;
mod wrap;

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// A line for each target and finding
    Short,
    /// For programs, version 1
    Json,
}

/// The outcome of a run.
pub struct Report {
    /// The program that asked, and its version.
    pub tool: String,
    /// When it began, in UTC.
    pub started: String,
    /// Which rules were tried.
    pub choice: Choice,
    /// The targets, judged.
    pub targets: Vec<Judged>,
}

/// A target, judged.
pub struct Judged {
    /// What was seen.
    pub evidence: Evidence,
    /// What it comes to.
    pub diagnosis: Diagnosis,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The verdict only.
    Verdict,
    /// What is needed.
    Normal,
    /// All evidence.
    All,
}

impl Report {
    /// Judges what was seen.
    pub fn new(tool: String, started: String, seen: Vec<Evidence>, choice: &Choice) -> Self {
        let judged = |evidence: Evidence| Judged { diagnosis: judge(&evidence, choice), evidence };
        let targets = seen.into_iter().map(judged).collect();
        Self { tool, started, choice: choice.clone(), targets }
    }

    /// The exit status: 0 healthy, 1 broken, degraded or exposed, 3 inconclusive or nothing
    /// checked. The same in every format.
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

    /// Writes the report, coloured; whoever prints it takes the colours out where they do not
    /// belong.
    pub fn write(
        &self,
        out: &mut impl io::Write,
        format: Format,
        detail: Detail,
    ) -> io::Result<()> {
        match format {
            Format::Text => text::write(out, self, detail),
            Format::Short => short::write(out, self, detail),
            Format::Json => json::write(out, self),
        }
    }
}

pub(crate) use wrap::printable;

/// A paragraph of text, broken at 80 columns.
pub(crate) fn paragraph(text: &str) -> String {
    wrap::wrapped(text, 0, 0)
}

/// A paragraph that begins two columns in, its other lines further.
pub(crate) fn paragraph_at(text: &str, indent: usize) -> String {
    wrap::wrapped(text, 2, indent)
}
