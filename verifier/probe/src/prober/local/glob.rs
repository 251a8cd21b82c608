//! Expands the patterns of includes.

use std::path::{Component, Path, PathBuf};

use sendfile_readers::glob;

/// Maximum number of names of a directory that are examined.
const MOST: usize = 10_000;

/// The files that match a pattern, sorted by name. A path without a pattern is returned as is, even
/// if it does not exist.
pub(super) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let is_pattern = |it: &str| it.contains(['*', '?', '[']);
    if !is_pattern(&pattern.to_string_lossy()) {
        return vec![pattern.to_owned()];
    }
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        match component {
            Component::Normal(_) if is_pattern(&name) => {
                let all = found.iter().flat_map(|folder| matching(folder, &name));
                found = all.take(MOST).collect();
            }
            _ => found.iter_mut().for_each(|it| it.push(component)),
        }
    }
    found.retain(|it| it.is_file());
    found.sort();
    found
}

fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.take(MOST).filter_map(|it| Some(it.ok()?.file_name()));
    let fits = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        // As in a shell, a star does not match hidden files.
        glob(pattern, &name) && (!name.starts_with('.') || pattern.starts_with('.'))
    };
    let mut found: Vec<PathBuf> = names.filter(fits).map(|it| folder.join(it)).collect();
    found.sort();
    found
}
