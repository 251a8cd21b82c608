//! An app and a proxy, set up in a temporary directory as a page describes.
//!
//! The page's directories, ports and names are replaced by those of this machine, and replaced back
//! in the report. Everything else is used unchanged.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use super::server::{Proxy, Server};
use crate::{
    page::{Block, replaced},
    stores::free_ports,
    tls,
};

/// The frameworks of the pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum App {
    Django,
    Flask,
    Rails,
    Symfony,
}

/// The original text of a changed file, to undo the change.
pub(super) struct Mistake {
    file: PathBuf,
    right: String,
}

/// An app, its proxy, its storage, and the fixture beside it.
pub(super) struct Stand {
    /// The running servers; none after a change. Dropped before their directories.
    running: Vec<Server>,
    app: App,
    folder: TempDir,
    _storage: TempDir,
    nginx: TempDir,
    /// A text of the pages, and its local replacement.
    names: Vec<(&'static str, String)>,
    /// The port of the site.
    port: u16,
    proxy: Proxy,
    /// The commands that start the app and the fixture.
    commands: Vec<String>,
    /// The last `sendfile-check verify`.
    verify: String,
}

/// The commands that run until they are stopped.
const SERVERS: [&str; 4] =
    ["gunicorn ", "RAILS_ENV=production puma ", "php -S ", "sendfile-fixture "];

impl Stand {
    /// A project in a directory; none if its programs are not installed, or skipped.
    pub(super) fn of(app: App) -> Option<Self> {
        if let Some(reason) = app.reason_to_skip() {
            crate::skipped(&reason);
            return None;
        }
        let folder = folder("sendfile-check-");
        let (storage, nginx) = (as_long_as("/srv/media"), as_long_as("/etc/nginx"));
        for name in [
            folder.path().join("apache2"),
            folder.path().join("php"),
            folder.path().join("shop"),
            nginx.path().join("snippets"),
        ] {
            fs::create_dir(name).expect("a directory");
        }
        tls::certify(folder.path(), 90);
        let [app_port, fixture_port, port] = free_ports();
        let below = |name: &str| folder.path().join(name).display().to_string();
        let names = vec![
            ("/srv/media", storage.path().display().to_string()),
            ("/etc/nginx", nginx.path().display().to_string()),
            ("/etc/apache2", below("apache2")),
            ("/srv/shop", below("shop")),
            ("/run/php", below("php")),
            ("127.0.0.1:8001", format!("127.0.0.1:{app_port}")),
            ("127.0.0.1:8000", format!("127.0.0.1:{fixture_port}")),
        ];
        let (commands, running, verify) = (Vec::new(), Vec::new(), String::new());
        let proxy = Proxy::Nginx(String::new());
        let stand = Self {
            app,
            folder,
            _storage: storage,
            nginx,
            names,
            port,
            proxy,
            commands,
            running,
            verify,
        };
        stand.begin_project();
        Some(stand)
    }

    /// Creates the project that users of this framework already have.
    fn begin_project(&self) {
        let skeleton = match self.app {
            App::Django => return drop(self.run("django-admin startproject shop .")),
            App::Flask => return,
            App::Rails => "rails",
            App::Symfony => "symfony",
        };
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(skeleton);
        self.run(&format!("cp -R '{}/.' .", from.display()));
    }

    /// Writes a block into the file that its lead names, or into the site.
    pub(super) fn put(&mut self, block: &Block) {
        self.running.clear();
        let text = self.here(&block.text);
        let name = block.lead.split('`').nth(1).filter(|it| it.contains('.'));
        let Some(name) = name else {
            return match (block.language.as_str(), &mut self.proxy) {
                ("nginx", Proxy::Nginx(site)) | ("apache", Proxy::Apache(site)) => *site += &text,
                ("nginx", it) => *it = Proxy::Nginx(text),
                ("apache", it) => *it = Proxy::Apache(text),
                (language, _) => panic!("no file is named for this `{language}` block: {text}"),
            };
        };
        let file = self.project().join(self.here(name));
        let before = match block.lead.starts_with("At the end of ") {
            true => fs::read_to_string(&file).expect("a file of the project"),
            false => String::new(),
        };
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        fs::write(file, before + &text).expect("a file of the project");
    }

    /// Runs a command of a page, or stores it to run later.
    pub(super) fn command(&mut self, command: &str) {
        if SERVERS.iter().any(|it| command.starts_with(it)) {
            self.running.clear();
            self.commands.push(self.here(command));
        } else if command.starts_with("sendfile-check verify ") {
            self.verify = self.here(command);
        } else {
            // The packages are already installed; the rest of the command is unchanged.
            self.run(&self.here(&command.replace("pip install ", "pip install --no-index ")));
        }
    }

