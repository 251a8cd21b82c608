//! A self-contained demo: a storage in a temporary directory, the fixture, a proxy, and the
//! verifier's report; healthy, or with a named fault. The fault tests use the same environment.
//!
//! The only module that uses the fixture's crate; elsewhere the two programs only communicate over
//! HTTP.

use sendfile_evidence::Server;

mod environment;
mod error;
pub mod fault;
mod process;
mod proxy;
mod stub_server;

pub use self::{environment::DemoEnvironment, error::DemoError};

/// The servers that the demo can run, the default first, and their descriptions for `--help`.
pub fn servers() -> Vec<(Server, &'static str)> {
    let mut servers = Vec::new();
    for server in Server::ALL {
        if let Ok(proxy) = proxy::of(server) {
            servers.push((server, proxy.description));
        }
    }
    servers.sort_by_key(|(server, _)| *server != Server::BuiltIn);
    servers
}
