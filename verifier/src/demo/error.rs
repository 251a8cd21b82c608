//! The errors that can occur while the demo is set up.

use std::{io, path::Path};

use sendfile_evidence::Server;
use thiserror::Error;

/// An error while the environment is set up.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The program of the proxy is missing.
    #[error("`{0}` is not installed\nhint: install it, or use the built-in proxy: omit --proxy")]
    NotInstalled(&'static str),
    /// The demo cannot run the server.
    #[error("the demo cannot run {0}\nhint: list the proxies with `sendfile-check demo --help`")]
    NoSuchProxy(Server),
    /// The proxy did not start.
    #[error("{name} did not start: {output}")]
    NotUp {
        /// The name of the proxy.
        name: &'static str,
        /// The output of the proxy, or the cause.
        output: String,
    },
    /// A file or directory of the environment could not be prepared.
    #[error("`{path}`: cannot prepare it for the demo")]
    File {
        /// The path.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// A value is not valid in the snippet.
    #[error(transparent)]
    Snippet(#[from] crate::snippet::ValueError),
    /// The target is not valid.
    #[error(transparent)]
    Target(#[from] sendfile_probe::config::ConfigError),
    /// The fixture did not start.
    #[error("the fixture did not start")]
    Fixture(#[from] sendfile_fixture::StartError),
    /// The fault does not exist.
    #[error("unknown fault `{0}`\nhint: list all faults with `sendfile-check demo --fault list`")]
    NoSuchFault(String),
    /// The fault belongs to another proxy.
    #[error(
        "the fault `{id}` needs {proxy}\nhint: add `--proxy {proxy}`, or list other faults with \
         `--fault list`"
    )]
    OtherProxy {
        /// The id of the fault.
        id: String,
        /// The proxy that the fault belongs to.
        proxy: Server,
    },
    /// The file of a fault is invalid.
    #[error("fault `{id}`: {problem}")]
    Fault {
        /// The id of the fault.
        id: String,
        /// The reason.
        problem: String,
    },
}

/// Adds a path to the error of an operation on a file.
pub(super) trait AtPath<T> {
    fn at(self, path: &Path) -> Result<T, DemoError>;
}

impl<T> AtPath<T> for io::Result<T> {
    fn at(self, path: &Path) -> Result<T, DemoError> {
        match self {
            Ok(value) => Ok(value),
            Err(source) => Err(DemoError::File { path: path.display().to_string(), source }),
        }
    }
}
