//! Faults: named changes that each break a working set-up, with the finding that each must produce.
//!
//! Each fault is a file `tests/faults/RULE/ID.toml`. The build script lists these files, so a new
//! file is a new fault.

use sendfile_evidence::Server;
use sendfile_probe::config::Depth;
use serde::Deserialize;

use super::{error::DemoError, stub_server::StubResponse};

use self::change::server;

mod change;

pub use self::change::{Act, App, Edit, Edited, NoLine, Relay};

/// All faults, sorted by id: the id, which is the stem of the file's name, and the text of the file.
pub const FAULTS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/faults.rs"));

/// A change and the finding that it must produce.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The id, which is the stem of the file's name.
    #[serde(skip)]
    pub id: &'static str,
    /// The story of the fault, in one line.
    pub story: String,
    /// The proxy that serves the file, named as in `--proxy`.
    #[serde(deserialize_with = "server")]
    pub proxy: Server,
    /// Path in the repository of the file to edit. Required with `edit`.
    pub file: Option<String>,
    /// The edit. Required with `file`.
    pub edit: Option<Edit>,
    /// Where the edit takes effect.
    #[serde(default)]
    pub edited: Edited,
    /// Why the diagnosis does not name the edited line. If this key is absent and the
    /// configuration can be read, the diagnosis must name the line, and its remedy the change.
    pub line: Option<NoLine>,
    /// Why the remedy does not name the change, although the evidence names the line.
    pub remedy: Option<String>,
    /// What is done to the storage, the fixture or the proxy once everything runs.
    pub act: Option<Act>,
    /// The hand-off that the app sends instead of the expected one.
    pub app: Option<App>,
    /// The responses of a stub that replaces the fixture as the app.
    #[serde(default)]
    pub responses: Vec<StubResponse>,
    /// The responses of a stub of an object store at `@STORE@`.
    #[serde(default)]
    pub store: Vec<StubResponse>,
    /// A proxy between the client and the one that serves the file.
    pub front: Option<Relay>,
    /// A proxy between the proxy that serves the file and the app.
    pub between: Option<Relay>,
    /// Keys of the target that the operator sets in addition, as in the file for `--config`. A key
    /// with an empty value is removed.
    #[serde(default)]
    pub target: toml::Table,
    /// Whether the fault is found only with `--thorough`.
    #[serde(default)]
    pub thorough: bool,
    /// The rule of the first finding; empty for a set-up that is unusual but works. If the
    /// configuration can be read, the rules after it in this list may come first instead.
    pub expected: Vec<String>,
    /// The rule of the first finding if the configuration and the log can be read, where this
    /// differs.
    #[serde(rename = "with-config")]
    pub with_config: Option<String>,
    /// The rule of a warning that must be given, whatever else is found.
    pub warned: Option<String>,
    /// The rule of a warning that must be given where the configuration and the log can be read.
    #[serde(rename = "warned-with-config")]
    pub warned_with_config: Option<String>,
}

impl Fault {
    /// The depth of the check that finds the fault.
    pub fn depth(&self) -> Depth {
        if self.thorough { Depth::Thorough } else { Depth::AsNeeded }
    }

    /// All faults of a proxy.
    ///
    /// # Errors
    ///
    /// [`DemoError`], if the file of a fault is invalid.
    pub fn all_of(proxy: Server) -> Result<Vec<Self>, DemoError> {
        let mut faults = Vec::new();
        for (id, _) in FAULTS {
            let fault = Self::named(id)?;
            if fault.proxy == proxy {
                faults.push(fault);
            }
        }
        Ok(faults)
    }

    /// The fault with this id, if it belongs to this proxy.
    ///
    /// # Errors
    ///
    /// [`DemoError`], if there is no such fault, or if it belongs to another proxy.
    pub fn of(proxy: Server, id: &str) -> Result<Self, DemoError> {
        let fault = Self::named(id)?;
        if fault.proxy != proxy {
            return Err(DemoError::OtherProxy { id: id.to_owned(), proxy: fault.proxy });
        }
        Ok(fault)
    }

    /// The fault with this id.
    ///
    /// # Errors
    ///
    /// [`DemoError`], if there is no such fault, or if its file is invalid.
    pub fn named(id: &str) -> Result<Self, DemoError> {
        let Some((id, text)) = FAULTS.iter().find(|(listed, _)| *listed == id) else {
            return Err(DemoError::NoSuchFault(id.to_owned()));
        };
        let invalid = |problem: String| DemoError::Fault { id: (*id).to_owned(), problem };
        let mut fault: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if fault.file.is_some() != fault.edit.is_some() {
            return Err(invalid("`file` and `edit` require each other".to_owned()));
        }
        fault.id = id;
        Ok(fault)
    }

    /// The text of a file with the edit applied, or unchanged if the edit is for another file.
    ///
    /// # Errors
    ///
    /// [`DemoError`], unless the text to replace occurs exactly once.
    pub fn applied(&self, file: &str, text: &str) -> Result<String, DemoError> {
        let Some(Edit { from, to }) = &self.edit else { return Ok(text.to_owned()) };
        if self.file.as_deref() != Some(file) {
            return Ok(text.to_owned());
        }
        match text.matches(from.as_str()).count() {
            1 => Ok(text.replacen(from, to, 1)),
            count => Err(DemoError::Fault {
                id: self.id.to_owned(),
                problem: format!("`{from}` occurs {count} times in {file}; expected exactly once"),
            }),
        }
    }
}
