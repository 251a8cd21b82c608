//! The program as a process, and the folder that it works on.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use sendfile_fixture::Address;
use tempfile::TempDir;

/// A fixture that is ready.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: Address,
}

impl Process {
    /// Starts the program and waits for it to name its address.
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

    /// Sends a signal, waits for the end, and returns what was said on stderr.
    pub(crate) fn end(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        let said = stderr(&mut self.child);
        (self.child.wait().unwrap(), said)
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already unless the test fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn url(storage: &TempDir) -> String {
    format!("file://{}", storage.path().display())
}

/// Lists everything below a folder, in order, folders with a slash.
pub(crate) fn tree(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(tree(&entry.path()).iter().map(|below| format!("{name}/{below}")));
            names.push(format!("{name}/"));
        } else {
            names.push(name);
        }
    }
    names.sort();
    names
}

fn stderr(child: &mut Child) -> String {
    let mut said = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    said
}
