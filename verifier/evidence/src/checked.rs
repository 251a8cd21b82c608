//! Which checks were made, and which were not.

use super::ProbeId;
use crate::Check;

/// A check, and whether it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which one.
    pub check: Check,
    /// How it was made, or why it was not.
    pub made: Made,
}

/// Whether a check was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// By these probes, beside the layers; by the layers alone, if there are none.
    By(Vec<ProbeId>),
    /// It was not, for this reason.
    Skipped(String),
}
