//! What is known about a target between two rounds of requests. Pure data: the input of all
//! functions that plan the next round.

use std::ops::RangeInclusive;

use sendfile_evidence::{Check, Evidence, ProbeId, Sha256};

use super::layers::{FixtureProbe, Plan};
use crate::config::Depth;

/// What is known about a target so far, and which checks are selected.
pub struct Progress<'a> {
    /// The requests to the layers, and what the fixture offers.
    pub plan: &'a Plan,
    /// The responses so far: at least those of the layers.
    pub evidence: &'a Evidence,
    /// How many rounds of extra requests have been made.
    pub rounds: usize,
    /// The app's hand-offs so far.
    pub handoffs: &'a Handoffs,
    /// The SHA-256 of a range of the download, if its content is known.
    pub part: &'a (dyn Fn(RangeInclusive<u64>) -> Option<Sha256> + Sync),
    /// Whether to send all requests, or only the most important ones.
    pub depth: Depth,
    /// The selected checks.
    pub checks: &'a [Check],
}

/// The app's hand-offs as received, including the signatures that evidence omits.
#[derive(Default)]
pub struct Handoffs {
    /// The hand-off for the download.
    pub get: Option<String>,
    /// The hand-off for the same request with HEAD.
    pub head: Option<String>,
}

impl Progress<'_> {
    /// Whether all checks are wanted, however many requests they need.
    pub(super) fn thorough(&self) -> bool {
        self.depth == Depth::Thorough
    }

    /// Whether a check is selected.
    pub(super) fn selected(&self, check: Check) -> bool {
        self.checks.contains(&check)
    }

    /// The fixture's own probe that checks need, if the fixture offers it.
    pub(super) fn check_probe(&self, id: ProbeId) -> Option<FixtureProbe> {
        self.plan.check_probes.iter().find(|probe| probe.id == id).cloned()
    }
}
