//! Tests that the verifier reads what the fixture writes, since the two share no code for the contract.

use proptest::prelude::*;
use sendfile_evidence::{
    Server,
    dialect::{compare_values, decoded},
    dummy_line::DummyLine,
};
use sendfile_fixture::{Dialect, Fixture, Header};

/// The name of a file that an app may hand off; headers cannot contain control characters.
fn file_name() -> impl Strategy<Value = String> {
    "[^/\\p{Cc}]{1,40}(/[^/\\p{Cc}]{1,20}){0,2}"
}

/// Decodes a value of the fixture as the proxy does: it must name the file, and the verifier must find
/// no fault in it.
fn check(dialect: &Dialect, map: &str, reader: Server, name: &str) {
    let value = dialect.write(map, name).expect("a name without control characters");
    let read = if reader.decodes() { decoded(&value) } else { value.clone() };
    let stored = format!("/srv/media/{name}");
    assert_eq!(read, format!("{map}{name}"), "{reader:?} reads `{value}`");
    let header = if map == "/srv/media/" { "X-Sendfile" } else { "X-Accel-Redirect" };
    let fault = compare_values(header, &value, Some(&value), Some(&stored), Some(reader));
    assert_eq!(fault, None, "`{value}`");
    let undeclared = compare_values(header, &value, None, Some(&stored), Some(reader));
    assert_eq!(undeclared, None, "`{value}`, derived from the file");
}

proptest! {
    #[test]
    fn nginx(name in file_name()) {
        check(&Dialect::nginx(), "/protected/", Server::Nginx, &name);
    }

    #[test]
    fn apache(name in file_name()) {
        check(&Dialect::XSendfile, "/srv/media/", Server::Apache, &name);
    }

    #[test]
    fn lighttpd(name in file_name()) {
        check(&Dialect::XSendfileLighttpd, "/srv/media/", Server::Lighttpd, &name);
    }

    #[test]
    fn caddy(name in file_name()) {
        check(&Dialect::Caddy(Header::accel()), "/protected/", Server::Caddy, &name);
    }
}

#[tokio::test]
async fn dummy_is_identified_by_its_first_line() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let fixture = Fixture::builder().storage_dir(folder.path()).start().await.expect("a fixture");
    let contract: serde_json::Value =
        serde_json::from_slice(&fixture.contract()).expect("the contract in JSON");
    for dummy in contract["dummies"].as_array().expect("a list of dummies") {
        let key = dummy["key"].as_str().expect("a key");
        let bytes = std::fs::read(folder.path().join(key)).expect("a placed dummy");
        let Some(line) = DummyLine::read(&bytes) else {
            assert_eq!(bytes.len(), 0, "{key} is large enough for its line");
            continue;
        };
        assert_eq!(Some(line.instance.as_str()), contract["instance"].as_str());
        assert_eq!(Some(line.nonce.as_str()), dummy["nonce"].as_str());
        assert_eq!(line.size, bytes.len() as u64);
        assert_eq!(decoded(&line.key), key);
    }
    fixture.stop().await.expect("a clean stop");
}
