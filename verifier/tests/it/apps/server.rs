//! The servers of a page: starts them, waits for them, and stops them with their child processes.

use std::{
    fs,
    net::TcpStream,
    os::unix::{fs::MetadataExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

/// Maximum time to wait for a server to start, or to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server and its workers, which are stopped when it is dropped.
pub(super) struct Server(Child);

/// The proxy of a page, and the configuration of its site.
pub(super) enum Proxy {
    Nginx(String),
    Apache(String),
}

impl Server {
    /// Starts a server, and waits until it listens on an address or a socket.
    pub(super) fn start(mut command: Command, address: &str, log: &Path) -> Self {
        let output = fs::File::create(log).expect("a log");
        let errors = output.try_clone().expect("a log");
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let listens = || match address.strip_prefix("unix:") {
            Some(path) => UnixStream::connect(path).is_ok(),
            None => TcpStream::connect(address).is_ok(),
        };
        assert!(!listens(), "another server listens on {address}");
        let mut server = Self(command.spawn().expect("a server"));
        let began = Instant::now();
        while !listens() {
            let ended = server.0.try_wait().is_ok_and(|it| it.is_some());
            let said = || fs::read_to_string(log).unwrap_or_default();
            assert!(!ended && began.elapsed() < PATIENCE, "{command:?}: {}", said());
            sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // If the process has ended, its id may belong to another process now.
        if !self.0.try_wait().is_ok_and(|it| it.is_none()) {
            return;
        }
        let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) else { return };
        kill_process_group(group, Signal::TERM).ok();
        let began = Instant::now();
        while self.0.try_wait().is_ok_and(|it| it.is_none()) {
            if began.elapsed() > PATIENCE {
                kill_process_group(group, Signal::KILL).ok();
                self.0.wait().ok();
                return;
            }
            sleep(Duration::from_millis(5));
        }
    }
}

impl Proxy {
    /// Starts the proxy with its site on a local port, and php-fpm if the site uses it.
    pub(super) fn start(&self, nginx: &Path, folder: &Path, port: u16) -> Vec<Server> {
        let snippets = fs::read_to_string(nginx.join("snippets/downloads.conf"));
        let asks_php = snippets.is_ok_and(|it| it.contains("/php/php-fpm.sock"));
        let php = asks_php.then(|| start_php(&folder.join("php")));
        let address = format!("127.0.0.1:{port}");
        let (etc, command) = match self {
            Self::Nginx(site) => {
                let etc = nginx.to_owned();
                for name in ["mime.types", "fastcgi_params"] {
                    fs::copy(Path::new("/etc/nginx").join(name), etc.join(name)).expect("a file");
                }
                let config = include_str!("../../apps/nginx.conf");
                write((&etc, folder), "nginx.conf", config, site, port);
                let mut program = Command::new("/usr/sbin/nginx");
                program.arg("-p").arg(&etc).args(["-c", "nginx.conf", "-e", "error.log"]);
                (etc, program)
            }
            Self::Apache(site) => {
                let etc = folder.join("apache2");
                let config = include_str!("../../apps/apache2.conf");
                write((&etc, folder), "apache2.conf", config, site, port);
                let mut apache = Command::new("/usr/sbin/apache2");
                apache.arg("-d").arg(&etc).args(["-f", "apache2.conf", "-DFOREGROUND"]);
                (etc, apache)
            }
        };
        let proxy = Server::start(command, &address, &etc.join("output.log"));
        php.into_iter().chain([proxy]).collect()
    }
}

fn start_php(etc: &Path) -> Server {
    write((etc, etc), "php-fpm.conf", include_str!("../../apps/php-fpm.conf"), "", 0);
    let programs = fs::read_dir("/usr/sbin").expect("a directory").filter_map(Result::ok);
    let named = |it: &PathBuf| it.to_string_lossy().contains("/php-fpm");
    let program = programs.map(|it| it.path()).find(named).expect("php-fpm");
    let mut command = Command::new(program);
    command.arg("-R").arg("-y").arg(etc.join("php-fpm.conf"));
    let address = format!("unix:{}", etc.join("php-fpm.sock").display());
    Server::start(command, &address, &etc.join("output.log"))
}

/// Writes the configuration of a server, with its directory and that of the certificate. Only root can
/// change users, so otherwise the directives that name Debian's user for servers are removed.
fn write((etc, tls): (&Path, &Path), name: &str, config: &str, site: &str, port: u16) {
    let root = fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0);
    let lines = config.lines().filter(|it| root || !it.contains("www-data"));
    let text = lines.collect::<Vec<_>>().join("\n") + "\n";
    let text = text.replace("@ETC@", &etc.display().to_string());
    let text = text.replace("@TLS@", &tls.display().to_string());
    let text = text.replace("@PORT@", &port.to_string()).replace("@SITE@", site);
    fs::write(etc.join(name), text).expect("a configuration");
}
