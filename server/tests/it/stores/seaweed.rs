//! SeaweedFS, which supports S3 and WebDAV.

use std::{fs, path::PathBuf};

use super::{Curl, Store, folder, free_ports, key, start, until, words};

/// Starts the server. S3 and WebDAV have the same files.
pub(super) fn start_seaweed(weed: PathBuf) -> (Store, Store) {
    let run = folder("seaweedfs");
    let identities = r#"{"identities": [
        {"name": "all", "credentials": [{"accessKey": "probe", "secretKey": "probesecret"}],
         "actions": ["Admin", "Read", "Write", "List"]},
        {"name": "reader", "credentials": [{"accessKey": "reader", "secretKey": "readersecret"}],
         "actions": ["Read:probe", "List:probe"]},
        {"name": "stranger", "credentials": [{"accessKey": "other", "secretKey": "othersecret"}],
         "actions": ["Read:elsewhere"]},
        {"name": "anonymous", "actions": ["Read:google", "Write:google", "List:google",
         "Read:missing", "Write:missing", "List:missing"]}]}"#;
    fs::write(run.join("s3.json"), identities).expect("a temporary file");
    let ports = free_ports::<10>();
    let [s3, dav, ..] = ports;
    let names = ["s3.port", "webdav.port", "master.port", "volume.port", "filer.port"];
    let grpc = ["s3.port.grpc", "master.port.grpc", "volume.port.grpc", "filer.port.grpc"];
    let mut arguments = vec!["server".to_owned(), format!("-dir={}", run.display())];
    for (name, port) in names.iter().chain(&grpc).zip(ports) {
        arguments.push(format!("-{name}={port}"));
    }
    arguments.push(format!("-s3.config={}", run.join("s3.json").display()));
    arguments.push(format!("-webdav.cacheDir={}", run.display()));
    let rest = "-ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -webdav -s3.autoCreateBucket=false \
                -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
                -master.volumeSizeLimitMB=64 -master.volumePreallocate=false -volume.max=100";
    arguments.extend(rest.split_whitespace().map(str::to_owned));
    start(&weed, &arguments, &run);
    let endpoint = format!("http://127.0.0.1:{s3}");
    let curl = Curl {
        root: format!("{endpoint}/probe"),
        options: words(&[
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            "probe:probesecret",
            "-H",
            "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        ]),
        query: "",
    };
    until("the bucket exists", || curl.ask("PUT", "", "", None).0 == 200);
    let google = Curl { root: format!("{endpoint}/google"), ..curl.clone() };
    until("the anonymous bucket exists", || google.ask("PUT", "", "", None).0 == 200);
    // The first write waits until a volume exists.
    until("an object can be written", || curl.ask("PUT", "first", "", Some("first")).0 == 200);
    let bucket = Store {
        name: "SeaweedFS, S3",
        url: "s3://probe/media".into(),
        missing: Some("s3://missing/media".into()),
        place: vec![("endpoint", endpoint), ("region", "us-east-1".into())],
        key: key("access_key_id", "probe", "secret_access_key", "probesecret"),
        wrong_key: key("access_key_id", "probe", "secret_access_key", "guessed"),
        reader: key("access_key_id", "reader", "secret_access_key", "readersecret"),
        stranger: key("access_key_id", "other", "secret_access_key", "othersecret"),
        curl: Curl { root: curl.root.clone() + "/media", ..curl },
    };
    let root = format!("http://127.0.0.1:{dav}/dav");
    let directory = Store { missing: None, ..Store::dav("SeaweedFS, WebDAV", root, &[]) };
    until("a directory can be created", || directory.curl.ask("MKCOL", "", "", None).0 == 201);
    (bucket, directory)
}
