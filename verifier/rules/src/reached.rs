//! How far the visitor's request got: told by signs in what came back, from the strongest to the
//! weakest.

use super::instead::{alike, is_app_page};
use sendfile_evidence::{
    Evidence, ProbeId, Response, debug_headers,
    dialect::{self, Product},
};

/// How far the visitor's request got, and how this is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The app answered it.
    App(&'static str),
    /// The app answered it, and was asked again with the hand-off's own URI.
    AppTwice(&'static str),
    /// The app was asked, and for something else than the download.
    Otherwise(&'static str),
    /// It never came to the app.
    Not(&'static str),
    /// It cannot be told.
    Unknown,
}

impl Reached {
    /// Tells it from the evidence.
    pub fn of(evidence: &Evidence) -> Self {
        let by_answer = || by_answer(evidence, evidence.full.answer()?);
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
    let journal = evidence.journal.as_ref()?;
    // The app layer asked with a nonce of its own, so what is in this list came through the site.
    let viewed = journal.iter().any(|it| it.answer == "view");
    let mut fallen = journal.iter().filter(|it| it.answer == "fall-through").peekable();
    let other_page = fallen.peek().is_some();
    // Fallbacks ask the app for other paths too; only the hand-off's own URI tells.
    let path = |text: &str| dialect::decoded(text.split('?').next().unwrap_or(text));
    let intended = evidence.intent.value.as_deref().map(path);
    let fell_through = fallen.any(|it| Some(path(&it.target)) == intended);
    Some(match (viewed, fell_through || other_page && !viewed) {
        (true, true) => Reached::AppTwice(
            "the fixture's journal has the request, and another for the hand-off's URI",
        ),
        (true, false) => Reached::App("the fixture's journal has the request"),
        (false, true) => Reached::Otherwise("the fixture's journal has it with another path"),
        (false, false) => Reached::Not("the fixture's journal has no such request"),
    })
}

/// nginx tells itself which upstreams it asked, where the operator lets it. The second may be a
/// store, or the app again.
fn by_echo(full: &Response) -> Option<Reached> {
    match debug_headers::upstreams(full)?.len() {
        0 => Some(Reached::Not("nginx says that it asked no upstream")),
        1 => Some(Reached::App("nginx says that it asked one upstream, once")),
        _ => None,
    }
}

/// Signs in the response itself.
fn by_content(evidence: &Evidence, full: &Response) -> Option<Reached> {
    if full.header("x-sendfile-fixture").is_some() {
        return Some(Reached::AppTwice("the fixture's own page for unknown paths came back"));
    }
    if dialect::store_error(&full.body).is_some() {
        return Some(Reached::App("the store was asked, which only a hand-off does"));
    }
    let intended = evidence.intent.header.as_deref();
    let (name, value) = dialect::handoff_of(evidence.app.answer()?, intended)?;
    if full.header(name).is_some() {
        return Some(Reached::App("the app's hand-off header came out at the visitor's end"));
    }
    let target = value.split('?').next().filter(|it| it.starts_with('/'));
    let leads_there = |it: &str| target.is_some_and(|target| it.contains(target));
    full.header("location")
        .filter(|it| leads_there(it))
        .map(|_| Reached::App("the redirect repeats the hand-off's URI"))
}

/// The app refuses strangers with a page that no other path of it gets, and that page came back.
fn by_refusal(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let stranger = evidence.probe(ProbeId::AppAnonymous).filter(|it| alike(it, full))?;
    let kept = evidence.app.answer()?.header("content-disposition");
    let handed_over = kept.is_some() && full.header("content-disposition") == kept;
    let own = stranger.body.size > 0 && stranger.status >= 400 && !is_app_page(evidence, full);
    (own && !handed_over && Product::by_error_page(full).is_none())
        .then_some(Reached::Otherwise("the app's answer to a visitor without rights came back"))
}

/// nginx keeps the app's Content-Disposition on whatever follows a hand-off, error pages included
/// (measured with 1.22.1): without it there was no hand-off.
fn by_kept_header(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let kept = evidence.app.answer()?.header("content-disposition")?;
    let fell_through = evidence.probe(ProbeId::AppTarget).is_some_and(|it| alike(it, full));
    let nginx = Product::of(full) == Some(Product::Nginx) && !is_gateway_error(full);
    match full.header("content-disposition") {
        Some(it) if it == kept && fell_through => Some(Reached::AppTwice(
            "the app's page for the hand-off's URI came back, with the download's Content-Disposition",
        )),
        Some(it) if it == kept => Some(Reached::App("the app's Content-Disposition came through")),
        None if nginx && is_app_page(evidence, full) => Some(Reached::Otherwise(
            "a page of the app came back, without the download's Content-Disposition",
        )),
        None if nginx && full.body.size > 0 => {
            Some(Reached::Not("nginx keeps the app's Content-Disposition, and it did not come"))
        }
        _ => None,
    }
}

/// Whoever answers for a neighbour of the download's URL answers for the download too.
fn by_neighbours(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let neighbour = evidence.probe(ProbeId::Neighbour)?;
    let app_neighbour = evidence.probe(ProbeId::AppNeighbour)?;
    if evidence.probe(ProbeId::AppTarget).is_some_and(|page| alike(page, full)) {
        return Some(Reached::AppTwice("the app's page for the hand-off's URI came back"));
    }
    if full.body.size == 0 && full.status == 200 {
        return Some(match alike(neighbour, full) && !alike(neighbour, app_neighbour) {
            true => {
                Reached::Not("a neighbour of the URL gets the same empty 200, and not the app's")
            }
            false => Reached::App("an empty 200 came back, as the app's answer is"),
        });
    }
    if is_gateway_error(full) {
        return None;
    }
    let own = |it: &Response| Product::by_error_page(it).is_some();
    match (alike(neighbour, app_neighbour), alike(neighbour, full) && !in_vain(evidence, full)) {
        (true, _) if !own(app_neighbour) => {
            Some(Reached::App("the app answers for a neighbour of the URL"))
        }
        (false, true) => {
            Some(Reached::Not("a neighbour of the URL gets the same page, and it is not the app's"))
        }
        _ => None,
    }
}

/// Whether the page is also what Apache and lighttpd say of a hand-off that names no file they may
/// send, and the app's names another file than the storage's.
fn in_vain(evidence: &Evidence, full: &Response) -> bool {
    let refused = matches!(full.status, 403 | 404)
        && matches!(Product::by_error_page(full), Some(Product::Apache | Product::Lighttpd));
    let stored = evidence.storage.asked.url.strip_prefix("file://");
    let intended = evidence.intent.header.as_deref();
    let value = evidence.app.answer().and_then(|it| dialect::handoff_of(it, intended));
    let other = |(_, value): (&str, &str)| stored.is_some_and(|it| dialect::decoded(value) != it);
    refused && value.is_some_and(other)
}

/// The proxy asked somebody and got no answer that it understands.
fn is_gateway_error(response: &Response) -> bool {
    matches!(response.status, 502..=504)
}
