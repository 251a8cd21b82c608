//! The proxy of a stage: the built-in one in this process, or a real one with the shipped snippet
//! in a site of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sendfile_fixture::{
    Address, Proxy, Running,
    proxy::{RunningProxy, Settings},
};

use super::{StageError, fault::Fault};
use crate::{
    args::DemoProxy,
    snippet::{self, Values},
};

/// The longest wait for a proxy to come up, and to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy that runs until it is dropped.
pub(super) enum Server {
    BuiltIn(RunningProxy),
    Real(Real),
}

/// A real proxy's process.
pub(super) struct Real {
    child: Child,
    url: String,
}

/// How a real proxy is run.
struct Program {
    name: &'static str,
    /// Where Debian puts it, and what it is called elsewhere.
    programs: &'static [&'static str],
    snippet: snippet::Proxy,
    /// The snippet's path in the repository, by which faults name it.
    file: &'static str,
    /// The site around the snippet, and its path in the repository.
    site: (&'static str, &'static str),
    arguments: fn(&str) -> Vec<String>,
}

const NGINX: Program = Program {
    name: "nginx",
    programs: &["/usr/sbin/nginx", "nginx"],
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
    snippet: snippet::Proxy::Apache,
    file: "apache/healthcheck.conf",
    site: ("verifier/src/demo/apache.conf", include_str!("apache.conf")),
    arguments: |run| words(&["-d", run, "-f", &format!("{run}/site.conf"), "-DFOREGROUND"]),
};

const LIGHTTPD: Program = Program {
    name: "lighttpd",
    programs: &["/usr/sbin/lighttpd", "lighttpd"],
    snippet: snippet::Proxy::Lighttpd,
    file: "lighttpd/healthcheck.conf",
    site: ("verifier/src/demo/lighttpd.conf", include_str!("lighttpd.conf")),
    arguments: |run| words(&["-D", "-f", &format!("{run}/site.conf")]),
};

const CADDY: Program = Program {
    name: "Caddy",
    programs: &["/usr/bin/caddy", "caddy"],
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

impl Server {
    pub(super) async fn start(
        proxy: DemoProxy,
        fixture: &Running,
        storage: &Path,
        run: &Path,
        fault: Option<&Fault>,
    ) -> Result<Self, StageError> {
        match proxy {
            DemoProxy::BuiltIn => {
                built_in(fixture.address(), storage, fault).await.map(Self::BuiltIn)
            }
            DemoProxy::Nginx => {
                real(&NGINX, fixture.address(), storage, run, fault).map(Self::Real)
            }
            DemoProxy::Apache => {
                real(&APACHE, fixture.address(), storage, run, fault).map(Self::Real)
            }
            DemoProxy::Lighttpd => {
                real(&LIGHTTPD, fixture.address(), storage, run, fault).map(Self::Real)
            }
            DemoProxy::Caddy => {
                real(&CADDY, fixture.address(), storage, run, fault).map(Self::Real)
            }
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::BuiltIn(it) => it.url(),
            Self::Real(it) => it.url.clone(),
        }
    }
}

async fn built_in(
    app: &Address,
    storage: &Path,
    fault: Option<&Fault>,
) -> Result<RunningProxy, StageError> {
    const NAME: &str = "the built-in proxy";
    const FILE: &str = "verifier/src/demo/built-in.toml";
    let shipped = include_str!("built-in.toml");
    let text = fault.map_or_else(|| Ok(shipped.to_owned()), |it| it.applied(FILE, shipped))?;
    let settings: Settings = toml::from_str(&text)
        .map_err(|error| StageError::NotUp { name: NAME, said: error.to_string() })?;
    let started = Proxy::new(app.clone(), storage).settings(settings).start().await;
    started.map_err(|error| StageError::NotUp { name: NAME, said: crate::probe::chain(&error) })
}

fn real(
    program: &Program,
    app: &Address,
    storage: &Path,
    run: &Path,
    fault: Option<&Fault>,
) -> Result<Real, StageError> {
    let applied = |file: &str, text: &str| {
        fault.map_or_else(|| Ok(text.to_owned()), |it| it.applied(file, text))
    };
    let app = app.to_string();
    let storage = storage.display().to_string();
    let values = Values { storage: Some(&storage), app: Some(&app), map: None };
    let snippet =
        snippet::filled(program.snippet, &applied(program.file, program.snippet.text())?, values)?;
    let port = free_port().map_err(StageError::file(run))?;
    let site = filled_site(&applied(program.site.0, program.site.1)?, run, port, &app);
    write(&run.join("snippet.conf"), &snippet)?;
    write(&run.join("site.conf"), &site)?;
    write(&run.join("index.html"), "<!doctype html><title>the site</title>\n")?;
    let child = spawn(program, run)?;
    let mut real = Real { child, url: format!("http://127.0.0.1:{port}") };
    real.wait_until_up(program.name, port, run)?;
    Ok(real)
}

/// The site's placeholders. As root, a proxy serves as Debian's user for it; nobody else can change
/// users.
fn filled_site(text: &str, run: &Path, port: u16, app: &str) -> String {
    let root =
        fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0);
    let lines = text.lines().filter(|line| root || !line.contains("www-data"));
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    text.replace("@RUN@", &run.display().to_string())
        .replace("@PORT@", &port.to_string())
        .replace("@APP@", app)
}

fn write(path: &Path, text: &str) -> Result<(), StageError> {
    fs::write(path, text).map_err(StageError::file(path))
}

/// A port that was free a moment ago: these proxies cannot be asked which one they got.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn spawn(program: &Program, run: &Path) -> Result<Child, StageError> {
    let output = run.join("output.log");
    let log = fs::File::create(&output).map_err(StageError::file(&output))?;
    let error = log.try_clone().map_err(StageError::file(&output))?;
    for name in program.programs {
        let mut command = Command::new(name);
        command
            .args((program.arguments)(&run.display().to_string()))
            .current_dir(run)
            .env("HOME", run);
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(StageError::file(&output))?);
        command.stderr(error.try_clone().map_err(StageError::file(&output))?);
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(StageError::File { path: (*name).to_owned(), source }),
        }
    }
    Err(StageError::NotInstalled(program.name))
}

impl Real {
    fn wait_until_up(
        &mut self,
        name: &'static str,
        port: u16,
        run: &Path,
    ) -> Result<(), StageError> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.child.try_wait().is_ok_and(|it| it.is_some());
            if ended || Instant::now() > deadline {
                let said = fs::read_to_string(run.join("output.log")).unwrap_or_default();
                let log = fs::read_to_string(run.join("error.log")).unwrap_or_default();
                return Err(StageError::NotUp { name, said: format!("{said}{log}") });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Real {
    /// Asks the process to end, as its workers end with it only then; kills it if it does not.
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
