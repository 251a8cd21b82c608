//! Runs the commands of the page about CI with its file of targets, on a healthy and a broken site.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use clap::Parser;
use sendfile_check::{
    args::Cli,
    demo::{DemoEnvironment, fault::Fault},
};
use sendfile_evidence::Server;

use crate::page::{Page, words};

#[tokio::test(flavor = "multi_thread")]
async fn pipeline_continues_on_a_healthy_site() {
    for (command, output) in outputs(None).await {
        assert_eq!(output.status.code(), Some(0), "{command}: {}", printed(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pipeline_stops_on_a_broken_site() {
    let fault = Fault::named("built-in-another-directory").expect("a fault");
    for (command, output) in outputs(Some(&fault)).await {
        assert_eq!(output.status.code(), Some(1), "{command}: {}", printed(&output));
        let judged = command.contains(" judge ");
        assert!(
            !judged || printed(&output).contains("handoff."),
            "{command}: {}",
            printed(&output)
        );
    }
}

#[test]
fn every_job_has_a_valid_command() {
    let jobs: Vec<_> = page().blocks_in("yaml").map(|it| it.text).collect();
    let calls =
        jobs.iter().flat_map(|it| it.lines()).filter_map(|it| it.split_once("sendfile-check "));
    let calls: Vec<_> = calls.map(|(_, it)| format!("sendfile-check {it}")).collect();
    assert_eq!(calls.len(), 4, "{calls:?}");
    for call in calls {
        let call = call.split(" > ").next().unwrap_or_default();
        Cli::try_parse_from(words(call)).unwrap_or_else(|error| panic!("{call}: {error}"));
    }
}

/// The outputs of the page's commands for its target, with the URLs of this machine.
async fn outputs(fault: Option<&Fault>) -> Vec<(String, Output)> {
    let environment = DemoEnvironment::start(Server::BuiltIn, fault).await.expect("a demo");
    let (site, app) = (environment.site_url(), environment.fixture_url());
    let targets = page().blocks_in("toml").next().expect("a file of targets").text;
    let targets = targets
        .replace(
            "https://example.org/_direct/check.bin",
            &format!("{site}/healthcheck-utils/direct/dummy.bin"),
        )
        .replace(
            "https://example.org/download/check.bin",
            &format!("{site}/healthcheck-utils/download"),
        )
        .replace("http://127.0.0.1:8001/download/check.bin", &format!("{app}/download"))
        .replace(
            "/srv/media/check.bin",
            &format!("{}/healthcheck/dummy.bin", environment.storage().display()),
        )
        .replace("/protected/check.bin", "/protected/healthcheck/dummy.bin");
    let folder = tempfile::tempdir().expect("a temporary directory");
    fs::write(folder.path().join("targets.toml"), targets).expect("a temporary file");
    let commands: Vec<_> = page().blocks_in("sh").flat_map(|it| it.commands()).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    // The broken site does not recover, so do not wait long.
    let wait = if fault.is_some() { "--wait 1s" } else { "--wait 30s" };
    let run = |it: String| (it.clone(), shell(&it.replace("--wait 30s", wait), folder.path()));
    let outputs = tokio::task::block_in_place(|| commands.into_iter().map(run).collect());
    environment.stop().await;
    outputs
}

fn shell(command: &str, folder: &Path) -> Output {
    let ours = Path::new(env!("CARGO_BIN_EXE_sendfile-check")).parent().expect("a directory");
    let path = format!("{}:{}", ours.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(folder).env("PATH", path).output().expect("a shell")
}

fn printed(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn page() -> Page {
    Page::read("docs/ci.md")
}
