//! Runs the checks on the shipped snippets and the real servers: all must pass, with no more requests
//! than documented. `docs/checks.md` is generated from these runs.
//!
//! A difference fails the test; if `UPDATE_DOCS` is set, the page is rewritten instead.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use sendfile_check::demo::{
    DemoEnvironment, DemoError,
    fault::{FAULTS, Fault},
};
use sendfile_evidence::{Check, Evidence, ExtraProbe, ProbeId, Server};
use sendfile_probe::{
    config::{Config, Depth},
    prober::Prober,
};
use sendfile_rules::{CheckResult, Choice, Diagnosis, judge, rules};

/// The proxies, and their names in the page.
const PROXIES: [(Server, &str); 5] = [
    (Server::Nginx, "nginx"),
    (Server::Apache, "Apache"),
    (Server::Lighttpd, "lighttpd"),
    (Server::Caddy, "Caddy"),
    (Server::BuiltIn, "built-in"),
];

/// Requests beyond the four layers, by default and with --thorough.
const MOST: [(Depth, usize); 2] = [(Depth::AsNeeded, 8), (Depth::Thorough, 34)];

#[tokio::test]
async fn every_snippet_passes_every_check() {
    let mut columns = Vec::new();
    for (proxy, name) in PROXIES {
        let environment = match DemoEnvironment::start(proxy, None).await {
            Err(DemoError::NotInstalled(_)) if std::env::var_os("CI").is_none() => {
                crate::skipped(&format!("{name} is not installed"));
                continue;
            }
            environment => environment.expect("a demo"),
        };
        let mut results = Vec::new();
        for (depth, most) in MOST {
            let (evidence, diagnosis) = examine(&environment, depth, Choice::default()).await;
            let named = |it: &&ExtraProbe| !matches!(it.id, ProbeId::Name(_));
            let count = evidence.probes.iter().filter(named).count();
            assert!(count <= most, "{name}, {depth:?}: {count} requests");
            assert_eq!(complaints(&diagnosis), [""; 0], "{name}, {depth:?}");
            results = diagnosis.checks;
        }
        environment.stop().await;
        columns.push((name, results));
    }
    if columns.len() == PROXIES.len() {
        compare(&page(&columns).expect("memory"));
    }
}

/// If all rules of a check are skipped, its requests are not sent, and the report gives the reason.
#[tokio::test]
async fn requests_that_no_rule_needs_are_not_sent() {
    let environment = DemoEnvironment::start(Server::BuiltIn, None).await.expect("a demo");
    let only = Choice { only: vec!["handoff.head-has-body".to_owned()], ..Choice::default() };
    let (evidence, diagnosis) = examine(&environment, Depth::Thorough, only).await;
    environment.stop().await;
    let requested: Vec<_> = evidence.probes.iter().map(|it| it.id.to_string()).collect();
    assert_eq!(requested, ["head"]);
    let made = |result: &CheckResult| !matches!(result, CheckResult::Skipped(_));
    let made: Vec<_> = diagnosis.checks.iter().filter(|it| made(&it.1)).map(|it| it.0).collect();
    assert_eq!(made, [Check::Head]);
}

async fn examine(
    environment: &DemoEnvironment,
    depth: Depth,
    choice: Choice,
) -> (Evidence, Diagnosis) {
    let mut config = Config::of(environment.target().expect("URLs of this machine"));
    config.depth = depth;
    config.checks = Check::all().filter(|check| choice.wants(*check)).collect();
    let prober = Prober::new(&config).expect("randomness");
    let evidence = prober.examine(&config.targets[0]).await.expect("a running fixture");
    let diagnosis = judge(&evidence, &choice);
    (evidence, diagnosis)
}

/// The ids of the rules of a check.
fn rules_of(check: Check) -> impl Iterator<Item = &'static str> {
    rules().filter(move |rule| rule.check == Some(check)).map(|rule| rule.id)
}

const LIMITS: &str = "handoff.name-limits";

