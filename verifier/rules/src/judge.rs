//! From evidence to a diagnosis: tries all rules, drops guesses, and derives the verdict.

use sendfile_evidence::{Evidence, Outcome};

use crate::{
    analysis::{Analysis, ENABLE_HINT},
    catalog::rules,
    checks,
    choice::Choice,
    corroborate::corroborate,
    curl,
    diagnosis::{Diagnosis, Finding, LayerResult, Verdict},
    layers::Layers,
    rule::{Confidence, Culprit, Precedence, Remedy, Rule, Severity},
};

/// Judges the evidence about a target.
pub fn judge(evidence: &Evidence, choice: &Choice) -> Diagnosis {
    let analysis = Analysis::of(evidence);
    let mut findings = Vec::new();
    let mut warnings = Vec::new();
    for finding in without_guesses(found(&analysis, choice)) {
        match finding.severity {
            Severity::Warning => warnings.push(finding),
            Severity::Broken | Severity::Exposed | Severity::Degraded => findings.push(finding),
        }
    }
    let layers = Layers::of(&analysis);
    Diagnosis {
        verdict: verdict(&analysis, &findings, &warnings, &layers),
        deciding: deciding(&analysis, &findings),
        checks: checks::results(evidence, &findings, &warnings),
        findings,
        warnings,
        storage: layers.storage,
        app: layers.app,
        direct: layers.direct,
        full: layers.full,
    }
}

/// The findings of all rules that apply, the best explanation first.
fn found(analysis: &Analysis<'_>, choice: &Choice) -> Vec<Finding> {
    if analysis.cut_by_limit() {
        return Vec::new();
    }
    let all: Vec<Finding> = rules().filter_map(|rule| finding(rule, analysis)).collect();
    let matching: Vec<&Rule> = all.iter().map(|finding| finding.rule).collect();
    let mut found = Vec::new();
    for finding in all {
        let replaced = matching.iter().any(|rule| rule.replaces(finding.rule));
        if !replaced && choice.tries(finding.rule.id) {
            found.push(finding);
        }
    }
    found.sort_by_key(|finding| (rank(finding), finding.rule.culprit, finding.rule.id));
    in_precedence(found)
}

fn rank(finding: &Finding) -> (Severity, Confidence, u8) {
    (finding.severity, finding.confidence, finding.basis.rank(finding.confidence))
}

/// Inserts each finding before the first finding of equal rank over which it has precedence.
fn in_precedence(sorted: Vec<Finding>) -> Vec<Finding> {
    let mut ordered: Vec<Finding> = Vec::new();
    for finding in sorted {
        let later = ordered.iter().position(|earlier| {
            rank(earlier) == rank(&finding) && finding.rule.precedes(earlier.rule)
        });
        ordered.insert(later.unwrap_or(ordered.len()), finding);
    }
    ordered
}

/// Removes guesses: if a finding is certain, all others; and findings that name only the culprit,
/// if another one names a cause.
fn without_guesses(mut found: Vec<Finding>) -> Vec<Finding> {
    let certain = |finding: &Finding| {
        finding.severity == Severity::Broken && finding.confidence == Confidence::Sure
    };
    if found.iter().any(certain) {
        found.retain(|finding| finding.severity != Severity::Broken || certain(finding));
    }
    let broken = found.iter().filter(|finding| finding.severity == Severity::Broken).count();
    if broken > 1 {
        found.retain(|finding| !matches!(finding.rule.precedence, Precedence::Last));
    }
    found
}

fn finding(rule: &'static Rule, analysis: &Analysis<'_>) -> Option<Finding> {
    let measured = (rule.matches)(analysis);
    let found = corroborate(rule, measured, analysis)?;
    let severity = match rule.severity {
        Severity::Degraded if !analysis.delivered => Severity::Broken,
        severity => severity,
    };
    let mut reproduce = reproduce(analysis, rule.culprit);
    if let Some(id) = found.shown_by
        && let Some(probe) = analysis.evidence.probed(id)
    {
        reproduce = curl::line(&probe.request);
    }
    Some(Finding {
        rule,
        severity,
        confidence: found.confidence,
        basis: found.basis,
        evidence: found.because,
        reproduce,
        remedy: found.fix.unwrap_or_else(|| remedy(analysis, &rule.remedy)),
    })
}

fn verdict(
    analysis: &Analysis<'_>,
    findings: &[Finding],
    warnings: &[Finding],
    layers: &Layers,
) -> Verdict {
    match findings.first().map(|finding| finding.severity) {
        Some(Severity::Exposed) => Verdict::Exposed,
        Some(Severity::Degraded) => Verdict::Degraded,
        Some(Severity::Broken | Severity::Warning) => Verdict::Broken,
        None => without_finding(analysis, unknown_layer(warnings, layers)),
    }
}

/// Why a layer is unknown, unless a warning explains it.
fn unknown_layer<'a>(warnings: &[Finding], layers: &'a Layers) -> Option<&'a str> {
    for (layer, culprit) in [
        (&layers.storage, Culprit::Storage),
        (&layers.app, Culprit::App),
        (&layers.full, Culprit::Frontend),
    ] {
        let explained = warnings.iter().any(|warning| warning.rule.culprit == culprit);
        if let LayerResult::Unknown(reason) = &layer.result
            && !explained
        {
            return Some(reason);
        }
    }
    None
}

/// The verdict if no rule matched: healthy if everything checked was right, otherwise inconclusive.
fn without_finding(analysis: &Analysis<'_>, unknown: Option<&str>) -> Verdict {
    let reason = if analysis.cut_by_limit() {
        "the file is longer than the read limit; raise --max-bytes".to_owned()
    } else if !analysis.evidence.has_reference() {
        let reason = analysis.no_reference_reason();
        format!("there is no reference copy to compare with: {reason}")
    } else if let Some(reason) = unknown {
        reason.to_owned()
    } else if analysis.delivered {
        return Verdict::Healthy;
    } else if analysis.engaged().is_some() {
        ENABLE_HINT.to_owned()
    } else if analysis.app().is_some() && analysis.direct().is_some() {
        "no rule explains the evidence".to_owned()
    } else {
        "the download fails; add --app and --direct to find the cause".to_owned()
    };
    Verdict::Inconclusive(reason)
}

/// The requests and files that were not used yet and would distinguish between several
/// explanations.
fn deciding(analysis: &Analysis<'_>, findings: &[Finding]) -> Option<String> {
    let open = |finding: &&Finding| {
        finding.severity == Severity::Broken && finding.confidence != Confidence::Sure
    };
    if findings.iter().filter(open).count() < 2 {
        return None;
    }
    let evidence = analysis.evidence;
    let mut flags = Vec::new();
    if matches!(evidence.app.outcome, Outcome::Skipped(_)) {
        flags.push("--app URL");
    }
    if matches!(evidence.direct.outcome, Outcome::Skipped(_)) {
        flags.push("--direct URL");
    }
    if let Some(server) = analysis.server
        && evidence.local.is_empty()
        && let Some(local) = server.local_flags()
    {
        flags.push(local);
        flags.extend(server.remote_hint());
    }
    if flags.is_empty() { None } else { Some(flags.join(", or ")) }
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
            text.replace("/DIRECTORY/", &path).replace("/DIRECTORY", path.trim_end_matches('/'))
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
