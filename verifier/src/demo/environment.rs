//! The environment of the demo: a temporary storage, the fixture, and a proxy in front, ready to be
//! checked. A fault may add an app that replaces the fixture, an object store, and further proxies in the
//! chain.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use sendfile_evidence::Server;
use sendfile_fixture::{Address, Dialect, Escape, Fixture, Header, Running, StartError};
use sendfile_probe::config::{ConfigError, LocalFiles, Target, target};
use tempfile::TempDir;

use super::{
    error::{AtPath, DemoError},
    fault::{Act, App, Fault, Relay},
    process::{ProxyProcess, ProxySetup},
    proxy::{self, DemoProxy, HandoffPrefix},
    stub_server::{StubServer, download},
};

/// The size of the large dummy: larger than any proxy's buffers, but quick to write.
const LARGE: u64 = 256 << 10;

/// The key of the download in the storage.
const KEY: &str = "healthcheck/dummy.bin";

/// The content of a file that is not the dummy.
const OTHER_CONTENT: &[u8] = b"somebody else's file\n";

/// A set-up that runs until it is dropped.
pub struct DemoEnvironment {
    fixture: Option<Running>,
    /// The proxy that serves the file.
    proxy: Option<ProxyProcess>,
    other_proxies: Vec<ProxyProcess>,
    /// The app and the store, if they are not the fixture and a directory. They run until the end.
    _stubs: Vec<StubServer>,
    fixture_url: String,
    site_url: String,
    target: toml::Table,
    local: LocalFiles,
    directory: TempDir,
}

impl DemoEnvironment {
    /// Starts everything with a dummy of 4 KiB; healthy except for the fault.
    ///
    /// # Errors
    ///
    /// [`DemoError`], if the proxy is not installed or something does not start.
    pub async fn start(server: Server, fault: Option<&Fault>) -> Result<Self, DemoError> {
        Self::start_with_size(server, fault, 4096).await
    }

    /// Starts everything with a dummy of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`DemoError`], if the proxy is not installed or something does not start.
    pub async fn start_with_size(
        server: Server,
        fault: Option<&Fault>,
        size: u64,
    ) -> Result<Self, DemoError> {
        let proxy = proxy::of(server)?;
        let directory = tempfile::Builder::new()
            .prefix("sendfile-check-")
            .tempdir()
            .at(&std::env::temp_dir())?;
        open_to_all(directory.path())?;
        let storage = directory.path().join("storage");
        create_open_directory(&storage)?;
        let fixture = match fault.and_then(|fault| fault.app.as_ref()) {
            Some(app) => fixture_of(app, &storage)?,
            None => Fixture::builder().dialect((proxy.dialect)()),
        };
        let fixture = fixture.odd_names().storage_dir(&storage).size(size).large_size(LARGE);
        let fixture = fixture.start().await?;
        let hops = Hops::start(server, fault, &fixture, &storage, directory.path()).await?;
        let target_values = TargetValues::of(&hops, &fixture, &storage);
        let mut environment = Self {
            fixture_url: fixture.url(),
            site_url: target_values.site.clone(),
            target: target_values.target(proxy, fault)?,
            local: hops.local_places(),
            fixture: Some(fixture),
            proxy: Some(hops.proxy),
            other_proxies: hops.front.into_iter().chain(hops.between).collect(),
            _stubs: hops.app.into_iter().chain(hops.store).collect(),
            directory,
        };
        if let Some(act) = fault.and_then(|fault| fault.act) {
            environment.perform(act).await?;
        }
        Ok(environment)
    }

    /// The target to check: from the fixture's contract, or, if the app has the fault, as an operator
    /// would declare it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], if the target of the fault is invalid.
    pub fn target(&self) -> Result<Target, ConfigError> {
        target("demo", self.target.clone())
    }

    /// The configurations and error logs of the proxies, to add to a target.
    pub fn local(&self) -> LocalFiles {
        self.local.clone()
    }

    /// Describes where everything is, to be printed.
    pub fn overview(&self) -> String {
        format!(
            "storage {}\nfixture {}\nsite    {}\n",
            self.storage().display(),
            self.fixture_url,
            self.site_url
        )
    }

