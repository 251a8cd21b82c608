//! Which checks were made, and which were skipped.

use crate::{check::Check, probe_id::ProbeId};

/// A check, and whether it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The check.
    pub check: Check,
    /// How it was made, or why it was skipped.
    pub made: Made,
}

/// Whether a check was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// The check was made by these probes and the layers; if the list is empty, by the layers
    /// alone.
    By(Vec<ProbeId>),
    /// The check was skipped, for this reason.
    Skipped(String),
}
