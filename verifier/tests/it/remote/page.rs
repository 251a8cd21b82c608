//! Generates `docs/storage.md`: what works with which store. If `UPDATE_DOCS` is set, the page is
//! rewritten.

use std::{fs, path::Path};

use assert_cmd::cargo::cargo_bin;
use sendfile_evidence::{FailureKind, Outcome};
use sendfile_fixture::{Fixture, Running};
use sendfile_rules::LayerResult;
use serde_json::Value;

use super::{BROKEN, Broken, By, SetUp, caddy, first, named_at, verify};
use crate::{
    buckets::evidence,
    remote_header,
    stores::{self, Pair, Store},
};

/// The number of stores.
const ALL: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn page_about_stores_is_up_to_date() {
    let proxies = ("/usr/sbin/nginx", "/usr/bin/caddy");
    let Some(nginx) = stores::program("nginx", proxies.0) else { return };
    let Some(caddy) = stores::program("Caddy", proxies.1) else { return };
    let mut page = HEAD.replace("VERSIONS", &versions(&nginx, &caddy));
    let all: Vec<_> = stores::all("page").collect();
    for store in all.iter().chain(&stores::rclone().map(|it| it.below("page"))) {
        page += &format!("| {} | {} |\n", store.name, kept(store, &caddy).await);
    }
    page += CAUSES_HEAD;
    for store in &all {
        page += &format!("| {} | {} |\n", store.name, causes(store).await.join(" | "));
    }
    page += BROKEN_HEAD;
    let buckets = [stores::seaweed(), stores::radosgw(), stores::azurite()].into_iter().flatten();
    let mut columns = Vec::new();
    for store in buckets {
        columns.push(named_at(&store.below("broken")).await);
    }
    for (n, broken) in BROKEN.iter().enumerate() {
        let cells: Vec<_> = columns.iter().flat_map(|it| it[n].clone()).collect();
        page += &format!("| {} | {} |\n", broken.what, cells.join(" | "));
    }
    page += &remote_header::page().await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/storage.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("the page");
    }
    // Without all stores, e.g. on a laptop, the page cannot be generated.
    if all.len() == ALL && stores::rclone().is_some() {
        let shown = fs::read_to_string(&path).unwrap_or_default();
        let same = without_versions(&shown) == without_versions(&page);
        assert!(same, "docs/storage.md is out of date; run the tests with UPDATE_DOCS=1:\n{page}");
    }
}

/// The page without the versions, which may differ.
fn without_versions(page: &str) -> String {
    page.lines().filter(|it| !it.starts_with("Tested with ")).collect::<Vec<_>>().join("\n")
}

fn versions(nginx: &Path, caddy: &Path) -> String {
    let weed = stores::in_checkout("venv/bin/weed");
    let rclone = stores::in_checkout("venv/bin/rclone");
    let azurite = stores::in_checkout("node_modules/.bin/azurite-blob");
    let programs = [
        ("SeaweedFS", &*weed, "version"),
        ("Ceph", Path::new("/usr/bin/radosgw"), "--version"),
        ("Azurite", &azurite, "--version"),
        ("rclone", &rclone, "version"),
        ("Apache", Path::new("/usr/sbin/apache2"), "-v"),
        ("nginx", nginx, "-v"),
        ("Caddy", caddy, "version"),
    ];
    let there = programs.iter().filter(|(_, program, _)| program.exists());
    let version = |(name, program, argument): &(&str, &Path, &str)| {
        format!("{name} {}", stores::version(program, argument))
    };
    there.map(version).collect::<Vec<_>>().join(", ")
}

