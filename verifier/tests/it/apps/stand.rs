//! An app and a proxy, set up in a temporary folder as a page says.
//!
//! What a page says of folders, ports and names is replaced by what this machine has, and back in
//! what is reported. All else is taken as it stands.

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

/// The apps that the pages are about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum App {
    Django,
    Flask,
    Rails,
    Symfony,
}

/// What is written into which file, so that it can be undone.
pub(super) struct Mistake {
    file: PathBuf,
    right: String,
}

/// An app, its proxy, its storage, and the fixture beside it.
pub(super) struct Stand {
    /// What runs; nothing after a change. It ends before its folders do.
    running: Vec<Server>,
    app: App,
    folder: TempDir,
    _storage: TempDir,
    nginx: TempDir,
    /// A text of the pages, and what it is here.
    names: Vec<(&'static str, String)>,
    /// The port of the site.
    port: u16,
    proxy: Proxy,
    /// The commands that start the app and the fixture.
    commands: Vec<String>,
    /// The last `sendfile-check verify`.
    verify: String,
}

/// The commands that do not come to an end.
const SERVERS: [&str; 4] =
    ["gunicorn ", "RAILS_ENV=production puma ", "php -S ", "sendfile-fixture "];

impl Stand {
    /// A project in a folder; none where its programs are not installed, or not wanted.
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
            fs::create_dir(name).expect("a folder");
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

    /// What people of this framework have already.
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

    /// Writes a block where the page says: into a file that its lead names, or into the site.
    pub(super) fn put(&mut self, block: &Block) {
        self.running.clear();
        let text = self.here(&block.text);
        let name = block.lead.split('`').nth(1).filter(|it| it.contains('.'));
        let Some(name) = name else {
            return match (block.language.as_str(), &mut self.proxy) {
                ("nginx", Proxy::Nginx(site)) | ("apache", Proxy::Apache(site)) => *site += &text,
                ("nginx", it) => *it = Proxy::Nginx(text),
                ("apache", it) => *it = Proxy::Apache(text),
                (language, _) => panic!("nobody knows where this `{language}` belongs: {text}"),
            };
        };
        let file = self.project().join(self.here(name));
        let before = match block.lead.starts_with("At the end of ") {
            true => fs::read_to_string(&file).expect("a file of the project"),
            false => String::new(),
        };
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, before + &text).expect("a file of the project");
    }

    /// Runs a command of a page, or notes that it is to run.
    pub(super) fn command(&mut self, command: &str) {
        if SERVERS.iter().any(|it| command.starts_with(it)) {
            self.running.clear();
            self.commands.push(self.here(command));
        } else if command.starts_with("sendfile-check verify ") {
            self.verify = self.here(command);
        } else {
            // What is installed is installed already; the rest of the command stays as it is.
            self.run(&self.here(&command.replace("pip install ", "pip install --no-index ")));
        }
    }

    /// Makes the mistake that a page names: the line with `-` becomes the one with `+`.
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
        let (text, file) = found.next().unwrap_or_else(|| panic!("no file has once: {right}"));
        fs::write(&file, text.replace(&right, &wrong)).expect("a file of the project");
        Mistake { file, right: text }
    }

    /// Undoes a mistake.
    pub(super) fn mend(&mut self, mistake: Mistake) {
        self.running.clear();
        fs::write(mistake.file, mistake.right).expect("a file of the project");
    }

    /// What the last `sendfile-check verify` says, in the words of the pages.
    pub(super) fn report(&mut self) -> String {
        if self.running.is_empty() {
            self.start();
        }
        let cert = self.folder.path().join("cert.pem");
        // A reader's name servers and certificate lead to the site.
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
            // The shell itself is not to stand between the server and its end.
            let server = self.shell(&format!("exec env {command}"));
            servers.push(Server::start(server, address, &log));
        }
        servers.extend(self.proxy.start(self.nginx.path(), self.folder.path(), self.port));
        self.running = servers;
    }

    /// Runs a command to its end, which must be a good one.
    fn run(&self, command: &str) -> Output {
        let output = self.shell(command).output().expect("a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {errors}");
        output
    }

    /// A command in the project's folder, with the programs of this repository and of the apps.
    fn shell(&self, command: &str) -> Command {
        let ours = Path::new(env!("CARGO_BIN_EXE_sendfile-check")).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{}:{path}", ours.display(), programs().display());
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.project()).env("PATH", path);
        shell.env("PYTHONDONTWRITEBYTECODE", "1");
        shell
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    /// A text of the page, with what is here.
    fn here(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }
}

impl App {
    /// The files that a mistake may be made in.
    fn sources(self) -> &'static [&'static str] {
        match self {
            Self::Django => &["shop/settings.py", "shop/urls.py", "shop/views.py"],
            Self::Flask => &["shop.py"],
            Self::Rails => &["config/environments/production.rb"],
            Self::Symfony => &["src/Controller/DownloadController.php"],
        }
    }

    /// Why it is not tried, if so: all of them are where everything is tested.
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
                Some(format!("{name}, as SKIP_APPS asks"))
            }
            it => it.map(|it| format!("{name}: there is no {}; `make proxies`", it.display())),
        }
    }
}

/// A folder that the proxy's user can pass.
fn folder(prefix: &str) -> TempDir {
    opened(tempfile::Builder::new().prefix(prefix).tempdir())
}

/// A folder whose name is as long as the one on the pages, where it can be: so that a report's lines
/// break as they do for a reader.
fn as_long_as(name: &str) -> TempDir {
    let letters = name.len() - "/tmp/".len();
    opened(tempfile::Builder::new().prefix("").rand_bytes(letters).tempdir())
}

fn opened(made: std::io::Result<TempDir>) -> TempDir {
    let folder = made.expect("a temporary folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("a mode");
    folder
}

fn paths(list: &[&str]) -> Vec<PathBuf> {
    list.iter().map(PathBuf::from).collect()
}

/// Where the Python packages of the apps are.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.stores/apps/bin")
}