/// Findings, warnings and unknown checks, except for names that a proxy is known not to serve.
fn complaints(diagnosis: &Diagnosis) -> Vec<String> {
    let found = diagnosis.findings.iter().chain(&diagnosis.warnings);
    let found = found
        .filter(|it| it.rule.id != LIMITS)
        .map(|it| format!("{}: {:?}", it.rule.id, it.evidence));
    let made = |it: &CheckResult| match it {
        CheckResult::Pass | CheckResult::Skipped(_) => true,
        CheckResult::Fail(rules) | CheckResult::Warning(rules) => rules == LIMITS,
        CheckResult::Unknown(_) => false,
    };
    let unknown = diagnosis.checks.iter().filter(|it| !made(&it.1));
    found.chain(unknown.map(|(check, result)| format!("{check}: {result:?}"))).collect()
}

fn compare(text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/checks.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text).expect("the page");
    }
    let shown = fs::read_to_string(PathBuf::from(&path)).unwrap_or_default();
    assert!(shown == text, "docs/checks.md is out of date; run the tests with UPDATE_DOCS=1");
}

fn page(columns: &[(&str, Vec<(Check, CheckResult)>)]) -> Result<String, std::fmt::Error> {
    let mut page = String::from(HEAD);
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    writeln!(page, "| check | requirement | {} |", names.join(" | "))?;
    writeln!(page, "|---|---|{}", "---|".repeat(columns.len()))?;
    let mut reasons: Vec<&str> = Vec::new();
    for check in Check::all() {
        let results = columns.iter().map(|(_, results)| results.iter().find(|it| it.0 == check));
        let cells: Vec<_> =
            results.map(|it| cell(&it.expect("each check").1, &mut reasons)).collect();
        writeln!(page, "| {check} | {} | {} |", check.question(), cells.join(" | "))?;
    }
    for (n, reason) in reasons.iter().enumerate() {
        writeln!(page, "\n{}: skipped, {reason}", n + 1)?;
    }
    page.push_str(RULES);
    for check in Check::all() {
        let mut rules: Vec<_> = rules_of(check).map(|id| format!("`{id}`")).collect();
        rules.sort();
        writeln!(page, "| {check} | {} | {} |", rules.join(", "), faults(check))?;
    }
    Ok(page)
}

const HEAD: &str = "\
# Checks

A download with the right content can still be public, not resumable, or saved under a wrong name. When all four layers
pass, the verifier runs the checks on this page. They send at most 8 further requests by default, and at most 34 with
`--thorough`, plus one for each unusual file name. If a check fails, at most two more requests find the cause. All
requests are GET, HEAD or OPTIONS, and change nothing.

The tests generate this page by running the shipped snippets on the real servers with `--thorough`.

";

const RULES: &str = "
## Rules of each check

A check fails or reports a warning if one of its rules matches. If `--only` or `--skip` excludes all rules of a check,
the check is skipped and sends no requests. Each fault is one change to a working setup. The tests make this change on
the real servers, and the check detects it.

| check | rules | faults |
|---|---|---|
";

fn cell<'a>(result: &'a CheckResult, reasons: &mut Vec<&'a str>) -> String {
    match result {
        CheckResult::Pass => "pass".to_owned(),
        CheckResult::Skipped(reason) => {
            let known = reasons.iter().position(|it| it == reason);
            let at = known.unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            format!("– ({})", at + 1)
        }
        CheckResult::Fail(rules) | CheckResult::Warning(rules) => format!("`{rules}`"),
        CheckResult::Unknown(reason) => reason.clone(),
    }
}

/// The faults whose first finding or warning is one of the check's rules; TLS has separate tests.
fn faults(check: Check) -> String {
    let of_check = |id: &&str| {
        let fault = Fault::named(id).expect("a valid fault");
        let warned = fault.warned.as_ref().or(fault.warned_with_config.as_ref());
        let first = fault.expected.first().or(warned);
        first.is_some_and(|it| rules_of(check).any(|id| id == it.as_str()))
    };
    if matches!(check, Check::Tls | Check::Protocol) {
        return "on nginx, in `verifier/tests/it/tls.rs`".to_owned();
    }
    let ids = FAULTS.iter().map(|(id, _)| *id).filter(of_check);
    ids.map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
