//! Turns evidence into a verdict. This is pure: a saved report is judged exactly like a fresh one.
//!
//! The knowledge is in tables of rules, one file per culprit. A rule is data plus one pure
//! function.

use sendfile_evidence::{Check, Evidence, Outcome, ProbeId};

mod analysis;
mod app;
mod body_class;
mod checks;
mod choice;
mod curl;
mod frontend;
mod handoff;
mod layers;
mod local;
mod proxy;
mod reached;
mod row;
mod storage;
mod words;

pub use analysis::Analysis;
pub use checks::CheckResult;
pub use choice::{Choice, rules_of};
pub use local::Basis;
pub use reached::Reached;

/// The culprit: the layer in which a single change fixes the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The file cannot be read from storage.
    Storage,
    /// The app does not return the intended response.
    App,
    /// The proxy cannot read the file.
    Proxy,
    /// App and proxy are each right, but do not fit together.
    Handoff,
    /// The request does not reach the app, or its response does not reach the serving proxy.
    Frontend,
}

/// The effect on downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No file, or a wrong one.
    Broken,
    /// Clients without permission can download the file.
    Exposed,
    /// The file arrives, but not in the intended way.
    Degraded,
    /// No effect on the download itself, and none on the verdict.
    Warning,
}

/// How certain a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nothing else explains the evidence.
    Sure,
    /// The best explanation among several.
    Likely,
    /// One explanation among several.
    Possible,
}

/// The verdict about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No problem was found, as far as it was checked.
    Healthy,
    /// No file, or a wrong one.
    Broken,
    /// The file arrives, but not in the intended way.
    Degraded,
    /// Clients without permission can download the file.
    Exposed,
    /// No verdict is possible, for this reason.
    Inconclusive(String),
}

/// A known problem. Its id is permanent: it is used in scripts, JSON and the docs.
pub struct Rule {
    /// `<culprit>.<cause>`.
    pub id: &'static str,
    /// The culprit if it matches.
    pub culprit: Culprit,
    /// The severity if the file arrives; if it does not, it is always [`Severity::Broken`].
    pub severity: Severity,
    /// The problem, in one line.
    pub summary: &'static str,
    /// The explanation and how it is known, for `explain`.
    pub meaning: &'static str,
    /// The remedy.
    pub remedy: Remedy,
    /// Whether it matches.
    pub matches: fn(&Analysis<'_>) -> Option<Match>,
}

/// The remedy for each proxy.
pub struct Remedy {
    /// For any proxy.
    pub any: &'static str,
    /// For nginx.
    pub nginx: Option<&'static str>,
    /// For Apache httpd.
    pub apache: Option<&'static str>,
    /// For lighttpd.
    pub lighttpd: Option<&'static str>,
    /// For Caddy.
    pub caddy: Option<&'static str>,
}

impl Remedy {
    /// The same for every proxy.
    pub const fn any(any: &'static str) -> Self {
        Self { any, nginx: None, apache: None, lighttpd: None, caddy: None }
    }
}

/// A match of a rule: its confidence and its evidence.
pub struct Match {
    confidence: Confidence,
    because: Vec<String>,
    /// The request that shows it, if that is not the one to the culprit's layer.
    shown_by: Option<ProbeId>,
    /// What the confidence is based on.
    basis: Basis,
    /// The change that fixes it, if a configuration shows it.
    fix: Option<String>,
}

impl Match {
    fn sure(because: impl Into<String>) -> Self {
        Self::of(Confidence::Sure, because.into())
    }

    fn shown_by(self, id: ProbeId) -> Self {
        Self { shown_by: Some(id), ..self }
    }

    fn also(mut self, because: impl Into<String>) -> Self {
        self.because.push(because.into());
        self
    }

    fn likely(because: impl Into<String>) -> Self {
        Self::of(Confidence::Likely, because.into())
    }

    fn possible(because: impl Into<String>) -> Self {
        Self::of(Confidence::Possible, because.into())
    }

    fn of(confidence: Confidence, because: String) -> Self {
        let because = vec![because];
        Self { confidence, because, shown_by: None, basis: Basis::Measured, fix: None }
    }

