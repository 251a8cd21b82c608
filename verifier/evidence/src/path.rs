//! Paths that a server opens: which misconfiguration leads from one to another.

use serde::{Deserialize, Serialize};

/// The misconfiguration that leads to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Misconfiguration {
    /// `root` is used instead of `alias`: the location's prefix stays in the path.
    Root,
    /// `alias` is used instead of `root`: the location's prefix is missing from the path.
    Alias,
    /// A slash is missing between the directory and the name.
    Slash,
    /// A capture is too long or too short.
    Capture,
    /// A variable has another value.
    Variable,
    /// The path is in another directory, for an unknown reason.
    #[serde(rename = "folder")]
    Directory,
}

/// The misconfiguration that leads to an opened path, if only the URI and the file are known.
pub fn misconfiguration(path: &str, uri: &str, file: &str) -> Option<Misconfiguration> {
    if tidy(path) == tidy(file) {
        return None;
    }
    if let Some(directory) = path.strip_suffix(uri)
        && ends(uri).any(|end| tidy(&joined(directory, end)) == tidy(file))
    {
        return Some(Misconfiguration::Root);
    }
    if lacks_one_slash(path, file) {
        return Some(Misconfiguration::Slash);
    }
    Some(Misconfiguration::Directory)
}

/// Whether one path is another one without one of its slashes.
fn lacks_one_slash(path: &str, whole: &str) -> bool {
    let (rest_of_path, rest_of_whole) = rests(path, whole);
    rest_of_whole.strip_prefix('/') == Some(rest_of_path)
}

/// The rests of two texts after their common beginning.
fn rests<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let mut length = 0;
    for (from_a, from_b) in a.chars().zip(b.chars()) {
        if from_a != from_b {
            break;
        }
        length += from_a.len_utf8();
    }
    (&a[length..], &b[length..])
}

/// A URI without one, two … of its first segments.
pub fn ends(uri: &str) -> impl Iterator<Item = &str> {
    /// The maximum number of segments.
    const MOST: usize = 16;
    uri.match_indices('/').skip(1).take(MOST).map(|(at, _)| &uri[at..])
}

/// A name below a directory, with one slash between them.
pub fn joined(directory: &str, name: &str) -> String {
    format!("{}/{}", directory.trim_end_matches('/'), name.trim_start_matches('/'))
}

/// A path on disk with single slashes and no trailing slash.
pub fn tidy(path: &str) -> String {
    let mut tidy = String::new();
    for segment in path.split('/') {
        if !matches!(segment, "" | ".") {
            tidy.push('/');
            tidy.push_str(segment);
        }
    }
    if tidy.is_empty() { "/".to_owned() } else { tidy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misconfigurations_in_a_log() {
        let misconfiguration = |path| misconfiguration(path, "/p/a/b.bin", "/srv/files/a/b.bin");
        assert_eq!(misconfiguration("/srv/files/a/b.bin"), None);
        assert_eq!(misconfiguration("/srv/filesa/b.bin"), Some(Misconfiguration::Slash));
        assert_eq!(misconfiguration("/srv/files/p/a/b.bin"), Some(Misconfiguration::Root));
        assert_eq!(misconfiguration("/srv/file/a/b.bin"), Some(Misconfiguration::Directory));
    }
}
