//! Expands the patterns of includes on this machine's disk.
//!
//! It knows directories, but not the syntax of patterns.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use sendfile_readers::glob;

/// Maximum number of names of a directory that are examined.
const MOST: usize = 10_000;

/// The files that match a pattern, sorted by name. A path without a pattern is returned as is, even
/// if it does not exist.
pub(super) fn expand(pattern: &Path) -> Vec<PathBuf> {
    if !is_pattern(&pattern.to_string_lossy()) {
        return vec![pattern.to_owned()];
    }
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if matches!(component, Component::Normal(_)) && is_pattern(&name) {
            found = matching_in_all(&found, &name);
        } else {
            for path in &mut found {
                path.push(component);
            }
        }
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '['])
}

/// The first paths in any of the directories whose names match a pattern.
fn matching_in_all(directories: &[PathBuf], pattern: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in directories {
        found.extend(matching(directory, pattern));
        if found.len() >= MOST {
            found.truncate(MOST);
            break;
        }
    }
    found
}

/// The paths in a directory whose names match a pattern, sorted.
fn matching(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.take(MOST) {
        let Ok(entry) = entry else { continue };
        let file_name = entry.file_name();
        let name = file_name.to_string_lossy();
        // As in a shell, a star does not match hidden files.
        let is_hidden = name.starts_with('.') && !pattern.starts_with('.');
        if !is_hidden && glob(pattern, &name) {
            found.push(directory.join(&file_name));
        }
    }
    found.sort();
    found
}
