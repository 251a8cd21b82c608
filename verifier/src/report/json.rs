//! The JSON report, version 1: one document with all evidence, so that it can be judged again.
//!
//! Keys are added, but never removed. Evidence is saved in its own form (serde's derives in the crate
//! `sendfile-evidence`); only what a report adds to it has types here. Golden files in `tests/golden`
//! hold all keys and values.

use std::io;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Report;
use sendfile_evidence::{
    Body, Certificate, Dummy, Evidence, ExtraProbe, Intent, LoggedRequest, Probe, Response,
    fact::Fact,
};
use sendfile_rules::{Choice, Diagnosis, Finding, Layer, LayerResult, Verdict};

mod checks;

use checks::JsonCheck;

/// A saved report, to be judged again.
pub struct Saved {
    /// The name and version of the program that sent the requests.
    pub tool: String,
    /// The start time.
    pub started: String,
    /// Which rules were applied.
    pub choice: Choice,
    /// The evidence of each target.
    pub seen: Vec<Evidence>,
}

/// An error in a saved report.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file is not JSON of this form, or a value in it is unknown.
    #[error("not a report of `sendfile-check verify -o json`: {0}")]
    Form(#[from] serde_json::Error),
    /// The report has another version.
    #[error("unsupported report version {0} (expected 1)")]
    Version(u32),
}

/// Writes the report as one JSON document.
pub(super) fn write(out: &mut impl io::Write, report: &Report) -> io::Result<()> {
    let mut targets = Vec::new();
    for judged in &report.targets {
        targets.push(JsonTarget::of(judged.evidence.clone(), &judged.diagnosis));
    }
    let json = JsonReport {
        version: VERSION,
        tool: report.tool.clone(),
        started: report.started.clone(),
        only: report.choice.only.clone(),
        skip: report.choice.skip.clone(),
        targets,
    };
    serde_json::to_writer_pretty(&mut *out, &json)?;
    writeln!(out)
}

/// Reads a report: the program, its start time, the rules, and the evidence of all targets.
///
/// # Errors
///
/// Fails if the text is not a report of this version.
pub fn read(text: &[u8]) -> Result<Saved, ReadError> {
    /// The version alone, by which a report of another version is distinguished from invalid input.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(text)?;
    if version != VERSION {
        return Err(ReadError::Version(version));
    }
    let JsonReport { tool, started, only, skip, targets, version: _ } =
        serde_json::from_slice(text)?;
    let seen = targets.into_iter().map(JsonTarget::evidence).collect();
    Ok(Saved { tool, started, choice: Choice { only, skip }, seen })
}

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct JsonReport {
    version: u32,
    tool: String,
    started: String,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    only: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    skip: Vec<String>,
    targets: Vec<JsonTarget>,
}

/// The diagnosis of a target, which is ignored when a report is read, and the target's evidence.
#[derive(Serialize, Deserialize)]
struct JsonTarget {
    name: String,
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    culprit: Option<String>,
    findings: Vec<JsonFinding>,
    warnings: Vec<JsonFinding>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    deciding: Option<String>,
    intent: Intent,
    dummy: Option<Dummy>,
    layers: JsonLayers,
    probes: Vec<ExtraProbe>,
    #[serde(default)]
    checks: Vec<JsonCheck>,
    #[serde(rename = "journal")]
    request_log: Option<Vec<LoggedRequest>>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    local: Vec<Fact>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    certificate: Option<Certificate>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    spoofed: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct JsonFinding {
    rule: String,
    culprit: String,
    severity: String,
    confidence: String,
    summary: String,
    evidence: Vec<String>,
    remedy: String,
}

#[derive(Serialize, Deserialize)]
struct JsonLayers {
    full: JsonLayer<Response>,
    storage: JsonLayer<Body>,
    app: JsonLayer<Response>,
    direct: JsonLayer<Response>,
}

/// The result of a layer, which is ignored when a report is read, and the layer's probe.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "Probe<T>: Serialize", deserialize = "Probe<T>: Deserialize<'de>"))]
struct JsonLayer<T> {
    result: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    seen: String,
    #[serde(flatten)]
    probe: Probe<T>,
}

impl JsonTarget {
    fn of(evidence: Evidence, diagnosis: &Diagnosis) -> Self {
        let checks = checks::of(&evidence, diagnosis);
        let Evidence {
            target,
            intent,
            dummy,
            storage,
            app,
            direct,
            full,
            probes,
            checks: _,
            request_log,
            local,
            spoofed,
            certificate,
        } = evidence;
        let layers = JsonLayers {
            full: JsonLayer::of(&diagnosis.full, full),
            storage: JsonLayer::of(&diagnosis.storage, storage),
            app: JsonLayer::of(&diagnosis.app, app),
            direct: JsonLayer::of(&diagnosis.direct, direct),
        };
        let reason = match &diagnosis.verdict {
            Verdict::Inconclusive(reason) => Some(reason.clone()),
            _ => None,
        };
        Self {
            name: target,
            verdict: diagnosis.verdict.to_string(),
            reason,
            culprit: diagnosis.culprit().map(|culprit| culprit.to_string()),
            findings: diagnosis.findings.iter().map(JsonFinding::of).collect(),
            warnings: diagnosis.warnings.iter().map(JsonFinding::of).collect(),
            deciding: diagnosis.deciding.clone(),
            intent,
            dummy,
            layers,
            probes,
            checks,
            request_log,
            local,
            certificate,
            spoofed,
        }
    }

    fn evidence(self) -> Evidence {
        Evidence {
            target: self.name,
            intent: self.intent,
            dummy: self.dummy,
            storage: self.layers.storage.probe,
            app: self.layers.app.probe,
            direct: self.layers.direct.probe,
            full: self.layers.full.probe,
            probes: self.probes,
            checks: checks::evidence(self.checks),
            request_log: self.request_log,
            local: self.local,
            spoofed: self.spoofed,
            certificate: self.certificate,
        }
    }
}

impl JsonFinding {
    fn of(finding: &Finding) -> Self {
        let mut evidence = finding.evidence.clone();
        evidence.push(finding.reproduce.clone());
        Self {
            rule: finding.rule.id.to_owned(),
            culprit: finding.rule.culprit.to_string(),
            severity: finding.severity.to_string(),
            confidence: finding.confidence.to_string(),
            summary: finding.rule.summary.to_owned(),
            evidence,
            remedy: finding.remedy.clone(),
        }
    }
}

impl<T> JsonLayer<T> {
    fn of(layer: &Layer, probe: Probe<T>) -> Self {
        let (result, reason) = match &layer.result {
            LayerResult::Pass => ("pass", None),
            LayerResult::Fail => ("fail", None),
            LayerResult::Skipped(reason) => ("skipped", Some(reason.clone())),
            LayerResult::Unknown(reason) => ("unknown", Some(reason.clone())),
        };
        Self { result: result.to_owned(), reason, seen: layer.seen.clone(), probe }
    }
}
