//! Compares a path that a server opens with the file that it should open: which misconfiguration
//! leads from one to the other.

use sendfile_evidence::path::{ends, joined, tidy};

use sendfile_evidence::fact::{Fact, Place, Says, State, Wrong};

use super::{Access, Disk, Look, Question, Worker};

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
    pub(super) by: By,
    /// Whether the directory contains variables other than captures.
    pub(super) variables: bool,
}

/// How a directory and a URI are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
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
    pub(super) fn wrong(&self, file: Option<&str>, disk: &dyn Disk) -> Option<Wrong> {
        let right = |path: &str| match file {
            Some(file) => same(path, file, disk),
            None => disk.look(path) == Look::File,
        };
        if right(&self.path) || file.is_none() && disk.look(&self.path) != Look::Missing {
            return None;
        }
        match self.by {
            By::Root if self.ends().any(|it| right(&joined(&self.folder, it))) => Some(Wrong::Root),
            By::Alias if right(&joined(&self.folder, self.rest())) => Some(Wrong::Slash),
            By::Alias if right(&joined(&self.folder, &self.uri)) => Some(Wrong::Alias),
            // A symbolic link that cannot be inspected may lead there.
            _ if disk.look(&self.path) == Look::Unknown => None,
            _ if self.variables => Some(Wrong::Variable),
            By::Captures => Some(Wrong::Capture),
            By::Root | By::Alias => Some(Wrong::Folder),
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
pub(super) fn state(path: &str, disk: &dyn Disk, worker: &Worker) -> State {
    match disk.look(path) {
        Look::Missing => State::Missing,
        Look::Folder => State::Folder,
        Look::Unknown => State::Unknown,
        Look::File => match disk.access(path, worker) {
            Access::Open => State::Readable,
            Access::Closed { .. } => State::Closed,
            Access::Unknown => State::There,
        },
    }
}

/// The path that the direct location opens.
pub(super) fn direct(
    path: &str,
    at: Place,
    question: &Question,
    disk: &dyn Disk,
    worker: &Worker,
) -> Fact {
    let (state, detail, fix) = seen(path, disk, worker);
    let other = question.file.as_deref().is_some_and(|file| !same(path, file, disk));
    let says = Says::DirectOpens { path: path.to_owned(), state, other };
    Fact { fix, ..Fact::at(says, at, format!("the direct location opens {detail}")) }
}

/// A path and what exists there, as a text, and a command that grants access if it is missing.
pub(super) fn seen(
    path: &str,
    disk: &dyn Disk,
    worker: &Worker,
) -> (State, String, Option<String>) {
    let state = state(path, disk, worker);
    match (state, disk.access(path, worker)) {
        (State::Closed, Access::Closed { path: closed, why, fix }) => {
            (state, format!("{path}; {closed} is {why}"), Some(fix))
        }
        _ => (state, format!("{path}, {}", words(state)), None),
    }
}

/// What exists at a path, as a text.
pub(super) fn words(state: State) -> &'static str {
    match state {
        State::Readable | State::There => "which exists",
        State::Missing => "which does not exist",
        State::Folder => "which is a directory",
        State::Closed => "which the proxy's user cannot access",
        State::Unknown => "which this program cannot inspect",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::paper::Paper, *};

    fn wrong(by: By, folder: &str, prefix: &str, file: &str) -> Option<Wrong> {
        let uri = "/p/a/b.bin".to_owned();
        let path = match by {
            By::Root => format!("{folder}{uri}"),
            By::Alias => format!("{folder}{}", uri.strip_prefix(prefix).expect("a prefix")),
            By::Captures => folder.to_owned(),
        };
        let opened = Opened {
            path,
            folder: folder.to_owned(),
            uri,
            prefix: prefix.to_owned(),
            by,
            variables: false,
        };
        opened.wrong(Some(file), &Paper::default())
    }

    #[test]
    fn habits() {
        let file = "/srv/files/a/b.bin";
        assert_eq!(wrong(By::Alias, "/srv/files/", "/p/", file), None);
        assert_eq!(wrong(By::Alias, "/srv/files", "/p", file), None);
        assert_eq!(wrong(By::Alias, "/srv/files", "/p/", file), Some(Wrong::Slash));
        assert_eq!(wrong(By::Root, "/srv/files", "/p/", file), Some(Wrong::Root));
        assert_eq!(wrong(By::Alias, "/srv", "/p/", "/srv/p/a/b.bin"), Some(Wrong::Alias));
        assert_eq!(wrong(By::Alias, "/srv/file/", "/p/", file), Some(Wrong::Folder));
        assert_eq!(wrong(By::Captures, "/srv/files/a", "", file), Some(Wrong::Capture));
    }
}
