//! Dummies on real stores: which files are placed, kept and removed, and the errors.

use std::time::{Duration, Instant};

use sendfile_fixture::{Dialect, Fixture, Running};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    client::get,
    stores::{Pair, Store, all},
};

const BASE: &str = "/healthcheck-utils";

/// More than one part, so that a wrong order of the parts shows.
const LARGE: u64 = (8 << 20) + 13;

fn fixture(url: &str, options: &[Pair]) -> Fixture {
    let mut fixture = Fixture::builder().storage(url).large_size(LARGE);
    for (name, value) in options {
        fixture = fixture.storage_option(*name, value);
    }
    fixture
}

async fn read_back(running: &Running, name: &str) -> Value {
    get(running.address(), &format!("{BASE}/storage/{name}")).await.json()
}

async fn dummies(running: &Running) -> Vec<Value> {
    let contract = get(running.address(), &format!("{BASE}/contract")).await.json();
    contract["dummies"].as_array().unwrap().clone()
}

/// The lifecycle of the dummies is the same on every store.
#[tokio::test]
async fn every_store_keeps_the_dummies_until_the_stop() {
    for store in all("life") {
        store.put("neighbour.txt", "mine");
        store.put("healthcheck-neighbour.txt", "mine too");
        let running = fixture(&store.url, &store.options()).start().await;
        let running = running.unwrap_or_else(|error| panic!("{}: {error:?}", store.name));
        let placed = dummies(&running).await;
        assert_eq!(placed.len(), 7, "{}", store.name);
        for dummy in &placed {
            let read = read_back(&running, dummy["id"].as_str().unwrap()).await;
            assert_eq!(read["sha256"], dummy["sha256"], "{}: {dummy} {read}", store.name);
        }
        let main = store.get("healthcheck/dummy.bin").unwrap_or_default();
        let nonce = placed[0]["nonce"].as_str().unwrap();
        assert!(main.starts_with("sendfile-fixture/1 dummy "), "{}", store.name);
        assert!(main.lines().next().unwrap().contains(nonce), "{}", store.name);

        running.rotate().await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name));
        let read = read_back(&running, "large").await;
        assert_eq!(read["sha256"], find(&dummies(&running).await, "large")["sha256"]);
        assert_eq!(get(running.address(), "/readyz").await.status, 200);

        running.stop().await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name));
        for dummy in &placed {
            let key = dummy["key"].as_str().unwrap().replace('%', "%25").replace(' ', "%20");
            assert_eq!(store.get(&key), None, "{}: {key}", store.name);
        }
        assert_eq!(store.get("healthcheck/placed.txt"), None, "{}", store.name);
        assert_eq!(store.get("neighbour.txt").as_deref(), Some("mine"), "{}", store.name);
        let neighbour = store.get("healthcheck-neighbour.txt");
        assert_eq!(neighbour.as_deref(), Some("mine too"), "{}", store.name);
    }
}

fn find<'a>(dummies: &'a [Value], id: &str) -> &'a Value {
    dummies.iter().find(|dummy| dummy["id"] == id).unwrap()
}

/// The fixture checks the owner of a file itself, because some stores overwrite it.
#[tokio::test]
async fn nothing_foreign_is_overwritten_or_deleted() {
    for store in all("foreign") {
        store.put("healthcheck/dummy.html", "mine");
        let error = fixture(&store.url, &store.options()).start().await.unwrap_err();
        assert!(error.to_string().contains("was not placed by this program"), "{error}");
        assert_eq!(store.get("healthcheck/dummy.html").as_deref(), Some("mine"), "{}", store.name);
        assert_eq!(store.get("healthcheck/dummy.bin"), None, "{}", store.name);
        store.delete("healthcheck/dummy.html");

        let running = fixture(&store.url, &store.options()).start().await.unwrap();
        store.put("healthcheck/dummy.bin", "mine");
        assert!(running.rotate().await.is_err(), "{}", store.name);
        let ready = get(running.address(), "/readyz").await;
        assert_eq!(ready.status, 503, "{}", store.name);
        running.stop().await.unwrap();
        assert_eq!(store.get("healthcheck/dummy.bin").as_deref(), Some("mine"), "{}", store.name);
        store.delete("healthcheck/dummy.bin");
        assert_eq!(store.get("healthcheck/placed.txt"), None, "{}", store.name);
    }
}

