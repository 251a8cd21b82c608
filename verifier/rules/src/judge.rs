//! From evidence to a diagnosis: tries all rules, drops guesses, and derives the verdict.

use std::cmp::Ordering;

use sendfile_evidence::{Evidence, Outcome};

use crate::{
    analysis::{Analysis, ENABLE_HINT},
    catalog::rules,
    checks,
    choice::Choice,
    corroborate::corroborate,
    curl,
    diagnosis::{Diagnosis, Finding, Layer, LayerResult, Verdict},
    layers,
    rule::{Confidence, Culprit, Match, Precedence, Remedy, Rule, Severity},
};

/// Judges the evidence about a target.
pub fn judge(evidence: &Evidence, choice: &Choice) -> Diagnosis {
    let analysis = Analysis::of(evidence);
    let found = found(&analysis, choice);
    let found = without_guesses(found);
    let (findings, warnings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|it| it.severity != Severity::Warning);
    let (storage, app, direct, full) = layers::of(&analysis);
    let verdict = match findings.first().map(|it| it.severity) {
        Some(Severity::Exposed) => Verdict::Exposed,
        Some(Severity::Degraded) => Verdict::Degraded,
        Some(_) => Verdict::Broken,
        None => {
            // A layer with a warning that explains its state is not unknown.
            let told = |culprit| warnings.iter().any(|it| it.rule.culprit == culprit);
            let layers =
                [(&storage, Culprit::Storage), (&app, Culprit::App), (&full, Culprit::Frontend)];
            let untold = layers.into_iter().filter(|(_, culprit)| !told(*culprit));
            without_finding(&analysis, untold.map(|(layer, _)| layer))
        }
    };
    let deciding = deciding(&analysis, &findings);
    let checks = checks::results(evidence, || findings.iter().chain(&warnings));
    Diagnosis { verdict, findings, warnings, deciding, storage, app, direct, full, checks }
}

/// The findings of all rules that apply, the best explanation first.
fn found(analysis: &Analysis<'_>, choice: &Choice) -> Vec<Finding> {
    if analysis.cut_by_limit() {
        return Vec::new();
    }
    let all: Vec<Finding> = rules().filter_map(|rule| finding(rule, analysis)).collect();
    let mut found = Vec::new();
    let replaced = |finding: &Finding| all.iter().any(|other| other.rule.replaces(finding.rule));
    let kept: Vec<bool> = all.iter().map(|finding| !replaced(finding)).collect();
    for (finding, kept) in all.into_iter().zip(kept) {
        if kept && choice.tries(finding.rule.id) {
            found.push(finding);
        }
    }
    found.sort_by(order);
    let mut i = 0;
    while i < found.len() {
        // A rule moves before those that it precedes, within the findings of equal rank.
        let equal = |other: &Finding| rank(other) == rank(&found[i]);
        let end = found.iter().rposition(equal).unwrap_or(i);
        match (i + 1..=end).find(|later| found[*later].rule.precedes(found[i].rule)) {
            Some(later) => found[i..=later].rotate_right(1),
            None => i += 1,
        }
    }
    found
}

fn rank(finding: &Finding) -> (Severity, Confidence, u8) {
    (finding.severity, finding.confidence, finding.basis.rank(finding.confidence))
}

fn order(a: &Finding, b: &Finding) -> Ordering {
    let key = |finding: &Finding| (rank(finding), finding.rule.culprit, finding.rule.id);
    key(a).cmp(&key(b))
}

/// The requests and files not used yet that would distinguish between several explanations.
fn deciding(analysis: &Analysis<'_>, findings: &[Finding]) -> Option<String> {
    let broken = findings.iter().filter(|it| it.severity == Severity::Broken);
    let open = broken.filter(|it| it.confidence != Confidence::Sure).count() > 1;
    let mut local = None;
    if let Some(server) = analysis.server
        && analysis.evidence.local.is_empty()
        && let Some(flags) = server.local_flags()
    {
        local = Some(match server.remote_hint() {
            Some(hint) => format!("{flags}, or {hint}"),
            None => flags.to_owned(),
        });
    }
    let skipped = |seen: bool, flag: &str| seen.then(|| flag.to_owned());
    let evidence = analysis.evidence;
    let asks = [
        skipped(matches!(evidence.app.outcome, Outcome::Skipped(_)), "--app URL"),
        skipped(matches!(evidence.direct.outcome, Outcome::Skipped(_)), "--direct URL"),
        local,
    ];
    let asks: Vec<_> = asks.into_iter().flatten().collect();
    (open && !asks.is_empty()).then(|| asks.join(", or "))
}

