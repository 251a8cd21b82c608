//! The manual page and the shell completions of a program.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::{
    io::{ErrorKind, Write as _},
    process::{Command, Output, Stdio},
};

use crate::PROGRAM;

/// The sections of the page that `--help` does not have.
const HEADINGS: [&str; 6] =
    ["SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"];

#[test]
fn page_contains_each_command_and_each_option() {
    let page = printed(&["man"]);
    for heading in HEADINGS {
        assert!(page.contains(&format!("\n.SH {heading}\n")), "{heading}");
    }
    let help = printed(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let (commands, _) = commands.split_once("\n\n").unwrap();
    let mut names = Vec::new();
    for line in commands.lines() {
        // Long descriptions continue on further lines with a deeper indent.
        let Some(line) = line.strip_prefix("  ") else { continue };
        let (name, _) = line.split_once(' ').unwrap_or((line, ""));
        if !matches!(name, "" | "help") {
            names.push(name);
        }
    }
    assert!(names.contains(&"man") && names.contains(&"completions"), "{names:?}");
    for name in names {
        assert!(page.contains(&format!("\n.SH {}\n", name.to_uppercase())), "{name}");
        let help = printed(&[name, "--help"]);
        for option in help.split(|c: char| c != '-' && !c.is_ascii_alphanumeric()) {
            if option.starts_with("--") {
                assert!(page.contains(&option.replace('-', "\\-")), "{name} {option}");
            }
        }
    }
}

/// Runs both, if installed: each accepts markup that the other warns of.
#[test]
fn groff_and_mandoc_accept_the_page() {
    let page = printed(&["man"]);
    for reader in ["groff -man -ww -k -Tutf8 -z", "mandoc -T lint -W warning"] {
        let Some(output) = piped(reader, &page) else { continue };
        let warnings = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&warnings), "", "{reader}");
    }
}

#[test]
fn shells_accept_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("storage-metadata"), "{shell}");
        let Some(output) = piped(&format!("{shell} -n"), &script) else { continue };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
        assert!(output.status.success(), "{shell}");
    }
}

/// Calls the function that the script defines, as bash does.
#[test]
fn bash_completes_the_options_of_a_subcommand() {
    let name = PROGRAM.rsplit('/').next().unwrap();
    let (function, command) = match name {
        "sendfile-fixture" => ("_sendfile__fixture", "serve"),
        _ => ("_sendfile__check", "verify"),
    };
    let call = format!(
        "COMP_WORDS=({name} {command} --storage-m)
        COMP_CWORD=2
        {function} {name} --storage-m {command}
        echo \"${{COMPREPLY[@]}}\""
    );
    let script = printed(&["completions", "bash"]) + &call;
    let output = piped("bash", &script).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--storage-metadata\n");
}

/// Runs the program and returns its output.
fn printed(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Pipes a text to a command, if it is installed, and returns its output.
#[expect(clippy::print_stderr, reason = "a skipped test must not be silent")]
fn piped(line: &str, text: &str) -> Option<Output> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next()?);
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound && may_be_missing(line) => {
            eprintln!("skipped: `{line}` is not installed");
            return None;
        }
        spawned => spawned.unwrap(),
    };
    child.stdin.take()?.write_all(text.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// On a laptop any command may be missing; in CI only zsh and fish.
fn may_be_missing(command: &str) -> bool {
    std::env::var_os("CI").is_none() || command.starts_with("zsh") || command.starts_with("fish")
}
