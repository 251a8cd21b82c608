//! What the evidence says, in the words that rules are written in: which layers are right, who
//! answered, how far the request got.

use super::{
    Culprit, Layer, LayerResult, Remedy,
    instead::{Instead, alike, describe, instead},
    stored,
};
use crate::{
    curl,
    dialect::{self, Product, ValueFault, compare_values},
    evidence::{Body, Evidence, FailureKind, ProbeId, Response, Seen, Source},
    plan,
};

/// The evidence about a target, read once for all rules.
pub struct Reading<'a> {
    /// The evidence itself.
    pub evidence: &'a Evidence,
    /// Whether a visitor gets the dummy.
    pub delivered: bool,
    /// How far the visitor's request got.
    pub reached: Reached,
    /// The proxy that should serve the file, if it was recognised.
    pub server: Option<Product>,
}

/// How far the visitor's request got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The app answered it; how this is known.
    App(&'static str),
    /// The app answered it, and was asked again with the hand-off's own URI.
    AppTwice(&'static str),
    /// It never came to the app; how this is known.
    Not(&'static str),
    /// It cannot be told.
    Unknown,
}

impl<'a> Reading<'a> {
    /// Reads the evidence.
    pub fn of(evidence: &'a Evidence) -> Self {
        let of = |it: Option<&Response>| it.and_then(Product::of);
        let server = of(evidence.direct.answer()).or_else(|| of(evidence.full.answer()));
        Self { evidence, delivered: plan::delivered(evidence), reached: reached(evidence), server }
    }

    /// The visitor's response, if the dummy did not arrive.
    pub fn wrong_full(&self) -> Option<&'a Response> {
        self.evidence.full.answer().filter(|_| !self.delivered)
    }

    /// The app's response.
    pub fn app(&self) -> Option<&'a Response> {
        self.evidence.app.answer()
    }

    /// The direct location's response.
    pub fn direct(&self) -> Option<&'a Response> {
        self.evidence.direct.answer().filter(|it| !self.by_app(it))
    }

    /// Whether a wrong answer of the direct location is the app's own page: then there is no such
    /// location, and nothing is known of what the proxy reads.
    pub fn direct_by_app(&self) -> bool {
        self.evidence.direct.answer().is_some_and(|it| self.by_app(it))
    }

    fn by_app(&self, response: &Response) -> bool {
        let page = || matches!(instead(self.evidence, response), Instead::AppPage);
        response.header("x-sendfile-fixture").is_some() || page()
    }

    /// Whether the direct location gives the dummy.
    pub fn direct_right(&self) -> bool {
        self.direct().is_some_and(|it| it.status == 200 && self.evidence.is_dummy(&it.body))
    }

    /// The direct location's response, if it is not the dummy.
    pub fn direct_wrong(&self) -> Option<&'a Response> {
        self.direct().filter(|_| !self.direct_right())
    }

    /// Whether the storage was asked and failed, or holds something else.
    pub fn storage_failed(&self) -> bool {
        match &self.evidence.storage.seen {
            Seen::Answer(body) => !self.evidence.is_dummy(body),
            Seen::Nothing(_) => true,
            Seen::Skipped(_) => false,
        }
    }

    /// Whether the storage is the one to blame: it fails, and neither the proxy nor a visitor gets
    /// the dummy.
    pub fn storage_to_blame(&self) -> bool {
        let denied =
            self.evidence.storage.seen.failure().is_some_and(|it| it.kind == FailureKind::Denied);
        let undisputed = !self.delivered || self.by_contract();
        self.storage_failed() && !denied && !self.direct_right() && undisputed
    }

    /// Whether the fixture's contract says which bytes are right.
    pub fn by_contract(&self) -> bool {
        self.evidence.dummy.as_ref().is_some_and(|it| it.source == Source::Contract)
    }

    /// The app's hand-off, name and value: the intended header if it is there, else any known one.
    pub fn handoff(&self) -> Option<(&'a str, &'a str)> {
        dialect::handoff_of(self.app()?, self.evidence.intent.header.as_deref())
    }

    /// The app's hand-off, if its header is the intended one or none was declared.
    pub fn intended_handoff(&self) -> Option<(&'a str, &'a str)> {
        let intended = self.evidence.intent.header.as_deref();
        self.handoff().filter(|(name, _)| intended.is_none_or(|it| it.eq_ignore_ascii_case(name)))
    }

    /// What is wrong with the value of the app's hand-off.
    pub fn value_fault(&self) -> Option<ValueFault> {
        let (name, value) = self.intended_handoff()?;
        compare_values(
            name,
            value,
            self.evidence.intent.value.as_deref(),
            self.stored_at(),
            self.server,
        )
    }

    /// The file's path on disk, if that is known.
    pub fn stored_at(&self) -> Option<&'a str> {
        self.evidence.storage.asked.url.strip_prefix("file://")
    }

    /// Whether the app does what it should, as far as it was asked.
    pub fn app_right(&self) -> bool {
        match &self.evidence.app.seen {
            Seen::Answer(it) => {
                let obeyed = self.server != Some(Product::Apache) || it.status == 200;
                self.intended_handoff().is_some() && self.value_fault().is_none() && obeyed
            }
            Seen::Nothing(_) => false,
            Seen::Skipped(_) => true,
        }
    }

    /// The visitor's wrong response where storage, app and direct location are right, as far as
    /// they were asked: what is left is the hand-off between app and proxy, or what stands in
    /// front.
    pub fn left_over(&self) -> Option<&'a Response> {
        let direct = self.direct().is_none() || self.direct_right();
        self.wrong_full().filter(|_| !self.storage_to_blame() && self.app_right() && direct)
    }

    /// The same, where the request came to the app: the hand-off itself.
    pub fn lost_after_app(&self) -> Option<&'a Response> {
        self.left_over().filter(|_| !matches!(self.reached, Reached::Not(_)))
    }

    /// The same, where the request did not come to the app, or nobody knows.
    pub fn lost_before_app(&self) -> Option<&'a Response> {
        self.left_over().filter(|_| !matches!(self.reached, Reached::App(_) | Reached::AppTwice(_)))
    }

    /// The answer to a further probe.
    pub fn probe(&self, id: ProbeId) -> Option<&'a Response> {
        self.evidence.probe(id)
    }

    /// Whether a further probe got the dummy.
    pub fn gives_dummy(&self, id: ProbeId) -> bool {
        let Some(further) = self.evidence.probes.iter().find(|it| it.id == id) else {
            return false;
        };
        let right = |body: &Body| {
            further.wants.map_or_else(|| self.evidence.is_dummy(body), |it| it == body.sha256)
        };
        further.probed.answer().is_some_and(|it| (200..300).contains(&it.status) && right(&it.body))
    }

    /// The inner proxies that answered.
    pub fn inner(&self) -> impl Iterator<Item = (ProbeId, &'a Response)> {
        let inner = self.evidence.probes.iter().filter(|it| matches!(it.id, ProbeId::Inner(_)));
        inner.filter_map(|it| it.probed.answer().map(|answer| (it.id, answer)))
    }

    /// The proxy whose own error page a response is.
    pub fn own_page(&self, response: &Response) -> Option<Product> {
        match instead(self.evidence, response) {
            Instead::ProxyPage(product) => Some(product),
            Instead::Empty if response.status >= 400 => Product::by_error_page(response),
            _ => None,
        }
    }

    /// A response in one line.
    pub fn describe(&self, response: &Response) -> String {
        describe(self.evidence, response)
    }

    /// The visitor's response in one line.
    pub fn visitor_gets(&self) -> String {
        match &self.evidence.full.seen {
            Seen::Answer(it) => format!("a visitor gets {}", self.describe(it)),
            Seen::Nothing(failure) => format!("a visitor gets nothing: {}", failure.chain),
            Seen::Skipped(reason) => reason.clone(),
        }
    }

    /// What the storage layer comes to.
    pub(super) fn storage_layer(&self, body: &Body) -> Layer {
        let seen = match self.evidence.is_dummy(body) {
            true => format!("the dummy, {} bytes", body.size),
            false => format!("{} bytes that are not the dummy's", body.size),
        };
        Layer { result: stored(self.evidence, body), seen }
    }

    /// What the app layer comes to.
    pub(super) fn app_layer(&self, response: &Response) -> Layer {
        let result = if self.app_right() { LayerResult::Pass } else { LayerResult::Fail };
        let seen = match self.handoff() {
            Some((name, value)) => {
                format!("{}, {}: {value}", response.status, dialect::spelling(name))
            }
            None => format!("{}, no hand-off header", response.status),
        };
        Layer { result, seen }
    }

    /// What to do, in the words of the proxy that was recognised.
    pub(super) fn remedy(&self, remedy: &Remedy) -> String {
        let special = match self.server {
            Some(Product::Nginx) => remedy.nginx,
            Some(Product::Apache) => remedy.apache,
            Some(Product::Lighttpd) => remedy.lighttpd,
            Some(Product::Caddy) => remedy.caddy,
            _ => None,
        };
        let text = special.unwrap_or(remedy.any);
        match self.mapped() {
            Some((prefix, folder)) => {
                text.replace("/PREFIX/", &prefix).replace("/FOLDER/", &folder)
            }
            None => text.to_owned(),
        }
    }

    /// The prefix that the app's URIs have and the folder that it stands for: what the hand-off's
    /// path and the file's own path end with alike is the file's name below both.
    fn mapped(&self) -> Option<(String, String)> {
        let intended = self.evidence.intent.value.as_deref();
        let value = intended.or(self.handoff().map(|(_, value)| value))?;
        let uri = dialect::decoded(value.split('?').next().unwrap_or(value));
        let uri: Vec<_> = uri.split('/').collect();
        let path: Vec<_> = self.stored_at()?.split('/').collect();
        let alike = uri.iter().rev().zip(path.iter().rev()).take_while(|(a, b)| a == b).count();
        let (prefix, folder) = (uri.get(..uri.len() - alike)?, path.get(..path.len() - alike)?);
        let known = alike > 0 && prefix.len() > 1 && folder.len() > 1;
        known.then(|| (format!("{}/", prefix.join("/")), format!("{}/", folder.join("/"))))
    }

    /// A command that shows the guilty layer's answer again.
    pub(super) fn reproduce(&self, culprit: Culprit) -> String {
        let evidence = self.evidence;
        match culprit {
            Culprit::Storage => curl::line(&evidence.storage.asked),
            Culprit::App => curl::line(&evidence.app.asked),
            Culprit::Proxy => curl::line(&evidence.direct.asked),
            Culprit::Handoff | Culprit::Frontend => curl::line(&evidence.full.asked),
        }
    }
}

