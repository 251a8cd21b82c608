//! Faults: named ways in which a right set-up is broken by one change, each with the finding that
//! must come first.

use std::path::Path;

use clap::ValueEnum;
use sendfile_fixture::{Dialect, Escape, Fixture, Header};
use serde::Deserialize;

use super::StageError;
use crate::args::DemoProxy;

/// One change, and what it leads to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happened, in a line.
    pub story: String,
    /// The proxy, by its name in `--proxy`.
    pub proxy: String,
    /// The file that is edited, as it is shipped.
    pub file: Option<String>,
    /// The edit.
    pub edit: Option<Edit>,
    /// What is done to the storage or the fixture instead of an edit.
    pub act: Option<Act>,
    /// The hand-off that the app sends instead of the right one.
    pub app: Option<App>,
    /// The rule that must come first; none for a set-up that is unusual and right.
    pub expected: Vec<String>,
}

/// A replacement; `from` occurs exactly once in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// What is replaced.
    pub from: String,
    /// What replaces it.
    pub to: String,
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

impl App {
    /// The fixture that stands for this app.
    pub(super) fn fixture(&self, storage: &Path) -> Result<Fixture, StageError> {
        let header: Header = self.header.parse().map_err(sendfile_fixture::StartError::from)?;
        let escape = if self.encoded { Escape::Percent } else { Escape::Raw };
        let map = self.map.replace("@STORAGE@", &storage.display().to_string());
        Ok(Fixture::builder().dialect(Dialect::Custom(header, escape)).map(map).without_root_twin())
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
}

macro_rules! faults {
    ($($id:literal),+ $(,)?) => {
        /// All faults: their ids, and their files as they stand in `tests/faults`.
        pub const FAULTS: &[(&str, &str)] = &[
            $(($id, include_str!(concat!("../../tests/faults/", $id, ".toml")))),+
        ];
    };
}

faults!(
    "apache-app-header-misspelt",
    "apache-app-is-down",
    "apache-app-relative-path",
    "apache-app-sends-uri",
    "apache-app-wrong-dialect",
    "apache-direct-location-wrong",
    "apache-dummy-closed",
    "apache-dummy-missing",
    "apache-etag-constant",
    "apache-folder-closed",
    "apache-healthy",
    "apache-module-missing",
    "apache-path-not-allowed",
    "apache-proxypass-missing",
    "apache-upstream-wrong",
    "apache-xsendfile-off",
    "built-in-another-folder",
    "built-in-another-prefix",
    "built-in-app-is-down",
    "built-in-dummy-missing",
    "built-in-dummy-overwritten",
    "built-in-fallback-page",
    "built-in-header-ignored",
    "built-in-healthy",
    "built-in-not-internal",
    "caddy-another-prefix",
    "caddy-app-is-down",
    "caddy-app-sends-path",
    "caddy-disposition-lost",
    "caddy-dummy-missing",
    "caddy-head-becomes-get",
    "caddy-healthy",
    "caddy-not-routed",
    "caddy-prefix-stays",
    "caddy-root-elsewhere",
    "lighttpd-app-is-down",
    "lighttpd-app-obsolete-header",
    "lighttpd-app-other-folder",
    "lighttpd-docroot-elsewhere",
    "lighttpd-dummy-closed",
    "lighttpd-dummy-missing",
    "lighttpd-healthy",
    "lighttpd-healthy-two-docroots",
    "lighttpd-not-routed",
    "lighttpd-ranges-off",
    "lighttpd-xsendfile-off",
    "nginx-access-denied",
    "nginx-alias-elsewhere",
    "nginx-alias-without-slash",
    "nginx-another-prefix",
    "nginx-app-header-misspelt",
    "nginx-app-is-down",
    "nginx-app-no-handoff",
    "nginx-app-other-prefix",
    "nginx-app-prefix-lost",
    "nginx-app-sends-path",
    "nginx-app-wrong-dialect",
    "nginx-asks-for-login",
    "nginx-closed-for-maintenance",
    "nginx-closes-connection",
    "nginx-content-encoding",
    "nginx-direct-location-wrong",
    "nginx-disposition-doubled",
    "nginx-dummy-closed",
    "nginx-dummy-missing",
    "nginx-dummy-overwritten",
    "nginx-dummy-truncated",
    "nginx-drops-hand-off",
    "nginx-echo-headers",
    "nginx-filter-adds-bytes",
    "nginx-filter-changes-bytes",
    "nginx-filter-changes-html",
    "nginx-folder-closed",
    "nginx-hands-off-to-dead-store",
    "nginx-header-ignored",
    "nginx-header-too-big",
    "nginx-healthy",
    "nginx-healthy-fallback",
    "nginx-healthy-gzip",
    "nginx-healthy-headers",
    "nginx-healthy-regex-captures",
    "nginx-link-refused",
    "nginx-location-case",
    "nginx-location-exact",
    "nginx-location-named",
    "nginx-masked-errors",
    "nginx-no-location-static",
    "nginx-not-internal",
    "nginx-not-routed",
    "nginx-other-server",
    "nginx-path-leaks",
    "nginx-path-stripped",
    "nginx-privacy-lost",
    "nginx-proxy-is-down",
    "nginx-ranges-off",
    "nginx-redirects-to-https",
    "nginx-regex-capture-folder",
    "nginx-regex-takes-html",
    "nginx-regex-takes-target",
    "nginx-root-for-alias",
    "nginx-upstream-wrong",
    "nginx-variable-empty",
    "nginx-wrong-protocol",
);

impl Fault {
    /// All faults of a proxy, with their ids.
    pub fn all_of(proxy: DemoProxy) -> impl Iterator<Item = (&'static str, Self)> {
        let all = FAULTS.iter().filter_map(|(id, _)| Some((*id, Self::named(id).ok()?)));
        all.filter(move |(_, it)| it.proxy == name(proxy))
    }

    /// The fault of this id, if it is one of this proxy.
    pub fn of(proxy: DemoProxy, id: &str) -> Result<Self, StageError> {
        let fault = Self::named(id)?;
        if fault.proxy == name(proxy) {
            return Ok(fault);
        }
        Err(StageError::OtherProxy { id: id.to_owned(), proxy: fault.proxy })
    }

    /// The fault of this id.
    pub fn named(id: &str) -> Result<Self, StageError> {
        let (_, text) = FAULTS
            .iter()
            .find(|(it, _)| *it == id)
            .ok_or_else(|| StageError::NoSuchFault(id.to_owned()))?;
        let wrong = |problem: String| StageError::Fault { id: id.to_owned(), problem };
        let fault: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match (&fault.file, &fault.edit) {
            (Some(_), Some(_)) | (None, None) => Ok(fault),
            _ => Err(wrong("`file` and `edit` go together".to_owned())),
        }
    }

    /// A file with the fault's edit, if the edit is for this file.
    pub(super) fn applied(&self, file: &str, text: &str) -> Result<String, StageError> {
        let Some(Edit { from, to }) =
            self.edit.as_ref().filter(|_| self.file.as_deref() == Some(file))
        else {
            return Ok(text.to_owned());
        };
        match text.matches(from.as_str()).count() {
            1 => Ok(text.replacen(from, to, 1)),
            n => Err(StageError::Fault {
                id: self.story.clone(),
                problem: format!("`{from}` occurs {n} times in {file}, not once"),
            }),
        }
    }
}

/// A proxy's name, as the command line has it.
fn name(proxy: DemoProxy) -> String {
    proxy.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
}
