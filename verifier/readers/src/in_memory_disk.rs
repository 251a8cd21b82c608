//! A disk in memory, for tests.

use std::collections::BTreeMap;

use sendfile_evidence::path::tidy;

use crate::{
    directive::Directive,
    disk::{Access, Disk, Look, Text, Worker},
    pattern, uri,
};

/// A disk in memory.
#[derive(Default)]
pub(crate) struct InMemoryDisk {
    files: BTreeMap<String, String>,
    links: BTreeMap<String, String>,
    closed: Vec<String>,
}

impl InMemoryDisk {
    /// Adds a file.
    pub(crate) fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// Adds a symbolic link.
    pub(crate) fn linked(mut self, from: &str, to: &str) -> Self {
        self.links.insert(from.to_owned(), to.to_owned());
        self
    }

    /// Makes a path and everything below it inaccessible.
    pub(crate) fn closed(mut self, path: &str) -> Self {
        self.closed.push(path.to_owned());
        self
    }

    fn resolved(&self, path: &str) -> String {
        let path = tidy(path);
        for (from, to) in &self.links {
            if let Some(rest) = path.strip_prefix(from.as_str()) {
                return format!("{to}{rest}");
            }
        }
        path
    }
}

impl Disk for InMemoryDisk {
    fn read(&mut self, pattern: &str) -> Vec<Text> {
        let mut found = Vec::new();
        for (path, text) in &self.files {
            if pattern::glob(pattern, path) {
                found.push(Text { path: path.clone(), text: Ok(text.clone()) });
            }
        }
        if found.is_empty() && !pattern.contains('*') {
            found.push(Text { path: pattern.to_owned(), text: Err("no such file".to_owned()) });
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
        } else if self.files.keys().any(|file| file.starts_with(&below)) {
            Look::Directory
        } else {
            Look::Missing
        }
    }

    fn real(&self, path: &str) -> Option<String> {
        let path = self.resolved(path);
        if self.look(&path) == Look::Missing {
            return None;
        }
        Some(path)
    }

    fn access(&self, path: &str, _: &Worker) -> Access {
        for closed in &self.closed {
            if uri::is_below(path, closed) {
                return Access::Closed {
                    path: closed.clone(),
                    why: "owned by root with mode 0700, not accessible to www-data".to_owned(),
                    fix: format!("chmod o+rx {closed}"),
                };
            }
        }
        Access::Open
    }
}

/// Directives in one line, including their blocks.
pub(super) fn shape(directives: &[Directive]) -> String {
    let mut shapes = Vec::new();
    for directive in directives {
        let mut shape_of_one = directive.name.clone();
        for arg in &directive.args {
            shape_of_one.push('|');
            shape_of_one.push_str(arg);
        }
        if let Some(block) = &directive.block {
            shape_of_one.push_str(&format!("{{{}}}", shape(block)));
        }
        shapes.push(shape_of_one);
    }
    shapes.join(";")
}
