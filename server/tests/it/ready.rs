//! `sendfile-fixture ready`, the healthcheck of a container, with fixtures and with other servers.

use std::{fs, net::TcpListener, os::unix::net::UnixListener};

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::process::Process;

/// Runs `sendfile-fixture ready` with the address in the environment, as in a container. Returns
/// its exit code and its stderr.
fn ready(listen: &str) -> (i32, String) {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    command.env("SENDFILE_FIXTURE_LISTEN", listen).args(["ready", "--timeout", "2s"]);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"", "nothing is printed to stdout");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn fixture_with_its_dummy_is_ready() {
    let storage = TempDir::new().unwrap();
    let directory = TempDir::new().unwrap();
    let socket = format!("unix:{}/fixture.sock", directory.path().display());
    let fixture = Process::start(&storage, &["--listen", &socket]);
    let address = fixture.address.to_string();
    assert_eq!(ready(&address), (0, String::new()));
    assert_eq!(ready(&socket), (0, String::new()));
    let any_interface = address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(ready(&format!("{any_interface},{socket}")), (0, String::new()));
}

#[test]
fn fixture_without_its_dummy_is_not_ready() {
    let storage = TempDir::new().unwrap();
    let fixture = Process::start(&storage, &[]);
    fs::remove_file(storage.path().join("healthcheck/dummy.bin")).unwrap();
    let (code, messages) = ready(&fixture.address.to_string());
    assert_eq!(code, 1);
    let messages = messages.replace(&fixture.address.to_string(), "ADDRESS");
    let messages = messages.replace(&storage.path().display().to_string(), "STORAGE");
    assert_snapshot!(messages, @"error: `ADDRESS` responded with 503 Service Unavailable: `STORAGE/healthcheck/dummy.bin` is missing or was changed after it was placed");
}

#[test]
fn server_without_a_response_is_not_ready() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (code, messages) = ready(&address);
    assert_eq!(
        (code, messages.replace(&address, "ADDRESS").as_str()),
        (1, "error: no response from `ADDRESS` within 2s\n")
    );
    drop(listener);
    let (code, messages) = ready(&address);
    assert_eq!(code, 1);
    assert_snapshot!(messages.replace(&address, "ADDRESS"), @r"
    error: cannot connect to `ADDRESS`
      caused by: Connection refused (os error 111)
    ");
}

#[test]
fn server_of_another_protocol_is_not_ready() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("other.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let other = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    });
    let (code, messages) = ready(&format!("unix:{}", path.display()));
    other.join().unwrap();
    assert_eq!(code, 1);
    assert_snapshot!(messages.replace(&path.display().to_string(), "SOCKET"), @r"
    error: no valid HTTP response from `unix:SOCKET`
      caused by: invalid HTTP version parsed
    ");
}