/// The messages are the same for every store, and contain no secret.
#[tokio::test]
async fn failures_have_the_same_messages_on_every_store() {
    for store in all("failures") {
        if let Some(missing) = &store.missing {
            refused(&store, missing, &store.options(), "bucket-missing").await;
        }
        if !store.wrong_key.is_empty() {
            refused(&store, &store.url, &store.with(&store.wrong_key), "key-refused").await;
        }
        if !store.reader.is_empty() {
            refused(&store, &store.url, &store.with(&store.reader), "permission-denied").await;
            refused(&store, &store.url, &store.with(&store.stranger), "permission-denied").await;
        }
    }
}

async fn refused(store: &Store, url: &str, options: &[Pair], kind: &str) {
    let started = fixture(url, options).start().await;
    let Err(error) = started else { panic!("{}: {kind}: the fixture started", store.name) };
    let text = format!("{error:?}");
    let hint = error.hint().unwrap_or_default();
    let expected = match kind {
        "bucket-missing" => "which the fixture does not create",
        "key-refused" => "check that key and secret",
        _ => "allow the key to read, write and delete",
    };
    assert!(hint.contains(expected), "{}: {kind}: {text}: {hint}", store.name);
    for secret in ["probesecret", "readersecret", "othersecret", "guessed"] {
        assert!(!text.contains(secret), "{}: {text}", store.name);
    }
}

/// The page that reads a dummy back reports a failure with its name in the contract.
#[tokio::test]
async fn missing_dummy_is_reported_as_not_found() {
    for store in all("missing") {
        let running = fixture(&store.url, &store.options()).start().await.unwrap();
        store.delete("healthcheck/dummy.bin");
        let read = read_back(&running, "main").await;
        assert_eq!((&read["result"], &read["kind"]), (&"fail".into(), &"not-found".into()));
        running.stop().await.unwrap();
    }
}

/// A signed link works only for GET, and a new one is signed before it expires.
#[tokio::test(flavor = "multi_thread")]
async fn handed_off_links_are_signed() {
    // Signatures have a resolution of one second, which Ceph enforces.
    const EXPIRY: Duration = Duration::from_secs(6);
    for store in [crate::stores::seaweed(), crate::stores::radosgw()].into_iter().flatten() {
        let store = store.below("signed");
        let fixture = fixture(&store.url, &store.options()).signed_links(EXPIRY);
        let running = fixture.start().await.unwrap();
        let handoff = || async { find(&dummies(&running).await, "main")["handoff"].to_string() };
        let first = handoff().await;
        let value = first.trim_matches('"').strip_prefix("/protected/").unwrap();
        let link = format!("{}/{value}", store.http_url());
        assert_eq!(status(&link, "GET"), "200", "{}", store.name);
        assert_eq!(status(&link, "DELETE"), "403", "{}", store.name);
        let unsigned = link.split('?').next().unwrap();
        assert_eq!(status(unsigned, "GET"), "403", "{}", store.name);
        let began = Instant::now();
        while handoff().await == first {
            let late = began.elapsed() >= EXPIRY;
            assert!(!late, "no new link before the old one expires");
            sleep(Duration::from_millis(50)).await;
        }
        running.stop().await.unwrap();
    }
}

fn status(url: &str, method: &str) -> String {
    let mut curl = std::process::Command::new("curl");
    curl.args(["-sS", "--noproxy", "*", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"]);
    String::from_utf8(curl.args(["-X", method, url]).output().unwrap().stdout).unwrap()
}

/// A directory has no signed links, and a path has no query.
#[tokio::test]
async fn only_object_stores_have_signed_links() {
    let directory = tempfile::TempDir::new().unwrap();
    let hour = Duration::from_secs(3600);
    let fixture = || Fixture::builder().storage_dir(directory.path()).signed_links(hour);
    let error = fixture().start().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot sign a link to"), "{error}");
    let error = fixture().dialect(Dialect::XSendfile).start().await.unwrap_err();
    assert!(error.to_string().starts_with("this dialect hands off a file system path"), "{error}");
    assert!(!directory.path().join("healthcheck").exists());
}
