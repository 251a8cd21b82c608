//! Tests that the Kubernetes example is valid, and contains the shipped snippet.

use std::{fs, path::PathBuf, process::Command};

use clap::Parser;
use sendfile_check::args::Cli;

#[test]
fn manifests_match_their_schemas() {
    let [python, validator] =
        ["python3", "kubernetes-validate"].map(|it| root().join(".stores/venv/bin").join(it));
    if !validator.exists() && std::env::var_os("CI").is_none() {
        crate::skipped("kubernetes-validate is not installed");
        return;
    }
    let files = ["kubernetes/app.yaml", "kubernetes/check.yaml"].map(|it| root().join(it));
    // Run through the interpreter, because the script contains the path of its original one.
    let mut command = Command::new(python);
    command.arg(validator).args(["--strict", "-k", "1.37.0"]).args(files);
    let output = command.output().expect("kubernetes-validate");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches(" passed ").count(), 8, "{said}");
}

#[test]
fn snippet_is_the_shipped_one() {
    let config = shipped("kubernetes/app.yaml");
    let (_, rest) = config.split_once("healthcheck.conf: |\n").expect("the snippet");
    let (snippet, _) = rest.split_once("---\n").expect("the end of the snippet");
    let snippet: String = snippet
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line)))
        .collect();
    assert_eq!(snippet, shipped("nginx/healthcheck.conf"));
}

/// The Job and the CronJob have the same arguments.
#[test]
fn commands_are_valid() {
    let text = shipped("kubernetes/check.yaml");
    let lists: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("args: [")?.strip_suffix(']'))
        .collect();
    assert!(lists.len() == 2 && lists[0] == lists[1], "{lists:?}");
    let words = lists[0].split(", ").map(|it| it.trim_matches('"'));
    let cli = Cli::try_parse_from(["sendfile-check"].into_iter().chain(words));
    cli.unwrap_or_else(|error| panic!("{error}"));
}

fn shipped(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("a shipped file")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
