//! Sockets that another program has opened, as systemd does for a unit of type .socket.

use std::{
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::{Command, Stdio},
};

use sendfile_fixture::{Address, Fixture, ListenError, Socket, StartError};
use tempfile::TempDir;

use crate::{client::get, process::url};

/// Passes its standard input as a socket, as systemd does.
const PASS: &str =
    r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" serve "$@""#;

/// The program does not remove the socket. A client can connect before the program is ready.
#[tokio::test]
async fn passed_socket_is_served_and_not_removed() {
    let (storage, directory) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = directory.path().join("fixture.sock");
    let socket = UnixListener::bind(&path).unwrap();
    let child = Command::new("sh")
        .args(["-c", PASS, env!("CARGO_BIN_EXE_sendfile-fixture"), "--listen", "systemd"])
        .args(["--storage", &url(&storage)])
        .env_remove("NOTIFY_SOCKET")
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let response = get(&Address::Unix(path.clone()), "/healthcheck-utils/download").await;
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(response.status, 200);
    assert!(output.status.success());
    assert_eq!(output.stdout, format!("unix:{}\n", path.display()).into_bytes());
    assert!(path.exists());
}

/// A unit with Accept=yes passes a connected socket, on which accept(2) would fail for ever.
#[tokio::test]
async fn socket_that_does_not_listen_is_refused() {
    let storage = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let socket = Socket::Tcp(OwnedFd::from(stream).into());
    let started = Fixture::builder().storage_dir(storage.path()).start_on(vec![socket]).await;
    assert!(matches!(started.unwrap_err(), StartError::Listen(ListenError::Passed(_))));
}
