//! Reads what is added to error logs while the probes run.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use sendfile_evidence::secret::Redactor;

use super::reason::reason;

/// Maximum number of bytes read from the end of a log.
const MOST: u64 = 256 * 1024;

/// Maximum length of a line of evidence.
const LONGEST: usize = 600;

/// The logs, and their positions when the probes began.
pub(crate) struct Logs(Vec<Mark>);

struct Mark {
    path: PathBuf,
    /// The file's inode and size; `None` if it did not exist.
    was: Option<(u64, u64)>,
}

impl Logs {
    /// Records the current ends of the logs.
    pub(crate) fn begin(paths: &[PathBuf]) -> Self {
        let mut marks = Vec::new();
        for path in paths {
            let was = match fs::metadata(path) {
                Ok(metadata) => Some((metadata.ino(), metadata.len())),
                Err(_) => None,
            };
            marks.push(Mark { path: path.clone(), was });
        }
        Self(marks)
    }

    /// The lines added since, redacted, and errors about unreadable logs.
    pub(super) fn gained(&self, redactor: &Redactor) -> (Vec<String>, Vec<String>) {
        let (mut lines, mut unread) = (Vec::new(), Vec::new());
        for mark in &self.0 {
            match mark.gained() {
                Ok(text) => lines.extend(text.lines().map(|line| shown(line, redactor))),
                Err(error) => {
                    let path = mark.path.display();
                    unread.push(format!("Cannot read `{path}`: {}", reason(&error)));
                }
            }
        }
        (lines, unread)
    }
}

impl Mark {
    fn gained(&self) -> io::Result<String> {
        let metadata = fs::metadata(&self.path)?;
        let mut text = String::new();
        let from = match self.was {
            Some((file, size)) if file == metadata.ino() && size <= metadata.len() => size,
            // The log was rotated: the end of the old file is in a file with the same name and a
            // number.
            Some((file, size)) if file != metadata.ino() => {
                let old = PathBuf::from(format!("{}.1", self.path.display()));
                if fs::metadata(&old).is_ok_and(|rotated| rotated.ino() == file) {
                    text = tail(&old, size)?;
                }
                0
            }
            // The log was truncated, or did not exist before.
            _ => 0,
        };
        text.push_str(&tail(&self.path, from)?);
        Ok(text)
    }
}

fn tail(path: &Path, from: u64) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let begin = from.max(size.saturating_sub(MOST));
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if begin <= from {
        return Ok(text);
    }
    // If a line is cut off, it is unknown where secrets begin.
    match text.split_once('\n') {
        Some((_, whole)) => Ok(whole.to_owned()),
        None => Ok(String::new()),
    }
}

/// A line without secrets and control characters, and of limited length.
fn shown(line: &str, redactor: &Redactor) -> String {
    let shown = redactor.text(line);
    let clean = shown.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn lines(logs: &Logs) -> Vec<String> {
        logs.gained(&Redactor::new([7; 16])).0
    }

    #[test]
    fn only_what_was_added() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("error.log");
        fs::write(&path, "old\n").expect("a file");
        let logs = Logs::begin(std::slice::from_ref(&path));
        assert!(lines(&logs).is_empty());
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("a file");
        writeln!(file, "GET /a?X-Amz-Signature=dead HTTP/1.1\", u: \"http://u:p@h/\"")
            .expect("disk");
        let line = &lines(&logs)[0];
        assert!(line.starts_with("GET /a?X-Amz-Signature=REDACTED-"), "{line}");
        assert!(line.ends_with(" HTTP/1.1\", u: \"http://REDACTED@h/\""), "{line}");
        fs::rename(&path, directory.path().join("error.log.1")).expect("rotated");
        fs::write(&path, "new\n").expect("a file");
        assert_eq!(lines(&logs).len(), 2);
        assert_eq!(lines(&logs)[1], "new");
        fs::remove_file(&path).expect("gone");
        assert_eq!(logs.gained(&Redactor::new([7; 16])).1.len(), 1);
    }

    #[test]
    fn a_log_that_was_cut_short_is_read_from_its_beginning() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("error.log");
        fs::write(&path, "a long old line\n").expect("a file");
        let logs = Logs::begin(std::slice::from_ref(&path));
        fs::write(&path, "new\n").expect("a file");
        assert_eq!(lines(&logs), ["new"]);
        fs::write(&path, vec![b'x'; 100_000]).expect("a file");
        assert!(lines(&logs)[0].len() <= LONGEST);
        let long = format!("GET /?sig={}\nnew\n", "a".repeat(1 << 20));
        fs::write(&path, long).expect("a file");
        assert_eq!(lines(&logs), ["new"], "half a line may begin with half a secret");
    }
}