/// The operations of a store without faults: placing, reading, and the hand-off by each proxy.
async fn kept(store: &Store, program: &Path) -> String {
    // The substitute for Google accepts a token but no signatures.
    if store.url.starts_with("http") || store.url.starts_with("gs") {
        let fixture = Fixture::builder().storage(&store.url).large_size(0);
        let options = store.options();
        let fixture = options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b));
        let fixture = fixture.start().await.unwrap_or_else(|it| panic!("{}: {it:?}", store.name));
        let read = reads(store, &fixture).await;
        fixture.stop().await.expect("a running store");
        return format!("yes | {read} | – | –");
    }
    let right = Broken { what: "right", by: By::Proxy(&[]), words: &[], rule: None };
    let set_up = SetUp::start(store, &right).await;
    let read = reads(&set_up.store, &set_up.fixture).await;
    let app = set_up.fixture.address().to_string();
    let mut cells = vec!["yes".to_owned(), read.to_owned()];
    for site in [set_up.proxy.site.clone(), caddy(program, &set_up.store, &app).site] {
        let url = format!("{site}/healthcheck-utils/download");
        let requests = [
            ("GET", vec![], "200 4096"),
            ("Range", vec!["-r", "5-16"], "206 12"),
            ("HEAD", vec!["-I"], "200 0"),
        ];
        let right = requests.iter().filter(|(_, words, expected)| curl(&url, words) == *expected);
        let right: Vec<_> = right.map(|(name, ..)| *name).collect();
        let usual = health(&set_up, &site, &[]).await;
        let thorough = health(&set_up, &site, &["--thorough"]).await;
        cells.push(format!("{}: {usual}; `--thorough`: {thorough}", right.join(", ")));
    }
    set_up.clear().await;
    cells.join(" | ")
}

async fn health(set_up: &SetUp, site: &str, words: &[&str]) -> String {
    let url = set_up.fixture.url();
    let first_words = ["sendfile-check", "verify", "--fixture", &url, "--site", site, "--storage"];
    let storage = [&*set_up.store.url];
    let words: Vec<_> = first_words.iter().chain(&storage).chain(words).copied().collect();
    first(&verify(&words, &set_up.store.options()).await)
}

/// Whether the verifier reads the files of the fixture from the store.
async fn reads(store: &Store, fixture: &Running) -> &'static str {
    let url = fixture.url();
    let site = format!("http://{}", fixture.address());
    let words = ["sendfile-check", "verify", "--fixture", &url, "--site", &site, "--storage"];
    let words: Vec<_> = words.into_iter().chain([&*store.url]).collect();
    match verify(&words, &store.options()).await.storage.result {
        LayerResult::Pass => "yes",
        _ => "no",
    }
}

/// The status of a response and the length of its body.
pub(crate) fn curl(url: &str, words: &[&str]) -> String {
    let mut command = std::process::Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "-m", "20", "-o", "/dev/null"]);
    command.args(["-w", "%{http_code} %{size_download}"]).args(words).arg(url);
    let out = command.output().expect("curl").stdout;
    String::from_utf8_lossy(&out).into_owned()
}

/// The reported cause for each failure to read a file.
async fn causes(store: &Store) -> Vec<String> {
    store.put("file.bin", "mine");
    let file = format!("{}/file.bin", store.url);
    let right = store.options();
    let s3 = store.url.starts_with("s3");
    let missing = store.missing.as_ref().map(|it| format!("{it}/file.bin"));
    let port = store.port();
    let (there, elsewhere) = (format!("http://127.0.0.1:{port}"), "http://127.0.0.1:1");
    let tls = format!("https://127.0.0.1:{port}");
    let moved = |to: &str| {
        let options = right.iter().map(|(name, value)| (*name, value.replace(&there, to)));
        (file.replace(&there, to), options.collect::<Vec<_>>())
    };
    let mut cells = vec![
        seen(&format!("{}/nothing.bin", store.url), &right).await,
        some(missing.map(|it| (it, right.clone()))).await,
        some(with(&file, store, &store.stranger)).await,
        some(with(&file, store, &store.wrong_key)).await,
    ];
    let region =
        |it: &Pair| if it.0 == "region" { ("region", "eu-west-3".to_owned()) } else { it.clone() };
    let region = s3.then(|| (file.clone(), right.iter().map(region).collect()));
    cells.push(some(region).await);
    let signed = s3 || store.url.starts_with("az");
    cells.push(if signed { late(&file, &right) } else { "–".to_owned() });
    for to in [elsewhere, &tls, "http://store.invalid:9000"] {
        let (url, options) = moved(to);
        cells.push(seen(&url, &options).await);
    }
    store.delete("file.bin");
    cells
}

fn with(file: &str, store: &Store, key: &[Pair]) -> Option<(String, Vec<Pair>)> {
    (!key.is_empty()).then(|| (file.to_owned(), store.with(key)))
}