    /// Applies a mistake of the page: replaces the lines with `-` by those with `+`.
    pub(super) fn break_by(&mut self, diff: &str) -> Mistake {
        self.running.clear();
        let lines = |sign: char| {
            let lines = diff.lines().filter_map(move |it| it.strip_prefix(sign));
            lines.map(|it| self.here(it) + "\n").collect::<String>()
        };
        let (right, wrong) = (lines('-'), lines('+'));
        let mut files = vec![self.nginx.path().join("snippets/downloads.conf")];
        files.extend(self.app.sources().iter().map(|it| self.project().join(it)));
        let texts = files.into_iter().filter_map(|it| Some((fs::read_to_string(&it).ok()?, it)));
        let mut found = texts.filter(|(text, _)| text.matches(&right).count() == 1);
        let (text, file) =
            found.next().unwrap_or_else(|| panic!("no file contains this text once: {right}"));
        fs::write(&file, text.replace(&right, &wrong)).expect("a file of the project");
        Mistake { file, right: text }
    }

    /// Undoes a mistake.
    pub(super) fn mend(&mut self, mistake: Mistake) {
        self.running.clear();
        fs::write(mistake.file, mistake.right).expect("a file of the project");
    }

    /// The output of the last `sendfile-check verify`, with the names of the page.
    pub(super) fn report(&mut self) -> String {
        if self.running.is_empty() {
            self.start();
        }
        let cert = self.folder.path().join("cert.pem");
        // Readers do not need these options: DNS and a public certificate lead to the site.
        let way = format!("--connect-to example.org:443:127.0.0.1:{} ", self.port);
        let trust = format!("--cacert {} ", cert.display());
        let command = format!("{} {way}{trust}", self.verify);
        let output = self.shell(&command).output().expect("a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.is_empty(), "{command}: {errors}");
        let report = String::from_utf8_lossy(&output.stdout).replace(&way, "").replace(&trust, "");
        let report = replaced(&report, "if-modified-since: ", "TIME", |it| it != '\'');
        let report = replaced(&report, "if-none-match: ", "ETAG", |it| it != '\'');
        self.names.iter().fold(report, |text, (there, here)| text.replace(here, there))
    }

    fn start(&mut self) {
        let mut servers = Vec::new();
        for command in &self.commands {
            let at = |(_, it): &&(_, String)| it.starts_with("127.") && command.contains(&**it);
            let (_, address) = self.names.iter().find(at).expect("an address in the command");
            let log = self.folder.path().join(format!("{}.log", servers.len()));
            // `exec` replaces the shell, so that a signal reaches the server.
            let server = self.shell(&format!("exec env {command}"));
            servers.push(Server::start(server, address, &log));
        }
        servers.extend(self.proxy.start(self.nginx.path(), self.folder.path(), self.port));
        self.running = servers;
    }

    /// Runs a command, which must succeed.
    fn run(&self, command: &str) -> Output {
        let output = self.shell(command).output().expect("a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        output
    }

    /// A command in the project's directory, with the programs of this repository and the apps.
    fn shell(&self, command: &str) -> Command {
        let ours = Path::new(env!("CARGO_BIN_EXE_sendfile-check")).parent().expect("a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", ours.display(), programs().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.project()).env("PATH", path);
        shell.env("PYTHONDONTWRITEBYTECODE", "1").env("COLUMNS", "80");
        shell
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    /// A text of the page, with local names.
    fn here(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }
}

impl App {
    /// The files that a mistake may change.
    fn sources(self) -> &'static [&'static str] {
        match self {
            Self::Django => &["shop/settings.py", "shop/urls.py", "shop/views.py"],
            Self::Flask => &["shop.py"],
            Self::Rails => &["config/environments/production.rb"],
            Self::Symfony => &["src/Controller/DownloadController.php"],
        }
    }

    /// Why the app is skipped, if it is; never in CI.
    fn reason_to_skip(self) -> Option<String> {
        let venv = |name| programs().join(name);
        let (name, needed) = match self {
            Self::Django => ("django", vec![venv("django-admin"), venv("gunicorn")]),
            Self::Flask => ("flask", vec![venv("flask"), venv("gunicorn")]),
            Self::Rails => ("rails", paths(&["/usr/bin/puma", "/usr/bin/rails"])),
            Self::Symfony => ("symfony", paths(&["/usr/share/php/Symfony/Bundle/FrameworkBundle"])),
        };
        let skipped = std::env::var("SKIP_APPS").unwrap_or_default();
        let proxies = paths(&["/usr/sbin/nginx", "/usr/sbin/apache2"]);
        let missing = needed.into_iter().chain(proxies).find(|it| !it.exists());
        match missing {
            _ if std::env::var_os("CI").is_some() => None,
            _ if skipped.split(',').any(|it| it == name) => {
                Some(format!("{name}, because of SKIP_APPS"))
            }
            it => it.map(|it| format!("{name}: {} is missing; run `make proxies`", it.display())),
        }
    }
}

/// A directory that the proxy's user can access.
fn folder(prefix: &str) -> TempDir {
    opened(tempfile::Builder::new().prefix(prefix).tempdir())
}

/// A directory whose name is as long as the one on the pages if possible, so that the lines of a report
/// wrap as they do for the reader.
fn as_long_as(name: &str) -> TempDir {
    let letters = name.len() - "/tmp/".len();
    opened(tempfile::Builder::new().prefix("").rand_bytes(letters).tempdir())
}

fn opened(made: std::io::Result<TempDir>) -> TempDir {
    let folder = made.expect("a temporary directory");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    folder
}

fn paths(list: &[&str]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

/// The directory of the Python programs of the apps.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.stores/apps/bin")
}
