//! Local evidence on paper: a configuration and an error log as text, beside a disk that has the
//! file and little else.

use sendfile_evidence::{
    Evidence,
    fact::{Fact, Kind},
};
use sendfile_readers::{Access, Config, Disk, Look, Question, Text, Worker, facts, log};
use serde::Deserialize;

/// What the operator lets the verifier read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Local {
    /// nginx's configuration.
    nginx: Option<String>,
    /// Other files that are on the disk.
    #[serde(default)]
    files: Vec<String>,
    /// What its error log gained.
    #[serde(default)]
    log: Vec<String>,
}

/// The configuration's name.
const CONFIG: &str = "/etc/nginx/nginx.conf";

impl Local {
    /// What it says about what was seen.
    pub(super) fn facts(&self, evidence: &Evidence) -> Vec<Fact> {
        let question = Question::of(evidence).expect("a URL that was asked");
        let mut files = self.files.clone();
        files.extend(question.file.clone());
        let mut disk = Paper { config: self.nginx.clone(), files };
        let read = self.nginx.is_some() || self.log.is_empty();
        let configs = read.then(|| Config::read(Kind::Nginx, CONFIG, &mut disk));
        let of_configs = facts(&configs.into_iter().collect::<Vec<_>>(), &question, &disk);
        of_configs.into_iter().chain(log::facts(&self.log, &question)).collect()
    }
}

struct Paper {
    config: Option<String>,
    files: Vec<String>,
}

impl Disk for Paper {
    fn read(&mut self, pattern: &str) -> Vec<Text> {
        let text = self.config.clone().filter(|_| pattern == CONFIG);
        let text = text.ok_or_else(|| "permission denied".to_owned());
        vec![Text { path: pattern.to_owned(), text }]
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }

    fn look(&self, path: &str) -> Look {
        let folder = format!("{}/", path.trim_end_matches('/'));
        match self.files.iter().any(|it| it == path) {
            true => Look::File,
            false if self.files.iter().any(|it| it.starts_with(&folder)) => Look::Folder,
            false => Look::Missing,
        }
    }

    fn real(&self, path: &str) -> Option<String> {
        (self.look(path) != Look::Missing).then(|| path.to_owned())
    }

    fn access(&self, _: &str, _: &Worker) -> Access {
        Access::Open
    }
}
