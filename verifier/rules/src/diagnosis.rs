//! The result of judging a target: the verdict, the findings, and how layers and checks fared.

use std::fmt;

use sendfile_evidence::Check;

use crate::rule::{Basis, Confidence, Culprit, Rule, Severity};

/// The verdict about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No problem was found, as far as it was checked.
    Healthy,
    /// The client receives no file, or a wrong one.
    Broken,
    /// The file arrives, but not in the intended way.
    Degraded,
    /// Clients without permission can download the file.
    Exposed,
    /// No verdict is possible, for this reason.
    Inconclusive(String),
}

/// A cause that was found.
pub struct Finding {
    /// The rule that matched.
    pub rule: &'static Rule,
    /// The severity for this target.
    pub severity: Severity,
    /// The confidence.
    pub confidence: Confidence,
    /// What the confidence is based on.
    pub basis: Basis,
    /// What was measured.
    pub evidence: Vec<String>,
    /// The command that reproduces the finding.
    pub reproduce: String,
    /// The remedy.
    pub remedy: String,
}

/// The result of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerResult {
    /// The layer works.
    Pass,
    /// The layer fails.
    Fail,
    /// The layer was not requested, for this reason.
    Skipped(String),
    /// The layer was requested but cannot be judged, for this reason.
    Unknown(String),
}

/// A layer's result and a line about what was measured.
pub struct Layer {
    /// The result.
    pub result: LayerResult,
    /// What was measured.
    pub seen: String,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// No problem was found.
    Pass,
    /// At least one of the check's rules matches; the text names them.
    Fail(String),
    /// Like `Fail`, but all matching rules are warnings.
    Warning(String),
    /// The check was not run, for this reason.
    Skipped(String),
    /// The check was run but gave no result, for this reason.
    Unknown(String),
}

/// The result of judging the evidence about a target.
pub struct Diagnosis {
    /// The verdict.
    pub verdict: Verdict,
    /// The findings, best explanation first; only the first determines the culprit.
    pub findings: Vec<Finding>,
    /// The warnings, which do not affect the verdict.
    pub warnings: Vec<Finding>,
    /// The flags that would distinguish between several findings.
    pub deciding: Option<String>,
    /// The storage layer.
    pub storage: Layer,
    /// The app layer.
    pub app: Layer,
    /// The direct layer.
    pub direct: Layer,
    /// The full layer.
    pub full: Layer,
    /// The result of each check.
    pub checks: Vec<(Check, CheckResult)>,
}

impl Diagnosis {
    /// The culprit, if there is one.
    pub fn culprit(&self) -> Option<Culprit> {
        self.findings.first().map(|it| it.rule.culprit)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Broken => "broken",
            Self::Degraded => "degraded",
            Self::Exposed => "exposed",
            Self::Inconclusive(_) => "inconclusive",
        })
    }
}
