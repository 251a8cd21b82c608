//! The proxy of a stage: the built-in one in this process, or a real one with the shipped snippet
//! in a minimal site.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use sendfile_fixture::{
    Address, Proxy,
    proxy::{RunningProxy, Settings},
};

use super::{
    DemoError,
    fault::{Edited, Fault},
};
use crate::{
    args::DemoProxy,
    snippet::{self, Values},
};
use sendfile_evidence::Server;

/// Maximum time to wait for a proxy to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy that runs until it is dropped.
pub(super) enum ProxyProcess {
    BuiltIn(RunningProxy),
    Real(Real),
}

/// The process of a real proxy.
pub(super) struct Real {
    child: Child,
    port: u16,
    /// Its configuration and its error log.
    places: (Server, PathBuf, PathBuf),
}

/// How to run a real proxy.
struct Program {
    name: &'static str,
    /// Its path on Debian, and its name elsewhere.
    programs: &'static [&'static str],
    kind: Server,
    log: &'static str,
    snippet: snippet::Proxy,
    /// The path of the snippet in the repository; faults refer to it.
    file: &'static str,
    /// The site around the snippet, and its path in the repository.
    site: (&'static str, &'static str),
    arguments: fn(&str) -> Vec<String>,
}

const NGINX: Program = Program {
    name: "nginx",
    programs: &["/usr/sbin/nginx", "nginx"],
    kind: Server::Nginx,
    log: "error.log",
    snippet: snippet::Proxy::Nginx,
    file: "nginx/healthcheck.conf",
    site: ("verifier/src/demo/nginx.conf", include_str!("nginx.conf")),
    arguments: |run| {
        words(&[
            "-p",
            run,
            "-c",
            &format!("{run}/site.conf"),
            "-e",
            &format!("{run}/error.log"),
            "-g",
            "daemon off;",
        ])
    },
};

const APACHE: Program = Program {
    name: "Apache",
    programs: &["/usr/sbin/apache2", "apache2"],
    kind: Server::Apache,
    log: "error.log",
    snippet: snippet::Proxy::Apache,
    file: "apache/healthcheck.conf",
    site: ("verifier/src/demo/apache.conf", include_str!("apache.conf")),
    arguments: |run| words(&["-d", run, "-f", &format!("{run}/site.conf"), "-DFOREGROUND"]),
};

const LIGHTTPD: Program = Program {
    name: "lighttpd",
    programs: &["/usr/sbin/lighttpd", "lighttpd"],
    kind: Server::Lighttpd,
    log: "tmp/error.log",
    snippet: snippet::Proxy::Lighttpd,
    file: "lighttpd/healthcheck.conf",
    site: ("verifier/src/demo/lighttpd.conf", include_str!("lighttpd.conf")),
    arguments: |run| words(&["-D", "-f", &format!("{run}/site.conf")]),
};

const CADDY: Program = Program {
    name: "Caddy",
    programs: &["/usr/bin/caddy", "caddy"],
    kind: Server::Caddy,
    log: "output.log",
    snippet: snippet::Proxy::Caddy,
    file: "caddy/healthcheck.caddy",
    site: ("verifier/src/demo/Caddyfile", include_str!("Caddyfile")),
    arguments: |run| {
        words(&["run", "--config", &format!("{run}/site.conf"), "--adapter", "caddyfile"])
    },
};

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|it| (*it).to_owned()).collect()
}

/// The surroundings of a proxy.
pub(super) struct Place<'a> {
    /// The address of its upstream.
    pub(super) app: Address,
    /// The app at the end of the chain.
    pub(super) last: Address,
    /// The storage directory as the proxy sees it.
    pub(super) storage: &'a Path,
    /// The address of the object store, if there is one.
    pub(super) store: Option<SocketAddr>,
    /// The directory of its own files.
    pub(super) run: PathBuf,
}

