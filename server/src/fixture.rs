//! Starts a fixture and stops it: places the dummies, listens, answers, rotates, cleans up.

use std::{ops::RangeInclusive, path::Path, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{
    catalog::{self, Choice, Item, NameError, OddNames, RootTwin, TWIN_SIZE},
    handoff::{Carrier, Dialect, Handoff, HandoffError, Header, Meaning},
    listen::{Address, ListenError, Listener, Socket},
    placement::Placement,
    route::Site,
    serve::Limits,
    snapshot::Setup,
    storage::{Metadata, Settings, Storage, StorageError, ledger::Ledger},
};

mod running;
mod setup;

use self::setup::Signing;

pub use self::running::{Running, StopError};

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The map of the dialects whose value is a URI.
const MAP: &str = "/protected/";

/// The shortest and the longest time that a signed link can be used; S3 takes none that is longer.
const EXPIRY: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(7 * 86_400);

/// A fixture that is to be started.
///
/// Without further settings it speaks nginx's dialect and listens on any free port of 127.0.0.1.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `start`"]
pub struct Fixture {
    storage: String,
    settings: Settings,
    dialect: Dialect,
    map: Option<String>,
    remote: Remote,
    base: String,
    name: String,
    size: u64,
    large_size: u64,
    root_twin: Twin,
    odd_names: OddNames,
    listen: Vec<Address>,
    limits: Limits,
    rotate: Rotation,
}

/// Where the proxy has the files.
#[derive(Clone, Debug)]
enum Remote {
    /// On a disk of its own.
    No,
    /// In a private bucket, for which links are signed.
    Signed(Signing),
}

#[derive(Clone, Copy, Debug)]
enum Twin {
    Placed,
    LeftOut,
}

#[derive(Clone, Copy, Debug)]
enum Rotation {
    Never,
    Every(Duration),
}

/// A fixture that could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The storage cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The hand-off cannot be written.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    /// The dummy cannot have this name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A dialect whose value is a path, and a storage that is no folder on this machine.
    #[error("the hand-off is a path, and the storage has none on this machine")]
    NoPath,
    /// A dialect whose value is a path, and links that are to be signed.
    #[error("the hand-off is a path, and only a URI can carry a signed link")]
    NoLink,
    /// The base path is not one.
    #[error("`{}` is not a base path", .0.escape_debug())]
    Base(String),
}

impl Fixture {
    /// Prepares a fixture. It needs a storage, by [`Fixture::storage`] or [`Fixture::storage_dir`].
    pub fn builder() -> Self {
        Self {
            storage: String::new(),
            settings: Settings::default(),
            dialect: Dialect::nginx(),
            map: None,
            remote: Remote::No,
            base: "/healthcheck-utils".into(),
            name: "dummy.bin".into(),
            size: TWIN_SIZE,
            large_size: 3 << 20,
            root_twin: Twin::Placed,
            odd_names: OddNames::LeftOut,
            listen: Vec::new(),
            limits: Limits::default(),
            rotate: Rotation::Never,
        }
    }

    /// Places the dummies in the storage of this URL: `file:///srv/media`, `s3://bucket/prefix`,
    /// `az://container/prefix`, `gs://bucket/prefix`, or `https://host/folder` for WebDAV.
    pub fn storage(mut self, url: impl Into<String>) -> Self {
        self.storage = url.into();
        self
    }

