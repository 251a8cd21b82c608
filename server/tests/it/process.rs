//! The program as a process, and the directory that it uses.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use sendfile_fixture::Address;
use tempfile::TempDir;

/// A running fixture.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: Address,
}

impl Process {
    /// Starts the program and waits until it prints its address.
    pub(crate) fn start(storage: &TempDir, args: &[&str]) -> Self {
        Self::start_with(storage, args, |_| {})
    }

    pub(crate) fn start_with(
        storage: &TempDir,
        args: &[&str],
        with: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
        command.args(["serve", "--storage", &url(storage), "--listen", "127.0.0.1:0"]).args(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).env_remove("NOTIFY_SOCKET");
        with(&mut command);
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("http://") else {
            panic!("not started: {}", stderr(&mut child));
        };
        Self { child, address: address.parse().unwrap() }
    }

    /// Sends a signal, waits for the end of the process, and returns its stderr.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        let messages = stderr(&mut self.child);
        (self.child.wait().unwrap(), messages)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process has already ended unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn url(storage: &TempDir) -> String {
    format!("file://{}", storage.path().display())
}

/// Lists all files and directories below a directory, sorted, directories with a trailing slash.
pub(crate) fn tree(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            for below in tree(&entry.path()) {
                names.push(format!("{name}/{below}"));
            }
            names.push(format!("{name}/"));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

fn stderr(child: &mut Child) -> String {
    let mut messages = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut messages).unwrap();
    messages
}
