//! Reads what the operator permits the verifier to read besides the probes: configurations with
//! their includes, the files that would be opened, and what was added to the error logs during the
//! run.
//!
//! Limited in size, and never an error of the run: anything that cannot be read is a fact.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::SystemTime,
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
mod reason;

pub(crate) use self::log::Logs;
use self::reason::reason;

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
    let Some(query) = Query::of(evidence) else { return Vec::new() };
    let (configs, redactor) = (places.configs.clone(), client.redactor.clone());
    if configs.is_empty() && places.logs.is_empty() {
        return Vec::new();
    }
    let Some(logs) = logs else {
        return vec![Fact::of(FactKind::LogUnread, "Reading an error log timed out")];
    };
    let read = move || read(&configs, &logs, &query, &redactor);
    match on_a_thread(client.limits.timeout, read).await {
        Some(facts) => facts,
        None => vec![Fact::of(FactKind::Unread, "Reading the configuration timed out")],
    }
}

fn read(
    configs: &[(Server, PathBuf)],
    logs: &Logs,
    query: &Query,
    redactor: &Redactor,
) -> Vec<Fact> {
    let mut all = Vec::new();
    let mut disk = OnDisk::default();
    let mut read = Vec::new();
    for (server, path) in configs {
        disk.begin();
        let config = ProxyConfig::read(*server, &path.to_string_lossy(), &mut disk);
        all.extend(process::edited(&config, disk.newest));
        read.push(config);
    }
    all.extend(facts(&read, query, &disk));
    let (lines, unread) = logs.gained(redactor);
    all.extend(logged(&lines, query));
    for problem in unread {
        all.push(Fact::of(FactKind::LogUnread, problem));
    }
    all.into_iter().take(MOST).map(Fact::shown).collect()
}

/// The disk of this machine.
#[derive(Default)]
struct OnDisk {
    bytes: usize,
    files: usize,
    /// When the newest file of the configuration was modified.
    newest: Option<SystemTime>,
    /// What was found at each path, so that each is examined only once.
    looks: RefCell<BTreeMap<String, Look>>,
}

impl OnDisk {
    /// Starts another configuration, to which the limits apply anew.
    fn begin(&mut self) {
        (self.bytes, self.files, self.newest) = (0, 0, None);
    }

    fn text(&mut self, path: &Path) -> Result<String, String> {
        if self.files >= FILES {
            return Err(format!("more than {FILES} files"));
        }
        self.files += 1;
        let metadata = fs::metadata(path).map_err(|error| reason(&error))?;
        if !metadata.is_file() {
            return Err("not a regular file".to_owned());
        }
        self.newest = self.newest.max(metadata.modified().ok());
        let left = BYTES - self.bytes;
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| reason(&error))?;
        let read = file.take(left as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| reason(&error))?;
        if bytes.len() > left {
            return Err(format!("the configuration is longer than {} MiB", BYTES >> 20));
        }
        self.bytes += bytes.len();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Disk for OnDisk {
    fn read(&mut self, pattern: &str) -> Vec<Text> {
        let paths = glob::expand(Path::new(pattern));
        let mut texts = Vec::new();
        for path in paths {
            let text = self.text(&path);
            texts.push(Text { path: path.to_string_lossy().into_owned(), text });
        }
        texts
    }

    fn text(&self, path: &str) -> Option<String> {
        /// Maximum size of an .htaccess file, in bytes.
        const LONGEST: u64 = 64 * 1024;
        let metadata = fs::metadata(path).ok()?;
        if !metadata.is_file() || metadata.len() > LONGEST {
            return None;
        }
        let bytes = fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn look(&self, path: &str) -> Look {
        let mut looks = self.looks.borrow_mut();
        *looks.entry(path.to_owned()).or_insert_with(|| look_at(path))
    }

    fn real(&self, path: &str) -> Option<String> {
        let real = fs::canonicalize(path).ok()?;
        Some(real.to_string_lossy().into_owned())
    }

    fn access(&self, path: &str, worker: &Worker) -> Access {
        access::of(Path::new(path), worker)
    }
}

fn look_at(path: &str) -> Look {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Look::File,
        Ok(metadata) if metadata.is_dir() => Look::Directory,
        Ok(_) => Look::Unknown,
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Look::Missing,
            _ => Look::Unknown,
        },
    }
}
