//! The readers' access to the disk; implemented by `probe::local` for this host, and in memory for
//! tests.

/// Access to the disk.
pub trait Disk {
    /// The files that a path or a pattern of an include matches, in order. A plain path that does
    /// not exist yields one `Text` with the reason; a pattern without matches yields none.
    fn read(&mut self, pattern: &str) -> Vec<Text>;
    /// The text of a small file next to the configuration, such as .htaccess, if it can be read.
    fn text(&self, path: &str) -> Option<String>;
    /// What exists at a path.
    fn look(&self, path: &str) -> Look;
    /// The path with all symbolic links resolved.
    fn real(&self, path: &str) -> Option<String>;
    /// Whether the workers may read a path.
    fn access(&self, path: &str, worker: &Worker) -> Access;
}

/// A file of a configuration.
#[derive(Clone, Debug)]
pub struct Text {
    /// The path of the file.
    pub path: String,
    /// The text of the file, or the reason why the file could not be read.
    pub text: Result<String, String>,
}

/// What exists at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Nothing.
    Missing,
    /// What exists there could not be determined.
    Unknown,
}

/// The user that reads the files, as far as the configuration specifies it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worker {
    /// The server that the workers belong to, by its id.
    pub server: &'static str,
    /// The user's name or numeric id.
    pub user: Option<String>,
    /// The group's name or numeric id.
    pub group: Option<String>,
    /// The PID file of the master process.
    pub pid_file: Option<String>,
}

/// Whether the workers may read a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Yes, according to owner, group and mode.
    Open,
    /// No: the path that is not accessible, the reason, and a command that grants access.
    Closed {
        /// The first inaccessible directory or file.
        path: String,
        /// The owner and the mode of the path, and the user without access.
        why: String,
        /// A command that grants access.
        fix: String,
    },
    /// Unknown.
    Unknown,
}
