//! The changes that faults are made of: an edit, an act, an app or a proxy with manners of its own.

use std::path::Path;

use clap::ValueEnum;
use sendfile_fixture::{Dialect, Escape, Fixture, Header};
use serde::Deserialize;

use super::super::StageError;
use crate::args::DemoProxy;

/// A replacement; `from` occurs exactly once in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What is replaced.
    pub from: String,
    /// What replaces it.
    pub to: String,
}

/// Where an edit is in force.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Edited {
    /// In the file and in the running proxy.
    #[default]
    Loaded,
    /// In the file only: the proxy runs with what it was before.
    NotLoaded,
    /// In the running proxy only: the file was mended, and not loaded again.
    Mended,
}

/// A proxy that passes everything on, but for its own rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// Which one, by its name in `--proxy`.
    pub proxy: String,
    /// What stands in its site before it passes on what is left.
    #[serde(default)]
    pub rules: String,
}

/// An app that hands over in a way of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The header's name.
    pub header: String,
    /// What stands before the file's key; `@STORAGE@` is the storage's folder.
    pub map: String,
    /// Whether the value is percent-encoded.
    #[serde(default)]
    pub encoded: bool,
}

impl Relay {
    /// The proxy.
    pub(in super::super) fn proxy(&self) -> Result<DemoProxy, StageError> {
        DemoProxy::from_str(&self.proxy, false)
            .map_err(|problem| StageError::Fault { id: self.proxy.clone(), problem })
    }
}

impl App {
    /// The fixture that stands for this app.
    pub(in super::super) fn fixture(&self, storage: &Path) -> Result<Fixture, StageError> {
        let header: Header = self.header.parse().map_err(sendfile_fixture::StartError::from)?;
        let escape = if self.encoded { Escape::Percent } else { Escape::Raw };
        let map = self.map.replace("@STORAGE@", &storage.display().to_string());
        Ok(Fixture::builder()
            .dialect(Dialect::Custom(header, escape))
            .path_prefix(map)
            .without_root_decoy())
    }
}

/// What is done when everything runs.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// The dummy is deleted.
    RemoveDummy,
    /// The dummy is closed to everybody but its owner.
    CloseDummy,
    /// The folder of dummies is closed to everybody but its owner.
    CloseFolder,
    /// The dummy loses its second half.
    TruncateDummy,
    /// Something else is written over the dummy.
    OverwriteDummy,
    /// The storage moves, and a link stands in its place.
    LinkStorage,
    /// The fixture stops without clearing up behind it.
    StopFixture,
    /// The proxy is stopped.
    StopProxy,
    /// A visitor has the download before it is checked.
    Visit,
    /// The same, and then the file gets another content.
    VisitAndReplace,
    /// A visitor has the download, and then the fixture gives its files other contents.
    VisitAndRotate,
    /// The dummy is packed, as `.gz` beside itself, and then the fixture gives its files other
    /// contents.
    PackAndRotate,
    /// A `.gz` of something else is put beside the dummy.
    PackAnother,
    /// A `.htaccess` that switches XSendFile on is put into the folder of the site.
    WriteHtaccess,
    /// The proxy sees an empty folder where the storage should be.
    HideStorage,
}
