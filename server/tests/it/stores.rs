//! Real stores, which start on free ports when a test first needs them. The tests access them with
//! `curl`, so that the result of a program is not checked with its own client.
//!
//! The tests of both programs use this file.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

#[path = "stores/azurite.rs"]
mod azurite;
#[path = "stores/dav.rs"]
mod dav;
#[path = "stores/google.rs"]
mod google;
#[path = "stores/radosgw.rs"]
mod radosgw;
#[path = "stores/rclone.rs"]
mod rclone;
#[path = "stores/seaweed.rs"]
mod seaweed;

/// The maximum time to wait for a store to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The name and the value of an option.
pub(crate) type Pair = (&'static str, String);

/// A prefix in a store that runs until this process ends.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) name: &'static str,
    /// A bucket or directory that exists.
    pub(crate) url: String,
    /// One that does not exist; none if the store creates missing ones.
    pub(crate) missing: Option<String>,
    /// The options without the key.
    pub(crate) place: Vec<Pair>,
    pub(crate) key: Vec<Pair>,
    /// The key with a wrong secret.
    pub(crate) wrong_key: Vec<Pair>,
    /// A key with read access only; empty if the store has a single key.
    pub(crate) reader: Vec<Pair>,
    /// A key without read access.
    pub(crate) stranger: Vec<Pair>,
    curl: Curl,
}

/// The options of `curl` for a store.
#[derive(Clone)]
struct Curl {
    /// The URL of the bucket or directory.
    root: String,
    options: Vec<String>,
    query: &'static str,
}

impl Store {
    /// A separate prefix for each test.
    pub(crate) fn below(&self, name: &str) -> Self {
        let mut store = self.clone();
        store.url = format!("{}/{name}", self.url);
        store.curl.root = format!("{}/{name}", self.curl.root);
        store.make_folder("");
        store
    }

    /// The same store behind another local port.
    pub(crate) fn behind(&self, port: u16) -> Self {
        let mut store = self.clone();
        let there = format!("127.0.0.1:{}", self.port());
        let here = format!("127.0.0.1:{port}");
        store.curl.root = store.curl.root.replace(&there, &here);
        for (_, value) in &mut store.place {
            *value = value.replace(&there, &here);
        }
        store
    }

    pub(crate) fn port(&self) -> u16 {
        let host = self.http_url().split('/').nth(2).expect("a host");
        let (_, port) = host.rsplit_once(':').expect("a port");
        port.parse().expect("a port")
    }

    /// The same store with another bucket, which is created.
    pub(crate) fn in_bucket(&self, name: &str) -> Self {
        let mut store = self.clone();
        store.url = store.url.replace("://probe/", &format!("://{name}/"));
        store.curl.root = store.curl.root.replace("/probe/", &format!("/{name}/"));
        let (status, body) = store.whole_bucket("PUT");
        assert!((200..300).contains(&status), "{}: {status} {body}", self.name);
        store
    }

    /// Deletes the bucket, which must be empty.
    pub(crate) fn delete_bucket(&self) {
        let (status, body) = self.whole_bucket("DELETE");
        assert!((200..300).contains(&status), "{}: {status} {body}", self.name);
    }

    fn whole_bucket(&self, method: &str) -> (u16, String) {
        let (root, _) = self.curl.root.split_once("/media").expect("a bucket of these tests");
        let query = if self.url.starts_with("az") { "restype=container" } else { "" };
        Curl { root: root.to_owned(), ..self.curl.clone() }.ask(method, "", query, None)
    }

    /// All options, with the correct key.
    pub(crate) fn options(&self) -> Vec<Pair> {
        self.with(&self.key)
    }

    /// All options, with this key.
    pub(crate) fn with(&self, key: &[Pair]) -> Vec<Pair> {
        self.place.iter().chain(key).cloned().collect()
    }

    /// The common prefix of the URLs of objects.
    pub(crate) fn http_url(&self) -> &str {
        &self.curl.root
    }

