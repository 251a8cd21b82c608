//! The checks in JSON, written and read.

use super::{Deserialize, Diagnosis, Evidence, Serialize};
use sendfile_evidence::{Checked, Made};
use sendfile_rules::CheckResult;

#[derive(Serialize, Deserialize)]
pub(super) struct JsonCheck {
    check: String,
    /// `pass`, `fail`, `warning`, `skipped` or `unknown`.
    result: String,
    /// The matching rules, or the reason why the check was skipped or is unknown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    /// The probes that it needed in addition to the layers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    probes: Vec<String>,
}

/// The checks of a target.
pub(super) fn of(evidence: &Evidence, diagnosis: &Diagnosis) -> Vec<JsonCheck> {
    let results = diagnosis.checks.iter().map(|(_, result)| result);
    evidence.checks.iter().zip(results).map(|(it, result)| check(it, result)).collect()
}

fn check(it: &Checked, result: &CheckResult) -> JsonCheck {
    let (result, reason) = match result {
        CheckResult::Pass => ("pass", None),
        CheckResult::Fail(rules) => ("fail", Some(rules.clone())),
        CheckResult::Warning(rules) => ("warning", Some(rules.clone())),
        CheckResult::Skipped(reason) => ("skipped", Some(reason.clone())),
        CheckResult::Unknown(reason) => ("unknown", Some(reason.clone())),
    };
    let probes = match &it.made {
        Made::By(probes) => probes.iter().map(ToString::to_string).collect(),
        Made::Skipped(_) => Vec::new(),
    };
    JsonCheck { check: it.check.to_string(), result: result.to_owned(), reason, probes }
}

impl JsonCheck {
    pub(super) fn evidence(self) -> Result<Checked, String> {
        let made = match self.result.as_str() {
            "skipped" => Made::Skipped(self.reason.unwrap_or_default()),
            _ => {
                let probes = self.probes.iter().map(|it| it.parse());
                Made::By(probes.collect::<Result<_, _>>()?)
            }
        };
        Ok(Checked { check: self.check.parse()?, made })
    }
}
