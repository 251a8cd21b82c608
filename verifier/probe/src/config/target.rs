//! One download to check: the URLs of its layers, what is sent and what is expected. Pure data; knows
//! nothing about how the operator writes it.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use sendfile_evidence::{Intent, Server};
use sendfile_stores::BucketAt;

use crate::url::Url;

/// One download to check.
#[derive(Clone, Debug)]
pub struct Target {
    /// The name of the target.
    pub name: String,
    /// The URLs of the layers.
    pub layers: LayerUrls,
    /// What the client and the proxy send, and the expected responses.
    pub expectations: Expectations,
}

/// The URLs of a target's layers.
#[derive(Clone, Debug)]
pub enum LayerUrls {
    /// The URLs come from the fixture's contract, except for those of the site and the storage.
    Fixture(FixtureUrls),
    /// The operator gives all URLs, for any app.
    Given(GivenUrls),
}

/// What the operator gives if a fixture provides the rest.
#[derive(Clone, Debug)]
pub struct FixtureUrls {
    /// The fixture itself.
    pub fixture: FixtureAt,
    /// The public site.
    pub site: Url,
    /// The root of the storage; if absent, the fixture reads the files back.
    pub storage: Option<StorageAt>,
}

/// What the operator gives for any app: one optional URL per layer.
#[derive(Clone, Debug)]
pub struct GivenUrls {
    /// The file itself.
    pub storage: Option<StorageAt>,
    /// The app.
    pub app: Option<Url>,
    /// The direct location.
    pub direct: Option<Url>,
    /// The download.
    pub full: Url,
}

/// The address of the fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureAt {
    /// The URL up to the base path.
    pub url: Url,
    /// The Unix socket that it listens on.
    pub unix_socket: Option<PathBuf>,
}

/// A storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageAt {
    /// A path on this machine, as given.
    File(String),
    /// A URL for a plain GET, and its Authorization header.
    Http(Url, Option<HeaderValue>),
    /// An object store.
    Bucket(BucketAt),
}

/// What the client and the proxy send, and the expected responses.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The hand-off, the expected headers, and whether anonymous clients are refused.
    pub intent: Intent,
    /// Headers that the proxy should send to the app.
    pub app_headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers of a client that may download.
    pub full_headers: Vec<(HeaderName, HeaderValue)>,
    /// Request method of the client.
    pub full_method: http::Method,
    /// The Unix socket of the app.
    pub unix_socket: Option<PathBuf>,
    /// URLs of the download on inner proxies.
    pub inner: Vec<Url>,
    /// URLs that must not serve the file.
    pub refused: Vec<Url>,
    /// Local files that may be read in addition to the probes.
    pub local: LocalFiles,
}

/// Local files that may be read in addition to the probes.
#[derive(Clone, Debug, Default)]
pub struct LocalFiles {
    /// The configurations of the proxies.
    pub configs: Vec<(Server, PathBuf)>,
    /// The error logs of the proxies.
    pub logs: Vec<PathBuf>,
}

impl LocalFiles {
    /// Adds the files of another list.
    pub fn add(&mut self, other: Self) {
        self.configs.extend(other.configs);
        self.logs.extend(other.logs);
    }
}