/// Tells how far the visitor's request got, from the strongest sign to the weakest.
fn reached(evidence: &Evidence) -> Reached {
    let Some(full) = evidence.full.answer() else { return Reached::Unknown };
    by_journal(evidence)
        .or_else(|| by_content(evidence, full))
        .or_else(|| by_kept_header(evidence, full))
        .or_else(|| by_neighbours(evidence, full))
        .unwrap_or(Reached::Unknown)
}

fn by_journal(evidence: &Evidence) -> Option<Reached> {
    let journal = evidence.journal.as_ref()?;
    // The app layer asked with a nonce of its own, so what is in this list came through the site.
    let fell_through = journal.iter().any(|it| it.answer == "fall-through");
    match (journal.is_empty(), fell_through) {
        (true, _) => Some(Reached::Not("the fixture's journal has no such request")),
        (false, true) => Some(Reached::AppTwice(
            "the fixture's journal has the request, and another for the hand-off's URI",
        )),
        (false, false) => Some(Reached::App("the fixture's journal has the request")),
    }
}

/// Signs in the response itself.
fn by_content(evidence: &Evidence, full: &Response) -> Option<Reached> {
    if full.header("x-sendfile-fixture").is_some() {
        return Some(Reached::AppTwice("the fixture's own 404 page for unknown paths came back"));
    }
    if dialect::store_error(&full.body).is_some() {
        return Some(Reached::App("the store was asked, which only a hand-off does"));
    }
    let handoff = dialect::handoff_of(evidence.app.answer()?, evidence.intent.header.as_deref());
    let (name, value) = handoff?;
    if full.header(name).is_some() {
        return Some(Reached::App("the app's hand-off header came out at the visitor's end"));
    }
    let target = value.split('?').next().filter(|it| it.starts_with('/'));
    let leads_there = |it: &str| target.is_some_and(|target| it.contains(target));
    full.header("location")
        .filter(|it| leads_there(it))
        .map(|_| Reached::App("the redirect repeats the hand-off's URI"))
}