    /// Adds what a configuration or a log says, which gives it at least this confidence, and the
    /// change that fixes it.
    fn told(self, sure: Confidence, lines: Vec<String>, fix: Option<String>) -> Self {
        let basis = if sure < self.confidence { Basis::Told } else { Basis::Both };
        let because = self.because.into_iter().chain(lines).collect();
        Self { confidence: self.confidence.min(sure), because, basis, fix, ..self }
    }
}

/// A cause that was found.
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// The severity for this target.
    pub severity: Severity,
    /// The confidence.
    pub confidence: Confidence,
    /// What the confidence is based on.
    pub basis: Basis,
    /// What was measured.
    pub evidence: Vec<String>,
    /// The command that reproduces it.
    pub reproduce: String,
    /// The remedy.
    pub remedy: String,
}

/// The result of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerResult {
    /// The layer works.
    Pass,
    /// The layer fails.
    Fail,
    /// It was not requested, for this reason.
    Skipped(String),
    /// It was requested and cannot be judged, for this reason.
    Unknown(String),
}

/// A layer's result and a line about what was measured.
pub struct Layer {
    /// The result.
    pub result: LayerResult,
    /// What was measured.
    pub seen: String,
}

/// The result of judging the evidence about a target.
pub struct Diagnosis {
    /// The verdict.
    pub verdict: Verdict,
    /// The findings, best explanation first; only the first determines the culprit.
    pub findings: Vec<Finding>,
    /// The warnings, which do not affect the verdict.
    pub warnings: Vec<Finding>,
    /// The flags that would distinguish between several findings.
    pub deciding: Option<String>,
    /// The storage layer.
    pub storage: Layer,
    /// The app layer.
    pub app: Layer,
    /// The direct layer.
    pub direct: Layer,
    /// The full layer.
    pub full: Layer,
    /// The result of each check.
    pub checks: Vec<(Check, CheckResult)>,
}

impl Diagnosis {
    /// The culprit, if there is one.
    pub fn culprit(&self) -> Option<Culprit> {
        self.findings.first().map(|it| it.rule.culprit)
    }
}

/// All rules, by culprit.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let tables =
        [storage::RULES, proxy::RULES, proxy::store::RULES].into_iter().chain(frontend::RULES);
    app::RULES.into_iter().chain(tables).chain(handoff::RULES).flatten()
}

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|it| it.id == id)
}

/// Judges the evidence about a target.
pub fn judge(evidence: &Evidence, choice: &Choice) -> Diagnosis {
    let analysis = Analysis::of(evidence);
    let tried = rules().filter(|rule| choice.tries(rule.id) && !analysis.cut_by_limit());
    let mut found: Vec<Finding> = tried.filter_map(|rule| finding(rule, &analysis)).collect();
    found.sort_by_key(|it| (it.severity, it.confidence, it.basis.rank(it.confidence)));
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
        found.retain(|it| !FALLBACKS.contains(&it.rule.id));
    }
    found
}

/// Rules that name the culprit if no other rule names the cause.
const FALLBACKS: [&str; 2] = ["proxy.direct-fails", "handoff.does-not-fit"];

fn finding(rule: &'static Rule, analysis: &Analysis<'_>) -> Option<Finding> {
    let measured = (rule.matches)(analysis);
    let found = local::corroborate(rule, measured, analysis)?;
    let Match { confidence, because, shown_by, basis, fix } = found;
    let severity = match rule.severity {
        Severity::Degraded if !analysis.delivered => Severity::Broken,
        severity => severity,
    };
    let asked = shown_by.and_then(|id| analysis.evidence.probed(id)).map(|it| &it.request);
    let reproduce = asked.map_or_else(|| analysis.reproduce(rule.culprit), curl::line);
    let remedy = fix.unwrap_or_else(|| analysis.remedy(&rule.remedy));
    Some(Finding { rule, severity, confidence, basis, evidence: because, reproduce, remedy })
}

/// The hint for an app that was not requested as the proxy requests it.
const UNTOLD: &str = "the app sends a hand-off only if the request enables it: pass the headers \
                      that the proxy sends, X-Sendfile-Type and X-Accel-Mapping, with --app-header";

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
        None if analysis.engaged().is_some() => Verdict::Inconclusive(UNTOLD.to_owned()),
        None if asked => Verdict::Inconclusive("no rule explains the evidence".to_owned()),
        None => Verdict::Inconclusive(
            "the download fails; add --app and --direct to find the cause".to_owned(),
        ),
    }
}