    /// Reads an object, if it exists.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let (status, body) = self.curl.ask("GET", key, "", None);
        if status == 200 { Some(body) } else { None }
    }

    pub(crate) fn put(&self, key: &str, text: &str) {
        if let Some((folder, _)) = key.rsplit_once('/') {
            self.make_folder(folder);
        }
        let (status, body) = self.curl.ask("PUT", key, "", Some(text));
        assert!((200..300).contains(&status), "{}: {status} {body}", self.name);
    }

    pub(crate) fn delete(&self, key: &str) {
        self.curl.ask("DELETE", key, "", None);
    }

    /// Only WebDAV has directories.
    fn make_folder(&self, key: &str) {
        if self.url.starts_with("http") {
            self.curl.ask("MKCOL", &format!("{key}/").replace("//", "/"), "", None);
        }
    }

    /// The number of multipart uploads in progress.
    pub(crate) fn uploads(&self) -> usize {
        let (bucket, _) = self.curl.root.split_once("/media").expect("a bucket of these tests");
        let curl = Curl { root: bucket.to_owned(), ..self.curl.clone() };
        let (status, body) = curl.ask("GET", "", "uploads=", None);
        assert_eq!(status, 200, "{body}");
        let here = self.curl.root.replace(bucket, "").trim_start_matches('/').to_owned();
        body.matches(&format!("<Key>{here}/")).count()
    }
}

/// A prefix in each available store.
pub(crate) fn all(name: &str) -> impl Iterator<Item = Store> {
    let stores = [seaweed, seaweed_dav, radosgw, azurite, google, apache, nginx];
    stores.into_iter().filter_map(move |store| Some(store()?.below(name)))
}

/// SeaweedFS as S3.
pub(crate) fn seaweed() -> Option<&'static Store> {
    both_seaweeds().map(|(s3, _)| s3)
}

/// The WebDAV side of the same server.
pub(crate) fn seaweed_dav() -> Option<&'static Store> {
    both_seaweeds().map(|(_, dav)| dav)
}

/// Ceph's S3, which is stricter than others.
pub(crate) fn radosgw() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("radosgw", "/usr/bin/radosgw").map(radosgw::start_radosgw)).as_ref()
}

/// rclone's S3, which responds with 200 to range requests. Not a store for dummies.
pub(crate) fn rclone() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("rclone", "venv/bin/rclone").map(rclone::start_rclone)).as_ref()
}

/// Azurite, the emulator of Azure.
pub(crate) fn azurite() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    let start = || wanted("azurite", "node_modules/.bin/azurite-blob").map(azurite::start_azurite);
    IT.get_or_init(start).as_ref()
}

/// A substitute for Google: SeaweedFS behind an nginx that translates the requests.
pub(crate) fn google() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    let start = || {
        let nginx = wanted("google", "/usr/sbin/nginx")?;
        Some(google::start_google(nginx, seaweed()?))
    };
    IT.get_or_init(start).as_ref()
}

/// Apache with mod_dav.
pub(crate) fn apache() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("apache-dav", "/usr/sbin/apache2").map(dav::start_apache)).as_ref()
}

/// nginx with its dav module, and a password.
pub(crate) fn nginx() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("nginx-dav", "/usr/sbin/nginx").map(dav::start_nginx)).as_ref()
}

fn both_seaweeds() -> Option<&'static (Store, Store)> {
    static IT: OnceLock<Option<(Store, Store)>> = OnceLock::new();
    IT.get_or_init(|| wanted("seaweedfs", "venv/bin/weed").map(seaweed::start_seaweed)).as_ref()
}

/// Finds a program at its path in Debian, or else in `PATH`.
pub(crate) fn program(name: &str, debian_path: &str) -> Option<PathBuf> {
    let mut candidates = vec![PathBuf::from(debian_path)];
    let file_name = Path::new(debian_path).file_name().unwrap_or_default();
    for directory in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        candidates.push(directory.join(file_name));
    }
    for candidate in candidates {
        if candidate.exists() {
            return Some(candidate);
        }
    }
    assert!(std::env::var_os("CI").is_none(), "{name} is not installed");
    print(&format!("skipped: {name} is not installed; run `make proxies`"));
    None
}

