//! Faults: each makes one change to a working set-up on the real server; the test asserts the first
//! finding.
//!
//! A proxy that is not installed is a printed skip on a laptop, and a failure where `CI` is set.

use std::{collections::BTreeSet, env};

use futures_util::{StreamExt, stream};
use sendfile_check::demo::{
    DemoEnvironment, DemoError,
    fault::{Edited, FAULTS, Fault},
};
use sendfile_evidence::Server;
use sendfile_probe::{config::Config, prober::Prober};
use sendfile_rules::{Choice, Diagnosis, Finding, judge};

use self::edit::EditedFile;
use crate::matrix;

mod edit;

const PROXIES: [Server; 5] =
    [Server::BuiltIn, Server::Nginx, Server::Apache, Server::Lighttpd, Server::Caddy];

/// The result of a fault.
pub(crate) struct Outcome {
    pub(crate) fault: Fault,
    /// The rule of the first finding.
    pub(crate) found: Option<&'static str>,
    /// How the diagnosis differs from the expected one.
    difference: Option<String>,
}

/// The directory that a fault belongs in.
pub(crate) fn directory(fault: &Fault) -> &str {
    rules_of(fault).next().unwrap_or("healthy")
}

/// Whether a fault must show a rule, as the first finding or a warning.
pub(crate) fn names(fault: &Fault, rule: &str) -> bool {
    rules_of(fault).any(|named| named == rule)
}

/// The rules that a fault must show: the first finding, then the warnings.
fn rules_of(fault: &Fault) -> impl Iterator<Item = &str> {
    let findings = fault.expected.first().into_iter().chain(&fault.with_config);
    findings.chain(&fault.warned).chain(&fault.warned_with_config).map(String::as_str)
}

/// The number of faults that run at the same time. Most of the time is spent waiting for servers to
/// start and to stop.
const CONCURRENCY: usize = 4;

/// Runs all faults on all proxies, and compares the page that lists the results.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found() {
    let outcomes = all_outcomes(Local::Closed).await;
    assert_no_differences(&outcomes);
    if outcomes.len() == FAULTS.len() {
        matrix::check(&outcomes);
    }
}

/// Runs all faults with the configuration and the error log of each proxy. The first finding may be
/// a better one where the configuration shows what cannot be seen from outside, and it names the
/// edited line.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found_with_the_configuration_too() {
    let outcomes = all_outcomes(Local::Read).await;
    assert_no_differences(&outcomes);
}

fn assert_no_differences(outcomes: &[Outcome]) {
    let differences: Vec<_> =
        outcomes.iter().filter_map(|outcome| outcome.difference.as_deref()).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// All faults, those of a proxy together.
pub(crate) fn all() -> Vec<Fault> {
    let mut all = Vec::new();
    for proxy in PROXIES {
        all.extend(Fault::all_of(proxy).expect("valid faults"));
    }
    all
}

/// Whether a fault is to run: `FAULTS` is the beginning of its id.
fn selected(id: &str) -> bool {
    env::var("FAULTS").is_ok_and(|beginning| id.starts_with(&beginning))
        || env::var_os("FAULTS").is_none()
}

/// Whether the verifier may read the configurations and error logs of the proxies.
#[derive(Clone, Copy, PartialEq)]
enum Local {
    Read,
    Closed,
}

/// The maximum number of further requests to explain why a download fails.
const MAX_PROBES: usize = 21;

/// The outcomes of all faults whose proxies are installed.
async fn all_outcomes(local: Local) -> Vec<Outcome> {
    let mut runs = Vec::new();
    for fault in all() {
        if selected(fault.id) {
            runs.push(async move { tokio::spawn(outcome(fault, local)).await });
        }
    }
    assert!(!runs.is_empty(), "no fault begins with FAULTS={:?}", env::var_os("FAULTS"));
    let mut runs = stream::iter(runs).buffered(CONCURRENCY);
    let mut outcomes = Vec::new();
    let mut missing = BTreeSet::new();
    while let Some(run) = runs.next().await {
        match run.expect("a diagnosis without a panic") {
            Ok(outcome) => outcomes.push(outcome),
            Err(name) => {
                missing.insert(name);
            }
        }
    }
    for name in missing {
        crate::skipped(&format!("{name} is not installed"));
    }
    outcomes
}

/// The outcome of a fault, or the name of the proxy that is not installed.
async fn outcome(fault: Fault, local: Local) -> Result<Outcome, &'static str> {
    let (proxy, id) = (fault.proxy, fault.id);
    match diagnose(proxy, &fault, local).await {
        Ok((diagnosis, edited)) => {
            let found = diagnosis.findings.first().map(|finding| finding.rule.id);
            let difference = difference(id, &fault, local, &diagnosis).or_else(|| {
                let difference = line_difference(&fault, &diagnosis, &edited?)?;
                Some(format!("{id}: {difference}"))
            });
            Ok(Outcome { fault, found, difference })
        }
        Err(DemoError::NotInstalled(name)) if env::var_os("CI").is_none() => Err(name),
        Err(error) => {
            let difference = Some(format!("{id}: {error}"));
            Ok(Outcome { fault, found: None, difference })
        }
    }
}

