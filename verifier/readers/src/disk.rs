//! What the readers ask of the disk; `probe::local` answers for this machine, tests on paper.

/// What can be asked of the disk.
pub trait Disk {
    /// The files that a path or a pattern of an include names, in their order; a plain path that is
    /// not there is one text with a reason, a pattern that matches nothing is none.
    fn read(&mut self, pattern: &str) -> Vec<Text>;
    /// The text of a small file beside the configuration, such as a .htaccess, if it can be read.
    fn text(&self, path: &str) -> Option<String>;
    /// What is at a path.
    fn look(&self, path: &str) -> Look;
    /// The path with all links resolved.
    fn real(&self, path: &str) -> Option<String>;
    /// Whether the workers may read a path.
    fn access(&self, path: &str, worker: &Worker) -> Access;
}

/// A file of a configuration.
#[derive(Clone, Debug)]
pub struct Text {
    /// Its path.
    pub path: String,
    /// Its text, or why it could not be read.
    pub text: Result<String, String>,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// Nothing.
    Missing,
    /// It could not be seen.
    Unknown,
}

/// Who reads the files, as far as the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// Whose workers they are, for people.
    pub server: &'static str,
    /// The user's name or number.
    pub user: Option<String>,
    /// The group's name or number.
    pub group: Option<String>,
    /// The file with the master's process number.
    pub pid_file: Option<String>,
}

/// Whether the workers may read a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// As far as owner, group and mode tell.
    Open,
    /// What is closed, how it is closed, and a command that opens it.
    Closed {
        /// The first folder or file that is closed.
        path: String,
        /// Its mode and owner, and the user that is shut out.
        why: String,
        /// A command that opens it.
        fix: String,
    },
    /// It cannot be told.
    Unknown,
}
