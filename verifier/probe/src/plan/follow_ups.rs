//! Plans the requests that narrow down the causes of a failed check: whether the download can be
//! requested twice at all, and whether the app responds to HEAD. Pure.

use http::Method;
use sendfile_evidence::{End, Evidence, ProbeId, Response, Same};

use super::{
    progress::Progress,
    request::{ExtraRequest, ProbeRequest},
};

/// The requests after a failed check.
pub(super) fn follow_ups(progress: &Progress<'_>) -> Vec<ExtraRequest> {
    let mut requests = Vec::new();
    if a_repetition_is_odd(progress.evidence) {
        requests.push(ExtraRequest::of_beginning(ProbeId::Again, progress.plan.full.clone()));
    }
    if let Some(app) = progress.plan.app.request()
        && head_differs(progress.evidence)
    {
        let head = ProbeRequest { method: Method::HEAD, ..app.clone() };
        requests.push(ExtraRequest::new(ProbeId::AppHead, head));
    }
    requests
}

fn a_repetition_is_odd(evidence: &Evidence) -> bool {
    for probe in &evidence.probes {
        if !probe.id.repeats_download() {
            continue;
        }
        if let Some(response) = probe.probed.response()
            && is_odd(evidence, probe.id, response)
        {
            return true;
        }
    }
    false
}

/// Whether the response to a repeated download may be that of a site that serves it only once: an
/// error, a redirect, another page.
fn is_odd(evidence: &Evidence, id: ProbeId, response: &Response) -> bool {
    match response.status {
        200 if id == ProbeId::Head => {
            let full = evidence.full.response();
            content_length(response) != full.and_then(content_length)
        }
        200 => !may_be_the_file(evidence, response),
        206 | 304 | 416 => false,
        _ => true,
    }
}

fn may_be_the_file(evidence: &Evidence, response: &Response) -> bool {
    let body = &response.body;
    if body.end != End::Whole {
        return matches!(body.same, Some(Same::AtLeast(_)));
    }
    let expected = evidence.dummy.as_ref().map(|dummy| dummy.sha256);
    let decompressed = body.gunzipped.as_ref().map(|gunzipped| gunzipped.sha256);
    expected == Some(body.sha256) || expected == decompressed
}

/// Whether HEAD and GET differ in their status or the announced length.
fn head_differs(evidence: &Evidence) -> bool {
    let Some(head) = evidence.probe(ProbeId::Head) else { return false };
    let Some(full) = evidence.full.response() else { return false };
    head.status != full.status || content_length(head) != content_length(full)
}

fn content_length(response: &Response) -> Option<&str> {
    response.header("content-length")
}
