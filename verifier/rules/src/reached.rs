//! Determines how far the client's request got, from signs in the response, the strongest first.

use sendfile_evidence::{Evidence, ProbeId, Response, Server, debug_headers, dialect};

use crate::body_class::{alike, is_app_page};

/// How far the client's request got, and how this is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The app responded to the client's request.
    App(&'static str),
    /// The app responded to the client's request, and received another request for the hand-off's
    /// own URI.
    AppTwice(&'static str),
    /// The app received a request for something other than the download.
    Misrouted(&'static str),
    /// The request did not reach the app.
    NotReached(&'static str),
    /// It is unknown how far the request got.
    Unknown,
}

impl Reached {
    /// Determines from the evidence how far the request got.
    pub fn of(evidence: &Evidence) -> Self {
        if let Some(reached) = by_request_log(evidence) {
            return reached;
        }
        let Some(full) = evidence.full.response() else { return Self::Unknown };
        by_debug_headers(full)
            .or_else(|| by_content(evidence, full))
            .or_else(|| by_refusal(evidence, full))
            .or_else(|| by_kept_header(evidence, full))
            .or_else(|| by_neighbours(evidence, full))
            .unwrap_or(Self::Unknown)
    }
}

fn by_request_log(evidence: &Evidence) -> Option<Reached> {
    // The request of the app layer has a nonce of its own, so the requests in this list came
    // through the site.
    let log = evidence.request_log.as_ref()?;
    let intended = evidence.intent.value.as_deref().map(decoded_path);
    let (mut viewed, mut other_page, mut target) = (false, false, false);
    for request in log {
        match request.answer.as_str() {
            "view" => viewed = true,
            "fall-through" => {
                other_page = true;
                // Fallbacks may make the proxy request other paths from the app; only a request for
                // the hand-off's own URI is conclusive.
                target |= Some(decoded_path(&request.target)) == intended;
            }
            _ => {}
        }
    }
    Some(if viewed && target {
        Reached::AppTwice(
            "The fixture's request log contains the request, and one for the hand-off's URI",
        )
    } else if viewed {
        Reached::App("The fixture's request log contains the request")
    } else if other_page {
        Reached::Misrouted("The fixture's request log shows a request for a different path")
    } else {
        Reached::NotReached("The fixture's request log does not contain the request")
    })
}

fn decoded_path(uri: &str) -> String {
    let (path, _) = uri.split_once('?').unwrap_or((uri, ""));
    dialect::decoded(path)
}

/// nginx reports which upstreams it contacted, if the operator enables that. The second may be a
/// store, or the app again.
fn by_debug_headers(full: &Response) -> Option<Reached> {
    match debug_headers::upstreams(full)?.len() {
        0 => Some(Reached::NotReached("nginx reports that it contacted no upstream")),
        1 => Some(Reached::App("nginx reports that it contacted one upstream, once")),
        _ => None,
    }
}

/// Signs in the response itself.
fn by_content(evidence: &Evidence, full: &Response) -> Option<Reached> {
    if full.header("x-sendfile-fixture").is_some() {
        return Some(Reached::AppTwice("The response is the fixture's own page for unknown paths"));
    }
    if dialect::store_error(&full.body).is_some() {
        return Some(Reached::App(
            "The response is a store error, which only a hand-off can cause",
        ));
    }
    let intended = evidence.intent.header.as_deref();
    let (name, value) = dialect::handoff_of(evidence.app.response()?, intended)?;
    if full.header(name).is_some() {
        return Some(Reached::App("The client gets the app's hand-off header"));
    }
    let (target, _) = value.split_once('?').unwrap_or((value, ""));
    if target.starts_with('/') && full.header("location")?.contains(target) {
        return Some(Reached::App("The redirect contains the hand-off's URI"));
    }
    None
}

/// The app rejects anonymous clients with a page that it returns for no other path, and the client
/// received that page.
fn by_refusal(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let anonymous = evidence.probe(ProbeId::AppAnonymous)?;
    let kept = evidence.app.response()?.header("content-disposition");
    let handed_over = kept.is_some() && full.header("content-disposition") == kept;
    let own_page =
        anonymous.body.size > 0 && anonymous.status >= 400 && !is_app_page(evidence, full);
    if alike(anonymous, full) && own_page && !handed_over && Server::by_error_page(full).is_none() {
        return Some(Reached::Misrouted("The client gets the app's page for anonymous clients"));
    }
    None
}

/// nginx keeps the app's Content-Disposition on every response after a hand-off, including error
/// pages (measured with 1.22.1). If the header is missing, there was no hand-off.
fn by_kept_header(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let sent = evidence.app.response()?.header("content-disposition")?;
    if let Some(kept) = full.header("content-disposition") {
        let target = evidence.probe(ProbeId::AppTarget);
        return if kept != sent {
            None
        } else if target.is_some_and(|page| alike(page, full)) {
            Some(Reached::AppTwice(
                "The response is the app's page for the hand-off's URI, with the download's \
                 Content-Disposition",
            ))
        } else {
            Some(Reached::App("The response contains the app's Content-Disposition"))
        };
    }
    if Server::of(full) != Some(Server::Nginx) || is_gateway_error(full) {
        None
    } else if is_app_page(evidence, full) {
        Some(Reached::Misrouted(
            "The response is a page from the app, without the download's Content-Disposition",
        ))
    } else if full.body.size > 0 {
        Some(Reached::NotReached(
            "nginx keeps the app's Content-Disposition after a hand-off, but the response has none",
        ))
    } else {
        None
    }
}

/// Draws a conclusion from a sibling URL: the component that responds there also responds at the
/// download's URL.
fn by_neighbours(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let neighbour = evidence.probe(ProbeId::Neighbour)?;
    let app_neighbour = evidence.probe(ProbeId::AppNeighbour)?;
    if evidence.probe(ProbeId::AppTarget).is_some_and(|page| alike(page, full)) {
        return Some(Reached::AppTwice("The response is the app's page for the hand-off's URI"));
    }
    let by_app = alike(neighbour, app_neighbour);
    let same = alike(neighbour, full);
    if full.body.size == 0 && full.status == 200 {
        return Some(if same && !by_app {
            Reached::NotReached(
                "A URL in the same directory as the download returns the same empty 200, but the \
                 app does not",
            )
        } else {
            Reached::App("The response is an empty 200, like the app's")
        });
    }
    if is_gateway_error(full) {
        return None;
    }
    if by_app && Server::by_error_page(app_neighbour).is_none() {
        return Some(Reached::App(
            "The app responds to a URL in the same directory as the download",
        ));
    }
    if !by_app && same && !is_refused_file(evidence, full) {
        return Some(Reached::NotReached(
            "A URL in the same directory as the download returns the same page, which is not from \
             the app",
        ));
    }
    None
}

/// Whether Apache or lighttpd also returns this page if it cannot send the handed-off file, and the
/// app's hand-off names another file than the storage's.
fn is_refused_file(evidence: &Evidence, full: &Response) -> bool {
    let refused = matches!(full.status, 403 | 404)
        && matches!(Server::by_error_page(full), Some(Server::Apache | Server::Lighttpd));
    let intended = evidence.intent.header.as_deref();
    if refused
        && let Some(app) = evidence.app.response()
        && let Some((_, value)) = dialect::handoff_of(app, intended)
        && let Some(stored) = evidence.storage.request.url.strip_prefix("file://")
    {
        return dialect::decoded(value) != stored;
    }
    false
}

/// Whether the proxy contacted an upstream and received no valid response.
fn is_gateway_error(response: &Response) -> bool {
    matches!(response.status, 502..=504)
}
