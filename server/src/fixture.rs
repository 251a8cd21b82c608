//! Builds and starts a fixture: checks its settings, listens, and places the dummies.

use std::{path::Path, sync::Arc, time::Duration};

use sendfile_stores::MetadataService;

use crate::{
    catalog::{self, DEFAULT_SIZE, DummyOptions, Item, OddNames, RootDecoy},
    handoff::{Carrier, Dialect, Handoff, Header, ValueKind},
    key::escape,
    listen::{Address, ListenError, Listener, Socket},
    placement::Placement,
    route::Responder,
    serve::Limits,
    setup::Setup,
    storage::{Storage, StorageConfig, manifest::Manifest},
};

mod error;
mod running;
mod signing;

use self::signing::Signing;

pub use self::{
    error::{StartError, StopError},
    running::Running,
};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The default path prefix of the dialects whose value is a URI.
const PATH_PREFIX: &str = "/protected/";

/// Configures and starts a fixture.
///
/// By default it uses nginx's dialect and listens on a free port of 127.0.0.1.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `start`"]
pub struct Fixture {
    storage: String,
    storage_config: StorageConfig,
    dialect: Dialect,
    path_prefix: Option<String>,
    bucket: Bucket,
    base: String,
    name: String,
    size: u64,
    large_size: u64,
    root_decoy: WantedDecoy,
    odd_names: OddNames,
    listen: Vec<Address>,
    limits: Limits,
    rotate: Rotation,
}

/// Whether the proxy reads the files from a private bucket.
#[derive(Clone, Debug)]
enum Bucket {
    /// The proxy does not: it has access to the files.
    None,
    /// The proxy does, and needs a signed link for each file.
    Private(Signing),
}

#[derive(Clone, Copy, Debug)]
enum WantedDecoy {
    IfPossible,
    Never,
}

#[derive(Clone, Copy, Debug)]
enum Rotation {
    Never,
    Every(Duration),
}

impl Fixture {
    /// Returns a fixture with default settings. Set a storage with [`Fixture::storage`] or
    /// [`Fixture::storage_dir`].
    pub fn builder() -> Self {
        Self {
            storage: String::new(),
            storage_config: StorageConfig::default(),
            dialect: Dialect::nginx(),
            path_prefix: None,
            bucket: Bucket::None,
            base: "/healthcheck-utils".into(),
            name: "dummy.bin".into(),
            size: DEFAULT_SIZE,
            large_size: 3 << 20,
            root_decoy: WantedDecoy::IfPossible,
            odd_names: OddNames::LeftOut,
            listen: Vec::new(),
            limits: Limits::default(),
            rotate: Rotation::Never,
        }
    }

    /// Places the dummies in the storage of this URL: `file:///srv/media`, `s3://bucket/prefix`,
    /// `az://container/prefix`, `gs://bucket/prefix`, or `https://host/directory` for WebDAV.
    pub fn storage(mut self, url: impl Into<String>) -> Self {
        self.storage = url.into();
        self
    }

