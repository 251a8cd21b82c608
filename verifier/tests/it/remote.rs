//! Hand-offs to a private bucket: a real store behind the real nginx with its shipped snippet, first
//! healthy, then with one fault each, and the expected first finding.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser as _;
use futures_util::{StreamExt as _, stream};
use sendfile_check::{
    args::{Cli, Command},
    snippet::{self, Remote, Values},
};
use sendfile_evidence::Server;
use sendfile_fixture::{Fixture, Running};
use sendfile_probe::prober::Prober;
use sendfile_rules::{Choice, Confidence, Diagnosis, judge};

use self::relay::Relay;
use crate::stores::{self, Pair, Store};

mod buffer;
pub(crate) mod page;
mod relay;

const SNIPPET: &str = include_str!("../../../nginx/remote.conf");

/// A text of the snippet, and its replacement.
pub(crate) type Edit = (&'static str, &'static str);

/// Whether the verifier can read the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    Read,
    NotRead,
}

/// A fault, and the expected finding.
struct Broken {
    what: &'static str,
    by: By,
    /// Options of the client.
    words: &'static [&'static str],
    /// The rule that names the cause; none if there is no fault.
    rule: Option<&'static str>,
}

/// The component with the fault.
#[derive(Clone, Copy)]
enum By {
    /// None, or the proxy.
    Proxy(&'static [Edit]),
    /// The app, which signs with another secret.
    App,
    /// The bucket, which is deleted.
    Bucket,
    /// The store.
    Store(relay::RelayState),
}

const fn proxy(
    what: &'static str,
    edits: &'static [Edit],
    words: &'static [&'static str],
    rule: &'static str,
) -> Broken {
    Broken { what, by: By::Proxy(edits), words, rule: Some(rule) }
}

const fn elsewhere(what: &'static str, by: By, rule: &'static str) -> Broken {
    Broken { what, by, words: &[], rule: Some(rule) }
}

