//! Determines the expected content if there is no contract, and how much of each body equals that
//! content.
//!
//! This module only compares; it sends no request.

use super::body::Trace;
use sendfile_evidence::{Body, Dummy, End, Outcome, Probe, Response, Same, Source};

pub(super) fn body_of(outcome: &mut Outcome<Body>) -> Option<&mut Body> {
    match outcome {
        Outcome::Response(body) => Some(body),
        Outcome::Failed(_) | Outcome::Skipped(_) => None,
    }
}

pub(super) fn response_of(outcome: &mut Outcome<Response>) -> Option<&mut Body> {
    match outcome {
        Outcome::Response(response) => Some(&mut response.body),
        Outcome::Failed(_) | Outcome::Skipped(_) => None,
    }
}

/// Records how much of each body equals the dummy, if one of them is the dummy and was kept.
pub(super) fn compare<'a>(dummy: &Dummy, bodies: impl Iterator<Item = (&'a mut Body, &'a Trace)>) {
    let bodies: Vec<_> = bodies.collect();
    let reference = bodies.iter().find(|(body, trace)| {
        body.sha256 == dummy.sha256 && trace.size() == body.size.min(Trace::KEPT)
    });
    let Some((_, reference)) = reference else { return };
    let reference = *reference;
    for (body, trace) in bodies {
        let is_whole = body.sha256 == dummy.sha256 && body.size == dummy.size;
        let same = if is_whole { Same::Exactly(body.size) } else { trace.same(reference) };
        body.same = Some(same);
    }
}

/// The expected content. Without a contract, the storage provides the reference copy; the direct
/// location provides it only if the storage was not read. Without either, a file can still be
/// compared with itself, if the response identifies its version.
pub(super) fn expected(
    storage: &Probe<Body>,
    direct: &Probe<Response>,
    full: &Probe<Response>,
) -> Option<Dummy> {
    match (&storage.outcome, &direct.outcome) {
        (Outcome::Response(body), _) => Some(Dummy::of(body, Source::Storage)),
        (Outcome::Skipped(_), Outcome::Response(direct)) if is_whole_file(direct) => {
            Some(Dummy::of(&direct.body, Source::Direct))
        }
        (Outcome::Skipped(_), Outcome::Skipped(_)) if full.request.method == "GET" => {
            let full = full.response()?;
            if !is_whole_file(full) || !full.is_of_file() {
                return None;
            }
            Some(Dummy::of(&full.body, Source::Client))
        }
        _ => None,
    }
}

/// Whether a response is a whole file. A site that returns the same page for every path would
/// otherwise be its own reference copy.
fn is_whole_file(response: &Response) -> bool {
    let is_page = response.media_type().as_deref() == Some("text/html");
    response.status == 200 && response.body.end == End::Whole && !is_page
}
