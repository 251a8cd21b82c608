//! Limits on the resources that clients of the server use.

use std::{os::unix::net::UnixListener, time::Duration};

use sendfile_fixture::{Address, Fixture, Limits, ListenError, Running, StartError};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::{get, send};

const VIEW: &str = "/healthcheck-utils/download";
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(3600);

async fn start(storage: &TempDir, limits: Limits) -> Running {
    Fixture::builder().storage_dir(storage.path()).limits(limits).start().await.unwrap()
}

async fn connect(running: &Running) -> TcpStream {
    let Address::Tcp(address) = running.address() else { panic!("not TCP") };
    TcpStream::connect(address).await.unwrap()
}

/// Sends `request` and reads until the server closes the connection.
async fn until_closed(running: &Running, request: &str) -> String {
    let mut stream = connect(running).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    // A connection reset is fine, too.
    let _ = stream.read_to_string(&mut response).await;
    response
}

#[tokio::test]
async fn other_methods_are_refused() {
    let storage = TempDir::new().unwrap();
    let running = start(&storage, Limits::default()).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} {VIEW} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
        let response = send(running.address(), &request).await;
        assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD")));
        assert_eq!(response.headers("x-accel-redirect"), [""; 0]);
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn long_head_is_refused() {
    let storage = TempDir::new().unwrap();
    let running = start(&storage, Limits::default()).await;
    let long = format!("GET {VIEW} HTTP/1.1\r\nHost: it\r\nX-Long: {}\r\n", "x".repeat(16 << 10));
    let response = until_closed(&running, &long).await;
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn slow_head_times_out() {
    let storage = TempDir::new().unwrap();
    let limits = Limits { header_timeout: SHORT, keep_alive: LONG, ..Limits::default() };
    let running = start(&storage, limits).await;
    assert_eq!(until_closed(&running, "").await, "");
    assert_eq!(until_closed(&running, "GET /livez HTTP/1.1\r\nHost:").await, "");
    // The timeout also applies to the second request of a connection.
    let one_and_a_half = "GET /livez HTTP/1.1\r\nHost: it\r\n\r\nGET /li";
    let mut stream = connect(&running).await;
    stream.write_all(one_and_a_half.as_bytes()).await.unwrap();
    let mut buffer = [0; 17];
    stream.read_exact(&mut buffer).await.unwrap();
    stream.write_all(b"vez HTTP/1.1\r\n").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn idle_connection_is_closed() {
    let storage = TempDir::new().unwrap();
    let limits = Limits { header_timeout: LONG, keep_alive: SHORT, ..Limits::default() };
    let running = start(&storage, limits).await;
    let response = until_closed(&running, "GET /livez HTTP/1.1\r\nHost: it\r\n\r\n").await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    running.stop().await.unwrap();
}

/// A client that requests a large body and reads nothing must not occupy its slot for ever.
#[tokio::test]
async fn client_that_reads_nothing_is_disconnected() {
    let storage = TempDir::new().unwrap();
    let limits = Limits { keep_alive: SHORT, max_connections: 1, ..Limits::default() };
    let fixture = Fixture::builder().storage_dir(storage.path()).size(64 << 20).limits(limits);
    let running = fixture.start().await.unwrap();
    let mut stuck = connect(&running).await;
    let request = "GET /healthcheck-utils/probe/stream HTTP/1.1\r\nHost: it\r\n\r\n";
    stuck.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(get(running.address(), VIEW).await.status, 200);
    drop(stuck);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn client_beyond_the_limit_waits() {
    let storage = TempDir::new().unwrap();
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let running = start(&storage, limits).await;
    let mut first = connect(&running).await;
    first.write_all(b"GET /livez HTTP/1.1\r\nHost: it\r\n\r\n").await.unwrap();
    let mut buffer = [0; 8];
    first.read_exact(&mut buffer).await.unwrap();
    let address = running.address().clone();
    let second = tokio::spawn(async move { get(&address, VIEW).await.status });
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(first);
    assert_eq!(second.await.unwrap(), 200);
    running.stop().await.unwrap();
}

/// Requests in progress are completed.
#[tokio::test]
async fn stop_waits_for_requests_in_progress() {
    let storage = TempDir::new().unwrap();
    let fixture = Fixture::builder().storage_dir(storage.path()).size(32 << 20);
    let running = fixture.start().await.unwrap();
    let mut client = connect(&running).await;
    let request = "GET /healthcheck-utils/probe/stream HTTP/1.1\r\nHost: it\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 1000];
    client.read_exact(&mut begin).await.unwrap();
    let stop = tokio::spawn(running.stop());
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(begin.len() + rest.len() > 32 << 20);
    stop.await.unwrap().unwrap();
}

#[tokio::test]
async fn unix_socket_is_served_and_removed() {
    let storage = TempDir::new().unwrap();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("fixture.sock");
    // The stale socket of a stopped server.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let address = Address::Unix(path.clone());
    let start = || Fixture::builder().storage_dir(storage.path()).listen(address.clone()).start();
    let running = start().await.unwrap();
    assert_eq!(get(&address, VIEW).await.status, 200);
    let second = start().await.unwrap_err();
    assert!(matches!(second, StartError::Listen(ListenError::InUse(_))), "{second}");
    assert_eq!(get(&address, VIEW).await.status, 200);
    running.stop().await.unwrap();
    assert!(!path.exists());
}