    /// Sets an option of the storage by its name in `object_store`: `endpoint`, `region`,
    /// `access_key_id`, `account_key` … It overrides the environment variables `AWS_…`, `AZURE_…`
    /// and `GOOGLE_…`.
    pub fn storage_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.storage_config.options.push((name.into(), value.into()));
        self
    }

    /// Requests credentials from the host's metadata service if none are given.
    pub fn storage_metadata(mut self) -> Self {
        self.storage_config.metadata = MetadataService::Enabled;
        self
    }

    /// Sets the maximum time to wait for a response of the storage; 5 seconds by default. For a large
    /// dummy, one second per 100 KiB is added.
    pub fn storage_timeout(mut self, limit: Duration) -> Self {
        self.storage_config.timeout = limit;
        self
    }

    /// Places the dummies in this directory. The path must be absolute.
    pub fn storage_dir(self, path: impl AsRef<Path>) -> Self {
        let path = escape(&path.as_ref().to_string_lossy());
        self.storage(format!("file://{path}"))
    }

    /// Sets the hand-off that the proxy expects.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets the path prefix under which the proxy finds the storage: a URI prefix (`/protected/` by
    /// default), or a directory on the proxy's host (by default the storage directory). A missing
    /// trailing slash is added.
    pub fn path_prefix(mut self, path_prefix: impl Into<String>) -> Self {
        self.path_prefix = Some(path_prefix.into());
        self
    }

    /// Hands off to a private bucket: the query of a signed link for GET is appended to the value.
    /// The link expires after `expiry`, from 2 seconds to 7 days; a new one is signed after half of
    /// that time.
    pub fn signed_links(mut self, expiry: Duration) -> Self {
        self.bucket = Bucket::Private(Signing::new(Carrier::Query, expiry));
        self
    }

    /// Hands off to a private bucket: the complete signed link is sent in this header, next to a
    /// value without a query. `expiry` is as in [`Fixture::signed_links`].
    pub fn signed_links_in(mut self, header: Header, expiry: Duration) -> Self {
        self.bucket = Bucket::Private(Signing::new(Carrier::Header(header), expiry));
        self
    }

    /// Sets the base path of all URLs of the fixture; `/healthcheck-utils` by default.
    pub fn base(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// Sets the file name of the download; `dummy.bin` by default.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the size of the download in bytes; 4096 by default.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// Sets the size of the large dummy in bytes; 3 MiB by default, 0 leaves it out.
    pub fn large_size(mut self, bytes: u64) -> Self {
        self.large_size = bytes;
        self
    }

    /// Does not place the decoy that nginx serves if `root` is used instead of `alias`.
    pub fn without_root_decoy(mut self) -> Self {
        self.root_decoy = WantedDecoy::Never;
        self
    }

    /// Also places dummies with names that some proxies or apps cannot serve, each with a probe.
    pub fn odd_names(mut self) -> Self {
        self.odd_names = OddNames::Placed;
        self
    }

    /// Adds an address to listen on. Without any, the fixture listens on a free port of 127.0.0.1.
    pub fn listen(mut self, address: Address) -> Self {
        self.listen.push(address);
        self
    }

    /// Sets the limits on the resources that clients use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Gives the dummies new content periodically, at most once per second.
    pub fn rotate_every(mut self, period: Duration) -> Self {
        self.rotate = Rotation::Every(period.clamp(SECOND, YEAR));
        self
    }

    /// Listens, removes the leftovers of a crashed run from the storage, places the dummies and
    /// serves requests. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is placed in that case.
    pub async fn start(self) -> Result<Running, StartError> {
        self.start_on(Vec::new()).await
    }

    /// Starts like [`Fixture::start`], and also serves requests on these sockets. The program that
    /// opened them removes them.
    ///
    /// # Errors
    ///
    /// As for [`Fixture::start`].
    pub async fn start_on(self, sockets: Vec<Socket>) -> Result<Running, StartError> {
        let mut plan = self.plan()?;
        let (listeners, addresses) = self.listen_on(sockets).await?;
        if let Bucket::Private(signing) = &self.bucket {
            let Plan { storage, items, setup, .. } = &plan;
            let links = signing.links(storage, items, setup.instance, &addresses).await?;
            plan.setup = setup.signed(storage, items, links)?;
        }
        let Plan { storage, setup, mut placement, .. } = plan;
        placement.place().await?;
        let responder = Responder::new(setup, Arc::clone(&storage), placement.placed());
        let mut running = Running::new(responder, placement, listeners, addresses, self.limits);
        if let Bucket::Private(signing) = self.bucket {
            running = running.signing(storage, signing);
        }
        if let Rotation::Every(period) = self.rotate {
            running = running.rotating(period);
        }
        Ok(running)
    }

    async fn listen_on(
        &self,
        sockets: Vec<Socket>,
    ) -> Result<(Vec<Listener>, Vec<Address>), ListenError> {
        let mut listen = self.listen.clone();
        if listen.is_empty() && sockets.is_empty() {
            listen.push(Address::Tcp(([127, 0, 0, 1], 0).into()));
        }
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for socket in sockets {
            let (listener, address) = Listener::opened(socket)?;
            listeners.push(listener);
            addresses.push(address);
        }
        for address in listen {
            let (listener, address) = Listener::bind(&address).await?;
            listeners.push(listener);
            addresses.push(address);
        }
        Ok((listeners, addresses))
    }

    /// Checks everything that can be checked without changing anything.
    fn plan(&self) -> Result<Plan, StartError> {
        let base = self.base_path()?;
        let storage = Arc::new(Storage::open(&self.storage, &self.storage_config)?);
        let value_kind = self.dialect.value_kind();
        if matches!(self.bucket, Bucket::Private(_)) && value_kind == ValueKind::Path {
            return Err(StartError::NoLink);
        }
        let path_prefix: &str = match (&self.path_prefix, value_kind, storage.directory()) {
            (Some(path_prefix), _, _) => path_prefix,
            (None, ValueKind::Uri, _) => PATH_PREFIX,
            (None, ValueKind::Path, Some(directory)) => directory,
            (None, ValueKind::Path, None) => return Err(StartError::NoPath),
        };
        let handoff = Handoff::new(self.dialect.clone(), path_prefix)?;
        let items = catalog::items(&DummyOptions {
            name: self.name.clone(),
            size: self.size,
            large_size: self.large_size,
            root_decoy: self.root_decoy(&handoff),
            odd_names: self.odd_names,
        })?;
        let placement = Placement::new(Arc::clone(&storage), items.clone(), Manifest::key()?);
        let setup = Setup::new(base, &storage, handoff, &items, placement.instance())?;
        Ok(Plan { storage, items, setup, placement })
    }

    fn base_path(&self) -> Result<&str, StartError> {
        let base = self.base.trim_end_matches('/');
        if !base.starts_with('/') || !base.split('/').all(is_plain) {
            return Err(StartError::Base(self.base.clone()));
        }
        Ok(base)
    }

    /// nginx looks for a file in a directory with the name of the path prefix, which exists only if
    /// the prefix is made of plain segments.
    fn root_decoy(&self, handoff: &Handoff) -> RootDecoy {
        let (WantedDecoy::IfPossible, Bucket::None, ValueKind::Uri) =
            (self.root_decoy, &self.bucket, handoff.value_kind)
        else {
            return RootDecoy::LeftOut;
        };
        let directory = handoff.path_prefix.trim_matches('/');
        for segment in directory.split('/') {
            if !is_plain(segment) || matches!(segment, "" | "." | "..") {
                return RootDecoy::LeftOut;
            }
        }
        RootDecoy::Below(directory.into())
    }
}

fn is_plain(segment: &str) -> bool {
    segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The result of all checks that change nothing.
struct Plan {
    storage: Arc<Storage>,
    items: Vec<Item>,
    setup: Setup,
    placement: Placement,
}
