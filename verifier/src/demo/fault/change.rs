//! The changes that faults consist of: an edit, an act, another app or another proxy.

use sendfile_evidence::Server;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A replacement in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The text to replace. It occurs exactly once in the file.
    pub from: String,
    /// The text that replaces it.
    pub to: String,
}

/// Where an edit takes effect.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Edited {
    /// In the file and in the running proxy.
    #[default]
    Loaded,
    /// In the file only: the proxy still runs with the shipped configuration.
    NotLoaded,
    /// In the running proxy only: the file was corrected but not reloaded.
    Corrected,
}

/// Why a diagnosis does not name the line of an edit, although it may read the configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NoLine {
    /// The rule rests on measurements only: no reader of configurations looks for its cause.
    Measured,
    /// A reader looks for the cause of the rule but does not find this line, for this reason.
    NotFound(String),
    /// The diagnosis names another line, for this reason.
    Elsewhere(String),
}

/// A proxy that forwards every request, except where its rules say otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relay {
    /// The proxy, named as in `--proxy`.
    #[serde(deserialize_with = "server")]
    pub proxy: Server,
    /// Configuration that precedes the rule that forwards the rest.
    #[serde(default)]
    pub rules: String,
}

/// An app that sends a hand-off other than the expected one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// The name of the header.
    pub header: String,
    /// The prefix of the key in the value; `@STORAGE@` is the storage directory.
    pub map: String,
    /// Whether the value is percent-encoded.
    #[serde(default)]
    pub encoded: bool,
}

/// An action after everything has started.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// Deletes the dummy.
    RemoveDummy,
    /// Makes the dummy readable by its owner only.
    CloseDummy,
    /// Makes the directory of dummies accessible to its owner only.
    CloseDirectory,
    /// Truncates the dummy to half its size.
    TruncateDummy,
    /// Overwrites the dummy with other content.
    OverwriteDummy,
    /// Moves the storage directory and leaves a symbolic link in its place.
    LinkStorage,
    /// Stops the fixture without removing its files.
    StopFixture,
    /// Stops the proxy.
    StopProxy,
    /// Requests the download before the check, as a client does.
    Download,
    /// Requests the download, then overwrites the dummy with other content.
    DownloadAndReplace,
    /// Requests the download, then makes the fixture replace the content of its files.
    DownloadAndRotate,
    /// Puts a compressed copy of the dummy beside it, as `.gz`, then makes the fixture replace the
    /// content of its files.
    CompressAndRotate,
    /// Puts a `.gz` of other content beside the dummy.
    CompressOther,
    /// Writes a `.htaccess` with `XSendFile On` to the document root.
    WriteHtaccess,
    /// Gives the proxy an empty directory instead of the storage.
    HideStorage,
}

/// Parses the id of a server.
pub(super) fn server<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Server, D::Error> {
    let id = String::deserialize(deserializer)?;
    id.parse().map_err(D::Error::custom)
}
