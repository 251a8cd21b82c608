//! What a report contains, in any format.

use sendfile_evidence::Evidence;
use sendfile_rules::{Choice, Diagnosis, Verdict, judge};

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
    /// The evidence about the target.
    pub evidence: Evidence,
    /// The diagnosis of the target.
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
    pub fn new(tool: String, started: String, evidence: Vec<Evidence>, choice: &Choice) -> Self {
        let mut targets = Vec::new();
        for evidence in evidence {
            let diagnosis = judge(&evidence, choice);
            targets.push(Judged { evidence, diagnosis });
        }
        Self { tool, started, choice: choice.clone(), targets }
    }

    /// The exit status, which is the same in every format: 0 if healthy, 1 if broken, degraded or
    /// exposed, 3 if inconclusive or nothing was checked.
    pub fn status(&self) -> u8 {
        let mut any_inconclusive = self.targets.is_empty();
        for target in &self.targets {
            match target.diagnosis.verdict {
                Verdict::Broken | Verdict::Degraded | Verdict::Exposed => return 1,
                Verdict::Inconclusive(_) => any_inconclusive = true,
                Verdict::Healthy => {}
            }
        }
        if any_inconclusive { 3 } else { 0 }
    }
}
