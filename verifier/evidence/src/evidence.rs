//! All observations about one target, and the conclusions that need no judgement.

use crate::{
    body::{Body, End},
    certificate::Certificate,
    checked::Checked,
    dummy::{Dummy, Source},
    fact::Fact,
    intent::Intent,
    probe::{ExtraProbe, Probe},
    probe_id::ProbeId,
    record::LoggedRequest,
    response::Response,
};

/// All observations about one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// The target's name.
    pub target: String,
    /// What the operator expects.
    pub intent: Intent,
    /// The expected content; `None` if there is no reference copy.
    pub dummy: Option<Dummy>,
    /// The outcome for the storage: whether the dummy can be read there.
    pub storage: Probe<Body>,
    /// The outcome for the app, requested without the proxy: whether it sends a hand-off.
    pub app: Probe<Response>,
    /// The outcome for the direct location: whether the proxy can serve the dummy without the app.
    pub direct: Probe<Response>,
    /// The outcome for the client: whether it gets the dummy.
    pub full: Probe<Response>,
    /// All other probes.
    pub probes: Vec<ExtraProbe>,
    /// The checks beyond the layers.
    pub checks: Vec<Checked>,
    /// The fixture's log entries for the `full` request; `None` without a fixture.
    pub request_log: Option<Vec<LoggedRequest>>,
    /// What the proxies' configurations and error logs show, if they may be read.
    pub local: Vec<Fact>,
    /// Which of the headers that choose a hand-off reached the fixture from a client, if the
    /// request log shows it.
    pub spoofed: Option<Vec<String>>,
    /// The site's certificate, if it uses TLS.
    pub certificate: Option<Certificate>,
}

impl Evidence {
    /// The response to a further probe, if the probe was sent and received one.
    pub fn probe(&self, id: ProbeId) -> Option<&Response> {
        self.probed(id)?.response()
    }

    /// A further probe, with or without a response.
    pub fn probed(&self, id: ProbeId) -> Option<&Probe<Response>> {
        for probe in &self.probes {
            if probe.id == id {
                return Some(&probe.probed);
            }
        }
        None
    }

    /// Whether a client gets the dummy.
    pub fn delivered(&self) -> bool {
        let Some(full) = self.full.response() else { return false };
        if full.status != 200 || full.body.end != End::Whole {
            return false;
        }
        if self.full.request.method == "HEAD" {
            return self.announces_size(full);
        }
        self.is_dummy(&full.body)
    }

    /// Whether the Content-Length of a response is the dummy's size.
    fn announces_size(&self, response: &Response) -> bool {
        let Some(dummy) = &self.dummy else { return false };
        let Some(length) = response.header("content-length") else { return false };
        length.parse() == Ok(dummy.size)
    }

    /// Whether the app may have sent the download itself: the response lacks the modification time
    /// of a file that a proxy serves, on which caches and range requests depend; or it has the ETag
    /// with which the app itself sends the file.
    pub fn streamed(&self) -> bool {
        let Some(full) = self.full.response() else { return false };
        let Some(etag) = full.header("etag") else { return full.header("last-modified").is_none() };
        let Some(app) = self.app.response() else { return false };
        self.is_dummy(&app.body) && app.header("etag") == Some(etag)
    }

    /// Whether the download's response lacks the ETag that the proxy itself gives the same file.
    /// Then the app may have sent the file, but with the file's modification time.
    pub fn lacks_etag(&self) -> bool {
        let Some(direct) = self.direct.response() else { return false };
        let Some(full) = self.full.response() else { return false };
        let proxy_tags_file = self.is_dummy(&direct.body) && direct.header("etag").is_some();
        proxy_tags_file && full.header("etag").is_none()
    }

    /// Whether there is a reference copy independent of the download.
    pub fn has_reference(&self) -> bool {
        self.dummy.as_ref().is_some_and(|dummy| dummy.source != Source::Client)
    }

    /// The name for the expected content in texts: only the fixture's files are called dummies.
    pub fn file_is_called(&self) -> &'static str {
        match &self.dummy {
            Some(dummy) if dummy.source != Source::Contract => "the file",
            _ => "the dummy",
        }
    }

    /// Whether a body is exactly the dummy.
    pub fn is_dummy(&self, body: &Body) -> bool {
        let Some(dummy) = &self.dummy else { return false };
        dummy.sha256 == body.sha256 && dummy.size == body.size && body.end == End::Whole
    }
}
