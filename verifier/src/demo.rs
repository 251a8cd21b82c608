//! A self-contained demo: a storage in a temporary directory, the fixture, a proxy, and the
//! verifier's report; healthy, or with a named fault. The fault tests use the same stage.
//!
//! The only module that uses the fixture's crate; elsewhere the two programs only communicate over
//! HTTP.

use thiserror::Error;

pub mod fault;
mod script;
mod server;
mod stage;

pub use stage::DemoEnvironment;

/// An error while the stage is set up.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The program of the proxy is missing.
    #[error("`{0}` is not installed\nhint: install it, or use the built-in proxy: omit --proxy")]
    NotInstalled(&'static str),
    /// The proxy did not start.
    #[error("{name} did not start: {said}")]
    NotUp {
        /// The name of the proxy.
        name: &'static str,
        /// Its output, or the cause.
        said: String,
    },
    /// A file or directory of the stage could not be created.
    #[error("`{path}`: cannot create it")]
    File {
        /// The path.
        path: String,
        /// The cause.
        source: std::io::Error,
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
        /// Its proxy.
        proxy: String,
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

impl DemoError {
    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }
}
