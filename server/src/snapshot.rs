//! The answers of one generation of dummies, built once and cloned for each request.
//!
//! All of them change together, after the files are in place. Knows no paths of requests.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{
    body::Body,
    contract,
    dummy::Instance,
    handoff::{Handoff, Value},
    placement::Placed,
    probe::{Action, Expect, PLAIN, Probe},
};

const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// What does not change while the fixture runs.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) instance: Instance,
    pub(crate) base: String,
    pub(crate) storage: String,
    pub(crate) handoff: Handoff,
    /// The headers of each dummy, by its id.
    pub(crate) views: HashMap<&'static str, View>,
    pub(crate) probes: Vec<Probe>,
}

/// The headers that name one dummy.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) handoff: Value,
    pub(crate) disposition: Value,
}

/// What is answered until the next rotation.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) dummies: Vec<Dummy>,
    probes: HashMap<&'static str, Reply>,
    pub(crate) contract: Reply,
}

/// A dummy in place, and the answer that hands it off.
#[derive(Debug)]
pub(crate) struct Dummy {
    pub(crate) placed: Arc<Placed>,
    pub(crate) view: Reply,
}

/// An answer that is ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Snapshot {
    pub(crate) fn new(setup: &Setup, placed: &[Placed]) -> Self {
        let dummies = placed.iter().map(|placed| {
            let handoff = setup.views.get(placed.item.id).map(|view| &view.handoff);
            let view = Reply::view(setup, placed, handoff, Body::empty());
            Dummy { placed: Arc::new(placed.clone()), view }
        });
        let probes = setup.probes.iter().filter_map(|probe| {
            let id = match probe.expect {
                Expect::Dummy(id) => id,
                Expect::Body | Expect::Nothing => "main",
            };
            let placed = placed.iter().find(|placed| placed.item.id == id)?;
            let (handoff, body) = match &probe.action {
                Action::Handoff(value) => (Some(value), Body::empty()),
                Action::Plain => (None, Body::from(PLAIN)),
                Action::Stream => (None, Body::dummy(Arc::clone(&placed.content))),
            };
            Some((probe.id, Reply::view(setup, placed, handoff, body)))
        });
        Self {
            dummies: dummies.collect(),
            probes: probes.collect(),
            contract: Reply::json(contract::contract(setup, placed)),
        }
    }

    /// Finds a dummy by its id or its file name.
    pub(crate) fn dummy(&self, name: &str) -> Option<&Dummy> {
        let named = |it: &&Dummy| it.placed.item.id == name || it.placed.item.name() == name;
        self.dummies.iter().find(named)
    }

    pub(crate) fn probe(&self, id: &str) -> Option<&Reply> {
        self.probes.get(id)
    }
}

impl Reply {
    /// An empty body, and a length of nothing: with the file's length Apache waits for bytes that
    /// never come, and what is longer than 8 KiB it sends behind the file (measured, mod_xsendfile
    /// 0.12).
    fn view(setup: &Setup, placed: &Placed, handoff: Option<&Value>, body: Body) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(value) = handoff {
            headers.extend(setup.handoff.headers(value));
        }
        let content_type = HeaderValue::from_static(placed.item.content_type);
        headers.insert(header::CONTENT_TYPE, content_type);
        if let Some(view) = setup.views.get(placed.item.id) {
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

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }

    /// Returns the body, where it is not made while it is sent.
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
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.left()));
        Self { status, headers, body }
    }
}
