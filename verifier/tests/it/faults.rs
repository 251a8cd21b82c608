//! Faults: one change to a right set-up, on the real server, and the finding that must come first.
//!
//! A proxy that is not installed is a printed skip on a laptop, and a failure where `CI` is set.

use std::{collections::BTreeSet, fs, path::Path};

use sendfile_check::{
    args::DemoProxy,
    config::Config,
    demo::{
        Stage, StageError,
        fault::{FAULTS, Fault},
    },
    diagnosis::{Choice, Diagnosis, judge},
    probe::Prober,
};

#[tokio::test]
async fn built_in() {
    check_all(DemoProxy::BuiltIn).await;
}

#[tokio::test]
async fn nginx() {
    check_all(DemoProxy::Nginx).await;
}

#[tokio::test]
async fn apache() {
    check_all(DemoProxy::Apache).await;
}

#[tokio::test]
async fn lighttpd() {
    check_all(DemoProxy::Lighttpd).await;
}

#[tokio::test]
async fn caddy() {
    check_all(DemoProxy::Caddy).await;
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

async fn check_all(proxy: DemoProxy) {
    let mut wrong = Vec::new();
    for (id, fault) in Fault::all_of(proxy) {
        match diagnose(proxy, &fault).await {
            Ok(diagnosis) => wrong.extend(difference(id, &fault, &diagnosis)),
            Err(StageError::NotInstalled(name)) if std::env::var_os("CI").is_none() => {
                crate::skipped(&format!("{name} is not installed"));
                return;
            }
            Err(error) => wrong.push(format!("{id}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn diagnose(proxy: DemoProxy, fault: &Fault) -> Result<Diagnosis, StageError> {
    let stage = Stage::set(proxy, Some(fault)).await?;
    let config = Config::of(stage.target().expect("URLs of this machine"));
    let prober = Prober::new(&config).expect("randomness");
    let evidence =
        prober.examine(&config.targets[0]).await.expect("a fixture that answers, or does not");
    stage.clear().await?;
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