const fn right(what: &'static str, words: &'static [&'static str]) -> Broken {
    Broken { what, by: By::Proxy(&[]), words, rule: None }
}

const BASIC: &[&str] = &["--full-header=Authorization: Basic YTpi"];

const BROKEN: [Broken; 15] = [
    right("none", &[]),
    right("none; the client sends Authorization", BASIC),
    proxy(
        "Authorization reaches the store",
        &[(NO_HEADERS, "#")],
        BASIC,
        "handoff.client-auth-forwarded",
    ),
    proxy(
        "the proxy sends the site's Host",
        &[(HOST, "Host $http_host; #")],
        &[],
        "handoff.upstream-host-wrong",
    ),
    proxy(
        "`$uri` in `proxy_pass`, without the query",
        &[(PASS, BY_URI)],
        &[],
        "handoff.query-dropped",
    ),
    proxy(
        "HEAD reaches the store",
        &[(METHOD, "#")],
        &["--full-method=HEAD"],
        "app.signed-for-other-method",
    ),
    proxy(
        "a host name in a variable, but no resolver",
        &[(PASS, BY_NAME)],
        &[],
        "proxy.name-not-resolved",
    ),
    proxy(
        "another bucket in `proxy_pass`",
        &[(PASS, "proxy_pass http://127.0.0.1:9000/backup/;")],
        &[],
        "handoff.store-refuses",
    ),
    proxy(
        "another port in `proxy_pass`",
        &[(PASS, "proxy_pass http://127.0.0.1:1/bucket/media/;")],
        &[],
        "handoff.upstream-unreachable",
    ),
    proxy(
        "the location is not internal",
        &[("    internal;\n    proxy_pass", "    proxy_pass")],
        &[],
        "handoff.not-internal",
    ),
    elsewhere("the app signs with another secret", By::App, "app.signature-refused"),
    elsewhere("the bucket is deleted", By::Bucket, "storage.bucket-missing"),
    elsewhere("the store is stopped", By::Store(relay::RelayState::Closed), "storage.unreachable"),
    elsewhere(
        "the store never responds",
        By::Store(relay::RelayState::Silent),
        "storage.unreachable",
    ),
    elsewhere(
        "the store aborts the transfer",
        By::Store(relay::RelayState::Cut),
        "storage.unreachable",
    ),
];

const PASS: &str = "proxy_pass http://127.0.0.1:9000/bucket/media/;";
const METHOD: &str = "proxy_method GET;                               #";
const HOST: &str = "Host 127.0.0.1:9000;           #";
const NO_HEADERS: &str = "proxy_pass_request_headers off;                 #";
const BY_URI: &str =
    "rewrite ^/protected/(.*)$ /bucket/media/$1 break; proxy_pass http://127.0.0.1:9000$uri;";
const BY_NAME: &str =
    "set $s store.invalid; rewrite ^/protected/(.*)$ /bucket/media/$1 break; proxy_pass http://$s;";

/// Number of concurrent scenes; they mostly wait.
const AT_ONCE: usize = 3;

/// The first finding for each of [`BROKEN`] with a store, without and with the configuration. Ceph, which
/// is as strict as Amazon, must fail for each fault; other stores may tolerate it.
async fn named_at(store: &Store) -> Vec<[String; 2]> {
    let cases = BROKEN.iter().map(async |it| {
        let set_up = SetUp::start(store, it).await;
        let mut named = Vec::new();
        for local in [Local::NotRead, Local::Read] {
            let diagnosis = set_up.diagnosis(local, it.words).await;
            check(it, store, local, &diagnosis);
            named.push(first(&diagnosis));
        }
        set_up.clear().await;
        <[String; 2]>::try_from(named).expect("two")
    });
    stream::iter(cases).buffered(AT_ONCE).collect().await
}

fn check(broken: &Broken, store: &Store, local: Local, diagnosis: &Diagnosis) {
    let strict = store.name == "Ceph radosgw" || !matches!(broken.by, By::Proxy(_));
    let found: Vec<_> = diagnosis.findings.iter().map(|it| it.rule.id).collect();
    let healthy = found.is_empty() && diagnosis.verdict.to_string() == "healthy";
    let sure = diagnosis.findings.first().is_some_and(|it| it.confidence == Confidence::Sure);
    let right = match broken.rule {
        None => healthy,
        Some(_) if healthy => !strict,
        Some(rule) if local == Local::Read => found.first() == Some(&rule),
        // Without the configuration some causes look alike: then none is sure, and this one is among the
        // first three.
        Some(rule) => {
            found.first() == Some(&rule) || !sure && found.iter().take(3).any(|it| *it == rule)
        }
    };
    let (verdict, what) = (&diagnosis.verdict, broken.what);
    assert!(right, "{}: {what}: {local:?}: {found:?}, {verdict}", store.name);
}

pub(crate) fn first(diagnosis: &Diagnosis) -> String {
    match diagnosis.findings.first() {
        Some(first) => format!("`{}`", first.rule.id),
        None => diagnosis.verdict.to_string(),
    }
}

/// A private bucket, a fixture that signs links to it, and a proxy.
struct SetUp {
    store: Store,
    fixture: Running,
    /// The app's URL: that of the fixture, or of a proxy in front of it.
    app: String,
    proxy: Front,
    /// The relay in front of the store.
    relay: Relay,
}

/// A proxy with the shipped snippet.
pub(crate) struct Front {
    pub(crate) site: String,
    pub(crate) config: String,
    /// The directory of its files.
    run: PathBuf,
}

impl SetUp {
    async fn start(store: &Store, broken: &Broken) -> Self {
        let relay = Relay::to(store.port()).await;
        let name = broken.what.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let store = match broken.by {
            By::Bucket => store.in_bucket("gone"),
            By::Proxy(_) | By::App | By::Store(_) => store.clone(),
        };
        let store = store.below(&name).behind(relay.port);
        let fixture = signing(&store).start().await;
        let fixture = fixture.unwrap_or_else(|it| panic!("{}: {it:?}", store.name));
        let app = match broken.by {
            By::App => with_another_secret(&fixture.address().to_string()),
            _ => fixture.address().to_string(),
        };
        let edits = if let By::Proxy(edits) = broken.by { edits } else { &[] };
        let proxy = nginx(&store, &app, edits);
        match broken.by {
            By::Bucket => empty(&store),
            By::Store(state) => relay.now(state),
            By::Proxy(_) | By::App => {}
        }
        let app = fixture.url().replace(&fixture.address().to_string(), &app);
        Self { store, fixture, app, proxy, relay }
    }

    async fn diagnosis(&self, local: Local, words: &[&str]) -> Diagnosis {
        let config = format!("nginx:{}", self.proxy.config);
        let mut all = vec!["sendfile-check", "verify", "--timeout", "2s", "--fixture", &self.app];
        all.extend(["--site", &self.proxy.site, "--storage", &self.store.url]);
        if local == Local::Read {
            all.extend(["--proxy-config", &config]);
        }
        all.extend(words);
        verify(&all, &self.store.options()).await
    }

    async fn clear(self) {
        self.relay.now(relay::RelayState::Open);
        // If the bucket is deleted, there is nothing to remove.
        let _ = self.fixture.stop().await;
    }
}

fn signing(store: &Store) -> Fixture {
    let hour = Duration::from_secs(3600);
    let fixture = Fixture::builder().storage(&store.url).signed_links(hour).large_size(0);
    let options = store.options();
    options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b))
}

