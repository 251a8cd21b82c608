//! How facts from configurations and error logs affect the rules: a fact makes a rule certain if
//! the symptom that it explains was measured, and gives the line and the change.
//!
//! A fact never overrides a measurement. If the two contradict each other, the running server has
//! not loaded the configuration, and its facts are ignored.

use sendfile_evidence::fact::{Fact, FactKind};

use crate::{
    analysis::Analysis,
    config_evidence::{ConfigEvidence, Symptom, another_disk_perhaps, has},
    contradiction::contradiction,
    rule::{Confidence, Match, Rule},
};

/// Combines a match with what a configuration or a log says about it.
pub(crate) fn corroborate(
    rule: &Rule,
    measured: Option<Match>,
    analysis: &Analysis<'_>,
) -> Option<Match> {
    let Some(config) = &rule.config else { return measured };
    let mut found = with_facts(config, measured, analysis)?;
    // If the running server contradicts the file, it has not loaded the file, and editing the file
    // does not help.
    if found.confidence == Confidence::Sure && contradiction(analysis).is_some() {
        found.confidence = Confidence::Likely;
    }
    Some(found)
}

fn with_facts(
    config: &ConfigEvidence,
    measured: Option<Match>,
    analysis: &Analysis<'_>,
) -> Option<Match> {
    let incomplete =
        has(analysis, &[FactKind::Unread, FactKind::Unsure, FactKind::ListensElsewhere]);
    let mut confirming = Vec::new();
    for fact in trusted(analysis) {
        if !incomplete && config.excludes(fact) {
            return None;
        }
        if (config.confirms)(analysis, fact) {
            confirming.push(fact);
        }
    }
    let with_suggestion = confirming.iter().find(|fact| fact.fix.is_some());
    let Some(fact) = with_suggestion.or(confirming.first()) else { return measured };
    let found = match (measured, &config.symptom) {
        (Some(found), Symptom::OfRule | Symptom::Or(_)) => found,
        (Some(found), Symptom::Only(symptom)) => {
            if symptom(analysis).is_none() {
                return Some(found);
            }
            found
        }
        (None, Symptom::Or(symptom) | Symptom::Only(symptom)) => {
            Match::possible(symptom(analysis)?)
        }
        (None, Symptom::OfRule) => return None,
    };
    // Parts that were not read or not understood may say otherwise, and a configuration for another
    // port may belong to another server; a log line is what happened.
    let doubtful =
        incomplete || another_disk_perhaps(analysis, fact) || fact.kind == FactKind::CachesErrors;
    let confidence = match fact.kind {
        FactKind::Logged(_) => Confidence::Sure,
        _ if doubtful => Confidence::Likely,
        _ => Confidence::Sure,
    };
    let mut lines: Vec<String> = confirming.iter().map(|fact| fact.line()).collect();
    lines.dedup();
    Some(found.with_config(confidence, lines, fact.fix.clone()))
}

/// The facts that are trusted: all of them, or only log lines if a measurement contradicts the
/// configuration.
fn trusted<'a>(analysis: &Analysis<'a>) -> Vec<&'a Fact> {
    let contradicted = contradiction(analysis).is_some();
    let mut facts = Vec::new();
    for fact in &analysis.evidence.local {
        if !contradicted || matches!(fact.kind, FactKind::Logged(_)) {
            facts.push(fact);
        }
    }
    facts
}
