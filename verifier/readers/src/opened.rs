//! Compares a path that a server opens with the file that it should open: which misconfiguration
//! leads from one to the other.
//!
//! It knows paths, URIs and the disk, but no server's configuration.

use sendfile_evidence::{
    fact::{Fact, FactKind, FileState, Misconfiguration, SourceLine},
    path::{ends, joined, tidy},
};

use crate::{
    disk::{Access, Disk, Look, Worker},
    query::Query,
};

/// The components of a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened {
    /// The path.
    pub(super) path: String,
    /// The configured directory, with variables replaced.
    pub(super) directory: String,
    /// The URI.
    pub(super) uri: String,
    /// The part of the URI that is the location's prefix.
    pub(super) prefix: String,
    /// How the directory and the URI are combined.
    pub(super) by: PathRule,
    /// Whether the directory contains variables other than captures.
    pub(super) variables: bool,
}

/// How a directory and a URI are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum PathRule {
    /// The directory, followed by the whole URI.
    #[default]
    Root,
    /// The directory, followed by the URI without the prefix.
    Alias,
    /// The directory alone, in a location with a regular expression.
    Captures,
}

impl Opened {
    /// The misconfiguration that leads to this path; `None` if the path is the file's, or no such
    /// misconfiguration is known.
    pub(super) fn wrong(&self, file: Option<&str>, disk: &dyn Disk) -> Option<Misconfiguration> {
        let is_right = |path: &str| is_expected(path, file, disk);
        if is_right(&self.path) || file.is_none() && disk.look(&self.path) != Look::Missing {
            return None;
        }
        match self.by {
            PathRule::Root => {
                for end in self.ends() {
                    if is_right(&joined(&self.directory, end)) {
                        return Some(Misconfiguration::Root);
                    }
                }
            }
            PathRule::Alias => {
                if is_right(&joined(&self.directory, self.rest())) {
                    return Some(Misconfiguration::Slash);
                }
                if is_right(&joined(&self.directory, &self.uri)) {
                    return Some(Misconfiguration::Alias);
                }
            }
            PathRule::Captures => {}
        }
        // A symbolic link that cannot be inspected may lead there.
        if disk.look(&self.path) == Look::Unknown {
            return None;
        }
        if self.variables {
            return Some(Misconfiguration::Variable);
        }
        match self.by {
            PathRule::Captures => Some(Misconfiguration::Capture),
            PathRule::Root | PathRule::Alias => Some(Misconfiguration::Directory),
        }
    }

    /// The directory that an `alias` should name so that the URI leads to the file.
    pub(super) fn right_alias(&self, file: &str) -> Option<String> {
        let rest = self.rest().trim_start_matches('/');
        let directory = file.strip_suffix(rest)?;
        if rest.is_empty() || !directory.ends_with('/') || directory == "/" {
            return None;
        }
        Some(directory.to_owned())
    }

    /// The directory that a `root` should name so that the URI leads to the file.
    pub(super) fn right_root(&self, file: &str) -> Option<String> {
        let directory = file.strip_suffix(&self.uri)?;
        if directory.is_empty() {
            return None;
        }
        Some(directory.to_owned())
    }

    /// The rest of the URI after the prefix.
    fn rest(&self) -> &str {
        self.uri.strip_prefix(&self.prefix).unwrap_or(&self.uri)
    }

    /// The URI without its first segment, without its first two, and so on.
    fn ends(&self) -> impl Iterator<Item = &str> {
        ends(&self.uri)
    }
}

/// Whether a path is that of the file; if the file is unknown, whether there is a file at all.
fn is_expected(path: &str, file: Option<&str>, disk: &dyn Disk) -> bool {
    match file {
        Some(file) => same(path, file, disk),
        None => disk.look(path) == Look::File,
    }
}

/// The prefix of a URI and the directory that it maps to, if the URI and the file have a common
/// end: the file's name below both.
pub(super) fn mapped(uri: &str, file: &str) -> Option<(String, String)> {
    let mut prefix: Vec<&str> = uri.split('/').collect();
    let mut directory: Vec<&str> = file.split('/').collect();
    let segments = prefix.len();
    while !prefix.is_empty() && prefix.last() == directory.last() {
        prefix.pop();
        directory.pop();
    }
    let has_common_end = prefix.len() < segments;
    if !has_common_end || prefix.len() < 2 || directory.len() < 2 {
        return None;
    }
    Some((format!("{}/", prefix.join("/")), format!("{}/", directory.join("/"))))
}