/// Returns the version that a program prints: the first word of digits with a dot.
pub(crate) fn version(program: &Path, argument: &str) -> String {
    let out = Command::new(program).arg(argument).output().expect("a program");
    let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    for word in text.split(|c: char| c.is_whitespace() || matches!(c, '/' | '(')) {
        let number = word.trim_start_matches('v');
        if number.contains('.') && number.chars().all(|c| c.is_ascii_digit() || c == '.') {
            return number.to_owned();
        }
    }
    "unknown".to_owned()
}

/// The path of a store's program in the checkout.
pub(crate) fn in_checkout(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.stores").join(program)
}

/// The program of a store, if the store is to be tested: in CI each store, on a laptop those that are
/// installed and not listed in `SKIP_STORES`.
fn wanted(name: &str, program: &str) -> Option<PathBuf> {
    // An absolute path is not changed.
    let program = in_checkout(program);
    if std::env::var_os("CI").is_some() {
        return Some(program);
    }
    let skipped = std::env::var("SKIP_STORES").unwrap_or_default();
    if skipped.split(',').any(|store| store == name) {
        print(&format!("skipped: {name} is listed in SKIP_STORES"));
        return None;
    }
    if !program.exists() {
        print(&format!("skipped: {name} is not installed; run `make proxies`"));
        return None;
    }
    Some(program)
}

#[expect(clippy::print_stderr, reason = "a skipped test must not be silent")]
fn print(message: &str) {
    eprintln!("{message}");
}

impl Curl {
    fn ask(&self, method: &str, key: &str, query: &str, body: Option<&str>) -> (u16, String) {
        let separator = if query.is_empty() || self.query.is_empty() { "" } else { "&" };
        let query = format!("{query}{separator}{}", self.query);
        let slash = if key.is_empty() || key == "/" { "" } else { "/" };
        let url = format!("{}{slash}{key}?{query}", self.root);
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "-m", "20", "-X", method, "-w", "\n%{http_code}"]);
        command.args(&self.options).arg(url.trim_end_matches('?'));
        match body {
            Some(text) => command.args(["--data-binary", text]),
            None if method == "GET" => &mut command,
            None => command.args(["-H", "Content-Length: 0"]),
        };
        let out = command.stderr(Stdio::null()).output().expect("curl").stdout;
        let text = String::from_utf8_lossy(&out);
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a status"), body.to_owned())
    }
}

/// Starts a server that ends with this process, even if this process is killed: then a pipe is closed
/// on which a shell waits. The shell kills the server and its workers by their ids and removes its
/// directory. It stops the server and kills the workers first, because a killed server leaves its
/// workers behind.
pub(crate) fn start(program: &Path, arguments: &[String], run: &Path) {
    const WAIT: &str = r#"dir=$1; shift; "$@" >"$dir/output.log" 2>&1 </dev/null & pid=$!
        read -r _; kill -s STOP $pid; pkill -KILL -P $pid; kill -s KILL $pid
        wait $pid 2>/dev/null; rm -rf "$dir""#;
    static SHELLS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let mut command = Command::new("sh");
    command.args(["-c", WAIT, "sh"]).arg(run).arg(program).args(arguments).current_dir(run);
    let shell = command.stdin(Stdio::piped()).spawn().expect("a shell");
    SHELLS.lock().expect("no panic with the lock").push(shell);
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let kept = tempfile::Builder::new().prefix(&format!("it-{name}-")).tempdir();
    kept.expect("a temporary directory").keep()
}

/// Returns free ports, each only once. They are below the range of ephemeral ports (from 32768 in
/// Linux), so that no connection takes one before its server listens.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(31);
    let mut ports = [0; N];
    for port in &mut ports {
        while *port == 0 || TcpListener::bind(("127.0.0.1", *port)).is_err() {
            let next = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
            *port = 30_100 + (next % 2_600) as u16;
        }
    }
    ports
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < START_TIMEOUT, "timed out waiting until {what}");
        sleep(Duration::from_millis(50));
    }
}

/// The options for a user name and a secret.
fn key(user: &'static str, name: &str, password: &'static str, secret: &str) -> Vec<Pair> {
    vec![(user, name.into()), (password, secret.into())]
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().copied().map(str::to_owned).collect()
}
