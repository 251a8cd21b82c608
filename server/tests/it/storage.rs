//! The dummies on the storage, compared with the contract.

use std::fs;

use sendfile_fixture::{Address, Fixture};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::client::get;

const BASE: &str = "/healthcheck-utils";

async fn contract(address: &Address) -> Value {
    get(address, &format!("{BASE}/contract")).await.json()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks that each file has exactly the bytes that the contract describes.
fn check_files(storage: &TempDir, contract: &Value) {
    for dummy in contract["dummies"].as_array().unwrap() {
        let bytes = fs::read(storage.path().join(dummy["key"].as_str().unwrap())).unwrap();
        assert_eq!(sha256(&bytes), dummy["sha256"], "{dummy}");
        assert_eq!(bytes.len() as u64, dummy["size"], "{dummy}");
        if bytes.len() > 512 {
            let line = String::from_utf8_lossy(&bytes[..512]);
            let nonce = format!(" nonce={} ", dummy["nonce"].as_str().unwrap());
            assert!(line.starts_with("sendfile-fixture/1 dummy ") && line.contains(&nonce));
        }
    }
}

#[tokio::test]
async fn contract_describes_the_current_and_the_previous_dummies() {
    let storage = TempDir::new().unwrap();
    // More than one part, so that it is a multipart upload.
    let fixture =
        Fixture::builder().storage_dir(storage.path()).large_size((8 << 20) + 13).size(100);
    let running = fixture.start().await.unwrap();
    let before = contract(running.address()).await;
    check_files(&storage, &before);

    running.rotate().await.unwrap();
    let after = contract(running.address()).await;
    check_files(&storage, &after);
    let (before, after) = (before["dummies"].as_array(), after["dummies"].as_array());
    for (old, new) in before.unwrap().iter().zip(after.unwrap()) {
        if old["size"] == 0 {
            assert_eq!(old, new, "an empty dummy cannot change");
            continue;
        }
        assert_ne!(old["sha256"], new["sha256"]);
        assert_eq!((&old["generation"], &new["generation"]), (&1.into(), &2.into()));
        for field in ["nonce", "generation", "size", "sha256"] {
            assert_eq!(new["previous"][field], old[field], "{field}");
        }
    }
    running.stop().await.unwrap();
}

/// A file that was replaced since the last rotation belongs to another program.
#[tokio::test]
async fn rotation_overwrites_nothing_foreign() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    let path = storage.path().join("healthcheck/dummy.bin");
    fs::write(&path, "mine").unwrap();
    let error = running.rotate().await.unwrap_err();
    assert!(error.to_string().contains("was not placed by this program"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(get(running.address(), "/readyz").await.status, 503);
    running.stop().await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn read_back_describes_the_current_file() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    let address = running.address();
    let placed = contract(address).await["dummies"][0].clone();
    let read = get(address, &format!("{BASE}/storage/main")).await.json();
    assert_eq!((&read["result"], &read["sha256"]), (&"pass".into(), &placed["sha256"]));

    let path = storage.path().join("healthcheck/dummy.bin");
    fs::write(&path, "changed").unwrap();
    let read = get(address, &format!("{BASE}/storage/dummy.bin")).await.json();
    assert_eq!((&read["size"], &read["sha256"]), (&7.into(), &sha256(b"changed").into()));

    fs::remove_file(&path).unwrap();
    let read = get(address, &format!("{BASE}/storage/main")).await.json();
    assert_eq!((&read["result"], &read["kind"]), (&"fail".into(), &"not-found".into()));
    assert!(read["error"].as_str().unwrap().contains("No such file"), "{read}");
    assert_eq!(get(address, &format!("{BASE}/storage/placed.txt")).await.status, 404);
    assert_eq!(get(address, "/livez").await.status, 200);
    running.stop().await.unwrap();
}
