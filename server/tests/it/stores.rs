//! Real stores, started on free ports of this machine when a test first needs them, and asked by
//! `curl`: what a program of this repository has done is not judged by its own client.
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

/// The longest wait for a store to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A name and what it stands for.
pub(crate) type Pair = (&'static str, String);

/// A place in a store that runs until this process ends.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) name: &'static str,
    /// A bucket or folder that is there.
    pub(crate) url: String,
    /// One that is not; nothing where the store makes what is missing.
    pub(crate) missing: Option<String>,
    /// How it is reached, but for the key.
    pub(crate) place: Vec<Pair>,
    pub(crate) key: Vec<Pair>,
    /// The same with another secret.
    pub(crate) wrong_key: Vec<Pair>,
    /// One that may only read, where there are several.
    pub(crate) reader: Vec<Pair>,
    /// One that may not even read.
    pub(crate) stranger: Vec<Pair>,
    curl: Curl,
}

/// How `curl` asks a store.
#[derive(Clone)]
struct Curl {
    /// The URL of the bucket or folder.
    root: String,
    options: Vec<String>,
    query: &'static str,
}

impl Store {
    /// A place of its own, so that tests do not meet.
    pub(crate) fn below(&self, name: &str) -> Self {
        let mut store = self.clone();
        store.url = format!("{}/{name}", self.url);
        store.curl.root = format!("{}/{name}", self.curl.root);
        store.make_folder("");
        store
    }

    /// The same store behind another port of this machine.
    pub(crate) fn behind(&self, port: u16) -> Self {
        let mut store = self.clone();
        let there = format!("127.0.0.1:{}", self.port());
        let here = format!("127.0.0.1:{port}");
        store.curl.root = store.curl.root.replace(&there, &here);
        store.place.iter_mut().for_each(|(_, value)| *value = value.replace(&there, &here));
        store
    }

    pub(crate) fn port(&self) -> u16 {
        let host = self.http_url().split('/').nth(2).expect("a host");
        host.rsplit(':').next().and_then(|it| it.parse().ok()).expect("a port")
    }

    /// A bucket of its own.
    pub(crate) fn in_bucket(&self, name: &str) -> Self {
        let mut store = self.clone();
        store.url = store.url.replace("://probe/", &format!("://{name}/"));
        store.curl.root = store.curl.root.replace("/probe/", &format!("/{name}/"));
        let (status, body) = store.whole_bucket("PUT");
        assert!((200..300).contains(&status), "{}: {status} {body}", self.name);
        store
    }

    /// Takes the bucket away; it must be empty.
    pub(crate) fn delete_bucket(&self) {
        let (status, body) = self.whole_bucket("DELETE");
        assert!((200..300).contains(&status), "{}: {status} {body}", self.name);
    }

    fn whole_bucket(&self, method: &str) -> (u16, String) {
        let (root, _) = self.curl.root.split_once("/media").expect("a bucket of these tests");
        let query = if self.url.starts_with("az") { "restype=container" } else { "" };
        Curl { root: root.to_owned(), ..self.curl.clone() }.ask(method, "", query, None)
    }

    /// All options, with the right key.
    pub(crate) fn options(&self) -> Vec<Pair> {
        self.with(&self.key)
    }

    /// All options, with this key.
    pub(crate) fn with(&self, key: &[Pair]) -> Vec<Pair> {
        self.place.iter().chain(key).cloned().collect()
    }

    /// What links to objects begin with.
    pub(crate) fn http_url(&self) -> &str {
        &self.curl.root
    }

    /// What lies under a key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        let (status, body) = self.curl.ask("GET", key, "", None);
        (status == 200).then_some(body)
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

    /// Only WebDAV has folders.
    fn make_folder(&self, key: &str) {
        if self.url.starts_with("http") {
            self.curl.ask("MKCOL", &format!("{key}/").replace("//", "/"), "", None);
        }
    }

    /// How many uploads in parts were begun here and not finished.
    pub(crate) fn uploads(&self) -> usize {
        let (bucket, _) = self.curl.root.split_once("/media").expect("a bucket of these tests");
        let curl = Curl { root: bucket.to_owned(), ..self.curl.clone() };
        let (status, body) = curl.ask("GET", "", "uploads=", None);
        assert_eq!(status, 200, "{body}");
        let here = self.curl.root.replace(bucket, "").trim_start_matches('/').to_owned();
        body.matches(&format!("<Key>{here}/")).count()
    }
}

/// A place in every store that can be had.
pub(crate) fn all(name: &str) -> impl Iterator<Item = Store> {
    let stores = [seaweed, seaweed_dav, radosgw, azurite, google, apache, nginx];
    stores.into_iter().filter_map(|it| it()).map(move |it| it.below(name))
}