    /// Stops the proxies, then the fixture, which removes its dummies.
    pub async fn stop(mut self) {
        self.other_proxies.clear();
        drop(self.proxy.take());
        if let Some(fixture) = self.fixture.take() {
            // A fault may have replaced a dummy. The fixture then refuses to delete it, as
            // intended.
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
        self.directory.path().join("storage")
    }

    async fn perform(&mut self, act: Act) -> Result<(), DemoError> {
        let dummy = self.storage().join(KEY);
        let changed = match act {
            Act::RemoveDummy => fs::remove_file(&dummy),
            Act::CloseDummy => fs::set_permissions(&dummy, fs::Permissions::from_mode(0o600)),
            Act::CloseDirectory => {
                let directory = self.storage().join("healthcheck");
                fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
            }
            Act::TruncateDummy => truncate(&dummy),
            Act::OverwriteDummy => fs::write(&dummy, OTHER_CONTENT),
            Act::LinkStorage => self.link_storage(),
            Act::CompressOther => compress(&dummy, OTHER_CONTENT),
            Act::WriteHtaccess => self.write_htaccess(),
            Act::StopFixture => {
                drop(self.fixture.take());
                Ok(())
            }
            Act::StopProxy => {
                drop(self.proxy.take());
                Ok(())
            }
            Act::Download => {
                self.download().await?;
                Ok(())
            }
            Act::DownloadAndReplace => {
                self.download().await?;
                fs::write(&dummy, OTHER_CONTENT)
            }
            Act::DownloadAndRotate => {
                self.download().await?;
                self.rotate().await?;
                Ok(())
            }
            Act::CompressAndRotate => {
                let content = fs::read(&dummy).at(&dummy)?;
                compress(&dummy, &content).at(&dummy)?;
                self.rotate().await?;
                Ok(())
            }
            // The proxy was already started with an empty directory.
            Act::HideStorage => Ok(()),
        };
        changed.at(&dummy)
    }

    async fn download(&self) -> Result<(), DemoError> {
        let url = match self.target.get("full").and_then(toml::Value::as_str) {
            Some(full) => full.to_owned(),
            None => format!("{}/healthcheck-utils/download", self.site_url),
        };
        download(&url).await.at(Path::new(&url))
    }

    async fn rotate(&self) -> Result<(), DemoError> {
        if let Some(fixture) = &self.fixture {
            fixture.rotate().await.map_err(StartError::from)?;
        }
        Ok(())
    }

    fn link_storage(&self) -> io::Result<()> {
        let moved = self.directory.path().join("disk");
        fs::rename(self.storage(), &moved)?;
        symlink(&moved, self.storage())
    }

    fn write_htaccess(&self) -> io::Result<()> {
        let root = self.directory.path().join("web");
        fs::create_dir(&root)?;
        fs::write(root.join(".htaccess"), "XSendFile On\n")
    }
}

fn truncate(file: &Path) -> io::Result<()> {
    let content = fs::read(file)?;
    fs::write(file, &content[..content.len() / 2])
}

/// Puts a compressed `.gz` file next to a file, where servers look for precompressed copies.
fn compress(file: &Path, content: &[u8]) -> io::Result<()> {
    let compressed = fs::File::create(file.with_added_extension("gz"))?;
    let mut compressed = GzEncoder::new(compressed, Compression::fast());
    compressed.write_all(content)?;
    compressed.finish()?;
    Ok(())
}

/// A fixture that sends the hand-off of this app.
fn fixture_of(app: &App, storage: &Path) -> Result<Fixture, DemoError> {
    let header: Header = app.header.parse().map_err(StartError::from)?;
    let escape = if app.encoded { Escape::Percent } else { Escape::Raw };
    let prefix = app.map.replace("@STORAGE@", &storage.display().to_string());
    Ok(Fixture::builder()
        .dialect(Dialect::Custom(header, escape))
        .path_prefix(prefix)
        .without_root_decoy())
}

/// The servers of an environment, from the client to the app.
struct Hops {
    front: Option<ProxyProcess>,
    /// The proxy that serves the file.
    proxy: ProxyProcess,
    between: Option<ProxyProcess>,
    app: Option<StubServer>,
    store: Option<StubServer>,
}

impl Hops {
    /// Starts the servers, the innermost first.
    async fn start(
        server: Server,
        fault: Option<&Fault>,
        fixture: &Running,
        storage: &Path,
        run: &Path,
    ) -> Result<Self, DemoError> {
        let (app_responses, store_responses) = match fault {
            Some(fault) => (&*fault.responses, &*fault.store),
            None => (&[][..], &[][..]),
        };
        let store = StubServer::start(store_responses, storage, None).await?;
        let store_address = store.as_ref().map(|store| store.address);
        let app = StubServer::start(app_responses, storage, store_address).await?;
        let app_address = match &app {
            Some(app) => Address::Tcp(app.address),
            None => fixture.address().clone(),
        };
        let mut visible_storage = storage.to_owned();
        if fault.is_some_and(|fault| fault.act == Some(Act::HideStorage)) {
            visible_storage = run.join("mnt");
            create_open_directory(&visible_storage)?;
        }
        let setup = |upstream: &Address, run: PathBuf| ProxySetup {
            upstream: upstream.clone(),
            app: app_address.clone(),
            storage: &visible_storage,
            store: store_address,
            run,
        };

        let mut between = None;
        if let Some(relay) = fault.and_then(|fault| fault.between.as_ref()) {
            between = Some(start_relay(relay, &setup(&app_address, run.join("between")))?);
        }
        let upstream = between.as_ref().and_then(address).unwrap_or_else(|| app_address.clone());
        let proxy = ProxyProcess::start(server, &setup(&upstream, run.to_owned()), fault).await?;
        let mut front = None;
        if let Some(relay) = fault.and_then(|fault| fault.front.as_ref())
            && let Some(upstream) = address(&proxy)
        {
            front = Some(start_relay(relay, &setup(&upstream, run.join("front")))?);
        }
        Ok(Self { front, proxy, between, app, store })
    }

