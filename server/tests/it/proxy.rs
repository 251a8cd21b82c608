//! The built-in proxy in front of a fixture: what a visitor gets.

use std::fs;

use sendfile_fixture::{
    Address, Fixture, Proxy, Running,
    proxy::{CatchAll, RunningProxy, Settings},
};
use tempfile::TempDir;

use crate::client::{Response, ask, get, get_with};

const BASE: &str = "/healthcheck-utils";

struct Site {
    storage: TempDir,
    fixture: Running,
    proxy: RunningProxy,
}

impl Site {
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
async fn visitor_gets_the_file_with_the_apps_headers() {
    let site = Site::start(Settings::default()).await;
    let file = site.get(&format!("{BASE}/download")).await;
    assert_eq!((file.status, file.body), (200, site.dummy()));
    let answer = site.get(&format!("{BASE}/download")).await;
    assert_eq!(answer.headers("x-accel-redirect"), [""; 0], "hidden");
    assert_eq!(answer.headers("content-disposition"), ["attachment; filename=\"dummy.bin\""]);
    assert_eq!(answer.headers("content-type"), ["application/octet-stream"]);
    assert_eq!(answer.headers("cache-control"), ["private, no-store"]);
    assert_eq!(answer.headers("content-length"), ["4096"]);
    assert_eq!(answer.headers("server"), ["sendfile-fixture"]);
    for id in ["odd-name", "html", "empty", "large", "no-extension"] {
        assert_eq!(site.get(&format!("{BASE}/probe/{id}")).await.status, 200, "{id}");
    }
    site.stop().await;
}

#[tokio::test]
async fn ranges_heads_and_conditions() {
    let site = Site::start(Settings::default()).await;
    let (address, path) = (site.proxy.address(), format!("{BASE}/download"));
    let part = get_with(address, &path, "Range: bytes=100-199").await;
    assert_eq!((part.status, &part.body[..]), (206, &site.dummy()[100..200]));
    assert_eq!(part.header("content-range"), Some("bytes 100-199/4096"));
    assert_eq!(get_with(address, &path, "Range: bytes=5000-").await.status, 416);
    let request = format!("HEAD {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    let head = ask(address, &request).await;
    assert_eq!(
        (head.status, head.header("content-length"), head.body.len()),
        (200, Some("4096"), 0)
    );
    let modified = head.header("last-modified").unwrap();
    let same = get_with(address, &path, &format!("If-Modified-Since: {modified}")).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    site.stop().await;
}

/// Each probe comes out as the contract expects of a proxy that is set up well.
#[tokio::test]
async fn probes_come_out_as_the_contract_expects() {
    let site = Site::start(Settings::default()).await;
    let contract = get(site.fixture.address(), &format!("{BASE}/contract")).await.json();
    let probes = contract["probes"].as_array().unwrap();
    assert_eq!(probes.len(), 13);
    for probe in probes {
        let answer = site.get(probe["path"].as_str().unwrap()).await;
        if probe["expect"] == "nothing" {
            assert_eq!(answer.status, 404, "{probe}");
            continue;
        }
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&answer.body);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (answer.status, digest),
            (200, probe["sha256"].as_str().unwrap().into()),
            "{probe}"
        );
    }
    site.stop().await;
}

#[tokio::test]
async fn nobody_leaves_the_storage_or_goes_round_the_app() {
    let site = Site::start(Settings::default()).await;
    let name = site.storage.path().file_name().unwrap().to_str().unwrap();
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
        let answer = site.get(&path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("sendfile-fixture proxy"), "{path}");
    }
    assert_eq!(site.get(&format!("{direct}/dummy.bin")).await.body, site.dummy());
    assert_eq!(site.get(&format!("{BASE}/denied")).await.status, 403);
    site.stop().await;
}

/// Faults that a demonstration asks for by name, and how they show.
#[tokio::test]
async fn settings_break_it_in_known_ways() {
    let broken = |toml: serde_json::Value| serde_json::from_value::<Settings>(toml).unwrap();
    let download = format!("{BASE}/download");

    let site = Site::start(broken(serde_json::json!({ "obey": false }))).await;
    let ignored = site.get(&download).await;
    assert_eq!((ignored.status, ignored.body.len()), (200, 0));
    assert_eq!(ignored.headers("x-accel-redirect").len(), 1, "nobody took it");
    site.stop().await;

    let settings = serde_json::json!({ "map": "/internal/", "catch_all": "app" });
    let site = Site::start(broken(settings)).await;
    let stray = site.get(&download).await;
    assert_eq!((stray.status, stray.header("x-sendfile-fixture")), (404, Some("fall-through")));
    site.stop().await;

    let site = Site::start(Settings { internal: false, ..Settings::default() }).await;
    assert_eq!(site.get("/protected/secret.txt").await.text(), "secret");
    site.stop().await;

    let site = Site::start(Settings { map_to: "healthcheck".into(), ..Settings::default() }).await;
    assert_eq!(site.get(&download).await.status, 404);
    site.stop().await;

    let settings = Settings { map: "/x/".into(), catch_all: CatchAll::Page, ..Settings::default() };
    let site = Site::start(settings).await;
    let page = site.get(&download).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html")));
    site.stop().await;
}

#[tokio::test]
async fn app_that_is_down_is_a_bad_gateway() {
    let storage = TempDir::new().unwrap();
    let gone = Address::Unix(storage.path().join("gone.sock"));
    let proxy = Proxy::new(gone, storage.path()).start().await.unwrap();
    let answer = get(proxy.address(), &format!("{BASE}/download")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("sendfile-fixture proxy"));
    proxy.stop().await;
}

#[test]
fn unknown_setting_is_an_error() {
    let error = serde_json::from_str::<Settings>(r#"{ "maps": "/protected/" }"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `maps`"), "{error}");
}
