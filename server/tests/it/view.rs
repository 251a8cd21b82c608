//! The responses over a real connection.

use sendfile_fixture::{Dialect, Fixture, Header};
use tempfile::TempDir;

use crate::client::{get, get_with, send};

const BASE: &str = "/healthcheck-utils";

/// With another length or a body, Apache waits for bytes that the app never sends, or appends them to
/// the file.
#[tokio::test]
async fn view_is_an_empty_response_with_one_handoff() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    for path in ["/download", "/download/", "/download/dummy.bin", "/download/main?a=b"] {
        for method in ["GET", "HEAD"] {
            let request =
                format!("{method} {BASE}{path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
            let view = send(running.address(), &request).await;
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
async fn each_dialect_encodes_the_odd_name() {
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

/// Evidence of a wrong path prefix: the proxy forwards a request that it should handle itself.
#[tokio::test]
async fn fall_through_is_marked_and_logged() {
    let storage = TempDir::new().unwrap();
    let running = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
    let nonce = "X-Sendfile-Check: 0123-abc";
    let response = get_with(running.address(), "/protected/healthcheck/dummy.bin?a", nonce).await;
    assert_eq!(
        (response.status, response.header("x-sendfile-fixture")),
        (404, Some("fall-through"))
    );
    assert_eq!(response.text(), "/protected/healthcheck/dummy.bin\n");
    let log = get(running.address(), &format!("{BASE}/requests/0123-abc")).await.json();
    let request = &log["requests"][0];
    assert_eq!(request["target"], "/protected/healthcheck/dummy.bin?a");
    assert_eq!(request["answer"], "fall-through");
    assert_eq!(log["requests"].as_array().unwrap().len(), 1);
    running.stop().await.unwrap();
}

/// This body shows that the proxy reaches the app. HEAD gets its length without the body.
#[tokio::test]
async fn stream_sends_the_dummy_itself() {
    let storage = TempDir::new().unwrap();
    let fixture = Fixture::builder().storage_dir(storage.path()).size(200_000);
    let running = fixture.start().await.unwrap();
    let stream = get(running.address(), &format!("{BASE}/probe/stream")).await;
    let file = std::fs::read(storage.path().join("healthcheck/dummy.bin")).unwrap();
    assert!(stream.body == file, "the bytes of the file");
    assert_eq!(stream.headers("x-accel-redirect"), [""; 0]);
    let request =
        format!("HEAD {BASE}/probe/stream HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    let head = send(running.address(), &request).await;
    assert_eq!((head.header("content-length"), head.body.len()), (Some("200000"), 0));
    running.stop().await.unwrap();
}
