//! The question of a container's healthcheck, put to fixtures that run, and to what is none.

use std::{fs, net::TcpListener, os::unix::net::UnixListener};

use insta::assert_snapshot;
use tempfile::TempDir;

use crate::process::Process;

/// Runs `sendfile-fixture ready` with the address in the environment, as in a container; returns
/// its exit code and what it says on stderr.
fn ready(listen: &str) -> (i32, String) {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_sendfile-fixture"));
    command.env("SENDFILE_FIXTURE_LISTEN", listen).args(["ready", "--timeout", "2s"]);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"", "whoever asks looks at the exit code");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_fixture_that_can_read_its_dummy_is_ready() {
    let storage = TempDir::new().unwrap();
    let folder = TempDir::new().unwrap();
    let socket = format!("unix:{}/fixture.sock", folder.path().display());
    let fixture = Process::start(&storage, &["--listen", &socket]);
    let address = fixture.address.to_string();
    assert_eq!(ready(&address), (0, String::new()));
    assert_eq!(ready(&socket), (0, String::new()));
    let everywhere = address.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(ready(&format!("{everywhere},{socket}")), (0, String::new()));
}

#[test]
fn a_fixture_whose_dummy_is_gone_is_not() {
    let storage = TempDir::new().unwrap();
    let fixture = Process::start(&storage, &[]);
    fs::remove_file(storage.path().join("healthcheck/dummy.bin")).unwrap();
    let (code, said) = ready(&fixture.address.to_string());
    assert_eq!(code, 1);
    let said = said.replace(&fixture.address.to_string(), "ADDRESS");
    let said = said.replace(&storage.path().display().to_string(), "STORAGE");
    assert_snapshot!(said, @"error: `ADDRESS` answers 503 Service Unavailable: `STORAGE/healthcheck/dummy.bin` is not as it was placed");
}

#[test]
fn who_does_not_answer_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (code, said) = ready(&address);
    assert_eq!(
        (code, said.replace(&address, "ADDRESS").as_str()),
        (1, "error: `ADDRESS` gives no answer within 2s\n")
    );
    drop(listener);
    let (code, said) = ready(&address);
    assert_eq!(code, 1);
    assert_snapshot!(said.replace(&address, "ADDRESS"), @r"
    error: cannot connect to `ADDRESS`
      caused by: Connection refused (os error 111)
    ");
}

#[test]
fn who_speaks_something_else_is_not() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let other = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    });
    let (code, said) = ready(&format!("unix:{}", path.display()));
    other.join().unwrap();
    assert_eq!(code, 1);
    assert_snapshot!(said.replace(&path.display().to_string(), "SOCKET"), @r"
    error: `unix:SOCKET` gives no answer
      caused by: invalid HTTP version parsed
    ");
}
