//! The result of each of the four layers.

use sendfile_evidence::{Body, Outcome, Probe, Response, dialect};

use crate::{
    analysis::Analysis,
    diagnosis::{Layer, LayerResult},
};

/// Why a layer that responded cannot be judged.
const NO_REFERENCE: &str = "there is no reference copy to compare with";

/// The four layers.
pub(crate) struct Layers {
    pub(crate) storage: Layer,
    pub(crate) app: Layer,
    pub(crate) direct: Layer,
    pub(crate) full: Layer,
}

impl Layers {
    /// Judges the layers.
    pub(crate) fn of(analysis: &Analysis<'_>) -> Self {
        let evidence = analysis.evidence;
        Self {
            storage: layer(&evidence.storage, |body| storage(analysis, body)),
            app: layer(&evidence.app, |response| app(analysis, response)),
            direct: layer(&evidence.direct, |response| {
                let right = evidence.is_dummy(&response.body) && response.status == 200;
                served(analysis, response, right)
            }),
            full: match &evidence.full.outcome {
                // If the client receives no response, the download fails, whatever the reason.
                Outcome::Failed(failure) => {
                    Layer { result: LayerResult::Fail, seen: failure.chain.clone() }
                }
                Outcome::Response(_) | Outcome::Skipped(_) => layer(&evidence.full, |response| {
                    served(analysis, response, evidence.delivered())
                }),
            },
        }
    }
}

fn layer<T>(probe: &Probe<T>, judge: impl FnOnce(&T) -> Layer) -> Layer {
    match &probe.outcome {
        Outcome::Response(response) => judge(response),
        Outcome::Failed(failure) => {
            let reason = format!("`{}` does not respond: {}", probe.request.url, failure.chain);
            Layer { result: LayerResult::Unknown(reason), seen: failure.chain.clone() }
        }
        Outcome::Skipped(reason) => {
            Layer { result: LayerResult::Skipped(reason.clone()), seen: reason.clone() }
        }
    }
}

fn storage(analysis: &Analysis<'_>, body: &Body) -> Layer {
    let (file, size) = (analysis.evidence.file_is_called(), body.size);
    if analysis.evidence.is_dummy(body) {
        Layer { result: LayerResult::Pass, seen: format!("{file}, {size} bytes") }
    } else {
        let seen = format!("{size} bytes, which differ from {file}");
        Layer { result: LayerResult::Fail, seen }
    }
}

fn app(analysis: &Analysis<'_>, response: &Response) -> Layer {
    let result = if analysis.app_right() { LayerResult::Pass } else { LayerResult::Fail };
    let seen = match analysis.handoff() {
        Some((name, value)) => {
            format!("{}, {}: {value}", response.status, dialect::spelling(name))
        }
        None => format!("{}, no hand-off header", response.status),
    };
    Layer { result, seen }
}

fn served(analysis: &Analysis<'_>, response: &Response, right: bool) -> Layer {
    let known = analysis.evidence.dummy.is_some();
    let result = if right && analysis.evidence.has_reference() {
        LayerResult::Pass
    } else if !right && (known || response.status >= 400) {
        LayerResult::Fail
    } else {
        LayerResult::Unknown(NO_REFERENCE.to_owned())
    };
    Layer { result, seen: analysis.describe(response) }
}
