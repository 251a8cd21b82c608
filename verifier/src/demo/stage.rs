//! The stage: a temporary storage, the fixture, and a proxy in front, ready to be checked. A fault may
//! add an app that replaces the fixture, an object store, and further proxies in the chain.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sendfile_fixture::{Address, Dialect, Fixture, Header, Running, StartError};
use tempfile::TempDir;

use super::{
    DemoError,
    fault::{Act, Fault, Relay},
    script::{Answer, StubServer, visit},
    server::{Place, ProxyProcess},
};
use crate::args::DemoProxy;
use sendfile_probe::config::{ConfigError, LocalFiles, Target, target};

/// A set-up that runs until it is dropped.
pub struct DemoEnvironment {
    fixture: Option<Running>,
    server: Option<ProxyProcess>,
    /// The other servers: proxies, then the app and the store behind them.
    others: (Vec<ProxyProcess>, Vec<StubServer>),
    fixture_url: String,
    site_url: String,
    target: toml::Table,
    local: LocalFiles,
    folder: TempDir,
}

impl DemoEnvironment {
    /// Sets everything up with a dummy of 4 KiB; healthy except for the fault.
    pub async fn set(proxy: DemoProxy, fault: Option<&Fault>) -> Result<Self, DemoError> {
        Self::sized(proxy, fault, 4096).await
    }

    /// Sets everything up with a dummy of `size` bytes.
    pub async fn sized(
        proxy: DemoProxy,
        fault: Option<&Fault>,
        size: u64,
    ) -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("sendfile-check-").tempdir();
        let folder = folder.map_err(DemoError::file(&std::env::temp_dir()))?;
        open(folder.path())?;
        let storage = made(folder.path().join("storage"))?;
        let fixture = match fault.and_then(|it| it.app.as_ref()) {
            Some(app) => app.fixture(&storage)?,
            None => Fixture::builder().dialect(dialect(proxy)),
        };
        let fixture = fixture.odd_names().storage_dir(&storage).size(size).large_size(LARGE);
        let fixture = fixture.start().await?;
        let fixture_url = fixture.url();
        let row = Row::start(proxy, fault, &fixture, &storage, folder.path()).await?;
        let words = Words {
            site: row.outermost().url(),
            inner: row.server.url(),
            between: row.between.as_ref().map(ProxyProcess::url).unwrap_or_default(),
            app: row.app.as_ref().map_or_else(
                || fixture_url.clone(),
                |it| format!("http://{}/healthcheck-utils", it.address),
            ),
            storage: storage.display().to_string(),
            store: row.store.as_ref().map_or_else(String::new, |it| it.address.to_string()),
        };
        let target = words.target(proxy, fault)?;
        let mut stage = Self {
            fixture: Some(fixture),
            local: row.local(),
            others: (
                row.front.into_iter().chain(row.between).collect(),
                row.app.into_iter().chain(row.store).collect(),
            ),
            server: Some(row.server),
            fixture_url,
            site_url: words.site,
            target,
            folder,
        };
        if let Some(act) = fault.and_then(|it| it.act) {
            stage.act(act).await?;
        }
        Ok(stage)
    }

    /// The target to check: from the fixture's contract, or, if the app has the fault, as an operator
    /// would declare it.
    pub fn target(&self) -> Result<Target, ConfigError> {
        target("demo", self.target.clone())
    }

    /// The configurations and error logs of the proxies, to add to a target.
    pub fn local(&self) -> LocalFiles {
        self.local.clone()
    }

    /// The location of everything, to print.
    pub fn tour(&self) -> String {
        format!(
            "storage {}\nfixture {}\nsite    {}\n",
            self.storage().display(),
            self.fixture_url,
            self.site_url
        )
    }

    /// Stops the proxy, then the fixture, which removes its dummies.
    pub async fn clear(mut self) {
        drop((self.others.0, self.server.take()));
        if let Some(fixture) = self.fixture.take() {
            // A fault may have replaced a dummy; then the fixture refuses to delete it, as it
            // should.
            fixture.stop().await.ok();
        }
    }

    /// The URL of the fixture.
    pub fn fixture_url(&self) -> &str {
        &self.fixture_url
    }

    /// The URL of the site.
    pub fn site_url(&self) -> &str {
        &self.site_url
    }

    /// The storage directory.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    async fn act(&mut self, act: Act) -> Result<(), DemoError> {
        let folder = self.storage().join("healthcheck");
        let dummy = folder.join("dummy.bin");
        if matches!(act, Act::Visit | Act::VisitAndReplace | Act::VisitAndRotate) {
            let url = self.target.get("full").and_then(toml::Value::as_str);
            let by_fixture = || format!("{}/healthcheck-utils/download", self.site_url);
            let url = url.map_or_else(by_fixture, str::to_owned);
            visit(&url).await.map_err(DemoError::file(Path::new(&url)))?;
        }
        let packed = match act {
            Act::PackAndRotate => fs::read(&dummy).and_then(|it| pack(&dummy, &it)),
            Act::PackAnother => pack(&dummy, b"somebody else's file\n"),
            _ => Ok(()),
        };
        packed.map_err(DemoError::file(&dummy))?;
        let half = || fs::read(&dummy).map(|bytes| bytes[..bytes.len() / 2].to_vec());
        let done = match act {
            Act::RemoveDummy => fs::remove_file(&dummy),
            Act::CloseDummy => fs::set_permissions(&dummy, fs::Permissions::from_mode(0o600)),
            Act::CloseFolder => fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)),
            Act::TruncateDummy => half().and_then(|bytes| fs::write(&dummy, bytes)),
            Act::OverwriteDummy | Act::VisitAndReplace => {
                fs::write(&dummy, "somebody else's file\n")
            }
            Act::LinkStorage => {
                let moved = self.folder.path().join("disk");
                fs::rename(self.storage(), &moved)
                    .and_then(|()| std::os::unix::fs::symlink(&moved, self.storage()))
            }
            Act::StopFixture => {
                drop(self.fixture.take());
                Ok(())
            }
            Act::StopProxy => {
                drop(self.server.take());
                Ok(())
            }
            Act::WriteHtaccess => {
                let web = self.folder.path().join("web");
                fs::create_dir(&web)
                    .and_then(|()| fs::write(web.join(".htaccess"), "XSendFile On\n"))
            }
            Act::VisitAndRotate | Act::PackAndRotate => match &self.fixture {
                Some(fixture) => return Ok(fixture.rotate().await.map_err(StartError::from)?),
                None => Ok(()),
            },
            // Done above.
            Act::HideStorage | Act::Visit | Act::PackAnother => Ok(()),
        };
        done.map_err(DemoError::file(&dummy))
    }
}

