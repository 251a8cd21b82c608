//! The answers over a real connection.

use sendfile_fixture::{Dialect, Fixture, Header};
use tempfile::TempDir;

use crate::client::{ask, get, get_with};

const BASE: &str = "/healthcheck-utils";

/// With any other length or a body, Apache waits for bytes that never come, or sends them behind
/// the file.
#[tokio::test]
async fn view_is_an_empty_answer_with_one_handoff() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    for path in ["/download", "/download/", "/download/dummy.bin", "/download/main?a=b"] {
        for method in ["GET", "HEAD"] {
            let request =
                format!("{method} {BASE}{path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
            let view = ask(running.address(), &request).await;
            assert_eq!((view.status, &view.body[..]), (200, &b""[..]));
            assert_eq!(view.headers("x-accel-redirect"), ["/protected/healthcheck/dummy.bin"]);
            assert_eq!(view.headers("content-length"), ["0"]);
            assert_eq!(view.headers("content-type"), ["application/octet-stream"]);
            assert_eq!(view.headers("content-disposition"), ["attachment; filename=\"dummy.bin\""]);
            assert_eq!(view.headers("cache-control"), ["private, no-store"]);
        }
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn each_dialect_names_the_odd_file_its_own_way() {
    let storage = TempDir::new().unwrap();
    let path = storage.path().display().to_string();
    let raw = "healthcheck/odd name é 100%.bin";
    let percent = "healthcheck/odd%20name%20%C3%A9%20100%25.bin";
    let table = [
        (Dialect::nginx(), "x-accel-redirect", format!("/protected/{percent}")),
        (Dialect::XSendfile, "x-sendfile", format!("{path}/{raw}")),
        (Dialect::XSendfileLighttpd, "x-sendfile", format!("{path}/{percent}")),
        (Dialect::Caddy(Header::accel()), "x-accel-redirect", format!("/protected/{raw}")),
    ];
    for (dialect, header, value) in table {
        let fixture = Fixture::builder().storage_dir(storage.path()).dialect(dialect);
        let running = fixture.start().await.unwrap();
        let view = get(running.address(), &format!("{BASE}/download/odd-name")).await;
        assert_eq!(view.headers(header), [value]);
        running.stop().await.unwrap();
    }
}

/// The proof of a wrong prefix: the app is asked for what the proxy should have had itself.
#[tokio::test]
async fn stray_request_is_marked_and_remembered() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    let nonce = "X-Sendfile-Check: 0123-abc";
    let stray = get_with(running.address(), "/protected/healthcheck/dummy.bin?a", nonce).await;
    assert_eq!((stray.status, stray.header("x-sendfile-fixture")), (404, Some("fall-through")));
    assert_eq!(stray.text(), "/protected/healthcheck/dummy.bin\n");
    let seen = get(running.address(), &format!("{BASE}/requests/0123-abc")).await.json();
    let request = &seen["requests"][0];
    assert_eq!(request["target"], "/protected/healthcheck/dummy.bin?a");
    assert_eq!(request["answer"], "fall-through");
    assert_eq!(seen["requests"].as_array().unwrap().len(), 1);
    running.stop().await.unwrap();
}

/// The body that proves the way from the proxy to the app, and its length without the bytes.
#[tokio::test]
async fn stream_sends_the_dummy_itself() {
    let storage = TempDir::new().unwrap();
    let fixture = Fixture::builder().storage_dir(storage.path()).size(200_000);
    let running = fixture.start().await.unwrap();
    let stream = get(running.address(), &format!("{BASE}/probe/stream")).await;
    let file = std::fs::read(storage.path().join("healthcheck/dummy.bin")).unwrap();
    assert!(stream.body == file, "the file's bytes");
    assert_eq!(stream.headers("x-accel-redirect"), [""; 0]);
    let request =
        format!("HEAD {BASE}/probe/stream HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    let head = ask(running.address(), &request).await;
    assert_eq!((head.header("content-length"), head.body.len()), (Some("200000"), 0));
    running.stop().await.unwrap();
}
