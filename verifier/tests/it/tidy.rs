//! What the house style asks of the sources, as far as a program can see it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of sources: its path below the crate, and its text.
type Source = (String, String);

#[test]
fn every_file_begins_with_what_it_knows() {
    check(&sources(), |text| {
        (!text.starts_with("//! ")).then(|| "does not begin with `//!`".to_owned())
    });
}

#[test]
fn no_file_is_too_long_to_be_read_once() {
    check(&sources(), |text| {
        let lines = text.lines().count();
        (lines > 400).then(|| format!("has {lines} lines; 400 are enough"))
    });
}

#[test]
fn no_file_is_a_drawer_for_the_rest() {
    let drawer = |path: &Path| {
        let stems = path.iter().filter_map(|it| Path::new(it).file_stem()?.to_str());
        stems
            .into_iter()
            .any(|it| ["mod", "util", "utils", "common", "helper", "helpers"].contains(&it))
    };
    let drawers: Vec<_> =
        sources().into_iter().map(|(path, _)| path).filter(|it| drawer(Path::new(it))).collect();
    assert_eq!(drawers, [""; 0], "name each after the noun that is in it");
}

#[test]
fn no_file_names_a_folder_of_its_author() {
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

/// Fails with all that is wrong, not with the first of it.
fn check(sources: &[Source], problem: impl Fn(&str) -> Option<String>) {
    assert!(!sources.is_empty(), "nothing was looked at");
    let problems =
        sources.iter().filter_map(|(path, text)| Some(format!("{path} {}", problem(text)?)));
    let problems: Vec<_> = problems.collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Whether a text has a word, and not as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let inside =
        |at: usize| text[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.~".contains(c));
    text.match_indices(word).any(|(at, _)| !inside(at))
}

/// The sources of both programs and of their crates, tests included.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let mut sources = Vec::new();
    for directory in ["server", "verifier"] {
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

/// All files below a folder, but for what is built or hidden there.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
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
