//! The systemd units: they are valid, the services have few permissions, and their commands and files
//! are valid.

use std::{fs, io::ErrorKind, path::Path, process::Command};

use clap::Parser;
use sendfile_check::args::{self, Cli};
use tempfile::TempDir;

const UNITS: [&str; 5] = [
    "sendfile-check.service",
    "sendfile-check.timer",
    "sendfile-fixture.service",
    "sendfile-fixture.socket",
    "proxy.service",
];

/// The maximum exposure level of `systemd-analyze security`, times ten.
const EXPOSURE_MAX: &str = "--threshold=25";

#[test]
fn units_are_valid() {
    let folder = installed();
    if let Some((_, said)) = analyzed(&["verify", "--man=no"], &folder, &UNITS) {
        assert_eq!(said, "");
    }
}

#[test]
fn services_have_few_permissions() {
    let folder = installed();
    for unit in ["sendfile-check.service", "sendfile-fixture.service"] {
        let options = ["security", "--offline=true", "--no-pager", EXPOSURE_MAX];
        if let Some((content, said)) = analyzed(&options, &folder, &[unit]) {
            assert!(content, "{said}");
        }
    }
}

#[test]
fn files_of_the_service_are_valid() {
    let folder = installed();
    // Commented-out lines are an example, except for sentences.
    let example: String = shipped("targets.toml")
        .lines()
        .filter_map(|line| Some(format!("{}\n", line.strip_prefix('#')?)))
        .filter(|line| !line.starts_with(' '))
        .collect();
    fs::write(folder.path().join("targets.toml"), example).expect("a temporary file");
    let line = shipped("sendfile-check.service");
    let line = line.lines().find_map(|it| it.strip_prefix("ExecStart=/usr/bin/"));
    let line = line
        .expect("a command")
        .replace("${CREDENTIALS_DIRECTORY}", &folder.path().display().to_string());
    let cli = Cli::try_parse_from(line.split(' ')).expect("a command line");
    let args::Command::Verify(args) = cli.command else { panic!("another command: {line}") };
    let config = sendfile_check::args::config_of(&args).expect("a configuration");
    assert_eq!(config.targets.len(), 2);
}

/// The installed units, except for the path of the programs, and the unit of a proxy with the drop-in.
fn installed() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a temporary file");
    };
    let program = format!("ExecStart={} ", crate::PROGRAM);
    for unit in UNITS.iter().filter(|it| it.starts_with("sendfile-")) {
        let text = shipped(unit).replace("ExecStart=/usr/bin/sendfile-check ", &program);
        write(unit, &text.replace("ExecStart=/usr/bin/sendfile-fixture ", &program));
    }
    write("proxy.service", "[Service]\nExecStart=/bin/true\nExecReload=/bin/true\n");
    fs::create_dir(folder.path().join("proxy.service.d")).expect("a temporary directory");
    write("proxy.service.d/sendfile-check.conf", &shipped("after-reload.conf"));
    folder
}

fn shipped(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    fs::read_to_string(folder.join(name)).expect("a file that is shipped")
}

/// Whether systemd-analyze succeeds, and its output; none if it is not installed.
fn analyzed(options: &[&str], folder: &TempDir, units: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("systemd-analyze")
        .args(options)
        .args(units.iter().map(|it| folder.path().join(it)))
        .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()))
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            crate::skipped("systemd-analyze is not installed");
            return None;
        }
        output => output.expect("systemd-analyze"),
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}
