//! Servers that are none: what is said of each kind of death, and how soon.

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::{sleep, spawn},
    time::{Duration, Instant},
};

use sendfile_fixture::Fixture;

/// How long the storage may take.
const LIMIT: Duration = Duration::from_secs(2);

/// A key that must not be repeated.
const SECRET: &str = "hush-hush";

/// Answers each connection on a thread of its own, until this process ends.
fn server(answer: fn(TcpStream)) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || {
                let mut stream = stream;
                let mut request = [0; 4096];
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
                    answer(stream);
                }
            });
        }
    });
    endpoint
}

fn say(mut stream: &TcpStream, text: &str) {
    // Whoever does not listen any more is not meant.
    let _ = stream.write_all(text.as_bytes());
}

/// Starts on a store at this address and checks what is said of it.
async fn check(endpoint: &str, kind: &str, words: &str) {
    for storage in ["s3://bucket/prefix", "az://bucket/prefix", "gs://bucket/prefix", endpoint] {
        let fixture = Fixture::builder().storage(storage).storage_timeout(LIMIT);
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
        let fixture = options.iter().fold(fixture, |it, (a, b)| it.storage_option(*a, *b));
        let began = Instant::now();
        let error = fixture.start().await.unwrap_err();
        let took = began.elapsed();
        let said = chain(&error);
        assert!(took < LIMIT + Duration::from_secs(1), "{storage}: {took:?}: {said}");
        assert!(said.contains(words), "{storage}: {said}");
        assert!(!said.contains(SECRET), "{storage}: {said}");
        assert!(error.hint().unwrap_or_default().contains(kind), "{storage}: {said}");
    }
}

fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn nobody_listens() {
    check("http://127.0.0.1:1", "see whether the store runs", "Connection refused").await;
}

#[tokio::test]
async fn the_name_is_not_known() {
    let words = "cannot resolve `store.invalid`";
    check("http://store.invalid:9000", "the host in the endpoint", words).await;
}

#[tokio::test]
async fn packets_are_dropped() {
    // Nobody takes connections from its queue: once that is full, further ones are dropped.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queue.push(stream);
    }
    check(&format!("http://{address}"), "see whether the store runs", "within 2s").await;
}

#[tokio::test]
async fn it_never_answers() {
    let endpoint = server(|_stream| sleep(Duration::from_secs(60)));
    check(&endpoint, "see whether the store runs", "does not answer within 2s").await;
}

#[tokio::test]
async fn it_closes_at_once() {
    check(&server(drop), "see whether the store runs", "no answer").await;
}

#[tokio::test]
async fn it_breaks_off() {
    let endpoint = server(|stream| {
        say(
            &stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 4096\r\nETag: \"1\"\r\nLast-Modified: \
                      Mon, 23 Nov 2026 09:00:00 GMT\r\n\r\nhalf",
        );
    });
    check(&endpoint, "see whether the store runs", "breaks off").await;
}

#[tokio::test]
async fn it_speaks_tls_with_a_server_that_does_not() {
    let endpoint = server(|stream| say(&stream, "HTTP/1.1 400 Bad Request\r\n\r\n"));
    check(&endpoint.replace("http:", "https:"), "speaks TLS", "InvalidContentType").await;
}

/// The error of the store is told, not that it was asked again.
#[tokio::test]
async fn it_has_no_time_for_ever() {
    let endpoint = server(|stream| {
        say(
            &stream,
            "HTTP/1.1 503 Slow Down\r\nContent-Length: 75\r\nConnection: close\r\n\r\n\
                      <Error><Code>SlowDown</Code><Message>Please reduce it.</Message></Error>   ",
        );
    });
    check(&endpoint, "", "503 Service Unavailable: SlowDown: Please reduce it.").await;
}
