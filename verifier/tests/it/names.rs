//! Tests which odd file names the real proxies serve with the shipped snippets.

use sendfile_check::demo::{DemoEnvironment, DemoError};
use sendfile_evidence::{OddName, ProbeId, Server};
use sendfile_probe::{
    config::{Config, Depth},
    prober::Prober,
};
use sendfile_rules::{Choice, judge};

use crate::skipped;

/// Compares the names that are not served, and the rules that report them.
async fn check(proxy: Server, lost: &[&str], rules: &[&str]) {
    let environment = match DemoEnvironment::start(proxy, None).await {
        Ok(environment) => environment,
        Err(DemoError::NotInstalled(name)) if std::env::var_os("CI").is_none() => {
            return skipped(&format!("odd names: `{name}` is not installed"));
        }
        Err(error) => panic!("{error}"),
    };
    let mut config = Config::of(environment.target().expect("URLs of this machine"));
    config.depth = Depth::Thorough;
    let prober = Prober::new(&config).expect("randomness");
    let evidence = prober.examine(&config.targets[0]).await.expect("a fixture");
    environment.stop().await;
    let probed = |id| evidence.probes.iter().find(|it| it.id == id).expect("a probe for each name");
    let arrives = |name: &OddName| {
        let probe = probed(ProbeId::Name(*name));
        probe.probed.response().is_some_and(|it| Some(it.body.sha256) == probe.wants)
    };
    let missed: Vec<_> =
        OddName::ALL.into_iter().filter(|it| !arrives(it)).map(OddName::id).collect();
    assert_eq!(missed, lost);
    let diagnosis = judge(&evidence, &Choice::default());
    let found = diagnosis.findings.iter().chain(&diagnosis.warnings).map(|it| it.rule.id);
    assert_eq!(found.collect::<Vec<_>>(), rules);
}

#[tokio::test]
async fn nginx_serves_all() {
    check(Server::Nginx, &[], &[]).await;
}

#[tokio::test]
async fn apache_serves_all() {
    check(Server::Apache, &[], &[]).await;
}

#[tokio::test]
async fn lighttpd_serves_all() {
    check(Server::Lighttpd, &[], &[]).await;
}

#[tokio::test]
async fn built_in_proxy_serves_all() {
    check(Server::BuiltIn, &[], &[]).await;
}

#[tokio::test]
async fn caddy_does_not_serve_names_with_a_question_mark() {
    check(Server::Caddy, &["question"], &["handoff.name-limits"]).await;
}
