//! The responses for one generation of dummies, built once and cloned for each request.
//!
//! All of them change together, after the files are in place. Knows no request paths.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{
    body::Body,
    catalog::DummyId,
    contract,
    handoff::Value,
    placement::Placed,
    probe::{Action, Expect, PLAIN, Probe},
    setup::Setup,
};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// The responses until the next rotation.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) dummies: Vec<Dummy>,
    probes: HashMap<String, PreparedResponse>,
    pub(crate) contract: PreparedResponse,
}

/// A dummy in place, and the response that hands it off.
#[derive(Debug)]
pub(crate) struct Dummy {
    id: String,
    pub(crate) placed: Arc<Placed>,
    pub(crate) view: PreparedResponse,
}

/// A response that can be sent many times.
#[derive(Clone, Debug)]
pub(crate) struct PreparedResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Snapshot {
    pub(crate) fn new(setup: &Setup, placed: &[Placed]) -> Self {
        let mut dummies = Vec::new();
        for dummy in placed {
            dummies.push(Dummy::new(setup, dummy));
        }
        let mut probes = HashMap::new();
        for probe in &setup.probes {
            if let Some(response) = PreparedResponse::probe(setup, placed, probe) {
                probes.insert(probe.id.to_string(), response);
            }
        }
        let contract = PreparedResponse::json(contract::contract(setup, placed));
        Self { dummies, probes, contract }
    }

    /// Finds a dummy by its id or its file name.
    pub(crate) fn dummy(&self, name: &str) -> Option<&Dummy> {
        self.dummies.iter().find(|dummy| dummy.id == name || dummy.placed.item.name() == name)
    }

    pub(crate) fn probe(&self, id: &str) -> Option<&PreparedResponse> {
        self.probes.get(id)
    }
}

impl Dummy {
    fn new(setup: &Setup, placed: &Placed) -> Self {
        let id = placed.item.id;
        let handoff = setup.views.get(&id).map(|view| &view.handoff);
        let view = PreparedResponse::view(setup, placed, handoff, Body::empty());
        Self { id: id.to_string(), placed: Arc::new(placed.clone()), view }
    }
}

impl PreparedResponse {
    /// Returns the response to a probe, or none if its dummy is not placed.
    fn probe(setup: &Setup, placed: &[Placed], probe: &Probe) -> Option<Self> {
        let id = match probe.expect {
            Expect::Dummy(id) => id,
            Expect::Body | Expect::Nothing => DummyId::Main,
        };
        let placed = Placed::find(placed, id)?;
        let (handoff, body) = match &probe.action {
            Action::Handoff(value) => (Some(value), Body::empty()),
            Action::Plain => (None, Body::from(PLAIN)),
            Action::Stream => (None, Body::dummy(Arc::clone(&placed.content))),
        };
        Some(Self::view(setup, placed, handoff, body))
    }

    /// Returns the hand-off of a dummy, with an empty body and a length of zero. If the length were
    /// the file's, Apache would wait for bytes that the app never sends, and would append a body
    /// longer than 8 KiB to the file (measured, mod_xsendfile 0.12).
    fn view(setup: &Setup, placed: &Placed, handoff: Option<&Value>, body: Body) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(value) = handoff {
            headers.extend(setup.handoff.headers(value));
        }
        let content_type = HeaderValue::from_static(placed.item.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        if let Some(view) = setup.views.get(&placed.item.id) {
            headers.insert(header::CONTENT_DISPOSITION, view.disposition.header.clone());
        }
        headers.insert(header::CACHE_CONTROL, PRIVATE);
        Self::new(StatusCode::OK, headers, body)
    }

    pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>) -> Self {
        Self::typed(status, HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
    }

    pub(crate) fn json(json: Bytes) -> Self {
        Self::typed(StatusCode::OK, HeaderValue::from_static("application/json"), json)
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// Returns the body, unless it is generated while it is sent.
    pub(crate) fn bytes(&self) -> Bytes {
        self.body.bytes()
    }

    pub(crate) fn response(&self) -> Response<Body> {
        let Self { status, headers, body } = self.clone();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn typed(status: StatusCode, content_type: HeaderValue, bytes: Bytes) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::CACHE_CONTROL, PRIVATE);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self::new(status, headers, Body::from(bytes))
    }

    fn new(status: StatusCode, mut headers: HeaderMap, body: Body) -> Self {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.remaining()));
        Self { status, headers, body }
    }
}
