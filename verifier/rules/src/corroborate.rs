//! How facts from configurations and error logs affect the rules: a fact makes a rule certain if
//! the symptom that it explains was measured, and gives the line and the change.
//!
//! A fact never overrides a measurement. If the two contradict each other, the running server has
//! not loaded the configuration, and its facts are ignored.

use sendfile_evidence::fact::{Fact, FactKind};

use crate::{
    analysis::Analysis,
    config_evidence::{Symptom, another_disk_perhaps, has},
    contradiction::contradiction,
    rule::{Confidence, Match, Rule},
};

/// Combines a match with what a configuration or a log says about it.
pub(crate) fn corroborate(
    rule: &Rule,
    measured: Option<Match>,
    analysis: &Analysis<'_>,
) -> Option<Match> {
    let found = with_facts(rule, measured, analysis)?;
    // If the running server contradicts the file, it has not loaded the file, and editing the file
    // does not help.
    let of_file = rule.config.is_some() && found.confidence == Confidence::Sure;
    let loaded = !of_file || contradiction(analysis).is_none();
    Some(if loaded { found } else { Match { confidence: Confidence::Likely, ..found } })
}

fn with_facts(rule: &Rule, measured: Option<Match>, analysis: &Analysis<'_>) -> Option<Match> {
    let doubt = has(analysis, &[FactKind::Unread, FactKind::Unsure, FactKind::ListensElsewhere]);
    let Some(clue) = &rule.config else { return measured };
    if !doubt && believed(analysis).any(|fact| clue.excludes(fact)) {
        return None;
    }
    let facts = || believed(analysis).filter(|it| (clue.confirms)(analysis, it));
    let Some(fact) = facts().find(|it| it.fix.is_some()).or_else(|| facts().next()) else {
        return measured;
    };
    // Parts that were not read or not understood may say otherwise, and a configuration for another
    // port may belong to another server; a log line is what happened.
    let doubt =
        doubt || another_disk_perhaps(analysis, fact) || fact.kind == FactKind::CachesErrors;
    let sure = match doubt && !matches!(fact.kind, FactKind::Logged(_)) {
        true => Confidence::Likely,
        false => Confidence::Sure,
    };
    let found = match (measured, &clue.symptom) {
        (Some(found), Symptom::OfRule | Symptom::Or(_)) => found,
        (Some(found), Symptom::Only(it)) if it(analysis).is_some() => found,
        (None, Symptom::Or(it) | Symptom::Only(it)) => Match::possible(it(analysis)?),
        (measured, _) => return measured,
    };
    let mut lines: Vec<String> = facts().map(Fact::line).collect();
    lines.dedup();
    Some(found.told(sure, lines, fact.fix.clone()))
}

/// The facts that are trusted.
fn believed<'a>(analysis: &Analysis<'a>) -> impl Iterator<Item = &'a Fact> + use<'a> {
    let doubted = contradiction(analysis).is_some();
    analysis
        .evidence
        .local
        .iter()
        .filter(move |it| !doubted || matches!(it.kind, FactKind::Logged(_)))
}
