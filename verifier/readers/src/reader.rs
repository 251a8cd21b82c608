//! What every reader finds in a configuration: how its server handles one download.

use sendfile_evidence::{fact::Fact, request::Address};

use crate::{
    disk::{Disk, Worker},
    query::Query,
};

/// What a reader knows of one configuration.
pub(crate) trait Reader {
    /// The user that opens the files.
    fn worker(&self) -> Worker;
    /// Whether the server listens at an address.
    fn listens(&self, address: &Address) -> bool;
    /// How the server handles the download.
    fn analysis(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis;
}

/// How one proxy handles the download, as far as its configuration shows.
#[derive(Debug, Default)]
pub(crate) struct RouteAnalysis {
    /// Facts about the download URL.
    pub(crate) download: Vec<Fact>,
    /// Facts about the hand-off header.
    pub(crate) header: Vec<Fact>,
    /// Facts about the hand-off's target.
    pub(crate) target: Vec<Fact>,
    /// Facts about the direct location.
    pub(crate) direct: Vec<Fact>,
    /// The upstream that the proxy passes the download URL to.
    pub(crate) forwards_to: Option<Address>,
    /// What the proxy does with the hand-off header.
    pub(crate) fate: HeaderFate,
    /// Whether something in the configuration could not be evaluated.
    pub(crate) unsure: bool,
}

/// What a proxy does with a hand-off header in a response that passes through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum HeaderFate {
    /// The proxy acts on the header.
    Obeyed,
    /// The proxy passes the header on to the client.
    #[default]
    Passed,
    /// The proxy removes the header.
    Dropped,
}
