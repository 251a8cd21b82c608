//! Interprets the evidence for the rules: which layers are right, which component responded, how
//! far the request got.

use sendfile_evidence::{
    Body, End, Evidence, Outcome, ProbeId, Response, Server, Source,
    dialect::{self, ValueFault, compare_values},
};

use crate::{
    body_class::{self, BodyClass, alike, body_class},
    reached::Reached,
};

/// The evidence about a target, interpreted once for all rules.
pub struct Analysis<'a> {
    /// The evidence itself.
    pub evidence: &'a Evidence,
    /// Whether the client gets the dummy.
    pub delivered: bool,
    /// How far the client's request got.
    pub reached: Reached,
    /// The proxy that should serve the file, if it was recognised.
    pub server: Option<Server>,
}

impl<'a> Analysis<'a> {
    /// Interprets the evidence.
    pub fn of(evidence: &'a Evidence) -> Self {
        let of = |it: Option<&Response>| it.and_then(Server::of);
        let server = of(evidence.direct.response()).or_else(|| of(evidence.full.response()));
        Self { evidence, delivered: evidence.delivered(), reached: Reached::of(evidence), server }
    }

    /// The client's response, if the dummy did not arrive.
    pub fn wrong_full(&self) -> Option<&'a Response> {
        let known = self.evidence.dummy.is_some();
        self.evidence.full.response().filter(|it| !self.delivered && (known || it.status != 200))
    }

    /// Whether the read limit truncated the download before the file's own size.
    pub fn cut_by_limit(&self) -> bool {
        let size = self.evidence.dummy.as_ref().map_or(u64::MAX, |it| it.size);
        let cut = |it: &Response| it.body.end == End::TooLong && it.body.size <= size;
        self.evidence.full.response().is_some_and(cut)
    }

    /// Why there is no reference copy to compare with.
    pub fn no_reference_reason(&self) -> String {
        match (&self.evidence.storage.outcome, &self.evidence.app.outcome) {
            (Outcome::Failed(failure), _) => format!("storage error: {}", failure.chain),
            (Outcome::Skipped(reason), Outcome::Failed(failure)) => {
                format!("{reason}: {}", failure.chain)
            }
            (Outcome::Skipped(reason), _) => reason.clone(),
            (Outcome::Response(_), _) => "the storage's response cannot be used".to_owned(),
        }
    }

    /// The app's response.
    pub fn app(&self) -> Option<&'a Response> {
        self.evidence.app.response()
    }

    /// The direct location's response.
    pub fn direct(&self) -> Option<&'a Response> {
        self.evidence.direct.response().filter(|it| !self.by_app(it))
    }

    /// Whether a wrong response of the direct location is the app's own page. Then no such location
    /// exists, and nothing is known about what the proxy reads.
    pub fn direct_by_app(&self) -> bool {
        self.evidence.direct.response().is_some_and(|it| self.by_app(it))
    }

    fn by_app(&self, response: &Response) -> bool {
        let page = || matches!(body_class(self.evidence, response), BodyClass::AppPage);
        response.header("x-sendfile-fixture").is_some() || page()
    }

    /// Whether the direct location returns the dummy.
    pub fn direct_right(&self) -> bool {
        let right = |it: &Response| it.status == 200 && self.evidence.is_dummy(&it.body);
        self.direct().is_some_and(right)
    }

    /// The direct location's response, if it is known not to be the dummy.
    pub fn direct_wrong(&self) -> Option<&'a Response> {
        let known = self.evidence.dummy.is_some();
        self.direct().filter(|it| !self.direct_right() && (known || it.status != 200))
    }

    /// Whether nothing is known about what the proxy reads: its direct location was not requested,
    /// does not exist, or is as far from the place where the request ends as the download itself.
    pub fn direct_unknown(&self) -> bool {
        let strayed = |direct: &Response| {
            let elsewhere = self.probe(ProbeId::Elsewhere).is_some_and(|it| alike(it, direct));
            let redirected = (300..=399).contains(&direct.status);
            matches!(self.reached, Reached::NotReached(_)) && (elsewhere || redirected)
        };
        self.direct().is_none_or(strayed)
    }

    /// Whether the storage was checked at all.
    pub fn storage_checked(&self) -> bool {
        !matches!(self.evidence.storage.outcome, Outcome::Skipped(_))
    }

    /// Whether the storage was checked and failed, or contains something else.
    pub fn storage_failed(&self) -> bool {
        match &self.evidence.storage.outcome {
            Outcome::Response(body) => !self.evidence.is_dummy(body),
            Outcome::Failed(_) => true,
            Outcome::Skipped(_) => false,
        }
    }

    /// Whether the storage is the culprit: it fails, and neither the proxy nor the client gets
    /// the dummy.
    pub fn storage_is_culprit(&self) -> bool {
        let failure = self.evidence.storage.outcome.failure();
        let denied = failure.is_some_and(|it| it.kind.is_of_the_key());
        // A 200 shows that the storage contains a file.
        let served = self.direct().or(self.evidence.full.response()).map(|it| it.status);
        let undisputed =
            if self.by_contract() { !self.direct_right() } else { served != Some(200) };
        self.storage_failed() && !denied && undisputed
    }

    /// Whether the reference copy comes from the fixture's contract.
    pub fn by_contract(&self) -> bool {
        self.evidence.dummy.as_ref().is_some_and(|it| it.source == Source::Contract)
    }

    /// The app's hand-off, name and value: the intended header if it is there, else any known one.
    pub fn handoff(&self) -> Option<(&'a str, &'a str)> {
        dialect::handoff_of(self.app()?, self.evidence.intent.header.as_deref())
    }

    /// The hand-off's value as the app sends it or, if the app was not requested, as declared.
    pub fn value(&self) -> Option<&'a str> {
        let sent = self.handoff().map(|(_, value)| value);
        let meant = || self.evidence.intent.value.as_deref().filter(|_| self.app().is_none());
        sent.or_else(meant)
    }

    /// The hand-off that the app sends only on request, when requested as the proxy should do it.
    pub fn engaged(&self) -> Option<(&'a str, &'a str)> {
        let told = self.probe(ProbeId::AppEngaged).filter(|_| self.handoff().is_none())?;
        dialect::handoff_of(told, self.evidence.intent.header.as_deref())
    }

    /// The app's hand-off, if its header is the intended one or none was declared.
    pub fn intended_handoff(&self) -> Option<(&'a str, &'a str)> {
        let intended = self.evidence.intent.header.as_deref();
        self.handoff().filter(|(name, _)| intended.is_none_or(|it| it.eq_ignore_ascii_case(name)))
    }

    /// What is wrong with the value of the app's hand-off.
    pub fn value_fault(&self) -> Option<ValueFault> {
        let (name, value) = self.intended_handoff()?;
        let meant = self.evidence.intent.value.as_deref();
        // A value that delivers the file is right if none was declared.
        if meant.is_none() && self.delivered {
            return None;
        }
        compare_values(name, value, meant, self.stored_at(), self.server)
    }

    /// The file's path on disk, if that is known.
    pub fn stored_at(&self) -> Option<&'a str> {
        self.evidence.storage.request.url.strip_prefix("file://")
    }

    /// Whether the app works as intended, as far as it was checked.
    pub fn app_right(&self) -> bool {
        match &self.evidence.app.outcome {
            Outcome::Response(it) => {
                let strict = matches!(self.server, Some(Server::Apache | Server::Lighttpd));
                // nginx acts on any status, but not where it intercepts errors.
                let error = self.server == Some(Server::Nginx) && it.status >= 300;
                let obeyed = it.status == 200 || !strict && (self.delivered || !error);
                let right = self.understood().is_some() && self.value_fault().is_none();
                right && obeyed && self.once() || self.engaged().is_some()
            }
            Outcome::Failed(_) => false,
            Outcome::Skipped(_) => true,
        }
    }

    /// The app's hand-off, if it is the intended one, or at least one that the server acts on.
    fn understood(&self) -> Option<(&'a str, &'a str)> {
        let foreign = |name: &str| {
            // A contract declares what the fixture sends, right or wrong.
            let declared = self.evidence.intent.header.is_some() && !self.by_contract();
            let foreign = self.server.is_some_and(|it| !it.acts_on(name));
            !declared && foreign && self.passed_on() && !self.served_behind()
        };
        self.intended_handoff().filter(|(name, _)| !foreign(name))
    }

    /// Whether the app sends its hand-off once: lighttpd and Caddy join two lines into an invalid
    /// value.
    fn once(&self) -> bool {
        let lines = |name: &str| self.app().map_or(0, |it| it.all(name).count());
        self.handoff().is_none_or(|(name, _)| lines(name) < 2 || self.server == Some(Server::Nginx))
    }

    /// The client's wrong response, if storage, app and direct location are right as far as they
    /// were checked. What remains is the hand-off between app and proxy, or a component in front.
    pub fn unexplained_failure(&self) -> Option<&'a Response> {
        let direct = self.direct_unknown() || self.direct_right();
        self.wrong_full().filter(|_| !self.storage_is_culprit() && self.app_right() && direct)
    }

    /// The same, if the request reached the app: the hand-off itself fails.
    pub fn failed_after_app(&self) -> Option<&'a Response> {
        let elsewhere = matches!(self.reached, Reached::NotReached(_) | Reached::Misrouted(_));
        self.unexplained_failure().filter(|_| !elsewhere && !self.succeeds_otherwise())
    }

    /// The same, if the request did not reach the app, or if that is unknown.
    pub fn failed_before_app(&self) -> Option<&'a Response> {
        let app = !matches!(self.reached, Reached::NotReached(_) | Reached::Unknown);
        self.unexplained_failure().filter(|_| !app && !self.succeeds_otherwise())
    }

    /// Whether the same request returned the file when it was repeated.
    pub fn retry_succeeds(&self) -> bool {
        self.returns_dummy(ProbeId::Again)
    }

    /// Whether the download is requested with HEAD, so that there is no body to compare.
    pub fn head_only(&self) -> bool {
        self.evidence.full.request.method == "HEAD"
    }

    /// Whether the site responds at all: at the direct location, or at any other path.
    pub fn site_answers(&self) -> bool {
        let origin = |url: &str| url.split('/').take(3).map(str::to_owned).collect::<Vec<_>>();
        let site = origin(&self.evidence.full.request.url);
        let others = self.evidence.probes.iter().map(|it| &it.probed);
        let mut answered =
            others.chain([&self.evidence.direct]).filter(|it| it.response().is_some());
        answered.any(|it| it.request.unix_socket.is_none() && origin(&it.request.url) == site)
    }

    /// Whether the file is returned only by bypassing a cache.
    pub fn succeeds_past_cache(&self) -> bool {
        self.returns_dummy(ProbeId::FreshQuery) && !self.retry_succeeds()
    }

    /// Whether the download succeeds at times, or by bypassing a cache.
    fn succeeds_otherwise(&self) -> bool {
        self.returns_dummy(ProbeId::FreshQuery) || self.retry_succeeds()
    }

    /// The response to a further probe.
    pub fn probe(&self, id: ProbeId) -> Option<&'a Response> {
        self.evidence.probe(id)
    }

    /// Whether a further probe received the dummy.
    pub fn returns_dummy(&self, id: ProbeId) -> bool {
        let Some(further) = self.evidence.probes.iter().find(|it| it.id == id) else {
            return false;
        };
        let right = |body: &Body| {
            let right = |it| it == body.sha256 && body.end == End::Whole;
            further.wants.map_or_else(|| self.evidence.is_dummy(body), right)
        };
        further
            .probed
            .response()
            .is_some_and(|it| (200..300).contains(&it.status) && right(&it.body))
    }

    /// The inner proxies that responded.
    pub fn inner(&self) -> impl Iterator<Item = (ProbeId, &'a Response)> {
        let inner = self.evidence.probes.iter().filter(|it| matches!(it.id, ProbeId::Inner(_)));
        inner.filter_map(|it| it.probed.response().map(|answer| (it.id, answer)))
    }

    /// The proxy whose own error page the response is.
    pub fn own_page(&self, response: &Response) -> Option<Server> {
        match body_class(self.evidence, response) {
            _ if dialect::store_refusal(response).is_some() => None,
            BodyClass::ProxyPage(product) => Some(product),
            BodyClass::Empty if response.status >= 400 => {
                // Caddy's own errors are empty, and keep a content type that was copied from the
                // app.
                let copied = self.app().map(Response::media_type) == Some(response.media_type());
                let caddy = Server::of(response).filter(|it| *it == Server::Caddy && copied);
                Server::by_error_page(response).or(caddy)
            }
            _ => None,
        }
    }

    /// The proxy's own 404 after a hand-off: its page for a missing file, or the page by which the
    /// site masks it, which the hand-off's URI also returns from outside.
    pub fn file_not_found(&self, response: &Response) -> Option<Server> {
        if response.status == 404 {
            return self.own_page(response);
        }
        let outside = self.probe(ProbeId::TargetOutside).filter(|it| alike(it, response))?;
        let everywhere = self.probe(ProbeId::Elsewhere).is_some_and(|it| alike(it, outside));
        let masked = response.status == 200 && response.body.size > 0 && !everywhere;
        Server::of(response).filter(|_| masked)
    }

    /// Describes a response in one line.
    pub fn describe(&self, response: &Response) -> String {
        body_class::describe(self.evidence, response)
    }

    /// Describes the client's response in one line.
    pub fn client_gets(&self) -> String {
        match &self.evidence.full.outcome {
            Outcome::Response(it) => format!("The client gets {}", self.describe(it)),
            Outcome::Failed(failure) => format!("The client gets no response: {}", failure.chain),
            Outcome::Skipped(reason) => reason.clone(),
        }
    }

    /// The storage directory, with a trailing slash: the path before the key, or the file's own
    /// directory.
    pub(crate) fn directory(&self) -> Option<String> {
        let path = self.stored_at()?;
        let key = self.evidence.dummy.as_ref().and_then(|it| it.key.as_deref());
        let root = key.and_then(|key| path.strip_suffix(key));
        root.or_else(|| path.rfind('/').map(|at| &path[..=at])).map(str::to_owned)
    }

    /// The prefix of the app's URIs and the directory that it maps to: the common end of the
    /// hand-off's path and the file's path is the file's name below both.
    pub(crate) fn mapped(&self) -> Option<(String, String)> {
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
}

/// The hint for an app that was not requested as the proxy requests it.
pub(crate) const ENABLE_HINT: &str = "the app sends a hand-off only if the request enables it: pass the headers \
                      that the proxy sends, X-Sendfile-Type and X-Accel-Mapping, with --app-header";
