//! `docs/diagnosis.md`: how often the right culprit was found, measured by the runs of all faults, and
//! the scenarios and faults of each rule.
//!
//! A difference fails the test; with `UPDATE_DOCS` set the page is written instead.

use std::{collections::BTreeMap, env, fmt::Write, fs, path::PathBuf};

use sendfile_check::demo::fault::Fault;
use sendfile_rules::{Rule, rules};
use sendfile_scenarios::Case;

use crate::faults::{self, Outcome};

/// The culprits, and `healthy` for none.
const CULPRITS: [&str; 6] = ["storage", "app", "proxy", "handoff", "frontend", "healthy"];

/// The rules need no server: their rows come from the scenarios and faults as they are written.
#[test]
fn the_page_has_every_rule() {
    compare(&current().0, &rule_table());
}

/// Compares the page with the outcomes of all faults.
pub(crate) fn check(outcomes: &[Outcome]) {
    compare(&matrix(outcomes).expect("memory"), &current().1);
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/diagnosis.md")
}

/// The page's two parts: what was measured, and the table of rules.
fn current() -> (String, String) {
    let page = fs::read_to_string(path()).unwrap_or_default();
    match page.find(RULES_HEADING) {
        Some(at) => (page[..at].to_owned(), page[at..].to_owned()),
        None => panic!("docs/diagnosis.md has no line `{}`", RULES_HEADING.trim()),
    }
}

/// Compares the page with its two parts, or writes it.
fn compare(measured: &str, rules: &str) {
    let page = format!("{measured}{rules}");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(), &page).expect("the page");
    }
    let written = fs::read_to_string(path()).unwrap_or_default();
    assert!(
        written == page,
        "docs/diagnosis.md is out of date. Only the table of rules: UPDATE_DOCS=1 cargo test -p sendfile-check --test it \
         the_page_has_every_rule. The measured part: make docs"
    );
}

/// How often which culprit was reported.
fn matrix(outcomes: &[Outcome]) -> Result<String, std::fmt::Error> {
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
    Ok(page)
}

fn rule_table() -> String {
    let scenarios = sendfile_scenarios::all();
    let faults = faults::all();
    let mut table = format!("{RULES_HEADING}{RULES}");
    for rule in rules() {
        table += &row(rule, &faults, &scenarios);
    }
    table
}

const HEAD: &str = "\
# Diagnosis

The verifier names a culprit and a cause. The tests generate this page from runs on the real servers: each fault is one
change to a working set-up, a file below `verifier/tests/faults/`. `sendfile-check explain RULE` describes a rule in
full, and `sendfile-check demo --proxy PROXY --fault ID` demonstrates a fault.

## Actual and reported culprits

";

const RULES_HEADING: &str = "## Rules\n";

const RULES: &str = "
| rule | summary | scenarios | faults |
|---|---|---|---|
";

fn row(rule: &Rule, faults: &[Fault], scenarios: &[Case]) -> String {
    let mut shown_by = Vec::new();
    for fault in faults {
        if faults::names(fault, rule.id) {
            shown_by.push(format!("`{}`", fault.id));
        }
    }
    let count = scenarios.iter().filter(|case| case.scenario.names(rule.id)).count();
    format!("| `{}` | {} | {count} | {} |\n", rule.id, rule.summary, shown_by.join(", "))
}

/// The culprit of a rule id, or `healthy`.
fn culprit(rule: Option<&str>) -> &str {
    let Some(id) = rule else { return "healthy" };
    id.split('.').next().unwrap_or(id)
}
