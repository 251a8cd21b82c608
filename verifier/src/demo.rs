//! Shows the whole at work on this machine: a storage in a temporary folder, the fixture, a proxy,
//! and the verifier's report; healthy, or broken in a named way. The fault tests run on the same
//! stage.
//!
//! The only module that knows the fixture's crate: everywhere else HTTP is the contract between the
//! two programs.

use thiserror::Error;

pub mod fault;
mod script;
mod server;
mod stage;

pub use stage::Stage;

/// Why the stage cannot be set.
#[derive(Debug, Error)]
pub enum StageError {
    /// The proxy's program is not there.
    #[error("`{0}` is not installed\nhint: install it, or leave --proxy out")]
    NotInstalled(&'static str),
    /// The proxy did not come up.
    #[error("{name} did not come up: {said}")]
    NotUp {
        /// Its name.
        name: &'static str,
        /// What it wrote, or what happened.
        said: String,
    },
    /// A file or folder of the stage could not be made.
    #[error("cannot make `{path}`")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The snippet cannot be filled in.
    #[error(transparent)]
    Snippet(#[from] crate::snippet::ValueError),
    /// The target is none.
    #[error(transparent)]
    Target(#[from] sendfile_probe::config::ConfigError),
    /// The fixture did not start.
    #[error("the fixture did not start")]
    Fixture(#[from] sendfile_fixture::StartError),
    /// The fault is unknown.
    #[error("there is no fault `{0}`\nhint: `sendfile-check demo --fault list` names them")]
    NoSuchFault(String),
    /// The fault is of another proxy.
    #[error(
        "the fault `{id}` is one of {proxy}\nhint: add `--proxy {proxy}`, or choose another with \
         `--fault list`"
    )]
    OtherProxy {
        /// The fault.
        id: String,
        /// Its proxy.
        proxy: String,
    },
    /// A fault's own file is wrong.
    #[error("the fault `{id}` is wrong: {problem}")]
    Fault {
        /// The fault.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

impl StageError {
    fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }
}
