//! Judges the evidence about a handed-off download: from evidence to findings and a verdict. Pure, so
//! that a saved report is judged like a new one.
//!
//! The knowledge is in the tables of rules, one file per culprit.

mod analysis;
mod app;
mod body_class;
mod catalog;
mod checks;
mod choice;
mod config_evidence;
mod contradiction;
mod corroborate;
mod curl;
mod diagnosis;
mod frontend;
mod handoff;
mod hops;
mod judge;
mod layers;
mod proxy;
mod reached;
mod rule;
mod storage;
mod symptom;

pub use analysis::Analysis;
pub use catalog::{rule, rules};
pub use choice::Choice;
pub use config_evidence::{ConfigEvidence, Symptom};
pub use diagnosis::{CheckResult, Diagnosis, Finding, Layer, LayerResult, Verdict};
pub use judge::judge;
pub use reached::Reached;
pub use rule::{Basis, Confidence, Culprit, Match, Precedence, Remedy, Rule, Severity};
