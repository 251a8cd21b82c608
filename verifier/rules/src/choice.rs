//! Which rules are tried, and which of them belong to a check.

use sendfile_evidence::Check;

use crate::catalog::rules;

/// Which rules apply.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The only rules to apply; all if empty.
    pub only: Vec<String>,
    /// The rules to skip.
    pub skip: Vec<String>,
}

impl Choice {
    /// Whether the rule with this id applies.
    pub fn tries(&self, rule: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|id| id == rule);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }

    /// Whether any rule of a check applies; if none does, its probes are not needed.
    pub fn wants(&self, check: Check) -> bool {
        rules().any(|rule| rule.check == Some(check) && self.tries(rule.id))
    }
}
