//! Reads what the operator permits the verifier to read besides the probes: configurations with
//! their includes, the files that would be opened, and what was added to the error logs during the
//! run.
//!
//! Limited in size, and never an error of the run: anything that cannot be read is a fact.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
};

use super::{http::Client, storage::on_a_thread};
use crate::config::LocalFiles;
use sendfile_evidence::{
    Evidence, Server,
    fact::{Fact, FactKind},
    secret::Redactor,
};
use sendfile_readers::{
    Access, Disk, Look, ProxyConfig, Query, Text, Worker, facts, log::facts as logged,
};

mod access;
mod glob;
mod log;
mod process;

pub(crate) use log::Logs;

/// Maximum size of all files of a configuration together, in bytes.
const BYTES: usize = 4 << 20;

/// Maximum number of files of a configuration.
const FILES: usize = 500;

/// Maximum number of facts reported.
const MOST: usize = 200;

/// The facts in the configurations and the logs about the observations. `logs` must have been
/// created before the first probe.
pub(crate) async fn examine(
    places: &LocalFiles,
    logs: Option<Logs>,
    evidence: &Evidence,
    client: &Client,
) -> Vec<Fact> {
    let Some(question) = Query::of(evidence) else { return Vec::new() };
    let (configs, redactor) = (places.configs.clone(), client.redactor.clone());
    if configs.is_empty() && places.logs.is_empty() {
        return Vec::new();
    }
    let Some(logs) = logs else {
        return vec![Fact::of(FactKind::LogUnread, "Reading an error log timed out")];
    };
    let read = move || read(&configs, &logs, &question, &redactor);
    let late = || vec![Fact::of(FactKind::Unread, "Reading the configuration timed out")];
    on_a_thread(client.limits.timeout, read).await.unwrap_or_else(late)
}

fn read(
    configs: &[(Server, PathBuf)],
    logs: &Logs,
    question: &Query,
    redactor: &Redactor,
) -> Vec<Fact> {
    let mut all = Vec::new();
    let mut disk = OnDisk::default();
    let read: Vec<ProxyConfig> = configs
        .iter()
        .map(|(kind, path)| {
            disk.begin();
            let config = ProxyConfig::read(*kind, &path.to_string_lossy(), &mut disk);
            all.extend(process::edited(&config, disk.newest));
            config
        })
        .collect();
    let of_configs = facts(&read, question, &disk);
    let (lines, unread) = logs.gained(redactor);
    let unread = unread.into_iter().map(|it| Fact::of(FactKind::LogUnread, it));
    all.extend(of_configs);
    all.extend(logged(&lines, question));
    all.extend(unread);
    all.into_iter().take(MOST).map(Fact::shown).collect()
}

/// The disk of this machine.
#[derive(Default)]
struct OnDisk {
    bytes: usize,
    files: usize,
    newest: Option<std::time::SystemTime>,
    seen: RefCell<BTreeMap<String, Look>>,
}

impl OnDisk {
    /// Starts another configuration, which has its own limits.
    fn begin(&mut self) {
        (self.bytes, self.files, self.newest) = (0, 0, None);
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        if self.files >= FILES {
            return Err(format!("more than {FILES} files"));
        }
        self.files += 1;
        let found = std::fs::metadata(path).map_err(|error| reason(&error))?;
        if !found.is_file() {
            return Err("not a regular file".to_owned());
        }
        self.newest = self.newest.max(found.modified().ok());
        let left = BYTES - self.bytes;
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| reason(&error))?;
        let read = file.take(left as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| reason(&error))?;
        if bytes.len() > left {
            return Err(format!("the configuration is longer than {} MiB", BYTES >> 20));
        }
        self.bytes += bytes.len();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The system's error message, without its number.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

impl Disk for OnDisk {
    fn read(&mut self, pattern: &str) -> Vec<Text> {
        let paths = glob::expand(Path::new(pattern));
        let text = |path: PathBuf| {
            let text = self.text(&path);
            Text { path: path.to_string_lossy().into_owned(), text }
        };
        paths.into_iter().map(text).collect()
    }

    fn text(&self, path: &str) -> Option<String> {
        /// Maximum size of an .htaccess file.
        const LONGEST: u64 = 64 * 1024;
        if !std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.len() <= LONGEST) {
            return None;
        }
        let bytes = std::fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn look(&self, path: &str) -> Look {
        let look = || match std::fs::metadata(path) {
            Ok(found) if found.is_file() => Look::File,
            Ok(found) if found.is_dir() => Look::Folder,
            Ok(_) => Look::Unknown,
            Err(error) => match error.kind() {
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Look::Missing,
                _ => Look::Unknown,
            },
        };
        *self.seen.borrow_mut().entry(path.to_owned()).or_insert_with(look)
    }

    fn real(&self, path: &str) -> Option<String> {
        let real = std::fs::canonicalize(path).ok()?;
        Some(real.to_string_lossy().into_owned())
    }

    fn access(&self, path: &str, worker: &Worker) -> Access {
        access::of(Path::new(path), worker)
    }
}
