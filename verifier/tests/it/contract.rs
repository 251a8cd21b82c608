//! What the fixture writes and the verifier reads: each has code of its own, and here they meet.

use proptest::prelude::*;
use sendfile_evidence::{
    dialect::{Product, compare_values, decoded},
    dummy_line::DummyLine,
};
use sendfile_fixture::{Dialect, Fixture, Header};

/// The name of any file that an app may hand off: no control character can be in a header.
fn file_name() -> impl Strategy<Value = String> {
    "[^/\\p{Cc}]{1,40}(/[^/\\p{Cc}]{1,20}){0,2}"
}

/// A value that the fixture writes, read as the proxy reads it: it names the file again, and is
/// no fault of the app.
fn check(dialect: &Dialect, map: &str, reader: Product, name: &str) {
    let value = dialect.write(map, name).expect("a name without control characters");
    let read = if reader.decodes() { decoded(&value) } else { value.clone() };
    let stored = format!("/srv/media/{name}");
    assert_eq!(read, format!("{map}{name}"), "{reader:?} reads `{value}`");
    let header = if map == "/srv/media/" { "X-Sendfile" } else { "X-Accel-Redirect" };
    let fault = compare_values(header, &value, Some(&value), Some(&stored), Some(reader));
    assert_eq!(fault, None, "`{value}`");
    let undeclared = compare_values(header, &value, None, Some(&stored), Some(reader));
    assert_eq!(undeclared, None, "`{value}`, read off the file");
}

proptest! {
    #[test]
    fn nginx(name in file_name()) {
        check(&Dialect::nginx(), "/protected/", Product::Nginx, &name);
    }

    #[test]
    fn apache(name in file_name()) {
        check(&Dialect::XSendfile, "/srv/media/", Product::Apache, &name);
    }

    #[test]
    fn lighttpd(name in file_name()) {
        check(&Dialect::XSendfileLighttpd, "/srv/media/", Product::Lighttpd, &name);
    }

    #[test]
    fn caddy(name in file_name()) {
        check(&Dialect::Caddy(Header::accel()), "/protected/", Product::Caddy, &name);
    }
}

#[tokio::test]
async fn a_dummy_is_known_by_its_first_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fixture = Fixture::builder().storage_dir(folder.path()).start().await.expect("a fixture");
    let contract: serde_json::Value =
        serde_json::from_slice(&fixture.contract()).expect("the contract in JSON");
    for dummy in contract["dummies"].as_array().expect("a list of dummies") {
        let key = dummy["key"].as_str().expect("a key");
        let bytes = std::fs::read(folder.path().join(key)).expect("a placed dummy");
        let Some(line) = DummyLine::read(&bytes) else {
            assert_eq!(bytes.len(), 0, "{key} has room for its line");
            continue;
        };
        assert_eq!(Some(line.instance.as_str()), contract["instance"].as_str());
        assert_eq!(Some(line.nonce.as_str()), dummy["nonce"].as_str());
        assert_eq!(line.size, bytes.len() as u64);
        assert_eq!(decoded(&line.key), key);
    }
    fixture.stop().await.expect("a clean stop");
}
