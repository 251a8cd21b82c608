//! rclone's S3 on a directory. It responds to range requests with status 200.

use std::{fs, path::PathBuf};

use super::{Curl, Store, folder, free_ports, key, start, until, words};

/// Starts the server.
pub(super) fn start_rclone(rclone: PathBuf) -> Store {
    let run = folder("rclone");
    let [port] = free_ports();
    fs::create_dir_all(run.join("root/probe")).expect("a directory");
    let (root, address) = (run.join("root").display().to_string(), format!("127.0.0.1:{port}"));
    let users = ["--auth-key", "probe,probesecret", "--config", "/dev/null"];
    let serve = ["serve", "s3", &root, "--addr", &address, "--force-path-style=true"];
    start(&rclone, &words(&[&serve[..], &users].concat()), &run);
    let endpoint = format!("http://{address}");
    let options = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "probe:probesecret"];
    let unsigned = ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"];
    let options = words(&[options.as_slice(), &unsigned].concat());
    let curl = Curl { root: format!("{endpoint}/probe"), options, query: "" };
    until("an object can be written", || curl.ask("PUT", "first", "", Some("first")).0 == 200);
    Store {
        name: "rclone",
        url: "s3://probe/media".into(),
        missing: None,
        place: vec![("endpoint", endpoint), ("region", "us-east-1".into())],
        key: key("access_key_id", "probe", "secret_access_key", "probesecret"),
        wrong_key: Vec::new(),
        reader: Vec::new(),
        stranger: Vec::new(),
        curl: Curl { root: curl.root.clone() + "/media", ..curl },
    }
}
