//! Converts the command line or a TOML file to targets with no option left open. Sends no request.

use sendfile_evidence::Check;

mod bucket;
mod error;
mod file;
mod local;
mod network;
mod storage;
mod target;
mod values;

pub use sendfile_stores::MetadataService;

pub use self::{
    bucket::Credentials,
    error::{ConfigError, nearest},
    file::{target, targets},
    local::proxy_config,
    network::{ConnectTo, Limits, Network, Resolve, Trust},
    storage::storage_at,
    target::{
        Expectations, FixtureAt, FixtureUrls, GivenUrls, LayerUrls, LocalFiles, StorageAt, Target,
    },
    values::{expected, fixture_at, handoff, headers, urls},
};

/// What to check, and how.
#[derive(Debug)]
pub struct Config {
    /// The targets, sorted by name.
    pub targets: Vec<Target>,
    /// The network settings.
    pub network: Network,
    /// The limits of time and size.
    pub limits: Limits,
    /// Maximum number of concurrent requests.
    pub concurrency: u16,
    /// How many requests to send in addition to those for the layers.
    pub depth: Depth,
    /// Which checks to make: those for which a rule is selected.
    pub checks: Vec<Check>,
}

impl Config {
    /// One target, with all checks, and the default limits and network settings.
    pub fn of(target: Target) -> Self {
        Self {
            targets: vec![target],
            network: Network::default(),
            limits: Limits::default(),
            concurrency: CONCURRENCY,
            depth: Depth::AsNeeded,
            checks: Check::all().collect(),
        }
    }
}

/// Default of the maximum number of concurrent requests.
pub const CONCURRENCY: u16 = 8;

/// How many requests are sent in addition to those for the four layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Requests that distinguish causes if the download fails, and checks that need few requests.
    AsNeeded,
    /// All checks.
    Thorough,
}
