//! The result of each of the four layers.

use super::{Layer, LayerResult, Reading};
use sendfile_evidence::{Body, Evidence, Probed, Response, Seen};

/// Why a layer that responded cannot be judged.
const UNTOLD: &str = "there is no reference copy to compare with";

/// Returns the storage, app, direct and full layers.
pub(super) fn of(reading: &Reading<'_>) -> (Layer, Layer, Layer, Layer) {
    let evidence = reading.evidence;
    let storage = layer(&evidence.storage, |body| reading.storage_layer(body));
    let app = layer(&evidence.app, |it| reading.app_layer(it));
    let direct = layer(&evidence.direct, |it| {
        served(reading, it, evidence.is_dummy(&it.body) && it.status == 200)
    });
    let full = match &evidence.full.seen {
        // A client that receives no response has no download, whatever the reason.
        Seen::Nothing(failure) => Layer { result: LayerResult::Fail, seen: failure.chain.clone() },
        _ => layer(&evidence.full, |it| served(reading, it, evidence.delivered())),
    };
    (storage, app, direct, full)
}

fn layer<T>(probed: &Probed<T>, judge: impl FnOnce(&T) -> Layer) -> Layer {
    match &probed.seen {
        Seen::Answer(answer) => judge(answer),
        Seen::Nothing(failure) => {
            let url = &probed.asked.url;
            let reason = format!("`{url}` does not respond: {}", failure.chain);
            Layer { seen: failure.chain.clone(), result: LayerResult::Unknown(reason) }
        }
        Seen::Skipped(reason) => {
            Layer { result: LayerResult::Skipped(reason.clone()), seen: reason.clone() }
        }
    }
}

fn served(reading: &Reading<'_>, response: &Response, right: bool) -> Layer {
    let result = match (right, &reading.evidence.dummy) {
        (true, _) if reading.evidence.has_yardstick() => LayerResult::Pass,
        (true, _) => LayerResult::Unknown(UNTOLD.to_owned()),
        (false, Some(_)) => LayerResult::Fail,
        (false, None) if response.status >= 400 => LayerResult::Fail,
        (false, None) => LayerResult::Unknown(UNTOLD.to_owned()),
    };
    Layer { result, seen: reading.describe(response) }
}

/// The result for the content of the storage.
pub(super) fn stored(evidence: &Evidence, body: &Body) -> LayerResult {
    if evidence.is_dummy(body) { LayerResult::Pass } else { LayerResult::Fail }
}