/// Puts a compressed `.gz` file next to a file, where servers look for precompressed copies.
fn pack(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let packed = fs::File::create(file.with_added_extension("gz"))?;
    let mut packed = GzEncoder::new(packed, Compression::fast());
    packed.write_all(bytes)?;
    packed.finish().map(drop)
}

/// The servers of a stage, from the client to the app.
struct Row {
    front: Option<ProxyProcess>,
    server: ProxyProcess,
    between: Option<ProxyProcess>,
    app: Option<StubServer>,
    store: Option<StubServer>,
}

impl Row {
    async fn start(
        proxy: DemoProxy,
        fault: Option<&Fault>,
        fixture: &Running,
        storage: &Path,
        run: &Path,
    ) -> Result<Self, DemoError> {
        let answers =
            |of: fn(&Fault) -> &Vec<Answer>| fault.map(of).filter(|it| !it.is_empty()).cloned();
        let store = StubServer::start(answers(|it| &it.store), storage, None).await?;
        let store_at = store.as_ref().map(|it| it.address);
        let app = StubServer::start(answers(|it| &it.answers), storage, store_at).await?;
        let hidden = fault.is_some_and(|it| it.act == Some(Act::HideStorage));
        let seen = if hidden { made(run.join("mnt"))? } else { storage.to_owned() };
        let last = app.as_ref().map(|it| Address::Tcp(it.address));
        let last = last.unwrap_or_else(|| fixture.address().clone());
        let at = |app: Address, run: PathBuf| {
            let last = last.clone();
            Place { app, last, storage: &seen, store: store_at, run }
        };
        let relay =
            |it: &Relay, place: Place<'_>| ProxyProcess::relay(it.proxy()?, &it.rules, &place);
        let between = fault.and_then(|it| it.between.as_ref());
        let place = at(last.clone(), run.join("between"));
        let between = between.map(|it| relay(it, place)).transpose()?;
        let app_at =
            between.as_ref().and_then(ProxyProcess::address).unwrap_or_else(|| last.clone());
        let server = ProxyProcess::start(proxy, &at(app_at, run.to_owned()), fault).await?;
        let front = fault.and_then(|it| it.front.as_ref()).zip(server.address());
        let place = |app| at(app, run.join("front"));
        let front = front.map(|(it, server)| relay(it, place(server))).transpose()?;
        Ok(Self { front, server, between, app, store })
    }

