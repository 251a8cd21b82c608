//! A site with TLS on the real nginx: its certificate, HTTP/2 and HTTP/1.1.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use assert_cmd::cargo::cargo_bin_cmd;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::skipped;

/// The path of nginx on Debian.
const NGINX: &str = "/usr/sbin/nginx";

const DAY: u64 = 24 * 60 * 60;

/// Returns 404 over HTTP/2.
const ELSEWHERE: &str = r#"if ($server_protocol = "HTTP/2.0") { return 404; }"#;

/// Maximum time to wait for nginx to start.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn http2_and_http1_return_the_same_response() {
    let Some((verdict, rules)) = check(30, "") else { return };
    assert_eq!((verdict.as_str(), rules), ("healthy", vec![]));
}

#[test]
fn certificate_that_expires_soon_is_a_warning() {
    let Some((verdict, rules)) = check(5, "") else { return };
    assert_eq!(verdict, "healthy");
    assert_eq!(rules, ["frontend.certificate-ends-soon"]);
}

/// `--cacert` makes the certificate trusted, but not valid after its expiry.
#[test]
fn expired_certificate_is_broken() {
    let Some((verdict, rules)) = check(-2, "") else { return };
    assert_eq!(verdict, "broken");
    assert_eq!(rules, ["frontend.tls-fails"]);
}

#[test]
fn different_response_over_http2_is_found() {
    let Some((verdict, rules)) = check(30, ELSEWHERE) else { return };
    assert_eq!(verdict, "broken");
    assert_eq!(rules, ["frontend.protocols-differ"]);
}

/// The command in a report must work as printed, with the same connection options as the check.
#[test]
fn command_in_report_repeats_the_request() {
    let mut answer = None;
    let Some(target) = report(30, ELSEWHERE, |target| {
        let evidence = target["findings"][0]["evidence"].as_array().expect("evidence");
        let line = evidence.last().and_then(Value::as_str).expect("a command to try");
        let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
        answer = Some(String::from_utf8_lossy(&output.stdout).into_owned());
    }) else {
        return;
    };
    assert_eq!(target["verdict"], "broken");
    let answer = answer.expect("a response");
    assert!(answer.starts_with("HTTP/2 404"), "{answer}");
}

/// The verdict on a file behind nginx with a certificate that is valid for `days`, and the rules of all
/// findings and warnings.
fn check(days: i64, extra: &str) -> Option<(String, Vec<String>)> {
    let target = report(days, extra, |_| ())?;
    let found = ["findings", "warnings"].into_iter().filter_map(|it| target[it].as_array());
    let rules = found.flatten().filter_map(|it| Some(it["rule"].as_str()?.to_owned()));
    Some((target["verdict"].as_str().expect("a verdict").to_owned(), rules.collect()))
}

/// The reported target; nginx still runs during `then`.
fn report(days: i64, extra: &str, then: impl FnOnce(&Value)) -> Option<Value> {
    if !Path::new(NGINX).exists() && std::env::var_os("CI").is_none() {
        skipped("TLS: nginx is not installed");
        return None;
    }
    let folder = TempDir::new().expect("a directory");
    certify(folder.path(), days);
    fs::write(folder.path().join("a.bin"), vec![7; 4096]).expect("a file");
    let (_nginx, port) = nginx(folder.path(), extra);
    let output = cargo_bin_cmd!("sendfile-check")
        .args(["verify", "-o", "json", "--full", &format!("https://localhost:{port}/a.bin")])
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1"), "--cacert"])
        .arg(folder.path().join("cert.pem"))
        .args(["--storage", &format!("file://{}", folder.path().join("a.bin").display())])
        .output()
        .expect("the program");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let target = &report["targets"][0];
    then(target);
    Some(target.clone())
}

/// Writes a certificate that is valid for `days`, and its key.
pub(crate) fn certify(folder: &Path, days: i64) {
    let names = ["localhost".to_owned(), "example.org".to_owned()];
    let mut params = CertificateParams::new(names).expect("two names");
    let days_ago = SystemTime::now() - Duration::from_secs(10 * DAY);
    let until = Duration::from_secs((10 + days).unsigned_abs() * DAY + 60);
    params.not_before = days_ago.into();
    params.not_after = (days_ago + until).into();
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(folder.join("cert.pem"), certificate.pem()).expect("a file");
    fs::write(folder.join("key.pem"), key.serialize_pem()).expect("a file");
}

/// A server that is stopped by its process id when the test ends.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).ok();
    }
}

fn nginx(folder: &Path, extra: &str) -> (Nginx, u16) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let folder = folder.display();
    let config = format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
        events {{ }}
        http {{
            access_log off;
            server {{
                listen {port} ssl http2;
                ssl_certificate {folder}/cert.pem;
                ssl_certificate_key {folder}/key.pem;
                {extra}
                root {folder};
            }}
        }}"
    );
    let path = format!("{folder}/nginx.conf");
    fs::write(&path, config).expect("a file");
    let child = Command::new(NGINX)
        .args(["-p", &folder.to_string(), "-c", &path, "-e", &format!("{folder}/error.log")])
        .stderr(Stdio::null())
        .spawn()
        .expect("nginx");
    let nginx = Nginx(child);
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect(port).is_err() {
        assert!(Instant::now() < until, "nginx does not start");
        thread::sleep(Duration::from_millis(5));
    }
    (nginx, port.port())
}
