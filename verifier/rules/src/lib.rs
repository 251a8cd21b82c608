//! From evidence to a verdict: pure, so that a saved report is judged as a fresh one is.
//!
//! Knowledge is in the tables of rules, a file for each culprit. A rule is data and one pure
//! function.

use sendfile_evidence::{Check, Evidence, ProbeId, Seen, dialect::Product};

mod app;
mod checks;
mod choice;
mod curl;
mod frontend;
mod handoff;
mod instead;
mod layers;
mod local;
mod proxy;
mod reached;
mod reading;
mod row;
mod storage;
mod words;

pub use checks::CheckResult;
pub use choice::{Choice, rules_of};
pub use local::Ground;
pub use reached::Reached;
pub use reading::Reading;

/// Who is guilty: the layer in which one change makes everything well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The file cannot be read from storage.
    Storage,
    /// The app does not give the intended answer.
    App,
    /// The proxy cannot read the file.
    Proxy,
    /// Each part is right by itself, and the two do not fit together.
    Handoff,
    /// The request never reaches the app, or its answer never reaches the serving proxy.
    Frontend,
}

/// What it means for those who download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No file, or a wrong one.
    Broken,
    /// Others can have it too.
    Exposed,
    /// The right bytes, but not as they should come.
    Degraded,
    /// Nothing of the download itself; it decides nothing.
    Warning,
}

/// How sure a finding is.
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
    /// All is well, as far as it was checked.
    Healthy,
    /// No file, or a wrong one.
    Broken,
    /// The right bytes, but not as they should come.
    Degraded,
    /// Others can have it too.
    Exposed,
    /// It cannot be told, for this reason.
    Inconclusive(String),
}

/// A piece of knowledge. Its id is for ever: it is in scripts, JSON and the docs.
pub struct Rule {
    /// `<culprit>.<cause>`.
    pub id: &'static str,
    /// Who is guilty where it matches.
    pub culprit: Culprit,
    /// What it means where the bytes arrive; where they don't, it is always [`Severity::Broken`].
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// What it means and how it is known, for `explain`.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: Remedy,
    /// Whether it matches.
    pub matches: fn(&Reading<'_>) -> Option<Match>,
}

/// What to do, in the words of the proxy that was recognised.
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

/// A match of a rule: how sure, and because of what.
pub struct Match {
    confidence: Confidence,
    because: Vec<String>,
    /// The request that shows it, where that is not the culprit's layer.
    shown_by: Option<ProbeId>,
    /// What makes it as sure as it is.
    ground: Ground,
    /// The change that mends it, where a configuration tells.
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
        Self { confidence, because, shown_by: None, ground: Ground::Measured, fix: None }
    }

    /// The same with what a configuration or a log says, which makes it at least so sure, and the
    /// change that mends it.
    fn told(self, sure: Confidence, lines: Vec<String>, fix: Option<String>) -> Self {
        let ground = if sure < self.confidence { Ground::Told } else { Ground::Both };
        let because = self.because.into_iter().chain(lines).collect();
        Self { confidence: self.confidence.min(sure), because, ground, fix, ..self }
    }
}

/// A cause that was found.
pub struct Finding {
    /// By which rule.
    pub rule: &'static Rule,
    /// What it means for this target.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// What makes it so sure.
    pub ground: Ground,
    /// What was seen.
    pub evidence: Vec<String>,
    /// The command that shows it again.
    pub reproduce: String,
    /// What to do.
    pub remedy: String,
}

/// How a layer fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerResult {
    /// As it should.
    Pass,
    /// Not as it should.
    Fail,
    /// It was not asked, for this reason.
    Skipped(String),
    /// It was asked and cannot be judged, for this reason.
    Unknown(String),
}

/// A layer's result and a line about what was seen.
pub struct Layer {
    /// The result.
    pub result: LayerResult,
    /// What was seen.
    pub seen: String,
}

/// What the evidence about a target comes to.
pub struct Diagnosis {
    /// The verdict.
    pub verdict: Verdict,
    /// Best explanation first; only the first decides the culprit.
    pub findings: Vec<Finding>,
    /// What decides nothing.
    pub warnings: Vec<Finding>,
    /// What would tell which of several findings it is.
    pub deciding: Option<String>,
    /// The storage layer.
    pub storage: Layer,
    /// The app layer.
    pub app: Layer,
    /// The direct layer.
    pub direct: Layer,
    /// The full layer.
    pub full: Layer,
    /// What each check came to.
    pub checks: Vec<(Check, CheckResult)>,
}

impl Diagnosis {
    /// Who is guilty, if anybody.
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

/// The rule of this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|it| it.id == id)
}

