//! Stands beside a web app and answers a download view as the app would: with a hand-off header
//! (`X-Accel-Redirect`, `X-Sendfile`) for a file that the reverse proxy is to send. The files are
//! checksummed dummies, which the fixture places on the app's storage and removes when it stops.
//!
//! As a program it stands beside a production app; as a library it is embedded in tests:
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
//! println!("a visitor gets the dummy at {}/healthcheck-utils/download", proxy.url());
//! assert!(storage.path().join("healthcheck/dummy.bin").exists());
//!
//! proxy.stop().await;
//! fixture.stop().await?;
//! assert!(!storage.path().join("healthcheck").exists());
//! # Ok(())
//! # }
//! ```
//!
//! What the fixture answers, and what is in a dummy, is the contract with `sendfile-check`:
//! `docs/contract.md`.

mod body;
mod catalog;
mod contract;
mod dummy;
mod fixture;
mod handoff;
mod journal;
mod listen;
mod patience;
mod placement;
mod probe;
pub mod proxy;
mod route;
mod serve;
mod snapshot;
mod storage;

pub use crate::{
    catalog::NameError,
    fixture::{Fixture, Running, StartError, StopError},
    handoff::{Accel, Buffering, Dialect, Escape, Expires, HandoffError, Header},
    listen::{Address, ListenError, Socket},
    proxy::Proxy,
    serve::Limits,
    storage::StorageError,
};
