//! Every scenario has the diagnosis that an expert derives from it, and every rule has a scenario.

use std::env;

use sendfile_rules::{Choice, Finding, judge, rules};
use sendfile_scenarios::{Case, Scenario};

#[test]
fn every_scenario_has_the_expected_diagnosis() {
    // To run one: SCENARIO=alias-without-slash.
    let only = env::var("SCENARIO").ok();
    let mut judged = 0;
    let mut differences = Vec::new();
    for case in sendfile_scenarios::all() {
        if only.as_ref().is_none_or(|id| *id == case.id) {
            judged += 1;
            differences.extend(difference(&case));
        }
    }
    assert!(judged > 0, "no scenario is named `{}`", only.unwrap_or_default());
    let wrong = differences.len();
    assert!(wrong == 0, "{wrong} of {judged} scenarios differ:\n\n{}", differences.join("\n"));
}

#[test]
fn every_scenario_expects_rules_that_exist() {
    for Case { id, scenario, .. } in sendfile_scenarios::all() {
        for expected in scenario.expected.iter().chain(&scenario.warnings) {
            let exists = rules().any(|rule| rule.id == expected);
            assert!(exists, "{id}: there is no rule `{expected}`");
        }
    }
}

#[test]
fn every_scenario_is_in_the_directory_of_its_first_rule() {
    for Case { directory, id, scenario } in sendfile_scenarios::all() {
        let belongs = scenario.directory();
        assert!(directory == belongs, "{id} is in {directory}/, but belongs in {belongs}/");
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
    let Case { directory, id, scenario } = case;
    let diagnosis = judge(&case.evidence(), &Choice::default());
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
    let mut wanted = format!("findings {expected:?}, warnings {warnings:?}");
    for (what, stated) in [("verdict", &scenario.verdict), ("confidence", &scenario.confidence)] {
        if let Some(stated) = stated {
            wanted += &format!(", {what} {stated}");
        }
    }
    let findings = listing("finding", &diagnosis.findings);
    let warnings = listing("warning", &diagnosis.warnings);
    Some(format!(
        "cases/{directory}/{id}.toml: {story}\n  expected {wanted}\n  found verdict {verdict}\n\
         {findings}{warnings}"
    ))
}

fn ids(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule.id).collect()
}

/// The findings or warnings, one per line.
fn listing(what: &str, findings: &[Finding]) -> String {
    let mut lines = String::new();
    for Finding { rule, severity, confidence, evidence, .. } in findings {
        lines += &format!("    {what} {} ({severity}, {confidence}): {}\n", rule.id, evidence[0]);
    }
    lines
}
