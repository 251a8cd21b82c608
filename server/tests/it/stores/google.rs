//! A substitute for Google's store: SeaweedFS behind an nginx that translates the headers of Google's
//! XML API into those of S3. It checks the token but no signature, so it cannot check signed links.

use std::{fs, net::TcpStream, path::PathBuf};

use super::{Curl, Store, folder, free_ports, start, until, words};

/// Starts nginx in front of a bucket with anonymous access.
pub(super) fn start_google(nginx: PathBuf, seaweed: &Store) -> Store {
    let run = folder("google");
    let [port] = free_ports();
    let at = run.display();
    let behind = seaweed.http_url().split("/probe").next().unwrap_or_default();
    let config = format!(
        "daemon off; user root; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/t1;\n\
         fastcgi_temp_path {at}/t2; uwsgi_temp_path {at}/t3; scgi_temp_path {at}/t4;\n\
         map $http_x_goog_if_generation_match $none_match {{ 0 *; default $http_if_none_match; }}\n\
         server {{ listen 127.0.0.1:{port}; client_max_body_size 0;\n\
         if ($http_authorization != \"Bearer probesecret\") {{ return 401; }}\n\
         location / {{ proxy_pass {behind}; proxy_http_version 1.1; proxy_set_header Host $proxy_host;\n\
         proxy_set_header Connection \"\"; proxy_set_header Authorization \"\";\n\
         proxy_set_header If-None-Match $none_match; proxy_request_buffering off;\n\
         proxy_set_header x-amz-copy-source $http_x_goog_copy_source; }} }} }}\n"
    );
    fs::write(run.join("nginx.conf"), config).expect("a temporary file");
    let log = format!("{at}/error.log");
    let path = run.join("nginx.conf").display().to_string();
    start(&nginx, &words(&["-c", &path, "-p", &at.to_string(), "-e", &log]), &run);
    until("the translator accepts connections", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let base = format!("http://127.0.0.1:{port}");
    let token = "Authorization: Bearer probesecret";
    Store {
        name: "SeaweedFS in Google's place",
        url: "gs://google/media".into(),
        missing: Some("gs://missing/media".into()),
        place: vec![("base_url", base.clone())],
        key: vec![("bearer_token", "probesecret".into())],
        wrong_key: Vec::new(),
        reader: Vec::new(),
        stranger: Vec::new(),
        curl: Curl {
            root: format!("{base}/google/media"),
            options: words(&["-H", token]),
            query: "",
        },
    }
}
