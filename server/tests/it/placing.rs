//! Placing on real stores: what is there, what stays, what goes, and what is said when it fails.

use std::time::{Duration, Instant};

use sendfile_fixture::{Dialect, Fixture, Running};
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    client::get,
    stores::{Pair, Store, all},
};

const BASE: &str = "/healthcheck-utils";

/// Places as many parts as to show that they are put together in order.
const LARGE: u64 = (8 << 20) + 13;

fn fixture(url: &str, options: &[Pair]) -> Fixture {
    let fixture = Fixture::builder().storage(url).large_size(LARGE);
    options.iter().fold(fixture, |it, (name, value)| it.storage_option(*name, value))
}

async fn read_back(running: &Running, name: &str) -> Value {
    get(running.address(), &format!("{BASE}/storage/{name}")).await.json()
}

async fn dummies(running: &Running) -> Vec<Value> {
    let contract = get(running.address(), &format!("{BASE}/contract")).await.json();
    contract["dummies"].as_array().unwrap().clone()
}

/// The whole life of the dummies, on every store alike.
#[tokio::test]
async fn every_store_keeps_what_is_placed_and_nothing_after_it() {
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
    dummies.iter().find(|it| it["id"] == id).unwrap()
}

/// No store is trusted to refuse: what is not the fixture's is looked at before it is written.
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

/// The same words whatever the store, and none of them a secret.
#[tokio::test]
async fn failures_have_the_same_names_on_every_store() {
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
    let error = started.err().unwrap_or_else(|| panic!("{}: {kind}: it started", store.name));
    let said = format!("{error:?}");
    let words = error.hint().unwrap_or_default();
    let expected = match kind {
        "bucket-missing" => "the fixture makes no bucket",
        "key-refused" => "see whether key and secret",
        _ => "let the key read, write and delete",
    };
    assert!(words.contains(expected), "{}: {kind}: {said}: {words}", store.name);
    for secret in ["probesecret", "readersecret", "othersecret", "guessed"] {
        assert!(!said.contains(secret), "{}: {said}", store.name);
    }
}

/// What breaks while it runs is told by the page that reads back, in the contract's words.
#[tokio::test]
async fn what_goes_missing_is_told_as_that() {
    for store in all("missing") {
        let running = fixture(&store.url, &store.options()).start().await.unwrap();
        store.delete("healthcheck/dummy.bin");
        let read = read_back(&running, "main").await;
        assert_eq!((&read["result"], &read["kind"]), (&"fail".into(), &"not-found".into()));
        running.stop().await.unwrap();
    }
}

/// A link to a private bucket works as the fixture hands it off, for GET and nothing else, and a new
/// one is there before it is over.
#[tokio::test(flavor = "multi_thread")]
async fn links_are_signed_for_what_is_handed_off() {
    // Times of signatures have whole seconds, and Ceph keeps to them.
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
            assert!(!late, "no new link before the old one is over");
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

/// A folder has no links, and a path no query.
#[tokio::test]
async fn links_are_signed_by_object_stores_only() {
    let folder = tempfile::TempDir::new().unwrap();
    let hour = Duration::from_secs(3600);
    let fixture = || Fixture::builder().storage_dir(folder.path()).signed_links(hour);
    let error = fixture().start().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot sign a link to"), "{error}");
    let error = fixture().dialect(Dialect::XSendfile).start().await.unwrap_err();
    assert!(error.to_string().starts_with("the hand-off is a path"), "{error}");
    assert!(!folder.path().join("healthcheck").exists());
}