    fn outermost(&self) -> &ProxyProcess {
        self.front.as_ref().unwrap_or(&self.proxy)
    }

    /// The files that an operator of all these proxies could give.
    fn local_places(&self) -> LocalFiles {
        let mut places = LocalFiles::default();
        for proxy in self.front.iter().chain([&self.proxy]).chain(&self.between) {
            if let Some(proxy) = proxy.installed() {
                places.configs.push(proxy.config());
                places.logs.push(proxy.log());
            }
        }
        places
    }
}

fn start_relay(relay: &Relay, setup: &ProxySetup<'_>) -> Result<ProxyProcess, DemoError> {
    ProxyProcess::start_relay(relay.proxy, &relay.rules, setup)
}

/// The address of a proxy, as the upstream of another one.
fn address(proxy: &ProxyProcess) -> Option<Address> {
    proxy.installed().map(|proxy| proxy.address())
}

/// The values for the placeholders of a target.
struct TargetValues {
    site: String,
    /// The proxy that serves the file, which may be behind others.
    inner: String,
    between: String,
    app: String,
    storage: String,
    store: String,
}

impl TargetValues {
    fn of(hops: &Hops, fixture: &Running, storage: &Path) -> Self {
        let app = match &hops.app {
            Some(app) => format!("http://{}/healthcheck-utils", app.address),
            None => fixture.url(),
        };
        let store = match &hops.store {
            Some(store) => store.address.to_string(),
            None => String::new(),
        };
        Self {
            site: hops.outermost().url(),
            inner: hops.proxy.url(),
            between: hops.between.as_ref().map(ProxyProcess::url).unwrap_or_default(),
            app,
            storage: storage.display().to_string(),
            store,
        }
    }

    /// The target as an operator writes it: all known settings, and those of the fault.
    fn target(&self, proxy: &DemoProxy, fault: Option<&Fault>) -> Result<toml::Table, DemoError> {
        let is_app = fault.is_some_and(|fault| fault.app.is_some() || !fault.responses.is_empty());
        let known: &[(&str, &str)] = if is_app {
            &[
                ("storage", "file://@STORAGE@/healthcheck/dummy.bin"),
                ("app", "@APP@/download"),
                ("direct", "@SITE@/healthcheck-utils/direct/dummy.bin"),
                ("full", "@SITE@/healthcheck-utils/download"),
                ("handoff", "@HANDOFF@"),
            ]
        } else {
            &[("fixture", "@APP@"), ("site", "@SITE@"), ("storage", "file://@STORAGE@")]
        };
        let mut table = toml::Table::new();
        for (key, value) in known {
            table.insert((*key).to_owned(), (*value).into());
        }
        if let Some(fault) = fault {
            table.extend(fault.target.clone());
        }
        table.retain(|_, value| value.as_str() != Some(""));
        let handoff = self.handoff(proxy)?;
        for (_, value) in &mut table {
            self.fill(value, &handoff);
        }
        Ok(table)
    }

    /// The hand-off that the proxy supports.
    fn handoff(&self, proxy: &DemoProxy) -> Result<String, DemoError> {
        let prefix = match proxy.prefix {
            HandoffPrefix::InternalLocation => "/protected/",
            HandoffPrefix::StorageDirectory => &self.storage,
        };
        let value = (proxy.dialect)().write(prefix, KEY).map_err(StartError::from)?;
        Ok(format!("{}: {value}", proxy.header))
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
            toml::Value::Array(list) => {
                for value in list {
                    self.fill(value, handoff);
                }
            }
            _ => {}
        }
    }
}

/// Creates a directory that the proxy's user can access, regardless of the umask.
fn create_open_directory(path: &Path) -> Result<(), DemoError> {
    fs::create_dir(path).at(path)?;
    open_to_all(path)
}

fn open_to_all(directory: &Path) -> Result<(), DemoError> {
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory, mode).at(directory)
}