    /// Sets an option of the storage, by the name that `object_store` gives it: `endpoint`,
    /// `region`, `access_key_id`, `account_key` … It counts before the environment's `AWS_…`,
    /// `AZURE_…` and `GOOGLE_…`.
    pub fn storage_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.options.push((name.into(), value.into()));
        self
    }

    /// Lets the machine's metadata address be asked for credentials where none are given.
    pub fn storage_metadata(mut self) -> Self {
        self.settings.metadata = Metadata::Asked;
        self
    }

    /// Sets how long the storage may take for an answer; 5 seconds by default. A large dummy may
    /// take a second longer for each 100 KiB.
    pub fn storage_timeout(mut self, limit: Duration) -> Self {
        self.settings.timeout = limit;
        self
    }

    /// Places the dummies in this folder, which must be absolute.
    pub fn storage_dir(self, path: impl AsRef<Path>) -> Self {
        let path = catalog::escape(&path.as_ref().to_string_lossy());
        self.storage(format!("file://{path}"))
    }

    /// Hands off as this proxy expects it.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets where the proxy finds the storage: a prefix of URIs (`/protected/` by default), or a
    /// folder as the proxy sees it (that of the storage by default). A missing slash at the end is
    /// added.
    pub fn map(mut self, map: impl Into<String>) -> Self {
        self.map = Some(map.into());
        self
    }

    /// Hands off to a private bucket: the value gets the query of a link, signed for GET, that can
    /// be used for so long, from 2 seconds to 7 days. Half of that before its end a new one is
    /// signed.
    pub fn signed_links(self, expiry: Duration) -> Self {
        self.signing(Carrier::Query, expiry)
    }

    /// The same, but the value stays without a query, and the whole link stands in this header
    /// beside it.
    pub fn signed_links_in(self, header: Header, expiry: Duration) -> Self {
        self.signing(Carrier::Header(header), expiry)
    }

    fn signing(mut self, carrier: Carrier, expiry: Duration) -> Self {
        let expiry = expiry.clamp(*EXPIRY.start(), *EXPIRY.end());
        self.remote = Remote::Signed(Signing { expiry, carrier });
        self
    }

    /// Sets the path that all others are below; `/healthcheck-utils` by default.
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

    /// Sets the size of the large twin in bytes; 3 MiB by default, 0 leaves it out.
    pub fn large_size(mut self, bytes: u64) -> Self {
        self.large_size = bytes;
        self
    }

    /// Places no dummy where nginx looks when `root` stands for `alias`.
    pub fn without_root_twin(mut self) -> Self {
        self.root_twin = Twin::LeftOut;
        self
    }

    /// Places dummies with names that some proxy or app cannot serve, each with a probe.
    pub fn odd_names(mut self) -> Self {
        self.odd_names = OddNames::Placed;
        self
    }

    /// Listens here too; only on a free port of 127.0.0.1 when never called.
    pub fn listen(mut self, address: Address) -> Self {
        self.listen.push(address);
        self
    }

    /// Sets what clients may use up.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Gives the dummies new content again and again, at most each second.
    pub fn rotate_every(mut self, period: Duration) -> Self {
        self.rotate = Rotation::Every(period.clamp(SECOND, YEAR));
        self
    }

    /// Listens, clears what a crashed run has left on the storage, places the dummies and answers.
    ///
    /// # Errors
    ///
    /// [`StartError`]; then nothing is placed. Must be called within a tokio runtime.
    pub async fn start(self) -> Result<Running, StartError> {
        self.start_on(Vec::new()).await
    }

    /// Does the same, and answers on these sockets too. Who has opened them removes them.
    ///
    /// # Errors
    ///
    /// Those of [`Fixture::start`].
    pub async fn start_on(self, sockets: Vec<Socket>) -> Result<Running, StartError> {
        let mut plan = self.plan()?;
        let any = [Address::Tcp(([127, 0, 0, 1], 0).into())];
        let listen = match (&self.listen[..], &sockets[..]) {
            ([], []) => &any[..],
            (listen, _) => listen,
        };
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for socket in sockets {
            let (listener, address) = Listener::opened(socket)?;
            listeners.push(listener);
            addresses.push(address);
        }
        for address in listen {
            let (listener, address) = Listener::bind(address).await?;
            listeners.push(listener);
            addresses.push(address);
        }
        if let Remote::Signed(signing) = &self.remote {
            let own = own_url(&addresses);
            plan.setup = plan.setup.signed(&plan.storage, &plan.items, signing, own).await?;
        }
        let Plan { storage, setup, mut placement, .. } = plan;
        placement.place().await?;
        let site = Site::new(setup, Arc::clone(&storage), placement.placed());
        let running = Running::new(site, placement, listeners, addresses, self.limits);
        let running = match self.remote {
            Remote::No => running,
            Remote::Signed(signing) => running.signing(storage, signing),
        };
        Ok(match self.rotate {
            Rotation::Never => running,
            Rotation::Every(period) => running.rotating(period),
        })
    }

    /// Checks everything that can be checked without touching anything.
    fn plan(&self) -> Result<Plan, StartError> {
        let base = self.base.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if base.is_empty() || !base.starts_with('/') || !base.bytes().all(plain) {
            return Err(StartError::Base(self.base.clone()));
        }
        let storage = Arc::new(Storage::open(&self.storage, &self.settings)?);
        if matches!(self.remote, Remote::Signed(_)) && self.dialect.meaning() == Meaning::Path {
            return Err(StartError::NoLink);
        }
        let map = match (&self.map, self.dialect.meaning()) {
            (Some(map), _) => map.clone(),
            (None, Meaning::Uri) => MAP.into(),
            (None, Meaning::Path) => storage.folder().ok_or(StartError::NoPath)?.to_owned(),
        };
        let handoff = Handoff::new(self.dialect.clone(), &map)?;
        let items = catalog::items(&Choice {
            name: self.name.clone(),
            size: self.size,
            large_size: self.large_size,
            root_twin: self.root_twin(&handoff),
            odd_names: self.odd_names,
        })?;
        let placement = Placement::new(Arc::clone(&storage), items.clone(), Ledger::key()?);
        let setup = Setup::new(base, &storage, handoff, &items, placement.instance())?;
        Ok(Plan { storage, items, setup, placement })
    }

    /// A map that is not plain segments has no folder of the same name.
    fn root_twin(&self, handoff: &Handoff) -> RootTwin {
        let folder = handoff.map.trim_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let plain =
            |segment: &str| segment.bytes().all(plain) && !matches!(segment, "" | "." | "..");
        match (self.root_twin, handoff.meaning) {
            (Twin::Placed, Meaning::Uri)
                if matches!(self.remote, Remote::No) && folder.split('/').all(plain) =>
            {
                RootTwin::Below(folder.into())
            }
            _ => RootTwin::LeftOut,
        }
    }
}

/// The first address by which a proxy on this machine reaches the fixture over TCP.
fn own_url(addresses: &[Address]) -> Option<String> {
    addresses.iter().find_map(|it| match it {
        Address::Tcp(address) if address.ip().is_loopback() => Some(it.url()),
        _ => None,
    })
}

struct Plan {
    storage: Arc<Storage>,
    items: Vec<Item>,
    setup: Setup,
    placement: Placement,
}

impl StartError {
    /// Says what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Storage(error) => error.hint(),
            Self::Listen(error) => error.hint(),
            Self::NoPath => Some("say with `--map` where the proxy has the storage mounted".into()),
            Self::NoLink => Some("choose the dialect `x-accel-redirect` or `caddy`".into()),
            Self::Base(_) => Some("write a path of `[A-Za-z0-9._/-]`: `/healthcheck-utils`".into()),
            Self::Handoff(_) | Self::Name(_) => None,
        }
    }
}
