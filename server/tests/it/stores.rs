//! Real stores, started on free ports of this machine when a test first needs them, and asked by
//! `curl`: what a program of this repository has done is not judged by its own client.
//!
//! The tests of both programs use this file.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

/// The longest wait for a store to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The account that Azurite has for everybody, and what its public key has signed.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const SAS: &str = "sv=2020-02-10&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z\
                   &sig=qUU5XdapkCCOMz6HGCGT%2F%2BSFcNz75EvIwajXYmbdD8o%3D";

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
    let stores = [seaweed, seaweed_dav, azurite, apache, nginx];
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

/// Azurite, the emulator of Azure.
pub(crate) fn azurite() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("azurite", "node_modules/.bin/azurite-blob").map(start_azurite))
        .as_ref()
}

/// Apache with mod_dav.
pub(crate) fn apache() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("apache-dav", "/usr/sbin/apache2").map(start_apache)).as_ref()
}

/// nginx with its dav module, and a password.
pub(crate) fn nginx() -> Option<&'static Store> {
    static IT: OnceLock<Option<Store>> = OnceLock::new();
    IT.get_or_init(|| wanted("nginx-dav", "/usr/sbin/nginx").map(start_nginx)).as_ref()
}

fn both_seaweeds() -> Option<&'static (Store, Store)> {
    static IT: OnceLock<Option<(Store, Store)>> = OnceLock::new();
    IT.get_or_init(|| wanted("seaweedfs", "venv/bin/weed").map(start_seaweed)).as_ref()
}

/// The program of a store, if the store is wanted: all of them where everything is tested, on a
/// laptop those that are there and not named in `SKIP_STORES`.
fn wanted(name: &str, program: &str) -> Option<PathBuf> {
    // An absolute path stays one.
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.stores").join(program);
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

fn start_seaweed(weed: PathBuf) -> (Store, Store) {
    let run = folder("seaweedfs");
    let identities = r#"{"identities": [
        {"name": "all", "credentials": [{"accessKey": "probe", "secretKey": "probesecret"}],
         "actions": ["Admin", "Read", "Write", "List"]},
        {"name": "reader", "credentials": [{"accessKey": "reader", "secretKey": "readersecret"}],
         "actions": ["Read:probe", "List:probe"]}]}"#;
    fs::write(run.join("s3.json"), identities).expect("a temporary file");
    let ports = free_ports::<10>();
    let [s3, dav, ..] = ports;
    let names = ["s3.port", "webdav.port", "master.port", "volume.port", "filer.port"];
    let grpc = ["s3.port.grpc", "master.port.grpc", "volume.port.grpc", "filer.port.grpc"];
    let mut arguments = vec!["server".to_owned(), format!("-dir={}", run.display())];
    arguments
        .extend(names.iter().chain(&grpc).zip(ports).map(|(it, port)| format!("-{it}={port}")));
    arguments.push(format!("-s3.config={}", run.join("s3.json").display()));
    arguments.push(format!("-webdav.cacheDir={}", run.display()));
    let rest = "-ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -webdav -s3.autoCreateBucket=false \
                -s3.port.iceberg=0 -s3.port.lance=0 -master.telemetry=false \
                -master.volumeSizeLimitMB=64 -master.volumePreallocate=false -volume.max=100";
    arguments.extend(rest.split_whitespace().map(str::to_owned));
    start(&weed, &arguments, &run);
    let endpoint = format!("http://127.0.0.1:{s3}");
    let curl = Curl {
        root: format!("{endpoint}/probe"),
        options: words(&[
            "--aws-sigv4",
            "aws:amz:us-east-1:s3",
            "--user",
            "probe:probesecret",
            "-H",
            "x-amz-content-sha256: UNSIGNED-PAYLOAD",
        ]),
        query: "",
    };
    until("the bucket is made", || curl.ask("PUT", "", "", None).0 == 200);
    // The first write waits until a volume is there.
    until("an object is written", || curl.ask("PUT", "first", "", Some("first")).0 == 200);
    let bucket = Store {
        name: "SeaweedFS, S3",
        url: "s3://probe/media".into(),
        missing: Some("s3://missing/media".into()),
        place: vec![("endpoint", endpoint), ("region", "us-east-1".into())],
        key: key("access_key_id", "probe", "secret_access_key", "probesecret"),
        wrong_key: key("access_key_id", "probe", "secret_access_key", "guessed"),
        reader: key("access_key_id", "reader", "secret_access_key", "readersecret"),
        curl: Curl { root: curl.root.clone() + "/media", ..curl },
    };
    let root = format!("http://127.0.0.1:{dav}/dav");
    let folder = Store { missing: None, ..Store::dav("SeaweedFS, WebDAV", root, &[]) };
    until("a folder is made", || folder.curl.ask("MKCOL", "", "", None).0 == 201);
    (bucket, folder)
}

