//! A fixture that is killed while it writes: what it has left, and who clears it.

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

/// Starts to place more than can be written before it is killed.
fn begin(storage: &str, options: &[Pair]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    command.args(["serve", "--storage", storage, "--listen", "127.0.0.1:0"]);
    command.args(["--large-size", "1GiB"]).stdout(Stdio::null()).stderr(Stdio::null());
    let options = options.iter().map(|(name, value)| format!("--storage-option={name}={value}"));
    command.args(options).spawn().unwrap()
}

/// Kills a program as soon as something is the case.
fn kill_when(mut child: Child, what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(30), "waited too long until {what}");
        assert_eq!(child.try_wait().unwrap(), None, "it has ended before {what}");
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

async fn start_and_stop(store: &Store) {
    let fixture = Fixture::builder().storage(&store.url);
    let options = store.options();
    let fixture = options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b));
    let running = fixture.start().await.unwrap();
    assert!(store.get("healthcheck/large.bin").is_some());
    running.stop().await.unwrap();
}

#[tokio::test]
async fn parts_of_a_killed_run_are_given_up_by_the_next() {
    for store in [seaweed(), radosgw()].into_iter().flatten().map(|it| it.below("killed")) {
        store.put("healthcheck/neighbour.bin", "mine");
        let child = begin(&store.url, &store.options());
        kill_when(child, "the parts are in the ledger", || {
            store.get("healthcheck/placed.txt").is_some_and(|it| it.contains("\nupload id="))
        });
        assert_eq!(store.uploads(), 1, "{}: it was killed in the middle", store.name);
        start_and_stop(&store).await;
        assert_eq!(store.uploads(), 0, "{}", store.name);
        assert_eq!(store.get("healthcheck/placed.txt"), None, "{}", store.name);
        assert_eq!(store.get("healthcheck/dummy.bin"), None, "{}", store.name);
        let neighbour = store.get("healthcheck/neighbour.bin");
        assert_eq!(neighbour.as_deref(), Some("mine"), "{}", store.name);
    }
}

/// Azure has no name for what was not put together, and drops it by itself.
#[tokio::test]
async fn blocks_of_a_killed_run_are_no_obstacle() {
    let Some(store) = azurite().map(|it| it.below("killed")) else { return };
    let child = begin(&store.url, &store.options());
    kill_when(child, "the last one before is there", || {
        store.get("healthcheck/empty.bin").is_some()
    });
    start_and_stop(&store).await;
    assert_eq!(store.get("healthcheck/placed.txt"), None);
    assert_eq!(store.get("healthcheck/dummy.bin"), None);
}

#[test]
fn half_a_file_of_a_killed_run_is_removed_by_the_next() {
    let storage = TempDir::new().unwrap();
    let folder = storage.path().join("healthcheck");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("large.bin#7"), "mine").unwrap();
    let half = folder.join("large.bin#1");
    let child = begin(&url(&storage), &[]);
    kill_when(child, "half a file is there", || fs::metadata(&half).is_ok_and(|it| it.len() > 0));
    assert!(half.exists(), "it was killed in the middle");
    Process::start(&storage, &[]).end("TERM");
    assert_eq!(tree(storage.path()), ["healthcheck/", "healthcheck/large.bin#7"]);
}
