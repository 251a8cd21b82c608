//! The built-in proxy, for demonstrations and tests: passes requests on to an app and obeys its
//! hand-offs. It reads hand-offs as nginx does, and does nothing more.
//!
//! Knows nothing of the fixture: any app may stand behind it. Where it is told to be wrong, it is
//! wrong in a way that real proxies are.

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;
use tokio::{sync::oneshot, task::JoinSet};

use self::relay::Relay;
use crate::{
    listen::{Address, ListenError, Listener},
    serve::{Limits, serve},
};

mod relay;

/// What the proxy does. The default is right for a fixture with nginx's dialect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Acts on the hand-off header; otherwise passes it on to the visitor.
    pub obey: bool,
    /// The hand-off header.
    pub header: String,
    /// The prefix of hand-offs that stands for a folder of the storage.
    pub map: String,
    /// That folder, below the storage; empty for all of it.
    pub map_to: String,
    /// Refuses the map to visitors.
    pub internal: bool,
    /// The prefix of URIs under which visitors get the dummies without the app.
    pub direct: String,
    /// The folder of the dummies, below the storage.
    pub direct_to: String,
    /// The prefixes that are passed to the app.
    pub pass: Vec<String>,
    /// What happens to all else.
    pub catch_all: CatchAll,
}

/// What happens to a request that no other setting names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchAll {
    /// 404.
    NotFound,
    /// The app is asked.
    App,
    /// 200 and always the same page, as in front of a single-page app.
    Page,
}

/// A proxy that is to be started.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `start`"]
pub struct Proxy {
    app: Address,
    storage: PathBuf,
    settings: Settings,
    listen: Address,
    limits: Limits,
}

/// A proxy that answers. Dropped, it closes all connections at once.
#[derive(Debug)]
#[must_use = "a proxy that is dropped stops"]
pub struct RunningProxy {
    address: Address,
    stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

impl Default for Settings {
    fn default() -> Self {
        let base = "/healthcheck-utils";
        Self {
            obey: true,
            header: "X-Accel-Redirect".into(),
            map: "/protected/".into(),
            map_to: String::new(),
            internal: true,
            direct: format!("{base}/direct/"),
            direct_to: "healthcheck".into(),
            pass: ["download", "probe/", "denied"].map(|it| format!("{base}/{it}")).into(),
            catch_all: CatchAll::NotFound,
        }
    }
}

impl Proxy {
    /// Prepares a proxy in front of `app`, which serves files of the folder `storage`.
    pub fn new(app: Address, storage: impl Into<PathBuf>) -> Self {
        let listen = Address::Tcp(([127, 0, 0, 1], 0).into());
        let (settings, limits) = (Settings::default(), Limits::default());
        Self { app, storage: storage.into(), settings, listen, limits }
    }

    /// Sets what it does.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets where it listens; any free port of 127.0.0.1 by default.
    pub fn listen(mut self, address: Address) -> Self {
        self.listen = address;
        self
    }

    /// Listens and answers.
    ///
    /// # Errors
    ///
    /// [`ListenError`]. Must be called within a tokio runtime.
    pub async fn start(self) -> Result<RunningProxy, ListenError> {
        let (listener, address) = Listener::bind(&self.listen).await?;
        let (stop, stopped) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let limits = self.limits;
        tasks.spawn(serve(vec![listener], Relay::new(Arc::new(self)), limits, async {
            // A sender that is gone wants the same.
            let _ = stopped.await;
        }));
        Ok(RunningProxy { address, stop, tasks })
    }
}

impl RunningProxy {
    /// Returns where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns its URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.address.url()
    }

    /// Answers what has been asked, and closes.
    pub async fn stop(self) {
        let Self { stop, mut tasks, .. } = self;
        // Nobody who hears it any more is what is wanted.
        let _ = stop.send(());
        while tasks.join_next().await.is_some() {}
    }
}