/// nginx keeps the app's Content-Disposition on what follows a hand-off, error pages included
/// (measured with 1.22.1).
fn by_kept_header(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let app = evidence.app.answer()?;
    let kept = app.header("content-disposition")?;
    let fell_through = evidence.probe(ProbeId::AppTarget).is_some_and(|it| alike(it, full));
    match (full.header("content-disposition"), Product::of(full)) {
        (Some(it), _) if it == kept && fell_through => Some(Reached::AppTwice(
            "the app's page for the hand-off's URI came back, with the Content-Disposition of \
             the download",
        )),
        (Some(it), _) if it == kept => {
            Some(Reached::App("the app's Content-Disposition came through"))
        }
        (None, Some(Product::Nginx))
            if Product::by_error_page(full).is_some() && !matches!(full.status, 502 | 504) =>
        {
            Some(Reached::Not("nginx keeps the app's Content-Disposition, and it did not come"))
        }
        _ => None,
    }
}

/// Whoever answers for a neighbour of the download's URL answers for the download too.
fn by_neighbours(evidence: &Evidence, full: &Response) -> Option<Reached> {
    let neighbour = evidence.probe(ProbeId::Neighbour)?;
    let app_neighbour = evidence.probe(ProbeId::AppNeighbour)?;
    if let Some(page) = evidence.probe(ProbeId::AppTarget)
        && alike(page, full)
    {
        return Some(Reached::AppTwice("the app's page for the hand-off's URI came back"));
    }
    if full.body.size == 0 && full.status == 200 {
        return Some(Reached::App("an empty 200 came back, as the app's answer is"));
    }
    let own = |it: &Response| Product::by_error_page(it).is_some();
    match (alike(neighbour, app_neighbour), alike(neighbour, full)) {
        (true, _) if !own(app_neighbour) => {
            Some(Reached::App("the app answers for a neighbour of the URL"))
        }
        (false, true) => {
            Some(Reached::Not("a neighbour of the URL gets the same page, and it is not the app's"))
        }
        _ => None,
    }
}
