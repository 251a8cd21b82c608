//! What the demo knows about the servers that it can run as a proxy. A server is one file below `proxy/`
//! and one row of [`of`].

use sendfile_evidence::Server;
use sendfile_fixture::Dialect;

use super::error::DemoError;

mod apache;
mod built_in;
mod caddy;
mod lighttpd;
mod nginx;

/// What the demo knows about a proxy.
pub(super) struct DemoProxy {
    /// The proxy, as `--help` describes it.
    pub(super) description: &'static str,
    /// The dialect in which the fixture hands off.
    pub(super) dialect: fn() -> Dialect,
    /// The header of a hand-off.
    pub(super) header: &'static str,
    /// The prefix of the key in the value of a hand-off.
    pub(super) prefix: HandoffPrefix,
    /// How to run it.
    pub(super) program: Program,
}

/// The prefix of the key in the value of a hand-off.
pub(super) enum HandoffPrefix {
    /// The internal location of the snippet.
    InternalLocation,
    /// The storage directory.
    StorageDirectory,
}

/// How to run a proxy.
pub(super) enum Program {
    /// The proxy runs in this process.
    BuiltIn,
    /// The proxy is a program that is installed on this machine.
    Installed(InstalledProgram),
}

/// A server that is installed on this machine.
pub(super) struct InstalledProgram {
    /// The name in messages.
    pub(super) name: &'static str,
    pub(super) server: Server,
    /// The path of the program on Debian, and its name elsewhere.
    pub(super) commands: &'static [&'static str],
    /// The arguments, given the directory of the proxy's files.
    pub(super) arguments: fn(&str) -> Vec<String>,
    /// The error log, in the directory of the proxy's files.
    pub(super) log: &'static str,
    /// The path of the site around the snippet, in the repository; faults refer to it.
    pub(super) site_file: &'static str,
    /// The site around the snippet.
    pub(super) site: &'static str,
}

/// What the demo knows about a server.
pub(super) fn of(server: Server) -> Result<&'static DemoProxy, DemoError> {
    match server {
        Server::Nginx => Ok(&nginx::PROXY),
        Server::Apache => Ok(&apache::PROXY),
        Server::Lighttpd => Ok(&lighttpd::PROXY),
        Server::Caddy => Ok(&caddy::PROXY),
        Server::BuiltIn => Ok(&built_in::PROXY),
        Server::H2o => Err(DemoError::NoSuchProxy(server)),
    }
}

/// The arguments of a command.
fn words<const N: usize>(arguments: [&str; N]) -> Vec<String> {
    arguments.map(str::to_owned).to_vec()
}
