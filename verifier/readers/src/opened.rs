//! A path that a server opens, held against the file that it should open: which habit of
//! configuring leads from one to the other.

use sendfile_evidence::path::{ends, joined, tidy};

use sendfile_evidence::fact::{Fact, Place, Says, State, Wrong};

use super::{Access, Disk, Look, Question, Worker};

/// How a path came about.
#[derive(Clone, Debug, Default)]
pub(super) struct Opened {
    /// The path.
    pub(super) path: String,
    /// The folder that is written down, its variables replaced.
    pub(super) folder: String,
    /// The URI.
    pub(super) uri: String,
    /// The part of the URI that the location's prefix is.
    pub(super) prefix: String,
    /// How the folder and the URI make the path.
    pub(super) by: By,
    /// Whether the folder is built with variables other than captures.
    pub(super) variables: bool,
}

/// How a folder and a URI make a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum By {
    /// The folder, then the whole URI.
    #[default]
    Root,
    /// The folder, then what the prefix leaves of the URI.
    Alias,
    /// The folder alone, in a location with a regular expression.
    Captures,
}

impl Opened {
    /// What the URI has behind the prefix.
    fn rest(&self) -> &str {
        self.uri.strip_prefix(&self.prefix).unwrap_or(&self.uri)
    }

    /// The URI without one, two … of its first segments.
    fn ends(&self) -> impl Iterator<Item = &str> {
        ends(&self.uri)
    }

    /// What is wrong with the path; `None` where it is the file's, or nothing is known to be wrong.
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
            // A link that cannot be seen may lead there.
            _ if disk.look(&self.path) == Look::Unknown => None,
            _ if self.variables => Some(Wrong::Variable),
            By::Captures => Some(Wrong::Capture),
            By::Root | By::Alias => Some(Wrong::Folder),
        }
    }

    /// The folder that an `alias` should name so that the URI leads to the file.
    pub(super) fn right_alias(&self, file: &str) -> Option<String> {
        let rest = self.rest().trim_start_matches('/');
        let folder = file.strip_suffix(rest).filter(|it| it.ends_with('/'))?;
        (!rest.is_empty() && folder != "/").then(|| folder.to_owned())
    }

    /// The folder that a `root` should name so that the URI leads to the file.
    pub(super) fn right_root(&self, file: &str) -> Option<String> {
        let folder = file.strip_suffix(&self.uri)?;
        (!folder.is_empty()).then(|| folder.to_owned())
    }
}

/// The prefix that a URI has and the folder that it stands for, where both end alike: what they end
/// with is the file's name below both.
pub(super) fn mapped(uri: &str, file: &str) -> Option<(String, String)> {
    let (uri, file): (Vec<&str>, Vec<&str>) = (uri.split('/').collect(), file.split('/').collect());
    let alike = uri.iter().rev().zip(file.iter().rev()).take_while(|(a, b)| a == b).count();
    let (prefix, folder) = (uri.get(..uri.len() - alike)?, file.get(..file.len() - alike)?);
    let known = alike > 0 && prefix.len() > 1 && folder.len() > 1;
    known.then(|| (format!("{}/", prefix.join("/")), format!("{}/", folder.join("/"))))
}

/// Whether two paths are one file.
pub(super) fn same(a: &str, b: &str, disk: &dyn Disk) -> bool {
    tidy(a) == tidy(b) && !a.ends_with('/')
        || disk.real(a).is_some_and(|real| Some(real) == disk.real(b))
}

/// What is at a path, for the workers.
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

/// A path and what is there, in words, and what opens it if it is closed.
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

/// What is at a path, in words.
pub(super) fn words(state: State) -> &'static str {
    match state {
        State::Readable | State::There => "which is there",
        State::Missing => "which is not there",
        State::Folder => "which is a folder",
        State::Closed => "which is closed to the proxy's user",
        State::Unknown => "which this program cannot see",
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