fn start_azurite(azurite: PathBuf) -> Store {
    let run = folder("azurite");
    let [port] = free_ports();
    let arguments = format!(
        "--blobHost 127.0.0.1 --blobPort {port} --location {} --skipApiVersionCheck \
         --disableTelemetry --silent",
        run.display()
    );
    start(&azurite, &words(&arguments.split_whitespace().collect::<Vec<_>>()), &run);
    let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
    let root = format!("{endpoint}/probe");
    let curl = Curl { root, options: words(&["-H", "x-ms-blob-type: BlockBlob"]), query: SAS };
    until("the container is made", || curl.ask("PUT", "", "restype=container", None).0 == 201);
    Store {
        name: "Azurite",
        url: "az://probe/media".into(),
        missing: Some("az://missing/media".into()),
        place: vec![("endpoint", endpoint), ("account_name", ACCOUNT.into())],
        key: vec![("account_key", ACCOUNT_KEY.into())],
        wrong_key: vec![("account_key", ACCOUNT_KEY.replace("Eby8", "AAAA"))],
        reader: Vec::new(),
        curl: Curl { root: curl.root.clone() + "/media", ..curl },
    }
}

fn start_apache(apache: PathBuf) -> Store {
    let run = folder("apache-dav");
    let [port] = free_ports();
    let at = run.display();
    let modules = [
        ("mpm_event", "mpm_event"),
        ("authz_core", "authz_core"),
        ("dav", "dav"),
        ("dav_fs", "dav_fs"),
        ("dav_lock", "dav_lock"),
    ];
    let modules = modules.map(|(name, file)| {
        format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{file}.so\n")
    });
    let config = format!(
        "{}ServerName it\nListen 127.0.0.1:{port}\nPidFile {at}/pid\nErrorLog {at}/error.log\n\
         DavLockDB {at}/locks\nDocumentRoot {at}/root\n\
         <Directory {at}/root>\nDav On\nRequire all granted\n</Directory>\n",
        modules.concat()
    );
    fs::create_dir_all(run.join("root/dav")).expect("a folder");
    let arguments = config_of(&run, &config, &["-DFOREGROUND", "-f"]);
    start(&apache, &arguments, &run);
    let store = Store::dav("Apache mod_dav", format!("http://127.0.0.1:{port}/dav"), &[]);
    until("Apache answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    store
}

fn start_nginx(nginx: PathBuf) -> Store {
    let run = folder("nginx-dav");
    let [port] = free_ports();
    let at = run.display();
    let config = format!(
        "daemon off; user root; pid {at}/pid; error_log {at}/error.log; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/t1;\n\
         fastcgi_temp_path {at}/t2; uwsgi_temp_path {at}/t3; scgi_temp_path {at}/t4;\n\
         server {{ listen 127.0.0.1:{port}; root {at}/root; client_max_body_size 0;\n\
         dav_methods PUT DELETE MKCOL; auth_basic it; auth_basic_user_file {at}/users; }} }}\n"
    );
    fs::create_dir_all(run.join("root/dav")).expect("a folder");
    fs::write(run.join("users"), "probe:{PLAIN}probesecret\n").expect("a temporary file");
    let mut arguments = config_of(&run, &config, &["-c"]);
    arguments.extend(words(&["-p", &at.to_string(), "-e", &format!("{at}/error.log")]));
    start(&nginx, &arguments, &run);
    let root = format!("http://127.0.0.1:{port}/dav");
    let store = Store::dav("nginx dav", root, &["--user", "probe:probesecret"]);
    until("nginx answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    Store {
        key: key("username", "probe", "password", "probesecret"),
        wrong_key: key("username", "probe", "password", "guessed"),
        ..store
    }
}

impl Store {
    fn dav(name: &'static str, root: String, options: &[&str]) -> Self {
        Self {
            name,
            url: root.clone(),
            missing: Some(root.replace("/dav", "/missing/media")),
            place: Vec::new(),
            key: Vec::new(),
            wrong_key: Vec::new(),
            reader: Vec::new(),
            curl: Curl { root, options: words(options), query: "" },
        }
    }
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
/// a shell waits, which ends the server by its id and removes its folder.
pub(crate) fn start(program: &Path, arguments: &[String], run: &Path) {
    const WAIT: &str = r#"dir=$1; shift; "$@" >"$dir/output.log" 2>&1 </dev/null & pid=$!
        read -r _; kill -s KILL $pid; wait $pid 2>/dev/null; rm -rf "$dir""#;
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

fn config_of(run: &Path, text: &str, before: &[&str]) -> Vec<String> {
    let path = run.join("server.conf");
    fs::write(&path, text).expect("a temporary file");
    words(before).into_iter().chain([path.display().to_string()]).collect()
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