/// Drops guesses: a certain finding leaves no room for others, and a finding that names only the
/// culprit is useless next to a cause.
fn without_guesses(mut found: Vec<Finding>) -> Vec<Finding> {
    let broken = |it: &Finding| it.severity == Severity::Broken;
    if found.iter().any(|it| broken(it) && it.confidence == Confidence::Sure) {
        found.retain(|it| !broken(it) || it.confidence == Confidence::Sure);
    }
    if found.iter().filter(|it| broken(it)).count() > 1 {
        found.retain(|finding| !matches!(finding.rule.precedence, Precedence::Last));
    }
    found
}

fn finding(rule: &'static Rule, analysis: &Analysis<'_>) -> Option<Finding> {
    let measured = (rule.matches)(analysis);
    let found = corroborate(rule, measured, analysis)?;
    let Match { confidence, because, shown_by, basis, fix } = found;
    let severity = match rule.severity {
        Severity::Degraded if !analysis.delivered => Severity::Broken,
        severity => severity,
    };
    let asked = shown_by.and_then(|id| analysis.evidence.probed(id)).map(|it| &it.request);
    let reproduce = asked.map_or_else(|| reproduce(analysis, rule.culprit), curl::line);
    let remedy = fix.unwrap_or_else(|| remedy(analysis, &rule.remedy));
    Some(Finding { rule, severity, confidence, basis, evidence: because, reproduce, remedy })
}

/// The verdict if no rule matched: healthy if everything checked was right, otherwise inconclusive.
fn without_finding<'a>(
    analysis: &Analysis<'_>,
    layers: impl Iterator<Item = &'a Layer>,
) -> Verdict {
    if analysis.cut_by_limit() {
        let reason = "the file is longer than the read limit; raise --max-bytes";
        return Verdict::Inconclusive(reason.to_owned());
    }
    if !analysis.evidence.has_reference() {
        let reason = format!(
            "there is no reference copy to compare with: {}",
            analysis.no_reference_reason()
        );
        return Verdict::Inconclusive(reason);
    }
    let unknown = layers.into_iter().find_map(|it| match &it.result {
        LayerResult::Unknown(reason) => Some(reason.clone()),
        _ => None,
    });
    let asked = analysis.app().is_some() && analysis.direct().is_some();
    match unknown {
        Some(reason) => Verdict::Inconclusive(reason),
        None if analysis.delivered => Verdict::Healthy,
        None if analysis.engaged().is_some() => Verdict::Inconclusive(ENABLE_HINT.to_owned()),
        None if asked => Verdict::Inconclusive("no rule explains the evidence".to_owned()),
        None => Verdict::Inconclusive(
            "the download fails; add --app and --direct to find the cause".to_owned(),
        ),
    }
}

/// The remedy in the terms of the server that was recognised.
fn remedy(analysis: &Analysis<'_>, remedy: &Remedy) -> String {
    let own = analysis.server.and_then(|server| remedy.of(server));
    let mut text = own.unwrap_or(remedy.any).to_owned();
    let directory = match analysis.mapped() {
        Some((prefix, directory)) => {
            text = text.replace("/PREFIX/", &prefix);
            Some(directory)
        }
        None => analysis.directory(),
    };
    match directory {
        Some(path) => {
            text.replace("/FOLDER/", &path).replace("/FOLDER", path.trim_end_matches('/'))
        }
        None => text,
    }
}

/// A command that reproduces the response of the culprit's layer.
fn reproduce(analysis: &Analysis<'_>, culprit: Culprit) -> String {
    let evidence = analysis.evidence;
    curl::line(match culprit {
        Culprit::Storage => &evidence.storage.request,
        Culprit::App => &evidence.app.request,
        Culprit::Proxy if !evidence.direct.request.url.is_empty() => &evidence.direct.request,
        Culprit::Proxy | Culprit::Handoff | Culprit::Frontend => &evidence.full.request,
    })
}
