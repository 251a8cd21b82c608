//! What a verifier may ask, as JSON: what was placed, what was requested, what can be read back.
//!
//! The form of the JSON is the contract between the two programs (`docs/contract.md`); nothing
//! else of the fixture is serialised.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use crate::{
    catalog::Key,
    dummy::Digest,
    journal::{Entry, Ticket},
    placement::Placed,
    probe::{Action, Expect, PLAIN, Probe},
    snapshot::Setup,
    storage::{StorageError, Trouble},
};

/// The answer of `{base}/contract`.
#[derive(Serialize)]
struct Contract<'a> {
    version: u32,
    tool: &'static str,
    instance: String,
    base: &'a str,
    storage: &'a str,
    handoff: Handoff<'a>,
    dummies: Vec<Dummy<'a>>,
    probes: Vec<ProbeOf<'a>>,
}

#[derive(Serialize)]
struct Handoff<'a> {
    dialect: &'a str,
    header: String,
    map: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_header: Option<String>,
}

#[derive(Serialize)]
struct Dummy<'a> {
    id: &'a str,
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
struct ProbeOf<'a> {
    id: &'a str,
    path: String,
    handoff: Option<&'a str>,
    expect: &'static str,
    dummy: Option<&'a str>,
    sha256: Option<String>,
}

/// The answer of `{base}/requests/NONCE`.
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
    answer: &'a str,
    headers: BTreeMap<&'a str, String>,
}

/// The answer of `{base}/storage/NAME`.
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
    Fail { kind: &'static str, error: String },
}

/// Says what was placed and what can be asked.
pub(crate) fn contract(setup: &Setup, placed: &[Placed]) -> Bytes {
    let dummies = placed.iter().map(|placed| dummy(setup, placed)).collect();
    let probes = setup.probes.iter().map(|it| probe(setup, it, placed)).collect();
    let contract = Contract {
        version: 1,
        tool: concat!("sendfile-fixture ", env!("CARGO_PKG_VERSION")),
        instance: setup.instance.to_string(),
        base: &setup.base,
        storage: &setup.storage,
        handoff: Handoff {
            dialect: setup.handoff.dialect,
            header: setup.handoff.header.to_string(),
            map: &setup.handoff.map,
            link_header: setup.handoff.links.header().map(ToString::to_string),
        },
        dummies,
        probes,
    };
    json(&contract)
}

/// Says which requests carried the ticket, the oldest first.
pub(crate) fn requests<'a>(ticket: &'a Ticket, entries: impl Iterator<Item = &'a Entry>) -> Bytes {
    let requests = entries.map(|entry| {
        let mut headers = BTreeMap::<_, String>::new();
        for (name, value) in &entry.headers {
            let joined = headers.entry(&**name).or_default();
            joined.push_str(if joined.is_empty() { "" } else { ", " });
            joined.push_str(value);
        }
        Request {
            ago_ms: entry.at.elapsed().as_millis(),
            method: &entry.method,
            target: &entry.target,
            answer: entry.answer,
            headers,
        }
    });
    json(&Requests { nonce: ticket.as_str(), requests: requests.collect() })
}

/// Says what reading a dummy back has given.
pub(crate) fn read_back(
    name: &str,
    key: &Key,
    result: Result<(u64, Digest), StorageError>,
) -> Bytes {
    let outcome = match result {
        Ok((size, digest)) => Outcome::Pass { size, sha256: digest.to_string() },
        Err(error) => Outcome::Fail { kind: kind(error.trouble()), error: chain(&error) },
    };
    json(&ReadBack { name, key: key.as_str(), outcome })
}

/// Says why a storage cannot be used: the kind, and all causes.
pub(crate) fn trouble(error: &StorageError) -> String {
    format!("{}: {}", kind(error.trouble()), chain(error))
}

/// Writes an error with all its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

fn dummy<'a>(setup: &'a Setup, placed: &'a Placed) -> Dummy<'a> {
    let Placed { item, line, sha256, previous, .. } = placed;
    let view = setup.views.get(item.id);
    Dummy {
        id: item.id,
        name: item.name(),
        key: item.key.as_str(),
        size: line.size,
        nonce: line.nonce.to_string(),
        generation: line.generation,
        sha256: sha256.to_string(),
        placed: &line.placed,
        content_type: item.content_type,
        content_disposition: view.map_or("", |view| &view.disposition.text),
        handoff: view.map_or("", |view| &view.handoff.text),
        query: setup.handoff.query(&item.key),
        previous: previous.as_ref().map(|it| Previous {
            nonce: it.nonce.to_string(),
            generation: it.generation,
            size: it.size,
            sha256: it.sha256.to_string(),
        }),
    }
}

fn probe<'a>(setup: &Setup, probe: &'a Probe, placed: &[Placed]) -> ProbeOf<'a> {
    let (expect, dummy) = match (probe.expect, &probe.action) {
        (Expect::Dummy(id), _) => ("dummy", Some(id)),
        (Expect::Body, Action::Stream) => ("body", Some("main")),
        (Expect::Body, _) => ("body", None),
        (Expect::Nothing, _) => ("nothing", None),
    };
    let of_dummy = placed.iter().find(|placed| Some(placed.item.id) == dummy);
    let sha256 = match &probe.action {
        Action::Plain => Some(Digest::of(PLAIN.as_bytes())),
        Action::Handoff(_) | Action::Stream => of_dummy.map(|placed| placed.sha256),
    };
    ProbeOf {
        id: probe.id,
        path: format!("{}/probe/{}", setup.base, probe.id),
        handoff: match &probe.action {
            Action::Handoff(value) => Some(&value.text),
            Action::Plain | Action::Stream => None,
        },
        expect,
        dummy,
        sha256: sha256.map(|digest| digest.to_string()),
    }
}

fn kind(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::NotFound => "not-found",
        Trouble::BucketMissing => "bucket-missing",
        Trouble::PermissionDenied => "permission-denied",
        Trouble::KeyRefused => "key-refused",
        Trouble::WrongRegion => "wrong-region",
        Trouble::ClockSkewed => "clock-skewed",
        Trouble::NameNotResolved => "name-not-resolved",
        Trouble::Tls => "tls",
        Trouble::Unreachable => "unreachable",
        Trouble::Other => "other",
    }
}

/// Strings and numbers cannot fail to become JSON.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec_pretty(value).unwrap_or_default().into()
}
