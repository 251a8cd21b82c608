//! The built-in proxy in front of a fixture: the responses that clients get.

use std::fs;

use sendfile_fixture::{
    Address, Fixture, Proxy, Running,
    proxy::{CatchAll, RunningProxy, Settings},
};
use tempfile::TempDir;

use crate::client::{Response, get, get_with, send};

const BASE: &str = "/healthcheck-utils";

struct ProxiedFixture {
    storage: TempDir,
    fixture: Running,
    proxy: RunningProxy,
}

impl ProxiedFixture {
    async fn start(settings: Settings) -> Self {
        let storage = TempDir::new().unwrap();
        fs::write(storage.path().join("secret.txt"), "secret").unwrap();
        let fixture = Fixture::builder().storage_dir(storage.path()).start().await.unwrap();
        let proxy = Proxy::new(fixture.address().clone(), storage.path()).settings(settings);
        let proxy = proxy.start().await.unwrap();
        Self { storage, fixture, proxy }
    }

    async fn get(&self, path: &str) -> Response {
        get(self.proxy.address(), path).await
    }

    fn dummy(&self) -> Vec<u8> {
        fs::read(self.storage.path().join("healthcheck/dummy.bin")).unwrap()
    }

    async fn stop(self) {
        self.proxy.stop().await;
        self.fixture.stop().await.unwrap();
    }
}

#[tokio::test]
async fn client_gets_the_file_with_the_headers_of_the_app() {
    let proxied = ProxiedFixture::start(Settings::default()).await;
    let file = proxied.get(&format!("{BASE}/download")).await;
    assert_eq!((file.status, file.body), (200, proxied.dummy()));
    let response = proxied.get(&format!("{BASE}/download")).await;
    assert_eq!(response.headers("x-accel-redirect"), [""; 0], "the proxy removes the header");
    assert_eq!(response.headers("content-disposition"), ["attachment; filename=\"dummy.bin\""]);
    assert_eq!(response.headers("content-type"), ["application/octet-stream"]);
    assert_eq!(response.headers("cache-control"), ["private, no-store"]);
    assert_eq!(response.headers("content-length"), ["4096"]);
    assert_eq!(response.headers("server"), ["sendfile-fixture"]);
    for id in ["odd-name", "html", "empty", "large", "no-extension"] {
        assert_eq!(proxied.get(&format!("{BASE}/probe/{id}")).await.status, 200, "{id}");
    }
    proxied.stop().await;
}

#[tokio::test]
async fn range_head_and_conditional_requests() {
    let proxied = ProxiedFixture::start(Settings::default()).await;
    let (address, path) = (proxied.proxy.address(), format!("{BASE}/download"));
    let part = get_with(address, &path, "Range: bytes=100-199").await;
    assert_eq!((part.status, &part.body[..]), (206, &proxied.dummy()[100..200]));
    assert_eq!(part.header("content-range"), Some("bytes 100-199/4096"));
    assert_eq!(get_with(address, &path, "Range: bytes=5000-").await.status, 416);
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    let head = send(address, &request).await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("4096"), 0)
    );
    let modified = head.header("last-modified").unwrap();
    let same = get_with(address, &path, &format!("If-Modified-Since: {modified}")).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    proxied.stop().await;
}

/// Each probe gets the response that the contract lists for a correctly configured proxy.
#[tokio::test]
async fn probes_get_the_expected_responses() {
    let proxied = ProxiedFixture::start(Settings::default()).await;
    let contract = get(proxied.fixture.address(), &format!("{BASE}/contract")).await.json();
    let probes = contract["probes"].as_array().unwrap();
    assert_eq!(probes.len(), 13);
    for probe in probes {
        let response = proxied.get(probe["path"].as_str().unwrap()).await;
        if probe["expect"] == "nothing" {
            assert_eq!(response.status, 404, "{probe}");
            continue;
        }
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&response.body);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (response.status, digest),
            (200, probe["sha256"].as_str().unwrap().into()),
            "{probe}"
        );
    }
    proxied.stop().await;
}

