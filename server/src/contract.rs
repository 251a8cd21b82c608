//! The contract as JSON: which dummies are placed, which requests arrived, what can be read back.
//!
//! The form of the JSON is the contract between the two programs (`docs/contract.md`). Nothing else
//! of the fixture is serialised.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::{
    catalog::DummyId,
    causes::on_one_line,
    dummy::Digest,
    key::Key,
    placement::{self, Placed},
    probe::{self, Action, Expect, PLAIN, ProbeId},
    request_log::{Entry, RequestId, ResponseKind},
    setup::Setup,
    storage::{FailureKind, StorageError},
};

/// The response of `{base}/contract`.
#[derive(Serialize)]
struct Contract<'a> {
    version: u32,
    tool: &'static str,
    instance: String,
    base: &'a str,
    storage: &'a str,
    handoff: Handoff<'a>,
    dummies: Vec<Dummy<'a>>,
    probes: Vec<Probe<'a>>,
}

#[derive(Serialize)]
struct Handoff<'a> {
    dialect: &'a str,
    header: String,
    #[serde(rename = "map")]
    path_prefix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_header: Option<String>,
}

#[derive(Serialize)]
struct Dummy<'a> {
    id: DummyId,
    name: &'a str,
    key: &'a str,
    size: u64,
    nonce: String,
    generation: u64,
    sha256: String,
    placed: &'a str,
    content_type: &'a str,
    content_disposition: &'a str,
    handoff: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<&'a str>,
    previous: Option<Previous>,
}

#[derive(Serialize)]
struct Previous {
    nonce: String,
    generation: u64,
    size: u64,
    sha256: String,
}

#[derive(Serialize)]
struct Probe<'a> {
    id: ProbeId,
    path: String,
    handoff: Option<&'a str>,
    expect: Expected,
    dummy: Option<DummyId>,
    sha256: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Dummy,
    Body,
    Nothing,
}

/// The response of `{base}/requests/NONCE`.
#[derive(Serialize)]
struct Requests<'a> {
    nonce: &'a str,
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    ago_ms: u128,
    method: &'a str,
    target: &'a str,
    #[serde(rename = "answer")]
    response: ResponseKind,
    headers: BTreeMap<&'a str, String>,
}

/// The response of `{base}/storage/NAME`.
#[derive(Serialize)]
struct ReadBack<'a> {
    name: &'a str,
    key: &'a str,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(tag = "result", rename_all = "lowercase")]
enum Outcome {
    Pass { size: u64, sha256: String },
    Fail { kind: FailureKind, error: String },
}

/// Describes the placed dummies and the probes.
pub(crate) fn contract(setup: &Setup, placed: &[Placed]) -> Bytes {
    let mut dummies = Vec::new();
    for dummy in placed {
        dummies.push(Dummy::new(setup, dummy));
    }
    let mut probes = Vec::new();
    for probe in &setup.probes {
        probes.push(Probe::new(setup, probe, placed));
    }
    json(&Contract {
        version: 1,
        tool: concat!("sendfile-fixture ", env!("CARGO_PKG_VERSION")),
        instance: setup.instance.to_string(),
        base: &setup.base,
        storage: &setup.storage,
        handoff: Handoff {
            dialect: setup.handoff.dialect,
            header: setup.handoff.header.to_string(),
            path_prefix: &setup.handoff.path_prefix,
            link_header: setup.handoff.links.header().map(ToString::to_string),
        },
        dummies,
        probes,
    })
}

/// Lists the requests with this id, oldest first.
pub(crate) fn requests<'a>(id: &RequestId, entries: impl Iterator<Item = &'a Entry>) -> Bytes {
    let mut requests = Vec::new();
    for entry in entries {
        requests.push(Request::new(entry));
    }
    json(&Requests { nonce: id.as_str(), requests })
}

/// Describes the result of reading a dummy back.
pub(crate) fn read_back(
    name: &str,
    key: &Key,
    result: Result<(u64, Digest), StorageError>,
) -> Bytes {
    let outcome = match result {
        Ok((size, digest)) => Outcome::Pass { size, sha256: digest.to_string() },
        Err(error) => Outcome::Fail { kind: error.kind(), error: on_one_line(&error) },
    };
    json(&ReadBack { name, key: key.as_str(), outcome })
}

impl<'a> Dummy<'a> {
    fn new(setup: &'a Setup, placed: &'a Placed) -> Self {
        let Placed { item, line, sha256, previous, .. } = placed;
        let (content_disposition, handoff) = match setup.views.get(&item.id) {
            Some(view) => (&*view.disposition.text, &*view.handoff.text),
            None => ("", ""),
        };
        Self {
            id: item.id,
            name: item.name(),
            key: item.key.as_str(),
            size: line.size,
            nonce: line.nonce.to_string(),
            generation: line.generation,
            sha256: sha256.to_string(),
            placed: &line.placed,
            content_type: item.content_type,
            content_disposition,
            handoff,
            query: setup.handoff.query(&item.key),
            previous: previous.as_ref().map(Previous::new),
        }
    }
}

impl Previous {
    fn new(previous: &placement::Previous) -> Self {
        Self {
            nonce: previous.nonce.to_string(),
            generation: previous.generation,
            size: previous.size,
            sha256: previous.sha256.to_string(),
        }
    }
}

impl<'a> Probe<'a> {
    fn new(setup: &Setup, probe: &'a probe::Probe, placed: &[Placed]) -> Self {
        let (expect, dummy) = match (probe.expect, &probe.action) {
            (Expect::Dummy(id), _) => (Expected::Dummy, Some(id)),
            (Expect::Body, Action::Stream) => (Expected::Body, Some(DummyId::Main)),
            (Expect::Body, _) => (Expected::Body, None),
            (Expect::Nothing, _) => (Expected::Nothing, None),
        };
        let handoff = match &probe.action {
            Action::Handoff(value) => Some(&*value.text),
            Action::Plain | Action::Stream => None,
        };
        let mut sha256 = None;
        if let Action::Plain = probe.action {
            sha256 = Some(Digest::of(PLAIN.as_bytes()).to_string());
        } else if let Some(id) = dummy
            && let Some(placed) = Placed::find(placed, id)
        {
            sha256 = Some(placed.sha256.to_string());
        }
        let path = format!("{}/probe/{}", setup.base, probe.id);
        Self { id: probe.id, path, handoff, expect, dummy, sha256 }
    }
}

impl<'a> Request<'a> {
    fn new(entry: &'a Entry) -> Self {
        let mut headers = BTreeMap::<_, String>::new();
        for (name, value) in &entry.headers {
            let joined = headers.entry(&**name).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(value);
        }
        Self {
            ago_ms: entry.at.elapsed().as_millis(),
            method: &entry.method,
            target: &entry.target,
            response: entry.response,
            headers,
        }
    }
}

/// Serialises a value; strings and numbers cannot fail.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec_pretty(value).unwrap_or_default().into()
}
