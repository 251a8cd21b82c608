//! `docs/diagnosis.md`: each fault and the finding it led to, made from the runs of all faults.
//!
//! A difference fails the test; with `UPDATE_DOCS` set the page is written instead.

use std::{collections::BTreeMap, env, fmt::Write, fs, path::PathBuf};

use sendfile_rules::{Rule, rules};
use sendfile_scenarios::Case;

use crate::faults::{self, Outcome};

/// The culprits, and `healthy` for none.
const CULPRITS: [&str; 6] = ["storage", "app", "proxy", "handoff", "frontend", "healthy"];

/// Compares the page with the outcomes.
pub(crate) fn check(outcomes: &[Outcome]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnosis.md");
    let text = page(outcomes).expect("memory");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).expect("the page");
    }
    let current = fs::read_to_string(&path).unwrap_or_default();
    assert!(current == text, "docs/diagnosis.md is out of date; run the tests with UPDATE_DOCS=1");
}

fn page(outcomes: &[Outcome]) -> Result<String, std::fmt::Error> {
    let mut page = String::from(HEAD);
    writeln!(page, "| actual \\ reported | {} |", CULPRITS.join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(CULPRITS.len()))?;
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut right = 0;
    for Outcome { fault, found, .. } in outcomes {
        let expected = fault.expected.first().map(String::as_str);
        *counts.entry((culprit(expected), culprit(*found))).or_default() += 1;
        right += usize::from(*found == expected);
    }
    for broken in CULPRITS {
        let cells = CULPRITS.map(|named| match counts.get(&(broken, named)) {
            Some(count) => count.to_string(),
            None => "·".to_owned(),
        });
        writeln!(page, "| {broken} | {} |", cells.join(" | "))?;
    }
    writeln!(page, "\nThe first rule is the right one in {right} of {} runs.\n", outcomes.len())?;
    page.push_str(RULES);
    let scenarios = sendfile_scenarios::all();
    for rule in rules() {
        writeln!(page, "{}", row(rule, outcomes, &scenarios))?;
    }
    Ok(page)
}

const HEAD: &str = "\
# Diagnosis

The verifier names a culprit and a cause. The tests generate this page from runs on the real servers: each fault is one
change to a working set-up, a file below `verifier/tests/faults/`. `sendfile-check explain RULE` describes a rule in
full, and `sendfile-check demo --proxy PROXY --fault ID` demonstrates a fault.

## Actual and reported culprits

";

const RULES: &str = "\
## Rules

| rule | summary | scenarios | faults |
|---|---|---|---|
";

fn row(rule: &Rule, outcomes: &[Outcome], scenarios: &[Case]) -> String {
    let mut shown_by = Vec::new();
    for Outcome { id, fault, .. } in outcomes {
        if faults::names(fault, rule.id) {
            shown_by.push(format!("`{id}`"));
        }
    }
    let count = scenarios.iter().filter(|case| case.scenario.names(rule.id)).count();
    format!("| `{}` | {} | {count} | {} |", rule.id, rule.summary, shown_by.join(", "))
}

/// The culprit of a rule id, or `healthy`.
fn culprit(rule: Option<&str>) -> &str {
    let Some(id) = rule else { return "healthy" };
    id.split('.').next().unwrap_or(id)
}
