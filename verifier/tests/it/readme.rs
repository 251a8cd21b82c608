//! Tests that the commands in the README are valid, and that its report is the current output.

use std::{fs, process::Command};

use clap::Parser;
use sendfile_check::args::{self, Cli};

use crate::page::{Page, replaced, words};

#[test]
fn every_command_is_valid() {
    let pages = ["README.md", "docs/install.md", "docs/object-stores.md"].map(Page::read);
    let commands: Vec<_> =
        pages.iter().flat_map(|it| it.blocks_in("sh")).flat_map(|it| it.commands()).collect();
    let ours = commands.iter().filter(|it| it.starts_with("sendfile-check "));
    let ours: Vec<_> = ours.map(|it| words(it.split(" > ").next().unwrap_or(it))).collect();
    assert!(ours.len() >= 3, "{commands:?}");
    for words in ours {
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{words:?}: {error}");
        }
    }
}

#[test]
fn target_file_is_valid() {
    let text = readme().blocks_in("toml").next().expect("a file of targets").text;
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("targets.toml");
    fs::write(&file, text).expect("a temporary file");
    let words = ["sendfile-check", "verify", "-c", &file.display().to_string()].map(str::to_owned);
    let args::Command::Verify(args) = Cli::try_parse_from(words).expect("a command line").command
    else {
        panic!("another command");
    };
    let config = sendfile_check::args::config_of(&args).expect("a configuration");
    assert_eq!(config.targets.len(), 2);
}

/// Runs the first example, on the real nginx.
#[test]
fn report_is_the_current_output() {
    let shown = readme().blocks_in("console").next().expect("an example").text;
    let (command, report) = shown.split_once('\n').expect("a command and its report");
    let words = words(command.trim_start_matches("$ "));
    let output = Command::new(env!("CARGO_BIN_EXE_sendfile-check"))
        .args(&words[1..])
        .env("COLUMNS", "80")
        .output()
        .expect("the program");
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("is not installed") && std::env::var_os("CI").is_none() {
        crate::skipped(&errors);
        return;
    }
    assert_eq!(still(&String::from_utf8_lossy(&output.stdout)), report, "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

/// A report without the parts that differ in each run.
fn still(report: &str) -> String {
    let report = replaced(report, "http://127.0.0.1:", "PORT", |c| c.is_ascii_digit());
    let report = replaced(&report, "sendfile-check=", "NONCE", |c| c.is_ascii_hexdigit());
    replaced(&report, "/tmp/sendfile-check-", "XXXXXX", |c| c.is_ascii_alphanumeric())
}

fn readme() -> Page {
    Page::read("README.md")
}
