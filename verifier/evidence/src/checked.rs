//! Which checks were made, and which were skipped.

use crate::{check::Check, probe_id::ProbeId};

/// A check, and whether it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which one.
    pub check: Check,
    /// How it was made, or why it was skipped.
    pub made: Made,
}

/// Whether a check was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// By these probes and the layers; by the layers alone if the list is empty.
    By(Vec<ProbeId>),
    /// It was skipped, for this reason.
    Skipped(String),
}
