//! Every scenario has the diagnosis that an expert derives from it, and every rule has a scenario.

use std::env;

use sendfile_rules::{Choice, Diagnosis, Finding, judge, rules};
use sendfile_scenarios::{Case, Scenario};

#[test]
fn every_scenario_has_the_expected_diagnosis() {
    // To run one: SCENARIO=alias-without-slash.
    let only = env::var("SCENARIO").ok();
    let mut differences = Vec::new();
    for case in sendfile_scenarios::all() {
        if only.as_ref().is_none_or(|id| *id == case.id) {
            differences.extend(difference(&case));
        }
    }
    assert!(
        differences.is_empty(),
        "{} scenarios:\n\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn every_scenario_is_in_the_directory_of_its_first_rule() {
    for Case { directory, id, scenario } in sendfile_scenarios::all() {
        assert_eq!(directory, scenario.directory(), "{id}");
    }
}

#[test]
fn every_rule_has_a_scenario() {
    let cases = sendfile_scenarios::all();
    for rule in rules() {
        let has_scenario = cases.iter().any(|case| case.scenario.shows(rule.id));
        assert!(has_scenario, "{}: needs a scenario in which it comes first", rule.id);
    }
}

/// How the diagnosis of a scenario differs from the expected one, if it does.
fn difference(case: &Case) -> Option<String> {
    let Case { id, scenario, .. } = case;
    let diagnosis = judge(&scenario.evidence(), &Choice::default());
    let verdict = diagnosis.verdict.to_string();
    let confidence = diagnosis.findings.first().map(|finding| finding.confidence.to_string());
    let Scenario { story, expected, warnings, .. } = scenario;
    if ids(&diagnosis.findings) == *expected
        && ids(&diagnosis.warnings) == *warnings
        && scenario.verdict.as_ref().is_none_or(|expected| *expected == verdict)
        && scenario.confidence.as_ref().is_none_or(|expected| Some(expected) == confidence.as_ref())
    {
        return None;
    }
    let stated = (scenario.verdict.as_deref(), scenario.confidence.as_deref());
    let expected = format!("{expected:?}, warnings {warnings:?}, {stated:?}");
    let found = listing(&diagnosis);
    Some(format!("{id}: {story}\n  expected {expected}\n  found {verdict}\n{found}"))
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule.id).collect()
}

/// The findings and warnings, one per line.
fn listing(diagnosis: &Diagnosis) -> String {
    let mut lines = String::new();
    for Finding { rule, severity, confidence, evidence, .. } in
        diagnosis.findings.iter().chain(&diagnosis.warnings)
    {
        lines += &format!("    {} ({severity}, {confidence}): {}\n", rule.id, evidence[0]);
    }
    lines
}
