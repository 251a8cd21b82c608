//! The built-in proxy, for demonstrations and tests: forwards requests to an app and obeys its
//! hand-offs. It reads hand-offs as nginx does, and does nothing else.
//!
//! Knows nothing of the fixture: it works with any app. Its settings can make it fail in the ways in
//! which real proxies fail.

use std::path::PathBuf;

use tokio::{sync::oneshot, task::JoinSet};

use self::relay::Relay;
use crate::{
    listen::{Address, ListenError, Listener},
    serve::{Limits, serve},
};

mod relay;
mod settings;

pub use self::settings::{CatchAll, Settings};

/// Configures and starts a proxy.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `start`"]
pub struct Proxy {
    app: Address,
    storage: PathBuf,
    settings: Settings,
    listen: Address,
}

/// A running proxy. If it is dropped, it closes all connections at once.
#[derive(Debug)]
#[must_use = "a proxy that is dropped stops"]
pub struct RunningProxy {
    address: Address,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Proxy {
    /// Returns a proxy for `app` that serves files from the directory `storage`.
    pub fn new(app: Address, storage: impl Into<PathBuf>) -> Self {
        let listen = Address::Tcp(([127, 0, 0, 1], 0).into());
        Self { app, storage: storage.into(), settings: Settings::default(), listen }
    }

    /// Sets how the proxy handles requests.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the address to listen on; a free port of 127.0.0.1 by default.
    pub fn listen(mut self, address: Address) -> Self {
        self.listen = address;
        self
    }

    /// Listens and serves requests. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    pub async fn start(self) -> Result<RunningProxy, ListenError> {
        let (listener, address) = Listener::bind(&self.listen).await?;
        let relay = Relay::new(self.app, self.storage, self.settings);
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // A dropped sender means stop, too.
            let _ = stopped.await;
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(vec![listener], relay, Limits::default(), stopped));
        Ok(RunningProxy { address, stop, tasks })
    }
}

impl RunningProxy {
    /// Returns the address that the proxy listens on.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the URL of the proxy without a trailing slash.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// Completes the requests in progress and closes all connections.
    pub async fn stop(self) {
        let Self { stop, mut tasks, .. } = self;
        // Sending fails if the server has already stopped.
        let _ = stop.send(());
        while tasks.join_next().await.is_some() {}
    }
}
