//! Determines the expected content if there is no contract, and how much of each body equals it.

use super::body::Trace;
use sendfile_evidence::{Body, Dummy, End, Outcome, Probe, Response, Same, Source};

pub(super) fn body_of(seen: &mut Outcome<Body>) -> Option<&mut Body> {
    match seen {
        Outcome::Response(body) => Some(body),
        Outcome::Failed(_) | Outcome::Skipped(_) => None,
    }
}

pub(super) fn response_of(seen: &mut Outcome<Response>) -> Option<&mut Body> {
    match seen {
        Outcome::Response(response) => Some(&mut response.body),
        Outcome::Failed(_) | Outcome::Skipped(_) => None,
    }
}

/// Records how much of each body equals the dummy, if one of them is the dummy and was kept.
pub(super) fn compare<'a>(dummy: &Dummy, bodies: impl Iterator<Item = (&'a mut Body, &'a Trace)>) {
    let bodies: Vec<_> = bodies.collect();
    let model = bodies.iter().find(|(body, trace)| {
        body.sha256 == dummy.sha256 && trace.size() == body.size.min(Trace::KEPT)
    });
    let Some(model) = model.map(|(_, trace)| *trace) else { return };
    for (body, trace) in bodies {
        let whole = body.sha256 == dummy.sha256 && body.size == dummy.size;
        body.same = Some(if whole { Same::Exactly(body.size) } else { trace.same(model) });
    }
}

/// Without a contract, the storage provides the reference copy, and the direct location only if the
/// storage was not read. Without either, a file can still be compared with itself, if it identifies
/// its version.
pub(super) fn expected(
    storage: &Probe<Body>,
    direct: &Probe<Response>,
    full: &Probe<Response>,
) -> Option<Dummy> {
    let of = |body: &Body, source| Dummy {
        size: body.size,
        sha256: body.sha256,
        source,
        nonce: None,
        instance: None,
        key: None,
        decoy: false,
        previous: None,
    };
    // A site that returns the same page for every path would be its own reference copy.
    let page = |it: &Response| it.media_type().as_deref() == Some("text/html");
    let file = |it: &&Response| it.status == 200 && it.body.end == End::Whole && !page(it);
    match (&storage.outcome, &direct.outcome) {
        (Outcome::Response(body), _) => Some(of(body, Source::Storage)),
        (Outcome::Skipped(_), Outcome::Response(direct)) => {
            Some(direct).filter(file).map(|it| of(&it.body, Source::Direct))
        }
        (Outcome::Skipped(_), Outcome::Skipped(_)) if full.request.method == "GET" => {
            let whole = full.response().filter(file).filter(|it| it.is_of_file())?;
            Some(of(&whole.body, Source::Visitor))
        }
        _ => None,
    }
}
