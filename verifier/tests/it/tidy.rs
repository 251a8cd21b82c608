//! Checks the sources for those rules of the house style that a program can test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A source file: its path in the crate, and its text.
type Source = (String, String);

#[test]
fn every_file_starts_with_a_doc_comment() {
    check(&sources(), |text| {
        (!text.starts_with("//! ")).then(|| "does not start with `//!`".to_owned())
    });
}

#[test]
fn no_file_is_too_long() {
    check(&sources(), |text| {
        let lines = text.lines().count();
        (lines > 800).then(|| format!("has {lines} lines, more than 800"))
    });
}

#[test]
fn no_file_has_a_catch_all_name() {
    let drawer = |path: &Path| {
        let stems = path.iter().filter_map(|it| Path::new(it).file_stem()?.to_str());
        stems
            .into_iter()
            .any(|it| ["mod", "util", "utils", "common", "helper", "helpers"].contains(&it))
    };
    let drawers: Vec<_> =
        sources().into_iter().map(|(path, _)| path).filter(|it| drawer(Path::new(it))).collect();
    assert_eq!(drawers, [""; 0], "name each file after its content");
}

#[test]
fn no_file_contains_a_local_path() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let own = ["home", "root", "work", "Users"].map(|it| format!("/{it}/"));
    let shipped = all_below(root).into_iter().filter_map(|path| {
        let text = String::from_utf8(fs::read(&path).expect("a readable file")).ok()?;
        Some((path.display().to_string(), text))
    });
    check(&shipped.collect::<Vec<_>>(), |text| {
        own.iter().find(|it| has_word(text, it)).map(|it| format!("names a path below {it}"))
    });
}

/// Fails with all problems, not only the first one.
fn check(sources: &[Source], problem: impl Fn(&str) -> Option<String>) {
    assert!(!sources.is_empty(), "no file was checked");
    let problems =
        sources.iter().filter_map(|(path, text)| Some(format!("{path} {}", problem(text)?)));
    let problems: Vec<_> = problems.collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Whether a text contains a word, except as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let inside =
        |at: usize| text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.~".contains(c));
    text.match_indices(word).any(|(at, _)| !inside(at))
}

/// The sources of both programs and of their crates, tests included.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut sources = Vec::new();
    for directory in ["manual", "server", "stores", "verifier"] {
        for path in all_below(&root.join(directory)) {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable source");
                let name = path.strip_prefix(root).expect("below the workspace");
                sources.push((name.display().to_string(), text));
            }
        }
    }
    sources
}

/// All files below a directory, except for hidden files and build output.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable directory");
    let paths = entries.map(|entry| entry.expect("a readable directory").path());
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name != "target" && !name.starts_with('.')
    };
    let below = paths.filter(own).flat_map(|path| match path.is_dir() {
        true => all_below(&path),
        false => vec![path],
    });
    below.collect()
}