/// Whether two paths refer to the same file.
pub(super) fn same(a: &str, b: &str, disk: &dyn Disk) -> bool {
    if tidy(a) == tidy(b) && !a.ends_with('/') {
        return true;
    }
    match disk.real(a) {
        Some(real) => Some(real) == disk.real(b),
        None => false,
    }
}

/// What the workers find at a path.
pub(super) fn state(path: &str, disk: &dyn Disk, worker: &Worker) -> FileState {
    match disk.look(path) {
        Look::Missing => FileState::Missing,
        Look::Directory => FileState::Directory,
        Look::Unknown => FileState::Unknown,
        Look::File => match disk.access(path, worker) {
            Access::Open => FileState::Readable,
            Access::Closed { .. } => FileState::Closed,
            Access::Unknown => FileState::There,
        },
    }
}

/// The fact about the path that the direct location opens.
pub(super) fn direct(
    path: &str,
    at: SourceLine,
    query: &Query,
    disk: &dyn Disk,
    worker: &Worker,
) -> Fact {
    let (state, detail, fix) = seen(path, disk, worker);
    let other = match &query.file {
        Some(file) => !same(path, file, disk),
        None => false,
    };
    let kind = FactKind::DirectOpens { path: path.to_owned(), state, other };
    Fact { fix, ..Fact::at(kind, at, format!("the direct location opens {detail}")) }
}

/// Describes a path and what exists there, with a command that grants access if access is missing.
pub(super) fn seen(
    path: &str,
    disk: &dyn Disk,
    worker: &Worker,
) -> (FileState, String, Option<String>) {
    let state = state(path, disk, worker);
    if state == FileState::Closed
        && let Access::Closed { path: closed, why, fix } = disk.access(path, worker)
    {
        return (state, format!("{path}; {closed} is {why}"), Some(fix));
    }
    (state, format!("{path}, {}", words(state)), None)
}

/// Describes in words what exists at a path.
pub(super) fn words(state: FileState) -> &'static str {
    match state {
        FileState::Readable | FileState::There => "which exists",
        FileState::Missing => "which does not exist",
        FileState::Directory => "which is a directory",
        FileState::Closed => "which the proxy's user cannot access",
        FileState::Unknown => "which this program cannot inspect",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory_disk::InMemoryDisk;

    fn wrong(by: PathRule, directory: &str, prefix: &str, file: &str) -> Option<Misconfiguration> {
        let uri = "/p/a/b.bin".to_owned();
        let path = match by {
            PathRule::Root => format!("{directory}{uri}"),
            PathRule::Alias => {
                format!("{directory}{}", uri.strip_prefix(prefix).expect("a prefix"))
            }
            PathRule::Captures => directory.to_owned(),
        };
        let opened = Opened {
            path,
            directory: directory.to_owned(),
            uri,
            prefix: prefix.to_owned(),
            by,
            variables: false,
        };
        opened.wrong(Some(file), &InMemoryDisk::default())
    }

    #[test]
    fn misconfigurations() {
        let file = "/srv/files/a/b.bin";
        assert_eq!(wrong(PathRule::Alias, "/srv/files/", "/p/", file), None);
        assert_eq!(wrong(PathRule::Alias, "/srv/files", "/p", file), None);
        assert_eq!(
            wrong(PathRule::Alias, "/srv/files", "/p/", file),
            Some(Misconfiguration::Slash)
        );
        assert_eq!(wrong(PathRule::Root, "/srv/files", "/p/", file), Some(Misconfiguration::Root));
        assert_eq!(
            wrong(PathRule::Alias, "/srv", "/p/", "/srv/p/a/b.bin"),
            Some(Misconfiguration::Alias)
        );
        assert_eq!(
            wrong(PathRule::Alias, "/srv/file/", "/p/", file),
            Some(Misconfiguration::Directory)
        );
        assert_eq!(
            wrong(PathRule::Captures, "/srv/files/a", "", file),
            Some(Misconfiguration::Capture)
        );
    }
}
