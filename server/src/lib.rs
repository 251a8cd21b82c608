//! A fixture for testing hand-offs: it runs next to a web app and responds to a download view as the
//! app would, with a hand-off header (`X-Accel-Redirect`, `X-Sendfile`) that makes the reverse proxy
//! send a file. The files are dummies with known checksums, which the fixture places on the app's
//! storage and removes when it stops.
//!
//! The program runs on the host of a production app; the library is for tests:
//!
//! ```
//! use sendfile_fixture::{Fixture, Proxy};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let storage = tempfile::tempdir()?;
//! let fixture = Fixture::builder().storage_dir(storage.path()).start().await?;
//! let proxy = Proxy::new(fixture.address().clone(), storage.path()).start().await?;
//!
//! println!("clients get the dummy at {}/healthcheck-utils/download", proxy.url());
//! assert!(storage.path().join("healthcheck/dummy.bin").exists());
//!
//! proxy.stop().await;
//! fixture.stop().await?;
//! assert!(!storage.path().join("healthcheck").exists());
//! # Ok(())
//! # }
//! ```
//!
//! The responses of the fixture and the content of a dummy are the contract with `sendfile-check`:
//! see `docs/contract.md`.

mod body;
mod catalog;
mod causes;
mod conn_timeout;
mod contract;
mod dummy;
mod fixture;
mod handoff;
mod key;
mod listen;
mod placement;
mod probe;
pub mod proxy;
mod request_log;
mod route;
mod serve;
mod setup;
mod snapshot;
mod storage;

pub use crate::{
    causes::error_chain,
    fixture::{Fixture, Running, StartError, StopError},
    handoff::{Accel, Buffering, Dialect, Escape, Expires, HandoffError, Header},
    key::NameError,
    listen::{Address, ListenError, Socket},
    proxy::Proxy,
    serve::Limits,
    storage::StorageError,
};
