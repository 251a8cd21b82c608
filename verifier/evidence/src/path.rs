//! Paths that a server opens: which misconfiguration leads from one to another.

/// The misconfiguration that leads to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misconfiguration {
    /// The location's prefix stays in the path: `root` instead of `alias`.
    Root,
    /// The location's prefix is missing from the path: `alias` instead of `root`.
    Alias,
    /// A slash is missing between the directory and the name.
    Slash,
    /// A capture is too long or too short.
    Capture,
    /// A variable has another value.
    Variable,
    /// Another directory.
    Folder,
}

/// The misconfiguration that leads to an opened path, if only the URI and the file are known.
pub fn misconfiguration(path: &str, uri: &str, file: &str) -> Option<Misconfiguration> {
    if tidy(path) == tidy(file) {
        return None;
    }
    if let Some(folder) = path.strip_suffix(uri)
        && ends(uri).any(|end| tidy(&joined(folder, end)) == tidy(file))
    {
        return Some(Misconfiguration::Root);
    }
    let (before, behind) = split_alike(path, file);
    let slash = path.len() + 1 == file.len()
        && file.get(before..).and_then(|it| it.strip_prefix('/'))
            == path.get(path.len() - behind..);
    Some(if slash { Misconfiguration::Slash } else { Misconfiguration::Folder })
}

/// The length of the common beginning of two texts, and of the rest of the first.
fn split_alike(a: &str, b: &str) -> (usize, usize) {
    let alike = a.char_indices().zip(b.chars()).take_while(|((_, x), y)| x == y).last();
    let before = alike.map_or(0, |((at, c), _)| at + c.len_utf8());
    (before, a.len() - before)
}

/// A URI without one, two … of its first segments.
pub fn ends(uri: &str) -> impl Iterator<Item = &str> {
    uri.match_indices('/').skip(1).take(16).filter_map(|(at, _)| uri.get(at..))
}

/// A name below a directory, with one slash between them.
pub fn joined(folder: &str, name: &str) -> String {
    format!("{}/{}", folder.trim_end_matches('/'), name.trim_start_matches('/'))
}

/// A path on disk with single slashes and no trailing slash.
pub fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|it| !it.is_empty() && *it != ".").collect();
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn habits_in_a_log() {
        let misconfiguration = |path| misconfiguration(path, "/p/a/b.bin", "/srv/files/a/b.bin");
        assert_eq!(misconfiguration("/srv/files/a/b.bin"), None);
        assert_eq!(misconfiguration("/srv/filesa/b.bin"), Some(Misconfiguration::Slash));
        assert_eq!(misconfiguration("/srv/files/p/a/b.bin"), Some(Misconfiguration::Root));
        assert_eq!(misconfiguration("/srv/file/a/b.bin"), Some(Misconfiguration::Folder));
    }
}
