//! Compares a path that a server opens with the file that it should open: which misconfiguration
//! leads from one to the other.

use sendfile_evidence::path::{ends, joined, tidy};

use sendfile_evidence::fact::{Fact, FactKind, FileState, Misconfiguration, SourceLine};

use crate::{
    disk::{Access, Disk, Look, Worker},
    question::Query,
};

/// The components of a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened {
    /// The path.
    pub(super) path: String,
    /// The configured directory, with variables replaced.
    pub(super) folder: String,
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
    /// The rest of the URI after the prefix.
    fn rest(&self) -> &str {
        self.uri.strip_prefix(&self.prefix).unwrap_or(&self.uri)
    }

    /// The URI without its first segment, without its first two segments, and so on.
    fn ends(&self) -> impl Iterator<Item = &str> {
        ends(&self.uri)
    }

    /// The misconfiguration; `None` if the path is the file's, or no misconfiguration is known.
    pub(super) fn wrong(&self, file: Option<&str>, disk: &dyn Disk) -> Option<Misconfiguration> {
        let right = |path: &str| match file {
            Some(file) => same(path, file, disk),
            None => disk.look(path) == Look::File,
        };
        if right(&self.path) || file.is_none() && disk.look(&self.path) != Look::Missing {
            return None;
        }
        match self.by {
            PathRule::Root if self.ends().any(|it| right(&joined(&self.folder, it))) => {
                Some(Misconfiguration::Root)
            }
            PathRule::Alias if right(&joined(&self.folder, self.rest())) => {
                Some(Misconfiguration::Slash)
            }
            PathRule::Alias if right(&joined(&self.folder, &self.uri)) => {
                Some(Misconfiguration::Alias)
            }
            // A symbolic link that cannot be inspected may lead there.
            _ if disk.look(&self.path) == Look::Unknown => None,
            _ if self.variables => Some(Misconfiguration::Variable),
            PathRule::Captures => Some(Misconfiguration::Capture),
            PathRule::Root | PathRule::Alias => Some(Misconfiguration::Folder),
        }
    }

    /// The directory that an `alias` should name so that the URI leads to the file.
    pub(super) fn right_alias(&self, file: &str) -> Option<String> {
        let rest = self.rest().trim_start_matches('/');
        let folder = file.strip_suffix(rest).filter(|it| it.ends_with('/'))?;
        (!rest.is_empty() && folder != "/").then(|| folder.to_owned())
    }

    /// The directory that a `root` should name so that the URI leads to the file.
    pub(super) fn right_root(&self, file: &str) -> Option<String> {
        let folder = file.strip_suffix(&self.uri)?;
        (!folder.is_empty()).then(|| folder.to_owned())
    }
}

/// The prefix of a URI and the directory that it maps to, if the URI and the file have a common
/// end: the file's name below both.
pub(super) fn mapped(uri: &str, file: &str) -> Option<(String, String)> {
    let (uri, file): (Vec<&str>, Vec<&str>) = (uri.split('/').collect(), file.split('/').collect());
    let alike = uri.iter().rev().zip(file.iter().rev()).take_while(|(a, b)| a == b).count();
    let (prefix, folder) = (uri.get(..uri.len() - alike)?, file.get(..file.len() - alike)?);
    let known = alike > 0 && prefix.len() > 1 && folder.len() > 1;
    known.then(|| (format!("{}/", prefix.join("/")), format!("{}/", folder.join("/"))))
}

/// Whether two paths refer to the same file.
pub(super) fn same(a: &str, b: &str, disk: &dyn Disk) -> bool {
    tidy(a) == tidy(b) && !a.ends_with('/')
        || disk.real(a).is_some_and(|real| Some(real) == disk.real(b))
}

/// What the workers find at a path.
pub(super) fn state(path: &str, disk: &dyn Disk, worker: &Worker) -> FileState {
    match disk.look(path) {
        Look::Missing => FileState::Missing,
        Look::Folder => FileState::Folder,
        Look::Unknown => FileState::Unknown,
        Look::File => match disk.access(path, worker) {
            Access::Open => FileState::Readable,
            Access::Closed { .. } => FileState::Closed,
            Access::Unknown => FileState::There,
        },
    }
}

/// The path that the direct location opens.
pub(super) fn direct(
    path: &str,
    at: SourceLine,
    question: &Query,
    disk: &dyn Disk,
    worker: &Worker,
) -> Fact {
    let (state, detail, fix) = seen(path, disk, worker);
    let other = question.file.as_deref().is_some_and(|file| !same(path, file, disk));
    let says = FactKind::DirectOpens { path: path.to_owned(), state, other };
    Fact { fix, ..Fact::at(says, at, format!("the direct location opens {detail}")) }
}

/// A path and what exists there, as a text, and a command that grants access if it is missing.
pub(super) fn seen(
    path: &str,
    disk: &dyn Disk,
    worker: &Worker,
) -> (FileState, String, Option<String>) {
    let state = state(path, disk, worker);
    match (state, disk.access(path, worker)) {
        (FileState::Closed, Access::Closed { path: closed, why, fix }) => {
            (state, format!("{path}; {closed} is {why}"), Some(fix))
        }
        _ => (state, format!("{path}, {}", words(state)), None),
    }
}

/// What exists at a path, as a text.
pub(super) fn words(state: FileState) -> &'static str {
    match state {
        FileState::Readable | FileState::There => "which exists",
        FileState::Missing => "which does not exist",
        FileState::Folder => "which is a directory",
        FileState::Closed => "which the proxy's user cannot access",
        FileState::Unknown => "which this program cannot inspect",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::paper::InMemoryDisk, *};

    fn wrong(by: PathRule, folder: &str, prefix: &str, file: &str) -> Option<Misconfiguration> {
        let uri = "/p/a/b.bin".to_owned();
        let path = match by {
            PathRule::Root => format!("{folder}{uri}"),
            PathRule::Alias => format!("{folder}{}", uri.strip_prefix(prefix).expect("a prefix")),
            PathRule::Captures => folder.to_owned(),
        };
        let opened = Opened {
            path,
            folder: folder.to_owned(),
            uri,
            prefix: prefix.to_owned(),
            by,
            variables: false,
        };
        opened.wrong(Some(file), &InMemoryDisk::default())
    }

    #[test]
    fn habits() {
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
            Some(Misconfiguration::Folder)
        );
        assert_eq!(
            wrong(PathRule::Captures, "/srv/files/a", "", file),
            Some(Misconfiguration::Capture)
        );
    }
}
