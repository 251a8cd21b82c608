//! Hand-offs to a private bucket: a real store behind the real nginx and its shipped snippet, right
//! and then broken once each.

use std::{fs, net::TcpStream, path::Path, time::Duration};

use clap::Parser as _;
use sendfile_check::{
    args::{Cli, Command},
    check::Choice,
    config::Config,
    diagnosis::{Diagnosis, LayerResult, judge},
    probe::Prober,
};
use sendfile_fixture::{Fixture, Running};

use crate::stores::{self, Pair, Store};

const SNIPPET: &str = include_str!("../../../nginx/remote.conf");

/// What stands in the snippet, and what takes its place.
type Edit = (&'static str, &'static str);

/// Whether the verifier may read the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    Read,
    NotRead,
}

/// A private bucket, a fixture that signs links to it, and a proxy.
struct Scene {
    fixture: Running,
    proxy: Front,
}

/// A proxy with the shipped snippet.
struct Front {
    site: String,
    config: String,
}

impl Scene {
    async fn set(store: &Store, edits: &[Edit]) -> Self {
        let fixture = signing(store).start().await;
        let fixture = fixture.unwrap_or_else(|it| panic!("{}: {it:?}", store.name));
        let proxy = nginx(store, &fixture.address().to_string(), edits);
        Self { fixture, proxy }
    }

    async fn diagnosis(&self, store: &Store, local: Local, words: &[&str]) -> Diagnosis {
        let (fixture, config) = (self.fixture.url(), format!("nginx:{}", self.proxy.config));
        let mut all = vec!["sendfile-check", "verify", "--timeout", "3s", "--fixture", &fixture];
        all.extend(["--site", &self.proxy.site, "--storage", &store.url]);
        if local == Local::Read {
            all.extend(["--proxy-config", &config]);
        }
        all.extend(words);
        verify(&all, &store.options()).await
    }
}

fn signing(store: &Store) -> Fixture {
    let hour = Duration::from_secs(3600);
    let fixture = Fixture::builder().storage(&store.url).signed_links(hour).large_size(0);
    let options = store.options();
    options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b))
}

async fn verify(words: &[&str], options: &[Pair]) -> Diagnosis {
    let options = options.iter().map(|(a, b)| format!("--storage-option={a}={b}"));
    let words = words.iter().map(|it| (*it).to_owned()).chain(options);
    let cli = Cli::try_parse_from(words).expect("a command line");
    let Command::Verify(args) = cli.command else { panic!("it is `verify`") };
    let config = Config::from_args(&args).expect("a configuration");
    let prober = Prober::new(&config).expect("randomness");
    let evidence = prober.examine(&config.targets[0]).await.expect("a fixture that answers");
    judge(&evidence, &Choice::default())
}

