//! From start to stop: the files on the storage, and the messages about them.

use std::{fs, os::unix::net::UnixDatagram};

use sendfile_fixture::{Address, Fixture};
use tempfile::TempDir;

use crate::{
    client::get,
    process::{Process, tree, url},
};

const PLACED: [&str; 11] = [
    "healthcheck/",
    "healthcheck/dummy",
    "healthcheck/dummy.bin",
    "healthcheck/dummy.html",
    "healthcheck/empty.bin",
    "healthcheck/large.bin",
    "healthcheck/odd name é 100%.bin",
    "healthcheck/placed.txt",
    "protected/",
    "protected/healthcheck/",
    "protected/healthcheck/dummy.bin",
];

/// A stopped fixture must leave nothing in a private directory, nor delete other files there.
#[test]
fn dummies_are_placed_and_removed_and_other_files_stay() {
    let storage = TempDir::new().unwrap();
    fs::create_dir_all(storage.path().join("protected")).unwrap();
    fs::write(storage.path().join("protected/invoice.pdf"), "private").unwrap();
    let process = Process::start(&storage, &[]);
    let placed: Vec<_> = PLACED.into_iter().chain(["protected/invoice.pdf"]).collect();
    assert_eq!(tree(storage.path()), placed);
    let (status, messages) = process.end("TERM");
    assert_eq!((status.code(), &*messages), (Some(0), ""), "no output without errors");
    assert_eq!(tree(storage.path()), ["protected/", "protected/invoice.pdf"]);
    assert_eq!(
        fs::read_to_string(storage.path().join("protected/invoice.pdf")).unwrap(),
        "private"
    );
}

#[test]
fn existing_directory_is_not_removed() {
    let storage = TempDir::new().unwrap();
    fs::create_dir(storage.path().join("healthcheck")).unwrap();
    Process::start(&storage, &[]).end("INT");
    assert_eq!(tree(storage.path()), ["healthcheck/"]);
}

/// Also files with names that the next run does not use, and partially written files.
#[test]
fn next_run_removes_the_files_of_a_killed_run() {
    let storage = TempDir::new().unwrap();
    let options = ["--name", "old.bin", "--size", "100", "--map", "/old/"];
    let (status, _) = Process::start(&storage, &options).end("KILL");
    assert_eq!(status.code(), None);
    assert!(tree(storage.path()).contains(&"old/healthcheck/old.bin".to_owned()));
    let directory = storage.path().join("healthcheck");
    let partial: Vec<u8> = fs::read(directory.join("large.bin")).unwrap()[..300].into();
    fs::write(directory.join("dummy.html#1"), partial).unwrap();
    fs::write(directory.join("dummy.html#2"), "mine").unwrap();

    let process = Process::start(&storage, &[]);
    let mine = "healthcheck/dummy.html#2".to_owned();
    let mut placed: Vec<_> = PLACED.map(str::to_owned).into();
    placed.extend([mine.clone(), "old/".into(), "old/healthcheck/".into()]);
    placed.sort();
    assert_eq!(tree(storage.path()), placed);
    let (_, messages) = process.end("TERM");
    assert!(messages.contains("replacing dummies of another run"), "{messages}");
    assert_eq!(tree(storage.path()), ["healthcheck/".to_owned(), mine]);
}

/// A dummy of ten bytes does not show its owner. If it has changed, it belongs to the user.
#[test]
fn short_dummy_of_a_killed_run_is_identified_by_its_checksum() {
    let storage = TempDir::new().unwrap();
    Process::start(&storage, &["--size", "10"]).end("KILL");
    let process = Process::start(&storage, &["--size", "10"]);
    process.end("KILL");
    let path = storage.path().join("healthcheck/dummy.bin");
    fs::write(&path, "0123456789").unwrap();
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    command.args(["serve", "--storage", &url(&storage), "--listen", "127.0.0.1:0"]);
    command.assert().code(2);
    assert_eq!(fs::read_to_string(path).unwrap(), "0123456789");
}

#[test]
fn replaced_dummy_is_not_removed() {
    let storage = TempDir::new().unwrap();
    let process = Process::start(&storage, &[]);
    fs::write(storage.path().join("healthcheck/dummy.bin"), "mine").unwrap();
    let (status, messages) = process.end("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(messages.contains("no longer belongs to this fixture"), "{messages}");
    assert_eq!(tree(storage.path()), ["healthcheck/", "healthcheck/dummy.bin"]);
}

/// The later of two fixtures wins, and the earlier one does not remove its dummies.
#[tokio::test]
async fn second_fixture_takes_over() {
    let storage = TempDir::new().unwrap();
    let first = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    let second = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    assert_eq!(get(first.address(), "/readyz").await.status, 503);
    assert!(first.rotate().await.is_err());
    first.stop().await.unwrap();
    assert_eq!(get(second.address(), "/readyz").await.status, 200);
    assert_eq!(tree(storage.path()), PLACED);
    second.stop().await.unwrap();
    assert!(tree(storage.path()).is_empty());
}

#[tokio::test]
async fn dropped_fixture_cleans_up() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    drop(running);
    assert!(tree(storage.path()).is_empty());
}

/// A start that is cancelled, for example by a timeout of the caller, leaves nothing.
#[tokio::test]
async fn cancelled_start_cleans_up() {
    let storage = TempDir::new().unwrap();
    let fixture = Fixture::builder().storage_dir(storage.path()).large_size(100 << 20);
    let manifest = storage.path().join("healthcheck/placed.txt");
    let begun = async {
        while !manifest.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = begun => {}
        started = fixture.start() => drop(started),
    }
    assert!(tree(storage.path()).is_empty());
}

#[tokio::test]
async fn failed_start_leaves_nothing() {
    let storage = TempDir::new().unwrap();
    // The root decoy cannot be placed because its directory is a file.
    fs::write(storage.path().join("protected"), "mine").unwrap();
    let error = Fixture::builder().storage_dir(storage.path()).start().await.unwrap_err();
    assert!(error.to_string().contains("protected/healthcheck/dummy.bin"), "{error}");
    assert_eq!(tree(storage.path()), ["protected"]);
}

#[test]
fn second_signal_stops_at_once() {
    let storage = TempDir::new().unwrap();
    let process = Process::start(&storage, &["--shutdown-timeout", "1h"]);
    let Address::Tcp(address) = process.address else { panic!("not TCP") };
    // A partial request delays the first stop.
    let mut client = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\n").unwrap();
    process.signal("TERM");
    while std::net::TcpStream::connect(address).is_ok() {
        std::thread::yield_now();
    }
    let (status, _) = process.end("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(tree(storage.path()).is_empty());
}

#[test]
fn systemd_is_notified() {
    let storage = TempDir::new().unwrap();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut buffer = [0; 64];
    let process = Process::start_with(&storage, &[], |command| {
        command.env("NOTIFY_SOCKET", &path);
    });
    let read = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"READY=1");
    process.end("TERM");
    let read = socket.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"STOPPING=1");
}

#[test]
fn options_from_the_environment() {
    let storage = TempDir::new().unwrap();
    let process = Process::start_with(&storage, &[], |command| {
        command.env("SENDFILE_FIXTURE_NAME", "other.bin");
        command.env("SENDFILE_FIXTURE_LARGE_SIZE", "0");
        command.env("SENDFILE_FIXTURE_NO_ROOT_TWIN", "1");
    });
    let names = tree(storage.path());
    assert!(names.contains(&"healthcheck/other.bin".to_owned()));
    assert!(!names.contains(&"healthcheck/large.bin".to_owned()));
    assert!(!names.contains(&"protected/".to_owned()));
    process.end("TERM");
}