/// Judges the evidence about a target.
pub fn judge(evidence: &Evidence, choice: &Choice) -> Diagnosis {
    let reading = Reading::of(evidence);
    let tried = rules().filter(|rule| choice.tries(rule.id) && !reading.cut_by_limit());
    let mut found: Vec<Finding> = tried.filter_map(|rule| finding(rule, &reading)).collect();
    found.sort_by_key(|it| (it.severity, it.confidence, it.ground.rank(it.confidence)));
    let found = without_guesses(found);
    let (findings, warnings): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|it| it.severity != Severity::Warning);
    let (storage, app, direct, full) = layers::of(&reading);
    let verdict = match findings.first().map(|it| it.severity) {
        Some(Severity::Exposed) => Verdict::Exposed,
        Some(Severity::Degraded) => Verdict::Degraded,
        Some(_) => Verdict::Broken,
        None => {
            // A layer about which a warning says what is the matter is not unknown.
            let told = |culprit| warnings.iter().any(|it| it.rule.culprit == culprit);
            let layers =
                [(&storage, Culprit::Storage), (&app, Culprit::App), (&full, Culprit::Frontend)];
            let untold = layers.into_iter().filter(|(_, culprit)| !told(*culprit));
            without_finding(&reading, untold.map(|(layer, _)| layer))
        }
    };
    let deciding = deciding(&reading, &findings);
    let checks = checks::results(evidence, || findings.iter().chain(&warnings));
    Diagnosis { verdict, findings, warnings, deciding, storage, app, direct, full, checks }
}

/// What was not asked, and would tell which of several explanations it is.
fn deciding(reading: &Reading<'_>, findings: &[Finding]) -> Option<String> {
    let broken = findings.iter().filter(|it| it.severity == Severity::Broken);
    let open = broken.filter(|it| it.confidence != Confidence::Sure).count() > 1;
    let local = match reading.server {
        _ if !reading.evidence.local.is_empty() => None,
        Some(Product::Nginx) => Some(
            "on nginx's machine --proxy-config nginx:FILE and --error-log FILE; from afar the \
             headers of `echo.conf` beside the snippet",
        ),
        Some(Product::Apache) => {
            Some("on Apache's machine --proxy-config apache:FILE and --error-log FILE")
        }
        Some(Product::Lighttpd) => {
            Some("on lighttpd's machine --proxy-config lighttpd:FILE and --error-log FILE")
        }
        Some(Product::Caddy) => Some("on Caddy's machine --proxy-config caddy:FILE"),
        _ => None,
    };
    let skipped = |seen: bool, flag| seen.then_some(flag);
    let evidence = reading.evidence;
    let asks = [
        skipped(matches!(evidence.app.seen, Seen::Skipped(_)), "--app URL"),
        skipped(matches!(evidence.direct.seen, Seen::Skipped(_)), "--direct URL"),
        local,
    ];
    let asks: Vec<_> = asks.into_iter().flatten().collect();
    (open && !asks.is_empty()).then(|| asks.join("; "))
}

/// Nothing else explains the evidence once something is sure, and what names only the culprit is of
/// no use beside a cause.
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

/// Rules that name the culprit where no other one names the cause.
const FALLBACKS: [&str; 2] = ["proxy.direct-fails", "handoff.does-not-fit"];

fn finding(rule: &'static Rule, reading: &Reading<'_>) -> Option<Finding> {
    let measured = (rule.matches)(reading);
    let found = local::borne_out(rule, measured, reading)?;
    let Match { confidence, because, shown_by, ground, fix } = found;
    let severity = match rule.severity {
        Severity::Degraded if !reading.delivered => Severity::Broken,
        severity => severity,
    };
    let asked = shown_by.and_then(|id| reading.evidence.probed(id)).map(|it| &it.asked);
    let reproduce = asked.map_or_else(|| reading.reproduce(rule.culprit), curl::line);
    let remedy = fix.unwrap_or_else(|| reading.remedy(&rule.remedy));
    Some(Finding { rule, severity, confidence, ground, evidence: because, reproduce, remedy })
}

/// What is missing where the app was not asked as the proxy asks it.
const UNTOLD: &str = "the app hands over only if it is told to: give --app-header the headers that \
                      the proxy sends, X-Sendfile-Type and X-Accel-Mapping";

/// No rule matched: healthy if everything that was to be checked was right, otherwise nobody knows.
fn without_finding<'a>(reading: &Reading<'_>, layers: impl Iterator<Item = &'a Layer>) -> Verdict {
    if reading.cut_by_limit() {
        let reason = "the file is longer than the limit of what is read; raise --max-bytes";
        return Verdict::Inconclusive(reason.to_owned());
    }
    if !reading.evidence.has_yardstick() {
        let reason = format!("nothing tells which bytes are right: {}", reading.no_yardstick());
        return Verdict::Inconclusive(reason);
    }
    let unknown = layers.into_iter().find_map(|it| match &it.result {
        LayerResult::Unknown(reason) => Some(reason.clone()),
        _ => None,
    });
    let asked = reading.app().is_some() && reading.direct().is_some();
    match unknown {
        Some(reason) => Verdict::Inconclusive(reason),
        None if reading.delivered => Verdict::Healthy,
        None if reading.engaged().is_some() => Verdict::Inconclusive(UNTOLD.to_owned()),
        None if asked => Verdict::Inconclusive("no rule explains what was seen".to_owned()),
        None => Verdict::Inconclusive(
            "the download fails, and --app and --direct are needed to tell why".to_owned(),
        ),
    }
}
