//! The changes that make up faults: an edit, an action, or a misbehaving app or proxy.

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
    /// The text to replace.
    pub from: String,
    /// The replacement.
    pub to: String,
}

/// Where an edit is active.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Edited {
    /// In the file and in the running proxy.
    #[default]
    Loaded,
    /// Only in the file: the proxy was not reloaded.
    NotLoaded,
    /// Only in the running proxy: the file was fixed, but not reloaded.
    Mended,
}

/// A proxy that forwards everything except for its own rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// The proxy, by its value of `--proxy`.
    pub proxy: String,
    /// The rules in its site, before it forwards the rest.
    #[serde(default)]
    pub rules: String,
}

/// An app with a custom hand-off.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The header's name.
    pub header: String,
    /// The prefix of the file's key; `@STORAGE@` is the storage directory.
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
    /// A fixture that acts as this app.
    pub(in super::super) fn fixture(&self, storage: &Path) -> Result<Fixture, StageError> {
        let header: Header = self.header.parse().map_err(sendfile_fixture::StartError::from)?;
        let escape = if self.encoded { Escape::Percent } else { Escape::Raw };
        let map = self.map.replace("@STORAGE@", &storage.display().to_string());
        Ok(Fixture::builder().dialect(Dialect::Custom(header, escape)).map(map).without_root_twin())
    }
}

/// An action after everything has started.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Delete the dummy.
    RemoveDummy,
    /// Make the dummy readable only by its owner.
    CloseDummy,
    /// Make the directory of dummies accessible only to its owner.
    CloseFolder,
    /// Truncate the dummy to its first half.
    TruncateDummy,
    /// Overwrite the dummy with other content.
    OverwriteDummy,
    /// Move the storage and put a symbolic link in its place.
    LinkStorage,
    /// Stop the fixture without cleaning up.
    StopFixture,
    /// Stop the proxy.
    StopProxy,
    /// Request the download before the check.
    Visit,
    /// Request the download, then replace the content of the file.
    VisitAndReplace,
    /// Request the download, then let the fixture rotate the contents of its files.
    VisitAndRotate,
    /// Compress the dummy into a `.gz` file next to it, then let the fixture rotate the contents of
    /// its files.
    PackAndRotate,
    /// Put a `.gz` file with other content next to the dummy.
    PackAnother,
    /// Put a `.htaccess` with `XSendFile On` into the document root.
    WriteHtaccess,
    /// Show the proxy an empty directory instead of the storage.
    HideStorage,
}