/// Starts nginx with the shipped snippet for this bucket, and returns its URL and configuration.
fn nginx(store: &Store, app: &str, edits: &[Edit]) -> Front {
    let run = stores::folder("nginx-remote");
    let [port] = stores::free_ports();
    let bucket = store.http_url();
    let host = bucket.split('/').nth(2).expect("a host").to_owned();
    let snippet = edits.iter().fold(SNIPPET.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let snippet = snippet
        .replace("http://127.0.0.1:9000/bucket/media/", &format!("{bucket}/"))
        .replace("127.0.0.1:9000", &host)
        .replace("127.0.0.1:8000", app);
    let at = run.display();
    let config = format!(
        "daemon off; user root; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log {at}/access.log; client_body_temp_path {at}/body; proxy_temp_path {at}/t1;\n\
         fastcgi_temp_path {at}/t2; uwsgi_temp_path {at}/t3; scgi_temp_path {at}/t4;\n\
         server {{ listen 127.0.0.1:{port};\n{snippet}\n}} }}\n"
    );
    let path = run.join("nginx.conf");
    fs::write(&path, config).expect("a temporary file");
    let (path, at) = (path.display().to_string(), at.to_string());
    let log = format!("{at}/error.log");
    let words = ["-c", &path, "-p", &at, "-e", &log].map(str::to_owned);
    stores::start(Path::new("/usr/sbin/nginx"), &words, &run);
    stores::until("nginx answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Front { site: format!("http://127.0.0.1:{port}"), config: path }
}

fn caddy(store: &Store, app: &str) -> Front {
    let run = stores::folder("caddy-remote");
    let [port] = stores::free_ports();
    let (origin, path) = store.http_url().split_at(store.http_url().find("/probe").expect("it"));
    let (host, account) = origin.split_at(origin[8..].find('/').map_or(origin.len(), |it| it + 8));
    let snippet = include_str!("../../../caddy/remote.caddy")
        .replace("http://127.0.0.1:9000", host)
        .replace("/bucket/media", &format!("{account}{path}"))
        .replace("127.0.0.1:8000", app);
    let config = format!("{{\n\tadmin off\n}}\nhttp://127.0.0.1:{port} {{\n{snippet}\n}}\n");
    let path = run.join("Caddyfile");
    fs::write(&path, config).expect("a temporary file");
    let path = path.display().to_string();
    let words = ["run", "--adapter", "caddyfile", "--config", &path].map(str::to_owned);
    stores::start(Path::new("/usr/bin/caddy"), &words, &run);
    stores::until("Caddy answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Front { site: format!("http://127.0.0.1:{port}"), config: path }
}

fn named(diagnosis: &Diagnosis) -> String {
    match diagnosis.findings.first() {
        Some(first) => format!("`{}`", first.rule.id),
        None => diagnosis.verdict.to_string(),
    }
}

/// What is broken, the change that breaks it, and what a visitor sends.
const BROKEN: [(&str, &[Edit], &[&str]); 9] = [
    ("nothing", &[], &[]),
    (
        "nothing, and the visitor sends Authorization",
        &[],
        &["--full-header=Authorization: Basic YTpi"],
    ),
    (
        "the proxy sends the site's Host",
        &[("Host 127.0.0.1:9000;           #", "Host $http_host; #")],
        &[],
    ),
    (
        "`$uri` in `proxy_pass`, and no query",
        &[(
            PASS,
            "rewrite ^/protected/(.*)$ /bucket/media/$1 break; proxy_pass http://127.0.0.1:9000$uri;",
        )],
        &[],
    ),
    ("HEAD reaches the store", &[(METHOD, "#")], &["--full-method=HEAD"]),
    (
        "a name in a variable, and no resolver",
        &[(
            PASS,
            "set $s store.invalid; rewrite ^/protected/(.*)$ /bucket/media/$1 break; proxy_pass http://$s;",
        )],
        &[],
    ),
    ("another bucket in `proxy_pass`", &[(PASS, "proxy_pass http://127.0.0.1:9000/backup/;")], &[]),
    (
        "another port in `proxy_pass`",
        &[(PASS, "proxy_pass http://127.0.0.1:1/bucket/media/;")],
        &[],
    ),
    ("the location is not internal", &[("    internal;\n    proxy_pass", "    proxy_pass")], &[]),
];

const PASS: &str = "proxy_pass http://127.0.0.1:9000/bucket/media/;";
const METHOD: &str = "proxy_method GET;                               #";

/// `docs/storage.md`: what was tried with which store. With `UPDATE_DOCS` it is written anew.
#[tokio::test(flavor = "multi_thread")]
async fn every_store_does_what_the_page_says() {
    let mut page = String::from(HEAD);
    for store in stores::all("page") {
        let line = kept(&store).await;
        page += &format!("| {} | {line} |\n", store.name);
    }
    page += BROKEN_HEAD;
    let buckets = || [stores::seaweed(), stores::azurite()].into_iter().flatten();
    for (what, edits, words) in BROKEN {
        page += &format!("| {what} |");
        for store in buckets() {
            let store = store.below("broken");
            let scene = Scene::set(&store, edits).await;
            for local in [Local::NotRead, Local::Read] {
                page += &format!(" {} |", named(&scene.diagnosis(&store, local, words).await));
            }
            scene.fixture.stop().await.expect("a store that answers");
        }
        page.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/storage.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("the page");
    }
    // On a laptop without all stores the page cannot be made.
    if stores::all("page").count() == 5 {
        let shown = fs::read_to_string(&path).unwrap_or_default();
        assert!(shown == page, "docs/storage.md is behind; run the tests with UPDATE_DOCS=1");
    }
}

/// What a store does when all is right: placing, reading, and the hand-off by each proxy.
async fn kept(store: &Store) -> String {
    if store.url.starts_with("http") {
        let fixture = Fixture::builder().storage(&store.url).large_size(0);
        let options = store.options();
        let fixture = options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b));
        let fixture = fixture.start().await.unwrap_or_else(|it| panic!("{}: {it:?}", store.name));
        let read = reads(store, &fixture).await;
        fixture.stop().await.expect("a store that answers");
        return format!("yes | {read} | – | –");
    }
    let scene = Scene::set(store, &[]).await;
    let read = reads(store, &scene.fixture).await;
    let app = scene.fixture.address().to_string();
    let mut cells = vec!["yes".to_owned(), read.to_owned()];
    for site in [scene.proxy.site.clone(), caddy(store, &app).site] {
        let url = format!("{site}/healthcheck-utils/download");
        let asked = [
            ("GET", vec![], "200 4096"),
            ("Range", vec!["-r", "5-16"], "206 12"),
            ("HEAD", vec!["-I"], "200 0"),
        ];
        let right = asked.iter().filter(|(_, words, expected)| curl(&url, words) == *expected);
        let right: Vec<_> = right.map(|(name, ..)| *name).collect();
        let whole = health(store, &scene.fixture, &site).await;
        cells.push(format!("{}: {whole}", right.join(", ")));
    }
    scene.fixture.stop().await.expect("a store that answers");
    cells.join(" | ")
}

async fn health(store: &Store, fixture: &Running, site: &str) -> String {
    let url = fixture.url();
    let words = ["sendfile-check", "verify", "--fixture", &url, "--site", site, "--storage"];
    let words: Vec<_> = words.into_iter().chain([&*store.url]).collect();
    named(&verify(&words, &store.options()).await)
}

/// Whether the verifier reads from the store what the fixture has placed.
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

/// The status of an answer and the length of its body.
fn curl(url: &str, words: &[&str]) -> String {
    let mut command = std::process::Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "-m", "20", "-o", "/dev/null"]);
    command.args(["-w", "%{http_code} %{size_download}"]).args(words).arg(url);
    let out = command.output().expect("curl").stdout;
    String::from_utf8_lossy(&out).into_owned()
}

const HEAD: &str = "\
# Storage

This page is made by the tests, from real servers on one machine: SeaweedFS 4.48, Azurite 3.35.0, and the system's Apache,
nginx and Caddy (tried with 2.4, 1.22 and 2.6). AWS, Azure and Google themselves were not asked, nor a stand-in of Google.

## What was tried

Placed and read back by `sendfile-fixture`; read by `sendfile-check`; handed off from a private bucket, with
`--remote signed` and the shipped `nginx/remote.conf` and `caddy/remote.caddy`, and what `sendfile-check verify` says.

| store | placed | read | through nginx | through Caddy |
|---|---|---|---|---|
";

const BROKEN_HEAD: &str = "
What both of these stores do wrong, `verify --thorough` finds as `handoff.wrong-range`: SeaweedFS does not heed If-Range,
Azurite refuses a range that counts from the end. In a link that Azure is to accept, a name may have no space and nothing
beyond ASCII, since object_store signs it encoded.

## What was broken between nginx and the store, and what was named

The snippet keeps a store's error page back and tells its status alone, so without `--proxy-config` some causes look alike.

| broken | SeaweedFS | with `--proxy-config` | Azurite | with `--proxy-config` |
|---|---|---|---|---|
";
