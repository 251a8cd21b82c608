//! Local evidence on paper: a configuration and an error log as text, and a disk that has the file
//! and little else.

use sendfile_evidence::{Evidence, Server, fact::Fact};
use sendfile_readers::{Access, Disk, Look, ProxyConfig, Query, Text, Worker, facts, log};
use serde::Deserialize;

/// The configuration and the log that the verifier may read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Local {
    /// The configuration of nginx.
    nginx: Option<String>,
    /// Further files on the disk.
    #[serde(default)]
    files: Vec<String>,
    /// The lines that were added to its error log.
    #[serde(default)]
    log: Vec<String>,
}

/// The path of the configuration.
const CONFIG: &str = "/etc/nginx/nginx.conf";

impl Local {
    /// The facts that bear on the evidence.
    pub(super) fn facts(&self, evidence: &Evidence) -> Vec<Fact> {
        let query = Query::of(evidence).expect("the URL of a request");
        let mut files = self.files.clone();
        files.extend(query.file.clone());
        let mut disk = InMemoryDisk { config: self.nginx.clone(), files };
        let mut configs = Vec::new();
        if self.nginx.is_some() || self.log.is_empty() {
            configs.push(ProxyConfig::read(Server::Nginx, CONFIG, &mut disk));
        }
        let mut facts = facts(&configs, &query, &disk);
        facts.extend(log::facts(&self.log, &query));
        facts
    }
}

struct InMemoryDisk {
    config: Option<String>,
    files: Vec<String>,
}

impl Disk for InMemoryDisk {
    fn read(&mut self, pattern: &str) -> Vec<Text> {
        let text = match &self.config {
            Some(text) if pattern == CONFIG => Ok(text.clone()),
            _ => Err("this program may not read it".to_owned()),
        };
        vec![Text { path: pattern.to_owned(), text }]
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }

    fn look(&self, path: &str) -> Look {
        let directory = format!("{}/", path.trim_end_matches('/'));
        if self.files.iter().any(|file| file == path) {
            Look::File
        } else if self.files.iter().any(|file| file.starts_with(&directory)) {
            Look::Directory
        } else {
            Look::Missing
        }
    }

    fn real(&self, path: &str) -> Option<String> {
        (self.look(path) != Look::Missing).then(|| path.to_owned())
    }

    fn access(&self, _: &str, _: &Worker) -> Access {
        Access::Open
    }
}