/// SeaweedFS as S3.
pub(crate) fn seaweed() -> Option<&'static Store> {
    both_seaweeds().map(|(s3, _)| s3)
}

/// The WebDAV side of the same server.
pub(crate) fn seaweed_dav() -> Option<&'static Store> {
    both_seaweeds().map(|(_, dav)| dav)
}

/// Ceph's S3, which is strict where others let things pass.
pub(crate) fn radosgw() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("radosgw", "/usr/bin/radosgw").map(radosgw::start_radosgw)).as_ref()
}

/// rclone's S3, which answers a request for a part with 200. No store to place on.
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

/// What stands in for Google: SeaweedFS behind an nginx that translates.
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

/// A program by its place in Debian, or wherever it is found by its name.
pub(crate) fn program(name: &str, place: &str) -> Option<PathBuf> {
    let named = |it: &Path| it.file_name().map(|name| name.to_owned());
    let name_of_file = named(Path::new(place)).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|it| it.join(&name_of_file));
    let found = [PathBuf::from(place)].into_iter().chain(found).find(|it| it.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{name} is not installed");
        say(&format!("skipped: {name} is not installed; `make proxies` does it"));
    }
    found
}

/// What a program says of its version: the first word with a dot and digits only.
pub(crate) fn version(program: &Path, argument: &str) -> String {
    let out = Command::new(program).arg(argument).output().expect("a program");
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    let words = said.split(|c: char| c.is_whitespace() || matches!(c, '/' | '('));
    let words = words.filter(|it| it.contains('.'));
    let number = |it: &str| it.chars().all(|c| c.is_ascii_digit() || c == '.');
    let mut words = words.map(|it| it.trim_start_matches('v'));
    words.find(|it| number(it)).map_or_else(|| "unknown".to_owned(), str::to_owned)
}

/// Where a program of the checkout is.
pub(crate) fn in_checkout(program: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.stores").join(program)
}

/// The program of a store, if the store is wanted: all of them where everything is tested, on a
/// laptop those that are there and not named in `SKIP_STORES`.
fn wanted(name: &str, program: &str) -> Option<PathBuf> {
    // An absolute path stays one.
    let program = in_checkout(program);
    if std::env::var_os("CI").is_some() {
        return Some(program);
    }
    let skipped = std::env::var("SKIP_STORES").unwrap_or_default();
    if skipped.split(',').any(|it| it == name) {
        say(&format!("skipped: {name}, as SKIP_STORES asks"));
        return None;
    }
    if !program.exists() {
        say(&format!("skipped: {name} is not installed; `make proxies` does it"));
        return None;
    }
    Some(program)
}

#[expect(clippy::print_stderr, reason = "a skipped test must not be silent")]
fn say(what: &str) {
    eprintln!("{what}");
}

impl Curl {
    fn ask(&self, method: &str, key: &str, query: &str, body: Option<&str>) -> (u16, String) {
        let query = [query, self.query].into_iter().filter(|it| !it.is_empty());
        let query = query.collect::<Vec<_>>().join("&");
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

/// Starts a server that ends with this process, however that ends: then a pipe is closed on which
/// a shell waits, which ends the server and its workers by their ids and removes its folder. Workers
/// go first, while it is held: killed itself, a server leaves them behind.
pub(crate) fn start(program: &Path, arguments: &[String], run: &Path) {
    const WAIT: &str = r#"dir=$1; shift; "$@" >"$dir/output.log" 2>&1 </dev/null & pid=$!
        read -r _; kill -s STOP $pid; pkill -KILL -P $pid; kill -s KILL $pid
        wait $pid 2>/dev/null; rm -rf "$dir""#;
    static SHELLS: Mutex<Vec<Child>> = Mutex::new(Vec::new());
    let mut command = Command::new("sh");
    command.args(["-c", WAIT, "sh"]).arg(run).arg(program).args(arguments).current_dir(run);
    let shell = command.stdin(Stdio::piped()).spawn().expect("a shell");
    SHELLS.lock().expect("nobody panics with it").push(shell);
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let kept = tempfile::Builder::new().prefix(&format!("it-{name}-")).tempdir();
    kept.expect("a temporary folder").keep()
}

/// Ports that are free, each given once. The system hands out none of them by itself (it begins at
/// 32768 in Linux), so that no connection takes one before its server listens.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let begin = std::process::id().wrapping_mul(31);
    let next =
        || 30_100 + (begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % 2_600) as u16;
    [(); N].map(|()| std::iter::repeat_with(next).find(free).expect("there is no end"))
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        sleep(Duration::from_millis(50));
    }
}

fn key(name: &'static str, it: &str, secret: &'static str, that: &str) -> Vec<Pair> {
    vec![(name, it.into()), (secret, that.into())]
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|it| (*it).to_owned()).collect()
}