async fn some(requests: Option<(String, Vec<Pair>)>) -> String {
    match requests {
        Some((url, options)) => seen(&url, &options).await,
        None => "–".to_owned(),
    }
}

async fn seen(url: &str, options: &[Pair]) -> String {
    let evidence = evidence(&["--full", "http://127.0.0.1:1"], url, options).await;
    match &evidence.storage.outcome {
        Outcome::Response(_) => "file is read".to_owned(),
        Outcome::Failed(failure) => cause(failure.kind).to_owned(),
        Outcome::Skipped(reason) => reason.clone(),
    }
}

/// The rule for a kind of failure, without its prefix.
fn cause(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::NotFound => "file-missing",
        FailureKind::BucketMissing => "bucket-missing",
        FailureKind::Denied => "access-denied",
        FailureKind::KeyRefused => "key-refused",
        FailureKind::WrongRegion => "wrong-region",
        FailureKind::ClockSkewed => "clock-skewed",
        FailureKind::Refused | FailureKind::TimedOut => "unreachable",
        FailureKind::Tls => "tls-refused",
        FailureKind::NameNotResolved => "name-not-resolved",
        _ => "other",
    }
}

/// The reported cause if the clock of the program is 30 minutes slow.
fn late(url: &str, options: &[Pair]) -> String {
    let mut command = std::process::Command::new("faketime");
    command.args(["-f", "-30m"]).arg(cargo_bin("sendfile-check")).args(["verify", "-o", "json"]);
    command.args(["--timeout", "5s", "--full", "http://127.0.0.1:1", "--storage", url]);
    command.args(options.iter().map(|(a, b)| format!("--storage-option={a}={b}")));
    // Timeouts use the monotonic clock, which is not changed.
    let out = command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").output();
    let out = out.expect("faketime; `make proxies` installs it").stdout;
    let report: Value = serde_json::from_slice(&out).expect("a report");
    let storage = &report["targets"][0]["layers"]["storage"];
    match storage["failure"]["kind"].as_str() {
        None => "file is read".to_owned(),
        Some(kind) => kind.to_owned(),
    }
}

const HEAD: &str = "\
# Storage

The tests generate this page from runs with real servers on one machine. AWS, Azure and Google themselves were not
tested. Azurite is Microsoft's emulator. The substitute for Google is SeaweedFS behind an nginx that translates Google's
XML API to S3. It accepts a token but no signatures, so signed links were not tested with it.

Tested with VERSIONS.

## Supported operations

- placed: `sendfile-fixture` placed its dummies and read them back
- read: `sendfile-check` read the file
- through nginx, through Caddy: the requests that succeeded, and the result of `sendfile-check verify`, for hand-offs
  from a private bucket with `--remote signed` and the shipped `nginx/remote.conf` and `caddy/remote.caddy`

| store | placed | read | through nginx | through Caddy |
|---|---|---|---|---|
";

const CAUSES_HEAD: &str = "
- SeaweedFS and radosgw ignore If-Range; `--thorough` warns about this (`storage.range-unknown`).
- Azurite responds incorrectly to a range that counts from the end of the file. rclone responds to a range request with
  status 200, which clients interpret as the whole file. The verifier sends the same request to the store, and names the
  store as the culprit.
- In a signed link for Azure, a file name must be ASCII without spaces, because object_store signs the encoded name.

## Store failures and the reported cause

The table shows the rule without its prefix: `file-missing` stands for `storage.file-missing`. If a store does not
distinguish two causes, the table shows the one that it reports. A dash means not applicable. Unlike Amazon, none of
these stores checks the region.

| store | file missing | bucket missing | no read permission | wrong secret | wrong region | clock 30 min slow | stopped | no TLS | unknown host name |
|---|---|---|---|---|---|---|---|---|---|
";

const BROKEN_HEAD: &str = "
## Faults between app, nginx and the store, and the reported rule

The snippet replaces the store's error page and passes on only its status. Without `--proxy-config`, some causes
therefore look the same: the actual cause is then among the first three findings, and no finding is marked as sure.

| fault | SeaweedFS | with `--proxy-config` | Ceph radosgw | with `--proxy-config` | Azurite | with `--proxy-config` |
|---|---|---|---|---|---|---|
";