pub(crate) async fn verify(words: &[&str], options: &[Pair]) -> Diagnosis {
    let options = options.iter().map(|(a, b)| format!("--storage-option={a}={b}"));
    let words = words.iter().map(|it| (*it).to_owned()).chain(options);
    let cli = Cli::try_parse_from(words).expect("a command line");
    let Command::Verify(args) = cli.command else { panic!("not `verify`") };
    let config = sendfile_check::args::config_of(&args).expect("a configuration");
    let prober = Prober::new(&config).expect("randomness");
    let evidence = prober.examine(&config.targets[0]).await.expect("a running fixture");
    judge(&evidence, &Choice::default())
}

/// Deletes all files of the fixture, and the bucket.
fn empty(store: &Store) {
    let names = ["dummy", "dummy.bin", "dummy.html", "empty.bin", "large.bin", "placed.txt"];
    let odd = "odd%20name%20%C3%A9%20100%25.bin";
    for name in names.into_iter().chain([odd]) {
        store.delete(&format!("healthcheck/{name}"));
    }
    store.delete_bucket();
}

/// Starts nginx with the shipped snippet for this bucket; returns its URL and configuration.
fn nginx(store: &Store, app: &str, edits: &[Edit]) -> Front {
    nginx_with(SNIPPET, store.http_url(), app, edits)
}

/// Starts nginx with another snippet.
pub(crate) fn nginx_with(snippet: &str, bucket: &str, app: &str, edits: &[Edit]) -> Front {
    let snippet = edits.iter().fold(snippet.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let nginx = snippet::of(Server::Nginx).expect("a shipped snippet");
    serve(&nginx.filled(&snippet, values(bucket, app)).expect("good values"), "")
}

fn values<'a>(bucket: &'a str, app: &'a str) -> Values<'a> {
    let (storage, remote) = (Some(bucket), Some(Remote::Signed));
    Values { storage, app: Some(app), remote, ..Values::default() }
}

/// Starts a proxy that replaces the signatures of the app, as if it had another secret.
fn with_another_secret(app: &str) -> String {
    let zeros = "0".repeat(64);
    let http = format!(
        "map $upstream_http_x_accel_redirect $other {{\n\
         \"~^(?<head>.*[?&](?:X-Amz-Signature|sig)=)[^&]+(?<tail>.*)$\" \"${{head}}{zeros}$tail\"; }}"
    );
    let server = format!(
        "location / {{ proxy_pass http://{app}; proxy_hide_header X-Accel-Redirect;\n\
         proxy_ignore_headers X-Accel-Redirect; proxy_set_header X-Sendfile-Check $http_x_sendfile_check;\n\
         add_header X-Accel-Redirect $other; }}"
    );
    serve(&server, &http).site.replace("http://", "")
}

/// Starts nginx with these directives in the `server` block and in the `http` block.
pub(crate) fn serve(server: &str, http: &str) -> Front {
    let run = stores::folder("nginx-remote");
    let [port] = stores::free_ports();
    let at = run.display();
    let config = format!(
        "daemon off; user root; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log {at}/access.log; client_body_temp_path {at}/body; proxy_temp_path {at}/t1;\n\
         fastcgi_temp_path {at}/t2; uwsgi_temp_path {at}/t3; scgi_temp_path {at}/t4;\n{http}\n\
         server {{ listen 127.0.0.1:{port};\n{server}\n}} }}\n"
    );
    let path = run.join("nginx.conf");
    fs::write(&path, config).expect("a temporary file");
    let (path, at) = (path.display().to_string(), at.to_string());
    let log = format!("{at}/error.log");
    let words = ["-c", &path, "-p", &at, "-e", &log].map(str::to_owned);
    stores::start(
        &stores::program("nginx", "/usr/sbin/nginx").expect("checked before"),
        &words,
        &run,
    );
    stores::until("nginx listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Front { site: format!("http://127.0.0.1:{port}"), config: path, run }
}

fn caddy(program: &Path, store: &Store, app: &str) -> Front {
    let run = stores::folder("caddy-remote");
    let [port] = stores::free_ports();
    let caddy = snippet::of(Server::Caddy).expect("a shipped snippet");
    let text = caddy.remote_text(Remote::Signed).expect("a shipped snippet");
    let snippet = caddy.filled(text, values(store.http_url(), app)).expect("good values");
    let config = format!("{{\n\tadmin off\n}}\nhttp://127.0.0.1:{port} {{\n{snippet}\n}}\n");
    let path = run.join("Caddyfile");
    fs::write(&path, config).expect("a temporary file");
    let path = path.display().to_string();
    let words = ["run", "--adapter", "caddyfile", "--config", &path].map(str::to_owned);
    stores::start(program, &words, &run);
    stores::until("Caddy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Front { site: format!("http://127.0.0.1:{port}"), config: path, run }
}
