//! A disk in memory, for tests.

use std::collections::BTreeMap;

use sendfile_evidence::path::tidy;

use super::{directive::Directive, pattern, uri};
use crate::disk::{Access, Disk, Look, Text, Worker};

/// A disk in memory.
#[derive(Default)]
pub(crate) struct InMemoryDisk {
    files: BTreeMap<String, String>,
    links: BTreeMap<String, String>,
    closed: Vec<String>,
}

impl InMemoryDisk {
    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    pub(crate) fn linked(mut self, from: &str, to: &str) -> Self {
        self.links.insert(from.to_owned(), to.to_owned());
        self
    }

    pub(crate) fn closed(mut self, path: &str) -> Self {
        self.closed.push(path.to_owned());
        self
    }

    fn resolved(&self, path: &str) -> String {
        let path = tidy(path);
        let link = self.links.iter().find_map(|(from, to)| {
            path.strip_prefix(from.as_str()).map(|rest| format!("{to}{rest}"))
        });
        link.unwrap_or(path)
    }
}

impl Disk for InMemoryDisk {
    fn read(&mut self, pattern: &str) -> Vec<Text> {
        let of =
            |(path, text): (&String, &String)| Text { path: path.clone(), text: Ok(text.clone()) };
        let found: Vec<_> =
            self.files.iter().filter(|(path, _)| pattern::glob(pattern, path)).map(of).collect();
        if found.is_empty() && !pattern.contains('*') {
            return vec![Text { path: pattern.to_owned(), text: Err("no such file".to_owned()) }];
        }
        found
    }

    fn text(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn look(&self, path: &str) -> Look {
        let path = self.resolved(path);
        let below = format!("{}/", path.trim_end_matches('/'));
        if self.files.contains_key(&path) {
            Look::File
        } else if self.files.keys().any(|it| it.starts_with(&below)) {
            Look::Folder
        } else {
            Look::Missing
        }
    }

    fn real(&self, path: &str) -> Option<String> {
        let path = self.resolved(path);
        (self.look(&path) != Look::Missing).then_some(path)
    }

    fn access(&self, path: &str, _: &Worker) -> Access {
        match self.closed.iter().find(|it| uri::is_below(path, it)) {
            Some(closed) => Access::Closed {
                path: closed.clone(),
                why: "owned by root with mode 0700, not accessible to www-data".to_owned(),
                fix: format!("chmod o+rx {closed}"),
            },
            None => Access::Open,
        }
    }
}

/// Directives in one line, including their blocks.
pub(super) fn shape(directives: &[Directive]) -> String {
    let one = |it: &Directive| {
        let words = [&[it.name.clone()][..], &it.args].concat().join("|");
        match &it.block {
            Some(block) => format!("{words}{{{}}}", shape(block)),
            None => words,
        }
    };
    directives.iter().map(one).collect::<Vec<_>>().join(";")
}
