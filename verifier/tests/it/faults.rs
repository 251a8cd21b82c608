//! Faults: one change to a right set-up, on the real server, and the finding that must come first.
//!
//! A proxy that is not installed is a printed skip on a laptop, and a failure where `CI` is set.

use std::{collections::BTreeSet, fs, path::Path};

use futures_util::{StreamExt, stream};
use sendfile_check::{
    args::DemoProxy,
    demo::{
        Stage, StageError,
        fault::{FAULTS, Fault},
    },
};
use sendfile_probe::{config::Config, prober::Prober};
use sendfile_rules::{Choice, Diagnosis, judge};

use crate::matrix;

/// What a fault led to.
pub(crate) struct Outcome {
    pub(crate) id: &'static str,
    pub(crate) fault: Fault,
    /// The rule of the first finding.
    pub(crate) found: Option<&'static str>,
    wrong: Option<String>,
}

#[test]
fn every_file_is_listed_and_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let files = fs::read_dir(folder).expect("the folder of faults").map(|it| {
        let name = it.expect("a file").file_name();
        name.to_string_lossy().trim_end_matches(".toml").to_owned()
    });
    let listed = FAULTS.iter().map(|(id, _)| (*id).to_owned());
    assert_eq!(files.collect::<BTreeSet<_>>(), listed.collect::<BTreeSet<_>>());
    for (id, _) in FAULTS {
        let fault = Fault::named(id).expect("a fault that is understood");
        assert!(id.starts_with(&fault.proxy), "{id} is named after its proxy");
    }
}

/// How many stages stand at once: most of the time is spent waiting for servers to come and go.
const AT_ONCE: usize = 4;

/// All faults on all proxies, and the page that shows what was found.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found() {
    let outcomes = outcomes_of_all(Local::Closed).await;
    let wrong: Vec<_> = outcomes.iter().filter_map(|it| it.wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if outcomes.len() == FAULTS.len() {
        matrix::check(&outcomes);
    }
}

/// With the proxy's configuration and error log at hand too, one of the findings that are expected
/// comes first: a better one, where the configuration tells what cannot be seen from outside.
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_found_with_the_configuration_too() {
    let outcomes = outcomes_of_all(Local::Read).await;
    let wrong: Vec<_> = outcomes.iter().filter_map(|it| it.wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the proxies' configurations and error logs may be read.
#[derive(Clone, Copy, PartialEq)]
enum Local {
    Read,
    Closed,
}

/// A site is asked no more than this to tell why its download fails.
const MOST_PROBES: usize = 21;

/// What all faults lead to, without those whose proxy is not installed.
async fn outcomes_of_all(local: Local) -> Vec<Outcome> {
    use DemoProxy::{Apache, BuiltIn, Caddy, Lighttpd, Nginx};
    let of_proxy = |proxy| Fault::all_of(proxy).map(move |(id, fault)| (proxy, id, fault));
    let faults = [BuiltIn, Nginx, Apache, Lighttpd, Caddy].into_iter().flat_map(of_proxy);
    let runs = faults.map(|(proxy, id, fault)| tokio::spawn(outcome(proxy, id, fault, local)));
    let runs: Vec<_> = stream::iter(runs).buffered(AT_ONCE).collect().await;
    let (mut outcomes, mut missing) = (Vec::new(), BTreeSet::new());
    for run in runs {
        match run.expect("a diagnosis that comes to an end") {
            Ok(outcome) => outcomes.push(outcome),
            Err(name) => drop(missing.insert(name)),
        }
    }
    missing.iter().for_each(|name| crate::skipped(&format!("{name} is not installed")));
    outcomes
}

/// What a fault leads to; where a proxy is not installed, its name.
async fn outcome(
    proxy: DemoProxy,
    id: &'static str,
    fault: Fault,
    local: Local,
) -> Result<Outcome, &'static str> {
    let (found, wrong) = match diagnose(proxy, &fault, local).await {
        Ok(diagnosis) => (
            diagnosis.findings.first().map(|it| it.rule.id),
            difference(id, &fault, local, &diagnosis),
        ),
        Err(StageError::NotInstalled(name)) if std::env::var_os("CI").is_none() => {
            return Err(name);
        }
        Err(error) => (None, Some(format!("{id}: {error}"))),
    };
    Ok(Outcome { id, fault, found, wrong })
}

async fn diagnose(proxy: DemoProxy, fault: &Fault, local: Local) -> Result<Diagnosis, StageError> {
    let stage = Stage::set(proxy, Some(fault)).await?;
    let mut target = stage.target().expect("URLs of this machine");
    if local == Local::Read {
        target.wish.local = stage.local();
    }
    let mut config = Config::of(target);
    config.depth = fault.depth();
    let prober = Prober::new(&config).expect("randomness");
    let evidence =
        prober.examine(&config.targets[0]).await.expect("a fixture that answers, or does not");
    let split = !evidence.delivered() && !fault.thorough;
    assert!(!split || evidence.probes.len() <= MOST_PROBES, "{} probes", evidence.probes.len());
    stage.clear().await;
    Ok(judge(&evidence, &Choice::default()))
}

/// How a diagnosis differs from the one that is expected, if it does.
fn difference(id: &str, fault: &Fault, local: Local, diagnosis: &Diagnosis) -> Option<String> {
    let found: Vec<_> = diagnosis.findings.iter().map(|it| it.rule.id).collect();
    let warned: Vec<_> = diagnosis.warnings.iter().map(|it| it.rule.id).collect();
    let first = found.first().copied();
    let expected = fault.expected.first().map(String::as_str);
    let right = match (local, &fault.told) {
        (Local::Read, Some(told)) => first == Some(told),
        (Local::Read, None) if expected.is_some() => {
            fault.expected.iter().any(|it| first == Some(it))
        }
        _ => first == expected,
    };
    let healthy = expected.is_some() || diagnosis.verdict.to_string() == "healthy";
    let told_warning = fault.told_warning.as_ref().filter(|_| local == Local::Read);
    let told = fault.warned.iter().chain(told_warning).all(|it| warned.contains(&it.as_str()));
    (!(right && healthy && told)).then(|| {
        let (expected, told) = (&fault.expected, &fault.told);
        let verdict = &diagnosis.verdict;
        format!("{id}: expected {expected:?}, told {told:?}, found {found:?} {warned:?}, {verdict}")
    })
}
