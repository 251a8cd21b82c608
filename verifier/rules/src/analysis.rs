//! Interprets the evidence for the rules: which layers are right, which component responded, how
//! far the request got.

use sendfile_evidence::{
    End, Evidence, Outcome, ProbeId, Response, Server, Source,
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
    /// Whether the client receives the dummy.
    pub delivered: bool,
    /// How far the client's request got.
    pub reached: Reached,
    /// The proxy that should serve the file, if it was recognised.
    pub server: Option<Server>,
}

/// The hint for an app that was not requested as the proxy requests it.
pub(crate) const ENABLE_HINT: &str = "the app sends a hand-off only if the request enables it: \
                                      pass the headers that the proxy sends, X-Sendfile-Type and \
                                      X-Accel-Mapping, with --app-header";

impl<'a> Analysis<'a> {
    /// Interprets the evidence.
    pub fn of(evidence: &'a Evidence) -> Self {
        let direct = evidence.direct.response().and_then(Server::of);
        let full = evidence.full.response().and_then(Server::of);
        Self {
            evidence,
            delivered: evidence.delivered(),
            reached: Reached::of(evidence),
            server: direct.or(full),
        }
    }

    /// The client's response, if the dummy did not arrive.
    pub fn wrong_full(&self) -> Option<&'a Response> {
        let full = self.evidence.full.response()?;
        let comparable = self.evidence.dummy.is_some() || full.status != 200;
        if !self.delivered && comparable { Some(full) } else { None }
    }

    /// Whether the read limit truncated the download before the file's own size.
    pub fn cut_by_limit(&self) -> bool {
        let Some(full) = self.evidence.full.response() else { return false };
        let size = self.evidence.dummy.as_ref().map_or(u64::MAX, |dummy| dummy.size);
        full.body.end == End::TooLong && full.body.size <= size
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
        let direct = self.evidence.direct.response()?;
        if self.by_app(direct) { None } else { Some(direct) }
    }

    /// Whether a wrong response of the direct location is the app's own page. Then no such location
    /// exists, and nothing is known about what the proxy reads.
    pub fn direct_by_app(&self) -> bool {
        self.evidence.direct.response().is_some_and(|direct| self.by_app(direct))
    }

    fn by_app(&self, response: &Response) -> bool {
        response.header("x-sendfile-fixture").is_some()
            || matches!(body_class(self.evidence, response), BodyClass::AppPage)
    }

    /// Whether the direct location returns the dummy.
    pub fn direct_right(&self) -> bool {
        let Some(direct) = self.direct() else { return false };
        direct.status == 200 && self.evidence.is_dummy(&direct.body)
    }

    /// The direct location's response, if it is known not to be the dummy.
    pub fn direct_wrong(&self) -> Option<&'a Response> {
        let direct = self.direct()?;
        let comparable = self.evidence.dummy.is_some() || direct.status != 200;
        if !self.direct_right() && comparable { Some(direct) } else { None }
    }

    /// Whether the direct location says nothing about the file that the proxy reads: it was not
    /// requested or does not exist, or its request, like the download, never reaches that proxy.
    pub fn direct_unknown(&self) -> bool {
        let Some(direct) = self.direct() else { return true };
        let elsewhere = self.probe(ProbeId::Elsewhere).is_some_and(|page| alike(page, direct));
        let redirected = (300..=399).contains(&direct.status);
        matches!(self.reached, Reached::NotReached(_)) && (elsewhere || redirected)
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

    /// Whether the storage is the culprit: reading it fails, and neither the proxy nor the client
    /// gets the dummy.
    pub fn storage_is_culprit(&self) -> bool {
        let denied = match self.evidence.storage.outcome.failure() {
            Some(failure) => failure.kind.is_of_the_key(),
            None => false,
        };
        if !self.storage_failed() || denied {
            return false;
        }
        if self.by_contract() {
            return !self.direct_right();
        }
        // A 200 shows that the storage contains a file.
        let served = self.direct().or(self.evidence.full.response());
        served.is_none_or(|response| response.status != 200)
    }

    /// Whether the reference copy comes from the fixture's contract.
    pub fn by_contract(&self) -> bool {
        self.evidence.dummy.as_ref().is_some_and(|dummy| dummy.source == Source::Contract)
    }

    /// The name and the value of the app's hand-off: of the intended header if the app sends it,
    /// else of any known one.
    pub fn handoff(&self) -> Option<(&'a str, &'a str)> {
        dialect::handoff_of(self.app()?, self.evidence.intent.header.as_deref())
    }

    /// The value of the app's hand-off; if the app was not requested, the declared value.
    pub fn value(&self) -> Option<&'a str> {
        match (self.handoff(), self.app()) {
            (Some((_, value)), _) => Some(value),
            (None, None) => self.evidence.intent.value.as_deref(),
            (None, Some(_)) => None,
        }
    }

    /// The hand-off that the app sends only if the proxy's request enables it.
    pub fn engaged(&self) -> Option<(&'a str, &'a str)> {
        if self.handoff().is_some() {
            return None;
        }
        let response = self.probe(ProbeId::AppEngaged)?;
        dialect::handoff_of(response, self.evidence.intent.header.as_deref())
    }

    /// The app's hand-off, if its header is the intended one or none was declared.
    pub fn intended_handoff(&self) -> Option<(&'a str, &'a str)> {
        let (name, value) = self.handoff()?;
        match &self.evidence.intent.header {
            Some(intended) if !intended.eq_ignore_ascii_case(name) => None,
            _ => Some((name, value)),
        }
    }

    /// What is wrong with the value of the app's hand-off.
    pub fn value_fault(&self) -> Option<ValueFault> {
        let (name, value) = self.intended_handoff()?;
        let intended = self.evidence.intent.value.as_deref();
        // A value that delivers the file is right if none was declared.
        if intended.is_none() && self.delivered {
            return None;
        }
        compare_values(name, value, intended, self.stored_at(), self.server)
    }

    /// The file's path on disk, if that is known.
    pub fn stored_at(&self) -> Option<&'a str> {
        self.evidence.storage.request.url.strip_prefix("file://")
    }

    /// Whether the app works as intended, as far as it was checked.
    pub fn app_right(&self) -> bool {
        match &self.evidence.app.outcome {
            Outcome::Response(response) => self.hands_off(response) || self.engaged().is_some(),
            Outcome::Failed(_) => false,
            Outcome::Skipped(_) => true,
        }
    }

    /// Whether the app's response is a hand-off that the server acts on.
    fn hands_off(&self, response: &Response) -> bool {
        let status = match self.server {
            Some(Server::Apache | Server::Lighttpd) => response.status == 200,
            // nginx acts on a hand-off with any status, unless it intercepts errors.
            Some(Server::Nginx) => self.delivered || response.status < 300,
            _ => true,
        };
        status
            && self.understood().is_some()
            && self.value_fault().is_none()
            && self.sends_one_header(response)
    }

    /// The app's hand-off, if it is the intended one, or at least one that the server acts on.
    fn understood(&self) -> Option<(&'a str, &'a str)> {
        let (name, value) = self.intended_handoff()?;
        // A contract declares what the fixture sends, right or wrong.
        let declared = self.evidence.intent.header.is_some() && !self.by_contract();
        let foreign = self.server.is_some_and(|server| !server.acts_on(name));
        if !declared && foreign && self.passed_on() && !self.served_behind() {
            return None;
        }
        Some((name, value))
    }

    /// Whether the app sends its hand-off once: lighttpd and Caddy join two lines into an invalid
    /// value.
    fn sends_one_header(&self, response: &Response) -> bool {
        match self.handoff() {
            Some((name, _)) => response.all(name).count() < 2 || self.server == Some(Server::Nginx),
            None => true,
        }
    }

    /// The client's wrong response, if storage, app and direct location are right as far as they
    /// were checked. What remains is the hand-off between app and proxy, or a component in front.
    pub fn unexplained_failure(&self) -> Option<&'a Response> {
        let full = self.wrong_full()?;
        let direct = self.direct_unknown() || self.direct_right();
        if direct && !self.storage_is_culprit() && self.app_right() { Some(full) } else { None }
    }

    /// The unexplained failure, if the request reached the app: the hand-off itself fails.
    pub fn failed_after_app(&self) -> Option<&'a Response> {
        match self.reached {
            Reached::NotReached(_) | Reached::Misrouted(_) => None,
            Reached::App(_) | Reached::AppTwice(_) | Reached::Unknown => self.fails_always(),
        }
    }

    /// The unexplained failure, if the request did not reach the app, or if it is unknown whether
    /// it did.
    pub fn failed_before_app(&self) -> Option<&'a Response> {
        match self.reached {
            Reached::NotReached(_) | Reached::Unknown => self.fails_always(),
            Reached::App(_) | Reached::AppTwice(_) | Reached::Misrouted(_) => None,
        }
    }

    /// The unexplained failure, unless the download succeeds at times or by bypassing a cache.
    fn fails_always(&self) -> Option<&'a Response> {
        let full = self.unexplained_failure()?;
        let at_times = self.returns_dummy(ProbeId::FreshQuery) || self.retry_succeeds();
        if at_times { None } else { Some(full) }
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
        let site = origin(&self.evidence.full.request.url);
        let extra = self.evidence.probes.iter().map(|extra| &extra.probed);
        for probe in extra.chain([&self.evidence.direct]) {
            if probe.response().is_some()
                && probe.request.unix_socket.is_none()
                && origin(&probe.request.url) == site
            {
                return true;
            }
        }
        false
    }

    /// Whether the file is returned only by bypassing a cache.
    pub fn succeeds_past_cache(&self) -> bool {
        self.returns_dummy(ProbeId::FreshQuery) && !self.retry_succeeds()
    }

    /// The response to a further probe.
    pub fn probe(&self, id: ProbeId) -> Option<&'a Response> {
        self.evidence.probe(id)
    }

    /// Whether a further probe received the dummy.
    pub fn returns_dummy(&self, id: ProbeId) -> bool {
        let Some(extra) = self.evidence.probes.iter().find(|extra| extra.id == id) else {
            return false;
        };
        let Some(response) = extra.probed.response() else { return false };
        let right = match extra.wants {
            Some(expected) => response.body.sha256 == expected && response.body.end == End::Whole,
            None => self.evidence.is_dummy(&response.body),
        };
        right && (200..300).contains(&response.status)
    }

    /// The inner proxies that responded.
    pub fn inner(&self) -> Vec<(ProbeId, &'a Response)> {
        let mut inner = Vec::new();
        for extra in &self.evidence.probes {
            if let ProbeId::Inner(_) = extra.id
                && let Some(response) = extra.probed.response()
            {
                inner.push((extra.id, response));
            }
        }
        inner
    }

    /// The proxy whose own error page the response is.
    pub fn own_page(&self, response: &Response) -> Option<Server> {
        if dialect::store_refusal(response).is_some() {
            return None;
        }
        match body_class(self.evidence, response) {
            BodyClass::ProxyPage(server) => Some(server),
            BodyClass::Empty if response.status >= 400 => {
                if let Some(server) = Server::by_error_page(response) {
                    return Some(server);
                }
                // Caddy's own errors are empty, and keep a content type that was copied from the
                // app.
                let copied = self.app().map(Response::media_type) == Some(response.media_type());
                let server = Server::of(response)?;
                if server == Server::Caddy && copied { Some(server) } else { None }
            }
            _ => None,
        }
    }

    /// The proxy, if the response is its own 404 after a hand-off: its page for a missing file, or
    /// a page by which the site masks that page and which the hand-off's URI also returns to
    /// clients.
    pub fn file_not_found(&self, response: &Response) -> Option<Server> {
        if response.status == 404 {
            return self.own_page(response);
        }
        let outside = self.probe(ProbeId::TargetOutside)?;
        let everywhere = self.probe(ProbeId::Elsewhere).is_some_and(|page| alike(page, outside));
        let masked = response.status == 200 && response.body.size > 0 && !everywhere;
        if masked && alike(outside, response) { Server::of(response) } else { None }
    }

    /// Describes a response in one line.
    pub fn describe(&self, response: &Response) -> String {
        body_class::describe(self.evidence, response)
    }

    /// Describes the client's response in one line.
    pub fn client_gets(&self) -> String {
        match &self.evidence.full.outcome {
            Outcome::Response(full) => format!("The client gets {}", self.describe(full)),
            Outcome::Failed(failure) => {
                format!("The client gets no response: {}", failure.chain)
            }
            Outcome::Skipped(reason) => reason.clone(),
        }
    }

    /// The storage directory, with a trailing slash: the file's path without its key, or the file's
    /// own directory.
    pub(crate) fn directory(&self) -> Option<String> {
        let path = self.stored_at()?;
        if let Some(dummy) = &self.evidence.dummy
            && let Some(key) = &dummy.key
            && let Some(root) = path.strip_suffix(key.as_str())
        {
            return Some(root.to_owned());
        }
        let end = path.rfind('/')?;
        Some(path[..=end].to_owned())
    }

    /// The prefix of the app's URIs and the directory that the proxy maps it to. What the
    /// hand-off's path and the file's path have in common at their ends is the file's name below
    /// both.
    pub(crate) fn mapped(&self) -> Option<(String, String)> {
        let value = match &self.evidence.intent.value {
            Some(intended) => intended.as_str(),
            None => self.handoff()?.1,
        };
        let (path, _) = value.split_once('?').unwrap_or((value, ""));
        let uri = dialect::decoded(path);
        let uri: Vec<&str> = uri.split('/').collect();
        let file: Vec<&str> = self.stored_at()?.split('/').collect();
        let ends = uri.iter().rev().zip(file.iter().rev());
        let common = ends.take_while(|(a, b)| a == b).count();
        let prefix = &uri[..uri.len() - common];
        let directory = &file[..file.len() - common];
        if common == 0 || prefix.len() < 2 || directory.len() < 2 {
            return None;
        }
        Some((format!("{}/", prefix.join("/")), format!("{}/", directory.join("/"))))
    }
}

/// A URL's scheme and authority.
fn origin(url: &str) -> Vec<&str> {
    url.split('/').take(3).collect()
}
