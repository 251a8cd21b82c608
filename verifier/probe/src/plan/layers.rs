//! The plan for one target: the requests to its four layers, and what a fixture offers beyond them.
//! Made once, before the first probe, and never changed; pure data.

use http::header;
use sendfile_evidence::{Dummy, Intent, ProbeId, Sha256, secret::Redactor};

use super::request::{ExtraRequest, ProbeRequest, Wants};
use crate::{
    config::{Expectations, FixtureAt, StorageAt},
    url::Url,
};

/// The probes for one target.
#[derive(Debug)]
pub struct Plan {
    /// The target's name.
    pub target: String,
    /// The nonce of the `full` request, which identifies it in the fixture's request log.
    pub nonce: String,
    /// What is sent, and what is expected.
    pub expectations: Expectations,
    /// The expected content, if it is known beforehand.
    pub dummy: Option<Dummy>,
    /// How to read the storage.
    pub storage: StoragePlan,
    /// The request to the app.
    pub app: LayerPlan,
    /// The request to the direct location.
    pub direct: LayerPlan,
    /// The download.
    pub full: ProbeRequest,
    /// The fixture, if there is one.
    pub fixture: Option<FixtureAt>,
    /// The fixture's own probes that narrow down the causes of a failed download.
    pub fixture_probes: Vec<FixtureProbe>,
    /// The fixture's own probes that the checks need.
    pub check_probes: Vec<FixtureProbe>,
}

/// How to read the storage.
#[derive(Debug)]
pub enum StoragePlan {
    /// The storage is not read, for this reason.
    Skip(&'static str),
    /// The storage is read at this location.
    Read(StorageAt),
    /// The fixture reads the dummy back.
    Fixture {
        /// The fixture.
        fixture: FixtureAt,
        /// The dummy's name.
        name: String,
    },
}

/// How to request a layer.
#[derive(Debug)]
pub enum LayerPlan {
    /// The layer is not requested, for this reason.
    Skip(&'static str),
    /// This request is sent to the layer.
    Request(ProbeRequest),
}

/// A probe that the fixture offers, requested through the site.
#[derive(Clone, Debug)]
pub struct FixtureProbe {
    /// The id of the probe.
    pub id: ProbeId,
    /// The request for the probe.
    pub request: ProbeRequest,
    /// The SHA-256 of the expected content, if it is not the dummy's.
    pub expected: Option<Sha256>,
}

impl Plan {
    /// A GET request as the client sends it.
    pub fn client_request(&self, url: Url) -> ProbeRequest {
        client_request(&self.expectations, url)
    }

    /// The intent, redacted.
    pub fn intent(&self, redactor: &Redactor) -> Intent {
        let intent = &self.expectations.intent;
        let value = intent.value.as_deref().map(|value| redactor.url(value));
        Intent { value, ..intent.clone() }
    }
}

impl LayerPlan {
    /// The request, unless it is skipped.
    pub fn request(&self) -> Option<&ProbeRequest> {
        match self {
            Self::Request(request) => Some(request),
            Self::Skip(_) => None,
        }
    }
}

impl From<FixtureProbe> for ExtraRequest {
    fn from(probe: FixtureProbe) -> Self {
        Self { expected: probe.expected, ..Self::new(probe.id, probe.request) }
    }
}

/// A GET request with the client's headers: the whole site may require a login.
pub(super) fn client_request(expectations: &Expectations, url: Url) -> ProbeRequest {
    ProbeRequest { headers: expectations.full_headers.clone(), ..ProbeRequest::get(url) }
}

/// The download, as the client requests it.
pub(super) fn full_request(expectations: &Expectations, url: Url) -> ProbeRequest {
    ProbeRequest { method: expectations.full_method.clone(), ..client_request(expectations, url) }
}

/// The request to the app as the proxy sends it: with the proxy's own headers, and those of the
/// client that it forwards.
pub(super) fn app_request(expectations: &Expectations, url: Url) -> ProbeRequest {
    let mut headers = expectations.app_headers.clone();
    for (name, value) in &expectations.full_headers {
        let overridden = expectations.app_headers.iter().any(|(own, _)| own == name);
        if !overridden && *name != header::HOST {
            headers.push((name.clone(), value.clone()));
        }
    }
    ProbeRequest {
        method: expectations.full_method.clone(),
        url,
        headers,
        unix_socket: expectations.unix_socket.clone(),
        wants: Wants::HandOff(expectations.intent.header.clone()),
    }
}

/// The name of the query parameter that makes the fixture's own URLs unique.
pub(super) const PARAMETER: &str = "sendfile-check";