/// The diagnosis of a fault, and the file that it edits where the verifier may read that.
async fn diagnose(
    proxy: Server,
    fault: &Fault,
    local: Local,
) -> Result<(Diagnosis, Option<EditedFile>), DemoError> {
    let environment = DemoEnvironment::start(proxy, Some(fault)).await?;
    let mut target = environment.target().expect("valid URLs");
    let mut edited = None;
    if local == Local::Read {
        target.expectations.local = environment.local();
        edited = EditedFile::of(fault, &environment);
    }
    let mut config = Config::of(target);
    config.depth = fault.depth();
    let prober = Prober::new(&config).expect("randomness");
    let evidence = prober.examine(&config.targets[0]).await.expect("a contract, or no fixture");
    if !evidence.delivered() && !fault.thorough {
        assert!(evidence.probes.len() <= MAX_PROBES, "{} probes", evidence.probes.len());
    }
    environment.stop().await;
    Ok((judge(&evidence, &Choice::default()), edited))
}

/// How a diagnosis differs from the expected one, if it does.
fn difference(id: &str, fault: &Fault, local: Local, diagnosis: &Diagnosis) -> Option<String> {
    let found: Vec<_> = diagnosis.findings.iter().map(|finding| finding.rule.id).collect();
    let warned: Vec<_> = diagnosis.warnings.iter().map(|warning| warning.rule.id).collect();
    let first = found.first().copied();
    let expected = fault.expected.first().map(String::as_str);
    let right_first = match (local, &fault.with_config) {
        (Local::Closed, _) => first == expected,
        (Local::Read, Some(rule)) => first == Some(rule),
        (Local::Read, None) if expected.is_none() => first.is_none(),
        (Local::Read, None) => fault.expected.iter().any(|rule| first == Some(rule)),
    };
    let mut wanted: Vec<_> = fault.warned.iter().collect();
    if local == Local::Read {
        wanted.extend(&fault.warned_with_config);
    }
    let right_warnings = wanted.iter().all(|rule| warned.contains(&rule.as_str()));
    let right_verdict = expected.is_some() || diagnosis.verdict.to_string() == "healthy";
    if right_first && right_warnings && right_verdict {
        return None;
    }
    let Fault { expected, with_config, .. } = fault;
    let verdict = &diagnosis.verdict;
    Some(format!(
        "{id}: expected {expected:?}, with the configuration {with_config:?}, warnings {wanted:?}; found \
         {found:?}, warnings {warned:?}, {verdict}"
    ))
}

/// How the line and the change that a diagnosis names differ from those of the edit, if they do.
fn line_difference(fault: &Fault, diagnosis: &Diagnosis, edited: &EditedFile) -> Option<String> {
    // The running proxy does not have the edit, or the file does not.
    if fault.edited != Edited::Loaded {
        return None;
    }
    let warned = fault.warned.as_ref().or(fault.warned_with_config.as_ref());
    let warnings = diagnosis.warnings.iter();
    let mut warnings =
        warnings.filter(|warning| warned.is_some_and(|rule| rule == warning.rule.id));
    let finding = diagnosis.findings.first().or_else(|| warnings.next())?;
    let Finding { evidence, remedy, .. } = finding;
    let names_line =
        evidence.iter().any(|line| edited.has_line_in(line)) || edited.has_line_in(remedy);
    if fault.line.is_some() {
        let named = names_line.then_some("names the edited line; remove `line` from the fault");
        return named.map(str::to_owned);
    }
    if !names_line {
        return Some(format!("does not name the edited line: {evidence:#?}\nremedy: {remedy}"));
    }
    if fault.remedy.is_some() {
        let named = edited
            .has_line_in(remedy)
            .then_some("names the edited line in the remedy; remove `remedy` from the fault");
        return named.map(str::to_owned);
    }
    if !edited.has_line_in(remedy) && !edited.has_directive_in(remedy) {
        return Some(format!("does not name the change in the remedy: {remedy}"));
    }
    None
}
