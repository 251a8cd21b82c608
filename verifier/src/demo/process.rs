//! Runs a proxy of the demo: the built-in one in this process, or an installed one with the shipped
//! snippet in a minimal site.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sendfile_evidence::{Server, cause_chain};
use sendfile_fixture::{
    Address, Proxy,
    proxy::{RunningProxy, Settings},
};

use super::{
    error::{AtPath, DemoError},
    fault::{Edited, Fault},
    proxy::{self, InstalledProgram, Program},
};
use crate::snippet::{self, Values};

/// Maximum time to wait for a proxy to start, and to stop.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy that runs until it is dropped.
pub(super) enum ProxyProcess {
    BuiltIn(RunningProxy),
    Installed(InstalledProxy),
}

/// The process of an installed proxy.
pub(super) struct InstalledProxy {
    child: Child,
    port: u16,
    server: Server,
    config: PathBuf,
    log: PathBuf,
}

/// The settings of a proxy.
pub(super) struct ProxySetup<'a> {
    /// The address of its upstream.
    pub(super) upstream: Address,
    /// The app at the end of the chain.
    pub(super) app: Address,
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
        server: Server,
        setup: &ProxySetup<'_>,
        fault: Option<&Fault>,
    ) -> Result<Self, DemoError> {
        match &proxy::of(server)?.program {
            Program::BuiltIn => start_built_in(setup, fault).await.map(Self::BuiltIn),
            Program::Installed(program) => {
                start_installed(program, setup, fault).map(Self::Installed)
            }
        }
    }

    /// Starts a proxy that forwards everything to its upstream except for its own rules.
    pub(super) fn start_relay(
        server: Server,
        rules: &str,
        setup: &ProxySetup<'_>,
    ) -> Result<Self, DemoError> {
        let Program::Installed(program) = &proxy::of(server)?.program else {
            return Err(DemoError::NotInstalled("a proxy for the chain"));
        };
        fs::create_dir(&setup.run).at(&setup.run)?;
        let port = free_port().at(&setup.run)?;
        let snippet = format!("{rules}\n# forward the rest\n");
        let files = ConfigFiles::filled(program.site, &snippet, setup, port);
        spawn_and_wait(program, &files, port, &setup.run).map(Self::Installed)
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::BuiltIn(proxy) => proxy.url(),
            Self::Installed(proxy) => format!("http://127.0.0.1:{}", proxy.port),
        }
    }

    /// The process with its own files, unless the proxy is built in.
    pub(super) fn installed(&self) -> Option<&InstalledProxy> {
        match self {
            Self::BuiltIn(_) => None,
            Self::Installed(proxy) => Some(proxy),
        }
    }
}

async fn start_built_in(
    setup: &ProxySetup<'_>,
    fault: Option<&Fault>,
) -> Result<RunningProxy, DemoError> {
    const FILE: &str = "verifier/src/demo/built-in.toml";
    let text = edited(FILE, include_str!("built-in.toml"), fault)?;
    let not_up = |output| DemoError::NotUp { name: "the built-in proxy", output };
    let settings: Settings = toml::from_str(&text).map_err(|error| not_up(error.to_string()))?;
    let proxy = Proxy::new(setup.upstream.clone(), setup.storage).settings(settings);
    proxy.start().await.map_err(|error| not_up(cause_chain(&error)))
}

fn start_installed(
    program: &InstalledProgram,
    setup: &ProxySetup<'_>,
    fault: Option<&Fault>,
) -> Result<InstalledProxy, DemoError> {
    let port = free_port().at(&setup.run)?;
    let shipped = ConfigFiles::of(program, setup, port, None)?;
    let edited = ConfigFiles::of(program, setup, port, fault)?;
    let edit = fault.map(|fault| fault.edited).unwrap_or_default();
    let (loaded, on_disk) = match edit {
        Edited::Loaded => (&edited, &edited),
        Edited::NotLoaded => (&shipped, &edited),
        Edited::Corrected => (&edited, &shipped),
    };
    let proxy = spawn_and_wait(program, loaded, port, &setup.run)?;
    if edit != Edited::Loaded {
        proxy.wait_for_response().at(&setup.run)?;
        on_disk.write(&setup.run)?;
    }
    Ok(proxy)
}

/// The files of an installed proxy.
struct ConfigFiles {
    snippet: String,
    site: String,
}

impl ConfigFiles {
    /// The snippet and the site around it, with the edit of the fault.
    fn of(
        program: &InstalledProgram,
        setup: &ProxySetup<'_>,
        port: u16,
        fault: Option<&Fault>,
    ) -> Result<Self, DemoError> {
        let shipped = snippet::of(program.server)?;
        let app = setup.upstream.to_string();
        let storage = setup.storage.display().to_string();
        let values = Values { storage: Some(&storage), app: Some(&app), ..Values::default() };
        let snippet = edited(shipped.file, shipped.text, fault)?;
        let snippet = shipped.filled(&snippet, values)?;
        let site = edited(program.site_file, program.site, fault)?;
        Ok(Self::filled(&site, &snippet, setup, port))
    }

