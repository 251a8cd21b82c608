//! A parsed configuration of any of the supported servers.
//!
//! Only this module knows which reader belongs to which server.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind},
    request::Address,
};

use crate::{
    apache::Apache,
    caddy::Caddy,
    disk::{Disk, Worker},
    lighttpd::Lighttpd,
    nginx::Nginx,
    query::Query,
    reader::{Reader, RouteAnalysis},
};

/// A parsed configuration.
pub struct ProxyConfig {
    /// The path of the file, as given.
    pub path: String,
    server: Server,
    reader: Option<Box<dyn Reader>>,
    unread: Vec<Fact>,
}

impl ProxyConfig {
    /// Reads a configuration and parses it. Anything that could not be read is recorded as a fact.
    pub fn read(server: Server, path: &str, disk: &mut dyn Disk) -> Self {
        let mut unread = Vec::new();
        let reader: Option<Box<dyn Reader>> = match server {
            Server::Nginx => Some(Box::new(Nginx::read(path, disk, &mut unread))),
            Server::Apache => Some(Box::new(Apache::read(path, disk, &mut unread))),
            Server::Lighttpd => Some(Box::new(Lighttpd::read(path, disk, &mut unread))),
            Server::Caddy => Some(Box::new(Caddy::read(path, disk, &mut unread))),
            Server::H2o | Server::BuiltIn => {
                let detail = format!("Configurations of {} cannot be read", server.name());
                unread.push(Fact::of(FactKind::Unread, detail));
                None
            }
        };
        Self { path: path.to_owned(), server, reader, unread }
    }

    /// The user that opens the files.
    pub fn worker(&self) -> Worker {
        match &self.reader {
            Some(reader) => reader.worker(),
            None => Worker { server: self.server.name(), ..Worker::default() },
        }
    }

    /// What could not be read.
    pub(crate) fn unread(&self) -> &[Fact] {
        &self.unread
    }

    /// Whether the server listens at an address.
    pub(crate) fn listens(&self, address: &Address) -> bool {
        match &self.reader {
            Some(reader) => reader.listens(address),
            None => false,
        }
    }

    /// How the server handles the download.
    pub(crate) fn analysis(&self, query: &Query, disk: &dyn Disk) -> RouteAnalysis {
        let mut analysis = match &self.reader {
            Some(reader) => reader.analysis(query, disk, &self.worker()),
            None => RouteAnalysis::default(),
        };
        if !self.unread.is_empty() {
            analysis.unsure = true;
        }
        analysis
    }
}
