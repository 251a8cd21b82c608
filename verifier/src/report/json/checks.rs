//! The checks in JSON, both written and read: a check, its result, and the probes that it needed.

use serde::{Deserialize, Serialize};

use sendfile_evidence::{Check, Checked, Evidence, Made, ProbeId};
use sendfile_rules::{CheckResult, Diagnosis};

#[derive(Serialize, Deserialize)]
pub(super) struct JsonCheck {
    check: Check,
    result: JsonResult,
    /// The matching rules, or the reason why the check was skipped or is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    /// The probes that the check needed in addition to the layers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    probes: Vec<ProbeId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum JsonResult {
    Pass,
    Fail,
    Warning,
    Skipped,
    // Any result: only whether the check was skipped is read.
    #[serde(other)]
    Unknown,
}

/// The checks of a target.
pub(super) fn of(evidence: &Evidence, diagnosis: &Diagnosis) -> Vec<JsonCheck> {
    let mut checks = Vec::new();
    for (checked, (_, result)) in evidence.checks.iter().zip(&diagnosis.checks) {
        checks.push(JsonCheck::of(checked, result));
    }
    checks
}

/// The checks as evidence, without their results.
pub(super) fn evidence(checks: Vec<JsonCheck>) -> Vec<Checked> {
    checks.into_iter().map(JsonCheck::evidence).collect()
}

impl JsonCheck {
    fn of(checked: &Checked, result: &CheckResult) -> Self {
        let (result, reason) = match result {
            CheckResult::Pass => (JsonResult::Pass, None),
            CheckResult::Fail(rules) => (JsonResult::Fail, Some(rules)),
            CheckResult::Warning(rules) => (JsonResult::Warning, Some(rules)),
            CheckResult::Skipped(reason) => (JsonResult::Skipped, Some(reason)),
            CheckResult::Unknown(reason) => (JsonResult::Unknown, Some(reason)),
        };
        let probes = match &checked.made {
            Made::By(probes) => probes.clone(),
            Made::Skipped(_) => Vec::new(),
        };
        Self { check: checked.check, result, reason: reason.cloned(), probes }
    }

    fn evidence(self) -> Checked {
        let made = match self.result {
            JsonResult::Skipped => Made::Skipped(self.reason.unwrap_or_default()),
            JsonResult::Pass | JsonResult::Fail | JsonResult::Warning | JsonResult::Unknown => {
                Made::By(self.probes)
            }
        };
        Checked { check: self.check, made }
    }
}