    /// Replaces the placeholders. Only root can change users, so otherwise the directives that name
    /// Debian's user for servers are removed.
    fn filled(site: &str, snippet: &str, setup: &ProxySetup<'_>, port: u16) -> Self {
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        let mut lines = String::new();
        for line in site.lines() {
            if is_root || !line.contains("www-data") {
                lines.push_str(line);
                lines.push('\n');
            }
        }
        Self { snippet: setup.fill(snippet, port), site: setup.fill(&lines, port) }
    }

    fn write(&self, run: &Path) -> Result<(), DemoError> {
        write(&run.join("snippet.conf"), &self.snippet)?;
        write(&run.join("site.conf"), &self.site)
    }
}

impl ProxySetup<'_> {
    fn fill(&self, text: &str, port: u16) -> String {
        let upstream = self.upstream.to_string();
        let upstream_port = upstream.rsplit(':').next().unwrap_or_default();
        let store = match self.store {
            Some(address) => address.to_string(),
            None => String::new(),
        };
        text.replace("@RUN@", &self.run.display().to_string())
            .replace("@PORT@", &port.to_string())
            .replace("@APP@", &upstream)
            .replace("@LAST@", &self.app.to_string())
            .replace("@APP_PORT@", upstream_port)
            .replace("@STORE@", &store)
            .replace("@STORAGE@", &self.storage.display().to_string())
    }
}

/// The text of a file with the edit of the fault, if there is one.
fn edited(file: &str, text: &str, fault: Option<&Fault>) -> Result<String, DemoError> {
    match fault {
        Some(fault) => fault.applied(file, text),
        None => Ok(text.to_owned()),
    }
}

fn write(path: &Path, text: &str) -> Result<(), DemoError> {
    fs::write(path, text).at(path)
}

/// A free port, because these proxies cannot report which port they bound. It is outside the system's
/// ephemeral range (from 32768 in Linux) and returned only once, so that no other program takes it
/// before the proxy listens.
fn free_port() -> io::Result<u16> {
    const FIRST: u16 = 10_000;
    const COUNT: u16 = 20_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let next = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
        let Ok(next) = u16::try_from(next) else { continue };
        let port = FIRST + next;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Writes the files of a proxy, starts it, and waits until it listens.
fn spawn_and_wait(
    program: &InstalledProgram,
    files: &ConfigFiles,
    port: u16,
    run: &Path,
) -> Result<InstalledProxy, DemoError> {
    // lighttpd opens its log as its unprivileged user.
    let writable = run.join("tmp");
    fs::create_dir(&writable).at(&writable)?;
    let all = fs::Permissions::from_mode(0o777);
    fs::set_permissions(&writable, all).at(&writable)?;
    files.write(run)?;
    write(&run.join("index.html"), "<!doctype html><title>The site</title>\n")?;
    let mut proxy = InstalledProxy {
        child: spawn(program, run)?,
        port,
        server: program.server,
        config: run.join("site.conf"),
        log: run.join(program.log),
    };
    proxy.wait_until_up(program.name, run)?;
    Ok(proxy)
}

fn spawn(program: &InstalledProgram, run: &Path) -> Result<Child, DemoError> {
    let output = run.join("output.log");
    for path in program.commands {
        let log = fs::File::create(&output).at(&output)?;
        let errors = log.try_clone().at(&output)?;
        let mut command = Command::new(path);
        command.args((program.arguments)(&run.display().to_string()));
        command.current_dir(run).env("HOME", run);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(DemoError::File { path: (*path).to_owned(), source }),
        }
    }
    Err(DemoError::NotInstalled(program.name))
}

impl InstalledProxy {
    /// The address of this proxy, as the upstream of the proxy in front of it.
    pub(super) fn address(&self) -> Address {
        Address::Tcp(([127, 0, 0, 1], self.port).into())
    }

    /// The server and the path of its configuration.
    pub(super) fn config(&self) -> (Server, PathBuf) {
        (self.server, self.config.clone())
    }

    /// The path of the proxy's error log.
    pub(super) fn log(&self) -> PathBuf {
        self.log.clone()
    }

    fn wait_until_up(&mut self, name: &'static str, run: &Path) -> Result<(), DemoError> {
        let deadline = Instant::now() + TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if self.has_ended() || Instant::now() > deadline {
                let output = fs::read_to_string(run.join("output.log")).unwrap_or_default();
                let log = fs::read_to_string(run.join("error.log")).unwrap_or_default();
                return Err(DemoError::NotUp { name, output: format!("{output}{log}") });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Waits for a response: Apache reads its configuration again after it starts to listen.
    fn wait_for_response(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.write_all(b"HEAD /healthcheck-utils/ HTTP/1.0\r\n\r\n")?;
        loop {
            // A read with a timeout is not restarted after a signal (signal(7)).
            match stream.read(&mut [0; 1]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(drop),
            }
        }
    }
}

impl Drop for InstalledProxy {
    /// Sends SIGTERM, because only then the workers stop too. Kills the process if it does not
    /// stop.
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = Pid::from_raw(pid)
        {
            kill_process(pid, Signal::TERM).ok();
        }
        let deadline = Instant::now() + TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                self.child.kill().ok();
                self.child.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
