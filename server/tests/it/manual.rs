//! The manual page and the completions of a program, as packages ship them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    io::{ErrorKind, Write as _},
    process::{Command, Output, Stdio},
};

use crate::PROGRAM;

/// What the page has beyond what `--help` tells.
const HEADINGS: [&str; 6] =
    ["SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"];

#[test]
fn the_page_tells_each_command_and_each_option() {
    let page = printed(&["man"]);
    for heading in HEADINGS {
        assert!(page.contains(&format!("\n.SH {heading}\n")), "{heading}");
    }
    let help = printed(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|it| !it.is_empty());
    let names: Vec<_> = commands.filter_map(|it| it.split_whitespace().next()).collect();
    assert!(names.contains(&"man") && names.contains(&"completions"), "{names:?}");
    for name in names.into_iter().filter(|it| *it != "help") {
        assert!(page.contains(&format!("\n.SH {}\n", name.to_uppercase())), "{name}");
        let help = printed(&[name, "--help"]);
        for option in help.split(|c: char| c != '-' && !c.is_ascii_alphanumeric()) {
            let told = option.replace('-', "\\-");
            assert!(!option.starts_with("--") || page.contains(&told), "{name} {option}");
        }
    }
}

/// Each of them where it is installed; one alone accepts what the other warns of.
#[test]
fn the_page_is_right_for_its_readers() {
    let page = printed(&["man"]);
    for reader in ["groff -man -ww -k -Tutf8 -z", "mandoc -T lint -W warning"] {
        let Some(output) = fed(reader, &page) else { continue };
        let said = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&said), "", "{reader}");
    }
}

#[test]
fn shells_understand_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("storage-metadata"), "{shell}");
        let Some(output) = fed(&format!("{shell} -n"), &script) else { continue };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
        assert!(output.status.success(), "{shell}");
    }
}

/// Behind a subcommand too: bash asks the function that the script has defined.
#[test]
fn bash_completes_the_options_of_a_subcommand() {
    let name = PROGRAM.rsplit('/').next().unwrap();
    let (function, command) = match name {
        "sendfile-fixture" => ("_sendfile__fixture", "serve"),
        _ => ("_sendfile__check", "verify"),
    };
    let asked = format!(
        "COMP_WORDS=({name} {command} --storage-m)
        COMP_CWORD=2
        {function} {name} --storage-m {command}
        echo \"${{COMPREPLY[@]}}\""
    );
    let script = printed(&["completions", "bash"]) + &asked;
    let output = fed("bash", &script).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--storage-metadata\n");
}

/// What the program prints.
fn printed(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What a reader says of a text, if it is installed.
#[expect(clippy::print_stderr, reason = "a skipped test must not be silent")]
fn fed(line: &str, text: &str) -> Option<Output> {
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

/// On a laptop all of them; two shells even in CI, since a shell is much for a test of its words.
fn may_be_missing(reader: &str) -> bool {
    std::env::var_os("CI").is_none() || reader.starts_with("zsh") || reader.starts_with("fish")
}