impl ProxyProcess {
    /// Starts a proxy with its snippet and the edit of the fault.
    pub(super) async fn start(
        proxy: DemoProxy,
        place: &Place<'_>,
        fault: Option<&Fault>,
    ) -> Result<Self, DemoError> {
        let Some(program) = program(proxy) else {
            return built_in(&place.app, place.storage, fault).await.map(Self::BuiltIn);
        };
        let port = free_port().map_err(DemoError::file(&place.run))?;
        let shipped = Files::of(program, place, port, None)?;
        let edited = Files::of(program, place, port, fault)?;
        let (loaded, then) = match fault.map(|it| it.edited).unwrap_or_default() {
            Edited::Loaded => (&edited, &edited),
            Edited::NotLoaded => (&shipped, &edited),
            Edited::Mended => (&edited, &shipped),
        };
        let real = real(program, loaded, port, &place.run)?;
        if fault.is_some_and(|it| it.edited != Edited::Loaded) {
            real.wait_for_answer().map_err(DemoError::file(&place.run))?;
            then.write(&place.run)?;
        }
        Ok(Self::Real(real))
    }

    /// Starts a proxy that forwards everything to the app except for its own rules.
    pub(super) fn relay(
        proxy: DemoProxy,
        rules: &str,
        place: &Place<'_>,
    ) -> Result<Self, DemoError> {
        let program = program(proxy).ok_or(DemoError::NotInstalled("a proxy for the chain"))?;
        fs::create_dir(&place.run).map_err(DemoError::file(&place.run))?;
        let port = free_port().map_err(DemoError::file(&place.run))?;
        let files =
            Files::filled(program.site.1, &format!("{rules}\n# forward the rest\n"), place, port);
        real(program, &files, port, &place.run).map(Self::Real)
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::BuiltIn(it) => it.url(),
            Self::Real(it) => format!("http://127.0.0.1:{}", it.port),
        }
    }

    /// Its configuration and its error log.
    pub(super) fn places(&self) -> Option<((Server, PathBuf), PathBuf)> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Real(Real { places: (kind, config, log), .. }) => {
                Some(((*kind, config.clone()), log.clone()))
            }
        }
    }

    /// Its address, as the upstream of the proxy in front of it.
    pub(super) fn address(&self) -> Option<Address> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Real(it) => Some(Address::Tcp(([127, 0, 0, 1], it.port).into())),
        }
    }
}

fn program(proxy: DemoProxy) -> Option<&'static Program> {
    match proxy {
        DemoProxy::BuiltIn => None,
        DemoProxy::Nginx => Some(&NGINX),
        DemoProxy::Apache => Some(&APACHE),
        DemoProxy::Lighttpd => Some(&LIGHTTPD),
        DemoProxy::Caddy => Some(&CADDY),
    }
}

async fn built_in(
    app: &Address,
    storage: &Path,
    fault: Option<&Fault>,
) -> Result<RunningProxy, DemoError> {
    const NAME: &str = "the built-in proxy";
    const FILE: &str = "verifier/src/demo/built-in.toml";
    let shipped = include_str!("built-in.toml");
    let text = fault.map_or_else(|| Ok(shipped.to_owned()), |it| it.applied(FILE, shipped))?;
    let settings: Settings = toml::from_str(&text)
        .map_err(|error| DemoError::NotUp { name: NAME, said: error.to_string() })?;
    let started = Proxy::new(app.clone(), storage).settings(settings).start().await;
    started.map_err(|error| DemoError::NotUp {
        name: NAME,
        said: sendfile_evidence::cause_chain(&error),
    })
}

/// The files of a real proxy.
struct Files {
    snippet: String,
    site: String,
}

impl Files {
    fn of(
        program: &Program,
        place: &Place<'_>,
        port: u16,
        fault: Option<&Fault>,
    ) -> Result<Self, DemoError> {
        let applied = |file: &str, text: &str| {
            fault.map_or_else(|| Ok(text.to_owned()), |it| it.applied(file, text))
        };
        let app = place.app.to_string();
        let storage = place.storage.display().to_string();
        let values = Values { storage: Some(&storage), app: Some(&app), ..Values::default() };
        let snippet = applied(program.file, program.snippet.text())?;
        let snippet = snippet::filled(program.snippet, &snippet, values)?;
        let site = applied(program.site.0, program.site.1)?;
        Ok(Self::filled(&site, &snippet, place, port))
    }

