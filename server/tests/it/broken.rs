//! Broken store servers: the error message of each kind of failure, and how soon it appears.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

use sendfile_fixture::{Fixture, error_chain};

/// The timeout of the storage.
const LIMIT: Duration = Duration::from_secs(2);

/// A secret that must not appear in messages.
const SECRET: &str = "hush-hush";

/// Handles each connection in its own thread, until this process ends.
fn server(handle: fn(TcpStream)) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || {
                let mut stream = stream;
                let mut request = [0; 4096];
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
                    handle(stream);
                }
            });
        }
    });
    endpoint
}

fn send(mut stream: &TcpStream, text: &str) {
    // The client may have closed the connection.
    let _ = stream.write_all(text.as_bytes());
}

/// Starts a fixture on a store at this address and checks the hint and the error message.
async fn check(endpoint: &str, hint: &str, message: &str) {
    for storage in ["s3://bucket/prefix", "az://bucket/prefix", "gs://bucket/prefix", endpoint] {
        let mut fixture = Fixture::builder().storage(storage).storage_timeout(LIMIT);
        let options: &[(&str, &str)] = match storage.split_once(':') {
            Some(("s3", _)) => {
                &[("endpoint", endpoint), ("access_key_id", "probe"), ("secret_access_key", SECRET)]
            }
            Some(("az", _)) => &[
                ("endpoint", endpoint),
                ("account_name", "probe"),
                ("sas_token", "sig=hush-hush&sv=2020-02-10"),
            ],
            Some(("gs", _)) => &[("base_url", endpoint), ("bearer_token", SECRET)],
            _ => &[("username", "probe"), ("password", SECRET)],
        };
        for (name, value) in options {
            fixture = fixture.storage_option(*name, *value);
        }
        let began = Instant::now();
        let error = fixture.start().await.unwrap_err();
        let took = began.elapsed();
        let text = error_chain(&error).join(": ");
        assert!(took < LIMIT + Duration::from_secs(1), "{storage}: {took:?}: {text}");
        assert!(text.contains(message), "{storage}: {text}");
        assert!(!text.contains(SECRET), "{storage}: {text}");
        assert!(error.hint().unwrap_or_default().contains(hint), "{storage}: {text}");
    }
}

#[tokio::test]
async fn connection_is_refused() {
    check("http://127.0.0.1:1", "check that the store is running", "Connection refused").await;
}

#[tokio::test]
async fn host_name_does_not_resolve() {
    let message = "cannot resolve `store.invalid`";
    check("http://store.invalid:9000", "the host in the endpoint", message).await;
}

#[tokio::test]
async fn packets_are_dropped() {
    // No one accepts connections: once the queue is full, the system drops further packets.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queue.push(stream);
    }
    check(&format!("http://{address}"), "check that the store is running", "within 2s").await;
}

#[tokio::test]
async fn server_never_responds() {
    let endpoint = server(|_stream| sleep(Duration::from_secs(60)));
    check(&endpoint, "check that the store is running", "did not respond within 2s").await;
}

#[tokio::test]
async fn server_closes_the_connection() {
    check(&server(drop), "check that the store is running", "no response").await;
}

#[tokio::test]
async fn response_is_incomplete() {
    let endpoint = server(|stream| {
        send(
            &stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\nETag: \"1\"\r\nLast-Modified: \
                      Mon, 23 Nov 2026 09:00:00 GMT\r\n\r\nhalf",
        );
    });
    check(&endpoint, "check that the store is running", "response is incomplete").await;
}

#[tokio::test]
async fn server_does_not_support_tls() {
    let endpoint = server(|stream| send(&stream, "HTTP/1.1 400 Bad Request\r\n\r\n"));
    check(&endpoint.replace("http:", "https:"), "supports TLS", "InvalidContentType").await;
}

/// The message contains the error of the store, not that the request was retried.
#[tokio::test]
async fn server_is_overloaded() {
    let endpoint = server(|stream| {
        send(
            &stream,
            "HTTP/1.1 503 Slow Down\r\nContent-Length: 75\r\nConnection: close\r\n\r\n\
                      <Error><Code>SlowDown</Code><Message>Please reduce it.</Message></Error>   ",
        );
    });
    check(&endpoint, "", "503 Service Unavailable: SlowDown: Please reduce it.").await;
}
