//! From the command line or a TOML file, as written, to targets with no option left open.

use sendfile_evidence::Check;

mod bucket;
mod error;
mod file;
mod local;
mod network;
mod storage;
mod target;
mod values;

pub use self::{
    bucket::{BucketAt, Means, Metadata, Scheme},
    error::{ConfigError, nearest},
    file::{target, targets},
    local::proxy_config,
    network::{ConnectTo, Limits, Network, Resolve, Trust},
    storage::storage_at,
    target::{FixtureAt, LocalPlaces, Places, StorageAt, Target, Wish},
    values::{expected, fixture_at, handoff, headers, urls},
};

/// What to check, and how.
#[derive(Debug)]
pub struct Config {
    /// The targets, in the file's order of names.
    pub targets: Vec<Target>,
    /// How the network is reached.
    pub network: Network,
    /// How long and how much at most.
    pub limits: Limits,
    /// How many requests at the same time.
    pub concurrency: u16,
    /// When to ask more than the layers.
    pub depth: Depth,
    /// Which checks are made: those of which a rule is tried.
    pub checks: Vec<Check>,
}

impl Config {
    /// One target, with all checks, and the limits and the network as they are by default.
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

/// How many requests are made at the same time, unless the operator says otherwise.
pub const CONCURRENCY: u16 = 8;

/// How much is asked beyond the four layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What splits the causes where the download fails, and the checks that need few requests.
    AsNeeded,
    /// All of it.
    Thorough,
}
