//! What the house style asks of the sources, as far as a program can see it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A file of sources: its path below the crate, and its text.
type Source = (String, String);

/// What only a module that touches the world writes; `//` comments may.
const TOUCHES_THE_WORLD: [&str; 16] = [
    "fs::",
    "net::",
    "env::",
    "process::",
    "thread::",
    "tokio::",
    "hyper::",
    "reqwest::",
    "object_store::",
    "probe::",
    "print!",
    "println!",
    "eprintln!",
    "stdin(",
    "stdout(",
    "now(",
];

#[test]
fn judging_touches_nothing() {
    let pure = ["src/evidence", "src/dialect", "src/diagnosis", "src/report"];
    let judging = |(path, _): &Source| pure.iter().any(|it| path.starts_with(it));
    let sources: Vec<_> = sources().into_iter().filter(judging).collect();
    assert!(sources.len() > pure.len(), "the modules have other names now: {pure:?}");
    check(&sources, |text| {
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        TOUCHES_THE_WORLD.iter().find(|word| has_word(&code, word)).map(|it| format!("has `{it}`"))
    });
}

#[test]
fn reading_a_configuration_touches_nothing() {
    let sources: Vec<_> =
        sources().into_iter().filter(|(path, _)| path.starts_with("src/local")).collect();
    check(&sources, |text| {
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        // An address is a number too, and no socket.
        let mut words = TOUCHES_THE_WORLD.iter().filter(|it| **it != "net::");
        words.find(|word| has_word(&code, word)).map(|it| format!("has `{it}`"))
    });
}

#[test]
fn only_the_demo_knows_the_fixture() {
    let product = |(path, _): &Source| path.starts_with("src/") && !path.starts_with("src/demo");
    let sources: Vec<_> = sources().into_iter().filter(product).collect();
    check(&sources, |text| {
        text.contains("sendfile_fixture").then(|| "names the fixture".to_owned())
    });
}

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

/// The sources of this crate, tests included.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["src", "tests/it"].into_iter().flat_map(|it| all_below(&root.join(it)));
    let rust = files.filter(|path| path.extension().is_some_and(|it| it == "rs"));
    rust.map(|path| {
        let text = fs::read_to_string(&path).expect("a readable source");
        (path.strip_prefix(root).expect("below the crate").display().to_string(), text)
    })
    .collect()
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
