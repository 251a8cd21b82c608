//! Examines targets and judges the evidence, for all commands that do so.

use std::time::SystemTime;

use sendfile_probe::{config::Config, prober::Prober};
use sendfile_rules::Choice;

use crate::report::Report;

/// The report on the targets that could be examined, and the errors for the others.
pub(super) async fn examine(
    config: &Config,
    prober: &Prober,
    choice: &Choice,
) -> (Report, Vec<String>) {
    let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut evidence = Vec::new();
    let mut errors = Vec::new();
    for (target, outcome) in config.targets.iter().zip(prober.examine_all(&config.targets).await) {
        match outcome {
            Ok(examined) => evidence.push(examined),
            Err(error) => errors.push(format!("target `{}`: {error}", target.name)),
        }
    }
    let tool = concat!("sendfile-check ", env!("CARGO_PKG_VERSION")).to_owned();
    (Report::new(tool, started, evidence, choice), errors)
}