    fn outermost(&self) -> &ProxyProcess {
        self.front.as_ref().unwrap_or(&self.server)
    }

    /// The files that an operator of all these proxies could give.
    fn local(&self) -> LocalFiles {
        let all = self.front.iter().chain([&self.server]).chain(&self.between);
        let (configs, logs) = all.filter_map(ProxyProcess::places).unzip();
        LocalFiles { configs, logs }
    }
}

/// The values for the placeholders of a target.
struct Words {
    site: String,
    /// The proxy that serves the file, which may be behind others.
    inner: String,
    between: String,
    app: String,
    storage: String,
    store: String,
}

impl Words {
    /// The target as an operator writes it: all known settings, and those of the fault.
    fn target(&self, proxy: DemoProxy, fault: Option<&Fault>) -> Result<toml::Table, DemoError> {
        let known = match fault.filter(|it| it.app.is_some() || !it.answers.is_empty()) {
            None => vec![("fixture", "@APP@"), ("site", "@SITE@"), ("storage", "file://@STORAGE@")],
            Some(_) => vec![
                ("storage", "file://@STORAGE@/healthcheck/dummy.bin"),
                ("app", "@APP@/download"),
                ("direct", "@SITE@/healthcheck-utils/direct/dummy.bin"),
                ("full", "@SITE@/healthcheck-utils/download"),
                ("handoff", "@HANDOFF@"),
            ],
        };
        let handoff = handoff(proxy, &self.storage)?;
        let mut table: toml::Table =
            known.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        table.extend(fault.map(|it| it.target.clone()).unwrap_or_default());
        table.retain(|_, value| value.as_str() != Some(""));
        table.iter_mut().for_each(|(_, value)| self.fill(value, &handoff));
        Ok(table)
    }

    fn fill(&self, value: &mut toml::Value, handoff: &str) {
        match value {
            toml::Value::String(text) => {
                *text = text
                    .replace("@HANDOFF@", handoff)
                    .replace("@HOST@", self.site.trim_start_matches("http://"))
                    .replace("@SITE@", &self.site)
                    .replace("@INNER@", &self.inner)
                    .replace("@BETWEEN@", &self.between)
                    .replace("@APP@", &self.app)
                    .replace("@STORE@", &self.store)
                    .replace("@STORAGE@", &self.storage);
            }
            toml::Value::Array(list) => list.iter_mut().for_each(|it| self.fill(it, handoff)),
            _ => {}
        }
    }
}

/// Creates a directory that the proxy's user can access, regardless of the umask.
fn made(folder: PathBuf) -> Result<PathBuf, DemoError> {
    fs::create_dir(&folder).map_err(DemoError::file(&folder))?;
    open(&folder)?;
    Ok(folder)
}

fn open(folder: &Path) -> Result<(), DemoError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(DemoError::file(folder))
}

/// The size of the large dummy: larger than any proxy's buffers, but quick to write.
const LARGE: u64 = 256 << 10;

/// The key of the download in the storage.
const KEY: &str = "healthcheck/dummy.bin";

/// The hand-off that the proxy supports.
fn handoff(proxy: DemoProxy, storage: &str) -> Result<String, DemoError> {
    let (header, map) = match proxy {
        DemoProxy::Apache | DemoProxy::Lighttpd => ("X-Sendfile", storage),
        DemoProxy::BuiltIn | DemoProxy::Nginx | DemoProxy::Caddy => {
            ("X-Accel-Redirect", "/protected/")
        }
    };
    let value = dialect(proxy).write(map, KEY).map_err(sendfile_fixture::StartError::from)?;
    Ok(format!("{header}: {value}"))
}

fn dialect(proxy: DemoProxy) -> Dialect {
    match proxy {
        DemoProxy::BuiltIn | DemoProxy::Nginx => Dialect::nginx(),
        DemoProxy::Apache => Dialect::XSendfile,
        DemoProxy::Lighttpd => Dialect::XSendfileLighttpd,
        DemoProxy::Caddy => Dialect::Caddy(Header::accel()),
    }
}
