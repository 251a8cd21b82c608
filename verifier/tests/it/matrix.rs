//! `docs/diagnosis.md`: what was broken and what was named, made from the runs of all faults.
//!
//! A difference fails the test; with `UPDATE_DOCS` set the page is written anew instead.

use std::{fmt::Write, fs, path::PathBuf};

use sendfile_check::demo::fault::Fault;
use sendfile_rules::{Rule, rules};

use crate::{faults::Outcome, scenarios};

/// The culprits, and none.
const CULPRITS: [&str; 6] = ["storage", "app", "proxy", "handoff", "frontend", "healthy"];

/// Compares the page with what was found.
pub(crate) fn check(outcomes: &[Outcome]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnosis.md");
    let text = page(outcomes).expect("memory");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).expect("the page");
    }
    let shown = fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == text, "docs/diagnosis.md is behind; run the tests with UPDATE_DOCS=1");
}

fn page(outcomes: &[Outcome]) -> Result<String, std::fmt::Error> {
    let mut page = String::from(HEAD);
    writeln!(page, "| actual \\ reported | {} |", CULPRITS.join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(CULPRITS.len()))?;
    for broken in CULPRITS {
        let of_culprit =
            |it: &&Outcome| culprit(it.fault.expected.first().map(String::as_str)) == broken;
        let of_culprit: Vec<_> = outcomes.iter().filter(of_culprit).collect();
        let cells = CULPRITS.map(|named| {
            let count = of_culprit.iter().filter(|it| culprit(it.found) == named).count();
            if count == 0 { "·".to_owned() } else { count.to_string() }
        });
        writeln!(page, "| {broken} | {} |", cells.join(" | "))?;
    }
    let right =
        outcomes.iter().filter(|it| it.found == it.fault.expected.first().map(String::as_str));
    writeln!(
        page,
        "\nThe first finding is the correct rule in {} of {} runs.\n",
        right.count(),
        outcomes.len()
    )?;
    page.push_str(RULES);
    let scenarios = scenarios::all();
    for rule in rules() {
        writeln!(page, "{}", row(rule, outcomes, &scenarios))?;
    }
    Ok(page)
}

const HEAD: &str = "\
# Diagnosis

The verifier names a culprit and a cause. The tests generate this page from runs on the real servers. Each fault is one
change to a working setup, listed in `verifier/tests/faults/`. `sendfile-check explain RULE` describes a rule in detail,
and `sendfile-check demo --proxy PROXY --fault ID` reproduces a fault.

## Actual and reported culprits

";

const RULES: &str = "\
## Rules

| rule | summary | scenarios | faults |
|---|---|---|---|
";

fn row(rule: &Rule, outcomes: &[Outcome], scenarios: &[(String, scenarios::Scenario)]) -> String {
    let named = |it: &&Outcome| {
        let Fault { expected, told, warned, told_warning, .. } = &it.fault;
        let beside = told.iter().chain(warned).chain(told_warning);
        expected.first().into_iter().chain(beside).any(|it| it == rule.id)
    };
    let of_rule = outcomes.iter().filter(named);
    let faults: Vec<_> = of_rule.map(|it| format!("`{}`", it.id)).collect();
    let count = scenarios.iter().filter(|(_, it)| it.names(rule.id)).count();
    format!("| `{}` | {} | {count} | {} |", rule.id, rule.summary, faults.join(", "))
}

fn culprit(rule: Option<&str>) -> &str {
    rule.map_or("healthy", |id| id.split('.').next().unwrap_or(id))
}
