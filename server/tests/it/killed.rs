//! A fixture that is killed while it writes: the next run removes its files.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use sendfile_fixture::Fixture;
use tempfile::TempDir;

use crate::{
    process::{Process, tree, url},
    stores::{Pair, Store, azurite, radosgw, seaweed},
};

/// Starts a fixture that is killed before it has written all of its dummies.
fn begin(storage: &str, options: &[Pair]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    command.args(["serve", "--storage", storage, "--listen", "127.0.0.1:0"]);
    command.args(["--large-size", "1GiB"]).stdout(Stdio::null()).stderr(Stdio::null());
    let options = options.iter().map(|(name, value)| format!("--storage-option={name}={value}"));
    command.args(options).spawn().unwrap()
}

/// Kills a program as soon as a condition is true.
fn kill_when(mut child: Child, what: &str, is_true: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < Duration::from_secs(30), "timed out waiting until {what}");
        assert_eq!(child.try_wait().unwrap(), None, "the program ended before {what}");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn start_and_stop(store: &Store) {
    let mut fixture = Fixture::builder().storage(&store.url);
    for (name, value) in store.options() {
        fixture = fixture.storage_option(name, value);
    }
    let running = fixture.start().await.unwrap();
    assert!(store.get("healthcheck/large.bin").is_some());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn next_run_aborts_the_multipart_upload_of_a_killed_run() {
    for store in [seaweed(), radosgw()].into_iter().flatten() {
        let store = store.below("killed");
        store.put("healthcheck/neighbour.bin", "mine");
        let child = begin(&store.url, &store.options());
        kill_when(child, "the manifest lists the upload", || {
            store.get("healthcheck/placed.txt").is_some_and(|text| text.contains("\nupload id="))
        });
        assert_eq!(store.uploads(), 1, "{}: killed during the upload", store.name);
        start_and_stop(&store).await;
        assert_eq!(store.uploads(), 0, "{}", store.name);
        assert_eq!(store.get("healthcheck/placed.txt"), None, "{}", store.name);
        assert_eq!(store.get("healthcheck/dummy.bin"), None, "{}", store.name);
        let neighbour = store.get("healthcheck/neighbour.bin");
        assert_eq!(neighbour.as_deref(), Some("mine"), "{}", store.name);
    }
}

/// Azure has no id for uncommitted blocks, and deletes them automatically.
#[tokio::test]
async fn next_run_starts_despite_uncommitted_blocks() {
    let Some(store) = azurite() else { return };
    let store = store.below("killed");
    let child = begin(&store.url, &store.options());
    kill_when(child, "the dummy before the large one exists", || {
        store.get("healthcheck/empty.bin").is_some()
    });
    start_and_stop(&store).await;
    assert_eq!(store.get("healthcheck/placed.txt"), None);
    assert_eq!(store.get("healthcheck/dummy.bin"), None);
}

#[test]
fn next_run_removes_the_partial_file_of_a_killed_run() {
    let storage = TempDir::new().unwrap();
    let directory = storage.path().join("healthcheck");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("large.bin#7"), "mine").unwrap();
    let partial = directory.join("large.bin#1");
    let child = begin(&url(&storage), &[]);
    kill_when(child, "a partial file exists", || {
        fs::metadata(&partial).is_ok_and(|meta| meta.len() > 0)
    });
    assert!(partial.exists(), "killed during the write");
    Process::start(&storage, &[]).end("TERM");
    assert_eq!(tree(storage.path()), ["healthcheck/", "healthcheck/large.bin#7"]);
}
