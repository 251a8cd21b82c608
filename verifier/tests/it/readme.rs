//! What the README shows is what the program does: its commands are understood, its report is the
//! one that comes.

use std::{fs, path::PathBuf, process::Command};

use clap::Parser;
use sendfile_check::{
    args::{self, Cli},
    config::Config,
};

#[test]
fn every_command_is_understood() {
    let readme = readme();
    let commands: Vec<_> = blocks(&readme, "sh").flat_map(commands).collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for words in commands {
        if let Err(error) = Cli::try_parse_from(&words) {
            panic!("{words:?}: {error}");
        }
    }
}

#[test]
fn the_file_of_targets_is_understood() {
    let readme = readme();
    let text = blocks(&readme, "toml").next().expect("a file of targets");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("targets.toml");
    fs::write(&file, text).expect("a temporary file");
    let words = ["sendfile-check", "verify", "-c", &file.display().to_string()].map(str::to_owned);
    let args::Command::Verify(args) = Cli::try_parse_from(words).expect("a command line").command
    else {
        panic!("another command");
    };
    let config = Config::from_args(&args).expect("a configuration");
    assert_eq!(config.targets.len(), 2);
}

/// Runs the example at the top, on the real nginx.
#[test]
fn the_report_is_the_one_that_comes() {
    let readme = readme();
    let shown = blocks(&readme, "console").next().expect("an example");
    let (command, report) = shown.split_once('\n').expect("a command and its report");
    let words = words(command.trim_start_matches("$ "));
    let output = Command::new(env!("CARGO_BIN_EXE_sendfile-check"))
        .args(&words[1..])
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

/// A report without what differs each time.
fn still(report: &str) -> String {
    let report = replaced(report, "http://127.0.0.1:", "PORT", |c| c.is_ascii_digit());
    let report = replaced(&report, "sendfile-check=", "NONCE", |c| c.is_ascii_hexdigit());
    replaced(&report, "/tmp/sendfile-check-", "XXXXXX", |c| c.is_ascii_alphanumeric())
}

fn replaced(text: &str, before: &str, with: &str, gone: fn(char) -> bool) -> String {
    let mut parts = text.split(before);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}{before}{with}{}", part.trim_start_matches(gone)))
}

fn readme() -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    fs::read_to_string(path).expect("the README")
}

/// The fenced blocks of a language, their indentation taken off.
fn blocks<'a>(readme: &'a str, language: &'a str) -> impl Iterator<Item = String> + 'a {
    let fence = format!("```{language}\n");
    let parts: Vec<_> = readme.split(&fence).skip(1).map(str::to_owned).collect();
    parts.into_iter().map(|part| {
        let text = part.split("```").next().unwrap_or_default();
        let margin = text.len() - text.trim_start_matches(' ').len();
        let lines = text.lines().map(|line| line.get(margin..).unwrap_or(line.trim_start()));
        lines.map(|line| format!("{line}\n")).collect::<String>().trim_end_matches(' ').to_owned()
    })
}

/// The calls of `sendfile-check` in a block.
fn commands(block: String) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let ours = joined.lines().filter(|line| line.starts_with("sendfile-check "));
    ours.map(|line| words(line.split(" > ").next().unwrap_or(line))).collect()
}

/// A command line's words; single quotes are all that the README uses.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}
