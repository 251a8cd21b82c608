//! The stage: a temporary storage, the fixture, and a proxy in front, ready to be checked.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use sendfile_fixture::{Dialect, Fixture, Header, Running};
use tempfile::TempDir;

use super::{
    StageError,
    fault::{Act, Fault},
    server::Server,
};
use crate::{
    args::DemoProxy,
    config::{FixtureAt, Places, StorageAt, Target, Wish},
    evidence::Intent,
};

/// A set-up that runs until it is dropped.
pub struct Stage {
    fixture: Option<Running>,
    server: Option<Server>,
    fixture_url: String,
    site_url: String,
    /// The hand-off that the app should send, where a fault lets it send another.
    meant: Option<(&'static str, String)>,
    folder: TempDir,
}

impl Stage {
    /// Sets everything up, healthy but for the fault, with a dummy of 4 KiB.
    pub async fn set(proxy: DemoProxy, fault: Option<&Fault>) -> Result<Self, StageError> {
        Self::sized(proxy, fault, 4096).await
    }

    /// The same, with a dummy of so many bytes.
    pub async fn sized(
        proxy: DemoProxy,
        fault: Option<&Fault>,
        size: u64,
    ) -> Result<Self, StageError> {
        let folder = tempfile::Builder::new().prefix("sendfile-check-").tempdir();
        let folder = folder.map_err(StageError::file(&std::env::temp_dir()))?;
        open(folder.path())?;
        let storage = folder.path().join("storage");
        fs::create_dir(&storage).map_err(StageError::file(&storage))?;
        open(&storage)?;
        // lighttpd opens its log as the user that it serves as.
        let writable = folder.path().join("tmp");
        fs::create_dir(&writable).map_err(StageError::file(&writable))?;
        fs::set_permissions(&writable, fs::Permissions::from_mode(0o777))
            .map_err(StageError::file(&writable))?;
        let app = fault.and_then(|it| it.app.as_ref());
        let fixture = match app {
            Some(app) => app.fixture(&storage)?,
            None => Fixture::builder().dialect(dialect(proxy)),
        };
        let fixture = fixture.odd_names().storage_dir(&storage).size(size).start().await?;
        let fixture_url = fixture.url();
        let server = Server::start(proxy, &fixture, &storage, folder.path(), fault).await?;
        let site_url = server.url();
        let meant = app.map(|_| meant(proxy, &storage)).transpose()?;
        let (fixture, server) = (Some(fixture), Some(server));
        let mut stage = Self { fixture, server, fixture_url, site_url, meant, folder };
        if let Some(act) = fault.and_then(|it| it.act) {
            stage.act(act).await?;
        }
        Ok(stage)
    }

    /// The target to check: by the fixture's contract, or, where the app is the faulty part, as an
    /// operator declares it.
    pub fn target(&self) -> Result<Target, crate::url::UrlError> {
        let storage = self.storage().display().to_string();
        let name = "demo".to_owned();
        let Some((header, value)) = &self.meant else {
            let places = Places::Fixture {
                fixture: FixtureAt { url: self.fixture_url.parse()?, unix_socket: None },
                site: self.site_url.parse()?,
                storage: Some(StorageAt::File(storage)),
            };
            return Ok(Target { name, places, wish: Wish::default() });
        };
        let site = |path: &str| format!("{}/healthcheck-utils/{path}", self.site_url).parse();
        let places = Places::Urls {
            storage: Some(StorageAt::File(format!("{storage}/{KEY}"))),
            app: Some(format!("{}/download", self.fixture_url).parse()?),
            direct: Some(site("direct/dummy.bin")?),
            full: site("download")?,
        };
        let (header, value) = (Some((*header).to_owned()), Some(value.clone()));
        let intent = Intent { header, value, ..Intent::default() };
        Ok(Target { name, places, wish: Wish { intent, ..Wish::default() } })
    }

    /// Where everything is, for people.
    pub fn tour(&self) -> String {
        format!(
            "storage {}\nfixture {}\nsite    {}\n",
            self.storage().display(),
            self.fixture_url,
            self.site_url
        )
    }

    /// Ends what was started: the proxy, then the fixture, which clears its dummies.
    pub async fn clear(mut self) {
        drop(self.server.take());
        if let Some(fixture) = self.fixture.take() {
            // A fault may have put something else where a dummy was; then the fixture refuses to
            // delete it, as it should.
            fixture.stop().await.ok();
        }
    }

    /// The fixture's own URL.
    pub fn fixture_url(&self) -> &str {
        &self.fixture_url
    }

    /// The site's URL.
    pub fn site_url(&self) -> &str {
        &self.site_url
    }

    /// The storage's folder.
    pub fn storage(&self) -> PathBuf {
        self.folder.path().join("storage")
    }

    async fn act(&mut self, act: Act) -> Result<(), StageError> {
        let folder = self.storage().join("healthcheck");
        let dummy = folder.join("dummy.bin");
        let half = || fs::read(&dummy).map(|bytes| bytes[..bytes.len() / 2].to_vec());
        let done = match act {
            Act::RemoveDummy => fs::remove_file(&dummy),
            Act::CloseDummy => fs::set_permissions(&dummy, fs::Permissions::from_mode(0o600)),
            Act::CloseFolder => fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)),
            Act::TruncateDummy => half().and_then(|bytes| fs::write(&dummy, bytes)),
            Act::OverwriteDummy => fs::write(&dummy, "somebody else's file\n"),
            Act::LinkStorage => {
                let moved = self.folder.path().join("disk");
                fs::rename(self.storage(), &moved)
                    .and_then(|()| std::os::unix::fs::symlink(&moved, self.storage()))
            }
            Act::StopFixture => {
                drop(self.fixture.take());
                Ok(())
            }
            Act::StopProxy => {
                drop(self.server.take());
                Ok(())
            }
        };
        done.map_err(StageError::file(&dummy))
    }
}

/// The proxy's user must be able to pass, whatever the umask says.
fn open(folder: &Path) -> Result<(), StageError> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).map_err(StageError::file(folder))
}

/// The download's key in the storage.
const KEY: &str = "healthcheck/dummy.bin";

/// The hand-off that the proxy understands.
fn meant(proxy: DemoProxy, storage: &Path) -> Result<(&'static str, String), StageError> {
    let (header, map) = match proxy {
        DemoProxy::Apache | DemoProxy::Lighttpd => ("X-Sendfile", storage.display().to_string()),
        DemoProxy::BuiltIn | DemoProxy::Nginx | DemoProxy::Caddy => {
            ("X-Accel-Redirect", "/protected/".to_owned())
        }
    };
    Ok((header, dialect(proxy).write(&map, KEY).map_err(sendfile_fixture::StartError::from)?))
}

fn dialect(proxy: DemoProxy) -> Dialect {
    match proxy {
        DemoProxy::BuiltIn | DemoProxy::Nginx => Dialect::nginx(),
        DemoProxy::Apache => Dialect::XSendfile,
        DemoProxy::Lighttpd => Dialect::XSendfileLighttpd,
        DemoProxy::Caddy => Dialect::Caddy(Header::accel()),
    }
}