    /// Replaces the placeholders. Only root can change users, so otherwise the directives that name
    /// Debian's user for servers are removed.
    fn filled(site: &str, snippet: &str, place: &Place<'_>, port: u16) -> Self {
        let root = fs::metadata("/proc/self")
            .is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
        let lines = site.lines().filter(|line| root || !line.contains("www-data"));
        let site = lines.collect::<Vec<_>>().join("\n") + "\n";
        let app = place.app.to_string();
        let store = place.store.map_or_else(String::new, |it| it.to_string());
        let filled = |text: &str| {
            text.replace("@RUN@", &place.run.display().to_string())
                .replace("@PORT@", &port.to_string())
                .replace("@APP@", &app)
                .replace("@LAST@", &place.last.to_string())
                .replace("@APP_PORT@", app.rsplit(':').next().unwrap_or_default())
                .replace("@STORE@", &store)
                .replace("@STORAGE@", &place.storage.display().to_string())
        };
        Self { snippet: filled(snippet), site: filled(&site) }
    }

    fn write(&self, run: &Path) -> Result<(), DemoError> {
        write(&run.join("snippet.conf"), &self.snippet)?;
        write(&run.join("site.conf"), &self.site)
    }
}

fn real(program: &Program, files: &Files, port: u16, run: &Path) -> Result<Real, DemoError> {
    // lighttpd opens its log as its unprivileged user.
    let writable = run.join("tmp");
    fs::create_dir(&writable).map_err(DemoError::file(&writable))?;
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&writable, all).map_err(DemoError::file(&writable))?;
    files.write(run)?;
    write(&run.join("index.html"), "<!doctype html><title>The site</title>\n")?;
    let child = spawn(program, run)?;
    let places = (program.kind, run.join("site.conf"), run.join(program.log));
    let mut real = Real { child, port, places };
    real.wait_until_up(program.name, run)?;
    Ok(real)
}

fn write(path: &Path, text: &str) -> Result<(), DemoError> {
    fs::write(path, text).map_err(DemoError::file(path))
}

/// A free port, because these proxies cannot report which port they bound. It is outside the system's
/// ephemeral range (from 32768 in Linux) and returned only once, so that no other program takes it
/// before the proxy listens.
fn free_port() -> std::io::Result<u16> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let begin = std::process::id().wrapping_mul(97);
    let next = || begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
    let mut ports = (0..COUNT).filter_map(|_| u16::try_from(FIRST + next()).ok());
    ports.find(free).ok_or_else(|| std::io::ErrorKind::AddrInUse.into())
}

fn spawn(program: &Program, run: &Path) -> Result<Child, DemoError> {
    let output = run.join("output.log");
    let log = fs::File::create(&output).map_err(DemoError::file(&output))?;
    let error = log.try_clone().map_err(DemoError::file(&output))?;
    for name in program.programs {
        let mut command = Command::new(name);
        command
            .args((program.arguments)(&run.display().to_string()))
            .current_dir(run)
            .env("HOME", run);
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(DemoError::file(&output))?);
        command.stderr(error.try_clone().map_err(DemoError::file(&output))?);
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(DemoError::File { path: (*name).to_owned(), source }),
        }
    }
    Err(DemoError::NotInstalled(program.name))
}

impl Real {
    fn wait_until_up(&mut self, name: &'static str, run: &Path) -> Result<(), DemoError> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().is_ok_and(|it| it.is_some());
            if ended || Instant::now() > deadline {
                let said = fs::read_to_string(run.join("output.log")).unwrap_or_default();
                let log = fs::read_to_string(run.join("error.log")).unwrap_or_default();
                return Err(DemoError::NotUp { name, said: format!("{said}{log}") });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Real {
    /// Waits for a response: Apache reads its configuration again after it starts to listen.
    fn wait_for_answer(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"HEAD /healthcheck-utils/ HTTP/1.0\r\n\r\n")?;
        loop {
            // A read with a timeout is not restarted after a signal (signal(7)).
            match stream.read(&mut [0; 1]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => return read.map(drop),
            }
        }
    }
}

impl Drop for Real {
    /// Sends SIGTERM, because the workers only stop with it then; kills the process if it does not stop.
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait().is_ok_and(|it| it.is_none()) {
            if Instant::now() > deadline {
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
