//! The JSON report, version 1: one document with all evidence, so that it can be judged again.
//!
//! Keys are added, but never removed. Separate types are serialised, so that the domain's types can
//! change.

use std::{io, time::Duration};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Report;
use sendfile_evidence::{
    Access, Body, Dummy, End, Evidence, ExtraProbe, Failure, FailureKind, Intent, LoggedRequest,
    Outcome, Probe, RequestRecord, Response, Same, Source,
};
use sendfile_rules::{Choice, Diagnosis, Finding, Layer, LayerResult, Verdict};

mod checks;
mod evidence;
mod local;

use checks::JsonCheck;
use evidence::{JsonCertificate, JsonDummy, JsonFurther, JsonIntent, JsonJournalled, JsonProbed};
use local::JsonFact;

/// Bytes to percent-encode in the beginning of a body.
const UNPRINTABLE: &AsciiSet = &CONTROLS.add(b'%');

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
    intent: JsonIntent,
    dummy: Option<JsonDummy>,
    layers: JsonLayers,
    probes: Vec<JsonFurther>,
    #[serde(default)]
    checks: Vec<JsonCheck>,
    journal: Option<Vec<JsonJournalled>>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    local: Vec<JsonFact>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    certificate: Option<JsonCertificate>,
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
    full: JsonLayer,
    storage: JsonLayer,
    app: JsonLayer,
    direct: JsonLayer,
}

#[derive(Serialize, Deserialize)]
struct JsonLayer {
    result: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    reason: Option<String>,
    seen: String,
    #[serde(flatten)]
    probed: JsonProbed,
}

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
    /// The file is not JSON of this form.
    #[error("not a report of `sendfile-check verify -o json`: {0}")]
    Form(#[from] serde_json::Error),
    /// The report has another version.
    #[error("unsupported report version {0} (expected 1)")]
    Version(u32),
    /// A value is invalid.
    #[error("invalid value: {0}")]
    Value(String),
}

/// Writes the report as one JSON document.
pub(super) fn write(out: &mut impl io::Write, report: &Report) -> io::Result<()> {
    let targets = report.targets.iter().map(|it| target(&it.evidence, &it.diagnosis)).collect();
    let json = JsonReport {
        version: 1,
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
pub fn read(text: &[u8]) -> Result<Saved, ReadError> {
    /// Only the version, to tell another version from invalid input.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice::<Versioned>(text)?.version {
        1 => {}
        other => return Err(ReadError::Version(other)),
    }
    let report: JsonReport = serde_json::from_slice(text)?;
    let seen = report.targets.into_iter().map(|it| it.evidence().map_err(ReadError::Value));
    let seen = seen.collect::<Result<_, _>>()?;
    let choice = Choice { only: report.only, skip: report.skip };
    Ok(Saved { tool: report.tool, started: report.started, choice, seen })
}

fn target(evidence: &Evidence, diagnosis: &Diagnosis) -> JsonTarget {
    JsonTarget {
        name: evidence.target.clone(),
        verdict: diagnosis.verdict.to_string(),
        reason: match &diagnosis.verdict {
            Verdict::Inconclusive(reason) => Some(reason.clone()),
            _ => None,
        },
        culprit: diagnosis.culprit().map(|it| it.to_string()),
        findings: diagnosis.findings.iter().map(finding).collect(),
        warnings: diagnosis.warnings.iter().map(finding).collect(),
        deciding: diagnosis.deciding.clone(),
        intent: JsonIntent::of(&evidence.intent),
        dummy: evidence.dummy.as_ref().map(JsonDummy::of),
        layers: JsonLayers {
            full: layer(&diagnosis.full, JsonProbed::of_response(&evidence.full)),
            storage: layer(&diagnosis.storage, JsonProbed::of_body(&evidence.storage)),
            app: layer(&diagnosis.app, JsonProbed::of_response(&evidence.app)),
            direct: layer(&diagnosis.direct, JsonProbed::of_response(&evidence.direct)),
        },
        probes: evidence.probes.iter().map(JsonFurther::of).collect(),
        checks: checks::of(evidence, diagnosis),
        journal: evidence
            .request_log
            .as_ref()
            .map(|it| it.iter().map(JsonJournalled::of).collect()),
        local: evidence.local.iter().map(JsonFact::of).collect(),
        certificate: evidence.certificate.as_ref().map(JsonCertificate::of),
        spoofed: evidence.spoofed.clone(),
    }
}

fn finding(it: &Finding) -> JsonFinding {
    JsonFinding {
        rule: it.rule.id.to_owned(),
        culprit: it.rule.culprit.to_string(),
        severity: it.severity.to_string(),
        confidence: it.confidence.to_string(),
        summary: it.rule.summary.to_owned(),
        evidence: it.evidence.iter().chain([&it.reproduce]).cloned().collect(),
        remedy: it.remedy.clone(),
    }
}

fn layer(it: &Layer, probed: JsonProbed) -> JsonLayer {
    let (result, reason) = match &it.result {
        LayerResult::Pass => ("pass", None),
        LayerResult::Fail => ("fail", None),
        LayerResult::Skipped(reason) => ("skipped", Some(reason.clone())),
        LayerResult::Unknown(reason) => ("unknown", Some(reason.clone())),
    };
    JsonLayer { result: result.to_owned(), reason, seen: it.seen.clone(), probed }
}

impl JsonTarget {
    fn evidence(self) -> Result<Evidence, String> {
        let probes =
            self.probes.into_iter().map(JsonFurther::evidence).collect::<Result<_, _>>()?;
        Ok(Evidence {
            target: self.name,
            intent: self.intent.evidence(),
            dummy: self.dummy.map(JsonDummy::evidence).transpose()?,
            storage: self.layers.storage.probed.body()?,
            app: self.layers.app.probed.response()?,
            direct: self.layers.direct.probed.response()?,
            full: self.layers.full.probed.response()?,
            probes,
            checks: self.checks.into_iter().map(JsonCheck::evidence).collect::<Result<_, _>>()?,
            request_log: self
                .journal
                .map(|it| it.into_iter().map(JsonJournalled::evidence).collect()),
            local: self.local.into_iter().map(JsonFact::evidence).collect::<Result<_, _>>()?,
            certificate: self.certificate.map(JsonCertificate::evidence).transpose()?,
            spoofed: self.spoofed,
        })
    }
}