#[tokio::test]
async fn clients_cannot_leave_the_storage_or_bypass_the_app() {
    let proxied = ProxiedFixture::start(Settings::default()).await;
    let name = proxied.storage.path().file_name().unwrap().to_str().unwrap();
    let direct = format!("{BASE}/direct");
    for path in [
        format!("{direct}/../secret.txt"),
        format!("{direct}/..%2fsecret.txt"),
        format!("{direct}/%2e%2e/secret.txt"),
        format!("{direct}/..%2f..%2f{name}/secret.txt"),
        format!("{direct}/dummy.bin%00"),
        format!("{direct}/%2fetc/passwd"),
        format!("{direct}//etc/passwd"),
        format!("{direct}/"),
        "/protected/secret.txt".into(),
        "/protected/healthcheck/dummy.bin".into(),
        "//protected/healthcheck/dummy.bin".into(),
        "/%70rotected/healthcheck/dummy.bin".into(),
        format!("{BASE}/contract"),
        format!("{BASE}/storage/main"),
        "/secret.txt".into(),
    ] {
        let response = proxied.get(&path).await;
        assert_eq!(response.status, 404, "{path}");
        assert!(response.text().contains("sendfile-fixture proxy"), "{path}");
    }
    assert_eq!(proxied.get(&format!("{direct}/dummy.bin")).await.body, proxied.dummy());
    assert_eq!(proxied.get(&format!("{BASE}/denied")).await.status, 403);
    proxied.stop().await;
}

/// Settings that the demonstrations use as faults, and their symptoms.
#[tokio::test]
async fn settings_cause_known_faults() {
    let download = format!("{BASE}/download");

    let proxied = ProxiedFixture::start(parse(serde_json::json!({ "obey": false }))).await;
    let ignored = proxied.get(&download).await;
    assert_eq!((ignored.status, ignored.body.len()), (200, 0));
    assert_eq!(ignored.headers("x-accel-redirect").len(), 1, "the proxy ignores the header");
    proxied.stop().await;

    let settings = serde_json::json!({ "map": "/internal/", "catch_all": "app" });
    let proxied = ProxiedFixture::start(parse(settings)).await;
    let stray = proxied.get(&download).await;
    assert_eq!((stray.status, stray.header("x-sendfile-fixture")), (404, Some("fall-through")));
    proxied.stop().await;

    let proxied = ProxiedFixture::start(Settings { internal: false, ..Settings::default() }).await;
    assert_eq!(proxied.get("/protected/secret.txt").await.text(), "secret");
    proxied.stop().await;

    let proxied =
        ProxiedFixture::start(Settings { directory: "healthcheck".into(), ..Settings::default() })
            .await;
    assert_eq!(proxied.get(&download).await.status, 404);
    proxied.stop().await;

    let settings =
        Settings { path_prefix: "/x/".into(), catch_all: CatchAll::Page, ..Settings::default() };
    let proxied = ProxiedFixture::start(settings).await;
    let page = proxied.get(&download).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    proxied.stop().await;
}

fn parse(settings: serde_json::Value) -> Settings {
    serde_json::from_value(settings).unwrap()
}

#[tokio::test]
async fn proxy_responds_with_502_if_the_app_is_down() {
    let storage = TempDir::new().unwrap();
    let missing = Address::Unix(storage.path().join("missing.sock"));
    let proxy = Proxy::new(missing, storage.path()).start().await.unwrap();
    let response = get(proxy.address(), &format!("{BASE}/download")).await;
    assert_eq!(response.status, 502);
    assert!(response.text().contains("sendfile-fixture proxy"));
    proxy.stop().await;
}

#[test]
fn unknown_setting_is_an_error() {
    let error = serde_json::from_str::<Settings>(r#"{ "maps": "/protected/" }"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `maps`"), "{error}");
}
