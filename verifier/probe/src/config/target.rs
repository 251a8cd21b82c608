//! One download to check: where its layers are, what is sent and what is expected.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use sendfile_evidence::{Intent, fact::Kind};

use super::bucket::BucketAt;
use crate::url::Url;

/// One download to check.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where its layers are.
    pub places: Places,
    /// What a visitor and the proxy send, and what should come.
    pub wish: Wish,
}

/// What may be read beside the probes, on this machine.
#[derive(Clone, Debug, Default)]
pub struct LocalPlaces {
    /// The proxies' configurations.
    pub configs: Vec<(Kind, PathBuf)>,
    /// Their error logs.
    pub logs: Vec<PathBuf>,
}

/// Where the layers of a target are.
#[derive(Clone, Debug)]
pub enum Places {
    /// All but the site and the storage comes from the fixture's contract.
    Fixture {
        /// The fixture itself.
        fixture: FixtureAt,
        /// The public site.
        site: Url,
        /// The storage's root; without it the fixture reads back for us.
        storage: Option<StorageAt>,
    },
    /// Any app: each layer has its URL, or none.
    Urls {
        /// The very file.
        storage: Option<StorageAt>,
        /// The app.
        app: Option<Url>,
        /// The direct location.
        direct: Option<Url>,
        /// The download.
        full: Url,
    },
}

/// The fixture's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureAt {
    /// The URL up to the base path.
    pub url: Url,
    /// The Unix socket it listens on.
    pub unix_socket: Option<PathBuf>,
}

/// A storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageAt {
    /// A path on this machine, as it was written.
    File(String),
    /// A URL for a plain GET, and the Authorization header that goes with it.
    Http(Url, Option<HeaderValue>),
    /// An object store.
    Bucket(BucketAt),
}

/// What a visitor and the proxy send, and what should come.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The hand-off, the expected headers, and whether strangers are refused.
    pub intent: Intent,
    /// What the proxy is meant to send to the app.
    pub app_headers: Vec<(HeaderName, HeaderValue)>,
    /// What a visitor who may download sends.
    pub full_headers: Vec<(HeaderName, HeaderValue)>,
    /// The visitor's method.
    pub full_method: http::Method,
    /// The app's Unix socket.
    pub unix_socket: Option<PathBuf>,
    /// Inner proxies.
    pub inner: Vec<Url>,
    /// URLs that must not give the file.
    pub refused: Vec<Url>,
    /// What may be read beside the probes.
    pub local: LocalPlaces,
}

impl LocalPlaces {
    /// Adds what another list names.
    pub fn add(&mut self, other: Self) {
        self.configs.extend(other.configs);
        self.logs.extend(other.logs);
    }
}
