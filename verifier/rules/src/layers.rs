//! The result of each of the four layers.

use sendfile_evidence::{Body, Evidence, Outcome, Probe, Response, dialect};

use crate::{
    analysis::Analysis,
    diagnosis::{Layer, LayerResult},
};

/// Why a layer that responded cannot be judged.
const UNTOLD: &str = "there is no reference copy to compare with";

/// Returns the storage, app, direct and full layers.
pub(crate) fn of(analysis: &Analysis<'_>) -> (Layer, Layer, Layer, Layer) {
    let evidence = analysis.evidence;
    let storage = layer(&evidence.storage, |body| storage_layer(analysis, body));
    let app = layer(&evidence.app, |response| app_layer(analysis, response));
    let direct = layer(&evidence.direct, |it| {
        served(analysis, it, evidence.is_dummy(&it.body) && it.status == 200)
    });
    let full = match &evidence.full.outcome {
        // A client that receives no response has no download, whatever the reason.
        Outcome::Failed(failure) => {
            Layer { result: LayerResult::Fail, seen: failure.chain.clone() }
        }
        _ => layer(&evidence.full, |it| served(analysis, it, evidence.delivered())),
    };
    (storage, app, direct, full)
}

fn layer<T>(probed: &Probe<T>, judge: impl FnOnce(&T) -> Layer) -> Layer {
    match &probed.outcome {
        Outcome::Response(answer) => judge(answer),
        Outcome::Failed(failure) => {
            let url = &probed.request.url;
            let reason = format!("`{url}` does not respond: {}", failure.chain);
            Layer { seen: failure.chain.clone(), result: LayerResult::Unknown(reason) }
        }
        Outcome::Skipped(reason) => {
            Layer { result: LayerResult::Skipped(reason.clone()), seen: reason.clone() }
        }
    }
}

fn served(analysis: &Analysis<'_>, response: &Response, right: bool) -> Layer {
    let result = match (right, &analysis.evidence.dummy) {
        (true, _) if analysis.evidence.has_reference() => LayerResult::Pass,
        (true, _) => LayerResult::Unknown(UNTOLD.to_owned()),
        (false, Some(_)) => LayerResult::Fail,
        (false, None) if response.status >= 400 => LayerResult::Fail,
        (false, None) => LayerResult::Unknown(UNTOLD.to_owned()),
    };
    Layer { result, seen: analysis.describe(response) }
}

/// The result for the content of the storage.
pub(crate) fn stored(evidence: &Evidence, body: &Body) -> LayerResult {
    if evidence.is_dummy(body) { LayerResult::Pass } else { LayerResult::Fail }
}

/// The result of the storage layer.
fn storage_layer(analysis: &Analysis<'_>, body: &Body) -> Layer {
    let (it, size) = (analysis.evidence.file_is_called(), body.size);
    let seen = match analysis.evidence.is_dummy(body) {
        true => format!("{it}, {size} bytes"),
        false => format!("{size} bytes, which differ from {it}"),
    };
    Layer { result: stored(analysis.evidence, body), seen }
}

/// The result of the app layer.
fn app_layer(analysis: &Analysis<'_>, response: &Response) -> Layer {
    let result = if analysis.app_right() { LayerResult::Pass } else { LayerResult::Fail };
    let seen = match analysis.handoff() {
        Some((name, value)) => {
            format!("{}, {}: {value}", response.status, dialect::spelling(name))
        }
        None => format!("{}, no hand-off header", response.status),
    };
    Layer { result, seen }
}
