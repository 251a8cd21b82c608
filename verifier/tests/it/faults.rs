//! Faults: one change to a right set-up, on the real server, and the finding that must come first.
//!
//! A proxy that is not installed is a printed skip on a laptop, and a failure where `CI` is set.

use std::{collections::BTreeSet, fs, path::Path};

use sendfile_check::{
    args::DemoProxy,
    check::Choice,
    config::{Config, LocalPlaces},
    demo::{
        Stage, StageError,
        fault::{FAULTS, Fault},
    },
    diagnosis::{Diagnosis, judge},
    local::Kind,
    probe::Prober,
};

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

/// All faults on all proxies, and the page that shows what was found.
#[tokio::test]
async fn every_fault_is_found() {
    use DemoProxy::{Apache, BuiltIn, Caddy, Lighttpd, Nginx};
    let (mut outcomes, mut complete) = (Vec::new(), true);
    for proxy in [BuiltIn, Nginx, Apache, Lighttpd, Caddy] {
        match check_all(proxy).await {
            Some(all) => outcomes.extend(all),
            None => complete = false,
        }
    }
    let wrong: Vec<_> = outcomes.iter().filter_map(|it| it.wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    if complete {
        matrix::check(&outcomes);
    }
}

/// Nothing, if the proxy is not installed.
async fn check_all(proxy: DemoProxy) -> Option<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (id, fault) in Fault::all_of(proxy) {
        let (found, wrong) = match diagnose(proxy, &fault, None).await {
            Ok(diagnosis) => (
                diagnosis.findings.first().map(|it| it.rule.id),
                difference(id, &fault, &diagnosis),
            ),
            Err(StageError::NotInstalled(name)) if std::env::var_os("CI").is_none() => {
                crate::skipped(&format!("{name} is not installed"));
                return None;
            }
            Err(error) => (None, Some(format!("{id}: {error}"))),
        };
        outcomes.push(Outcome { id, fault, found, wrong });
    }
    Some(outcomes)
}

/// With the proxy's configuration and error log at hand too, one of the findings that are expected
/// comes first: a better one, where the configuration tells what cannot be seen from outside.
#[tokio::test]
async fn every_fault_is_found_with_the_configuration_too() {
    let kinds = [
        (DemoProxy::Nginx, Kind::Nginx),
        (DemoProxy::Apache, Kind::Apache),
        (DemoProxy::Lighttpd, Kind::Lighttpd),
        (DemoProxy::Caddy, Kind::Caddy),
    ];
    let mut wrong = Vec::new();
    for (proxy, kind) in kinds {
        for (id, fault) in Fault::all_of(proxy) {
            match diagnose(proxy, &fault, Some(kind)).await {
                Ok(diagnosis) => {
                    let first = diagnosis.findings.first().map(|it| it.rule.id);
                    let better = first.is_some_and(|it| fault.expected.iter().any(|id| id == it));
                    wrong.extend(difference(id, &fault, &diagnosis).filter(|_| !better));
                }
                Err(StageError::NotInstalled(_)) if std::env::var_os("CI").is_none() => {}
                Err(error) => wrong.push(format!("{id}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A site is asked no more than this to tell why its download fails.
const MOST_PROBES: usize = 21;

async fn diagnose(
    proxy: DemoProxy,
    fault: &Fault,
    local: Option<Kind>,
) -> Result<Diagnosis, StageError> {
    let stage = Stage::set(proxy, Some(fault)).await?;
    let mut target = stage.target().expect("URLs of this machine");
    if let Some(kind) = local {
        let folder = stage.storage().with_file_name("");
        let logs = vec![folder.join("error.log")];
        target.wish.local = LocalPlaces { configs: vec![(kind, folder.join("site.conf"))], logs };
    }
    let config = Config::of(target);
    let prober = Prober::new(&config).expect("randomness");
    let evidence =
        prober.examine(&config.targets[0]).await.expect("a fixture that answers, or does not");
    assert!(evidence.probes.len() <= MOST_PROBES, "{} probes", evidence.probes.len());
    stage.clear().await;
    Ok(judge(&evidence, &Choice::default()))
}

fn difference(id: &str, fault: &Fault, diagnosis: &Diagnosis) -> Option<String> {
    let found: Vec<_> = diagnosis.findings.iter().map(|it| it.rule.id).collect();
    let healthy = diagnosis.verdict.to_string() == "healthy";
    let right = match fault.expected.first() {
        Some(first) => found.first() == Some(&first.as_str()),
        None => found.is_empty() && healthy,
    };
    (!right).then(|| {
        format!("{id}: expected {:?}, found {found:?}, {}", fault.expected, diagnosis.verdict)
    })
}
