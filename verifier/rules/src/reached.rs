//! Determines how far the client's request got, from signs in the response, the strongest first.

use sendfile_evidence::{Evidence, ProbeId, Response, Server, debug_headers, dialect};

use crate::body_class::{alike, is_app_page};

/// How far the client's request got, and how this is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The app responded to it.
    App(&'static str),
    /// The app responded to it, and received another request for the hand-off's own URI.
    AppTwice(&'static str),
    /// The app received a request, but for something else than the download.
    Misrouted(&'static str),
    /// It did not reach the app.
    NotReached(&'static str),
    /// Unknown.
    Unknown,
}

impl Reached {
    /// Determines it from the evidence.
    pub fn of(evidence: &Evidence) -> Self {
        let by_answer = || by_answer(evidence, evidence.full.response()?);
        by_journal(evidence).or_else(by_answer).unwrap_or(Self::Unknown)
    }
}

fn by_answer(evidence: &Evidence, full: &Response) -> Option<Reached> {
    by_echo(full)
        .or_else(|| by_content(evidence, full))
        .or_else(|| by_refusal(evidence, full))
        .or_else(|| by_kept_header(evidence, full))
        .or_else(|| by_neighbours(evidence, full))
}

fn by_journal(evidence: &Evidence) -> Option<Reached> {
    let journal = evidence.request_log.as_ref()?;
    // The app layer's own request has a nonce, so the requests in this list came through the site.
    let viewed = journal.iter().any(|it| it.answer == "view");
    let mut fallen = journal.iter().filter(|it| it.answer == "fall-through").peekable();
    let other_page = fallen.peek().is_some();
    // Fallbacks request other paths from the app too; only the hand-off's own URI is conclusive.
    let path = |text: &str| dialect::decoded(text.split('?').next().unwrap_or(text));
    let intended = evidence.intent.value.as_deref().map(path);
    let fell_through = fallen.any(|it| Some(path(&it.target)) == intended);
    Some(match (viewed, fell_through || other_page && !viewed) {
        (true, true) => Reached::AppTwice(
            "The fixture's request log contains the request, and one for the hand-off's URI",
        ),
        (true, false) => Reached::App("The fixture's request log contains the request"),
        (false, true) => Reached::Misrouted("The fixture's request log shows another path"),
        (false, false) => {
            Reached::NotReached("The fixture's request log does not contain the request")
        }
    })
}

/// nginx reports which upstreams it contacted, if the operator enables that. The second may be a
/// store, or the app again.
fn by_echo(full: &Response) -> Option<Reached> {
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
        return Some(Reached::App("A store error was returned, which only a hand-off causes"));
    }
    let intended = evidence.intent.header.as_deref();
    let (name, value) = dialect::handoff_of(evidence.app.response()?, intended)?;
    if full.header(name).is_some() {
        return Some(Reached::App("The client gets the app's hand-off header"));
    }
    let target = value.split('?').next().filter(|it| it.starts_with('/'));
    let leads_there = |it: &str| target.is_some_and(|target| it.contains(target));
    full.header("location")
        .filter(|it| leads_there(it))
        .map(|_| Reached::App("The redirect contains the hand-off's URI"))
}

/// The app rejects anonymous clients with a page that none of its other paths returns, and the
/// client received that page.
fn by_refusal(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let stranger = evidence.probe(ProbeId::AppAnonymous).filter(|it| alike(it, full))?;
    let kept = evidence.app.response()?.header("content-disposition");
    let handed_over = kept.is_some() && full.header("content-disposition") == kept;
    let own = stranger.body.size > 0 && stranger.status >= 400 && !is_app_page(evidence, full);
    (own && !handed_over && Server::by_error_page(full).is_none())
        .then_some(Reached::Misrouted("The client gets the app's page for anonymous clients"))
}

/// nginx keeps the app's Content-Disposition on every response after a hand-off, error pages
/// included (measured with 1.22.1): without it there was no hand-off.
fn by_kept_header(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let kept = evidence.app.response()?.header("content-disposition")?;
    let fell_through = evidence.probe(ProbeId::AppTarget).is_some_and(|it| alike(it, full));
    let nginx = Server::of(full) == Some(Server::Nginx) && !is_gateway_error(full);
    match full.header("content-disposition") {
        Some(it) if it == kept && fell_through => Some(Reached::AppTwice(
            "The response is the app's page for the hand-off's URI, with the download's \
             Content-Disposition",
        )),
        Some(it) if it == kept => Some(Reached::App("The app's Content-Disposition was kept")),
        None if nginx && is_app_page(evidence, full) => Some(Reached::Misrouted(
            "The response is a page from the app, without the download's Content-Disposition",
        )),
        None if nginx && full.body.size > 0 => Some(Reached::NotReached(
            "nginx keeps the app's Content-Disposition, but it is missing",
        )),
        _ => None,
    }
}

/// The component that responds at a sibling URL also responds at the download's URL.
fn by_neighbours(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let neighbour = evidence.probe(ProbeId::Neighbour)?;
    let app_neighbour = evidence.probe(ProbeId::AppNeighbour)?;
    if evidence.probe(ProbeId::AppTarget).is_some_and(|page| alike(page, full)) {
        return Some(Reached::AppTwice("The response is the app's page for the hand-off's URI"));
    }
    if full.body.size == 0 && full.status == 200 {
        return Some(match alike(neighbour, full) && !alike(neighbour, app_neighbour) {
            true => {
                Reached::NotReached("A sibling URL returns the same empty 200; the app does not")
            }
            false => Reached::App("The response is an empty 200, like the app's"),
        });
    }
    if is_gateway_error(full) {
        return None;
    }
    let own = |it: &Response| Server::by_error_page(it).is_some();
    match (alike(neighbour, app_neighbour), alike(neighbour, full) && !in_vain(evidence, full)) {
        (true, _) if !own(app_neighbour) => {
            Some(Reached::App("The app responds at a sibling URL of the download"))
        }
        (false, true) => {
            Some(Reached::NotReached("A sibling URL returns the same page, which is not the app's"))
        }
        _ => None,
    }
}

/// Whether Apache and lighttpd also return this page for a hand-off of a file that they cannot
/// send, and the app's hand-off names another file than the storage's.
fn in_vain(evidence: &Evidence, full: &Response) -> bool {
    let refused = matches!(full.status, 403 | 404)
        && matches!(Server::by_error_page(full), Some(Server::Apache | Server::Lighttpd));
    let stored = evidence.storage.request.url.strip_prefix("file://");
    let intended = evidence.intent.header.as_deref();
    let value = evidence.app.response().and_then(|it| dialect::handoff_of(it, intended));
    let other = |(_, value): (&str, &str)| stored.is_some_and(|it| dialect::decoded(value) != it);
    refused && value.is_some_and(other)
}

/// Whether the proxy contacted an upstream and received no valid response.
fn is_gateway_error(response: &Response) -> bool {
    matches!(response.status, 502..=504)
}
