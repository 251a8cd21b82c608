//! Plans the probes: first the four layers, then those that narrow down the possible causes. Pure;
//! `probe` runs them.

use http::{HeaderName, header};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    config::{Expectations, FixtureAt, StorageAt, Target},
    url::Url,
};
use sendfile_evidence::{Dummy, Intent, OddName, ProbeId, Sha256, Source, secret::Redactor};

mod checks;
mod contract;
pub(crate) mod exposure;
mod further;
mod request;
mod store;

pub use checks::{CheckContext, checks, follow_ups};
pub use contract::{Contract, ContractDummy, ContractError};
pub use further::further;
pub use request::{ProbeRequest, Wants};
pub use store::{as_app_for_head, odd_parts, past_handoff};

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
    /// The file's size, if the contract or the disk provides it.
    pub size: Option<u64>,
    /// How to read the storage.
    pub storage: StoragePlan,
    /// The request to the app, or why it is skipped.
    pub app: Result<ProbeRequest, &'static str>,
    /// The request to the direct location, or why it is skipped.
    pub direct: Result<ProbeRequest, &'static str>,
    /// The download.
    pub full: ProbeRequest,
    /// The app's hand-off including the signature that evidence omits, once the app has responded.
    pub handoff: Option<String>,
    /// The fixture, if there is one.
    pub fixture: Option<FixtureAt>,
    /// The fixture's own probes that narrow down the causes.
    pub fixture_probes: Vec<ExtraRequest>,
    /// The probes that the checks need.
    pub check_probes: Vec<ExtraRequest>,
}

/// A further probe to run.
#[derive(Clone, Debug)]
pub struct ExtraRequest {
    /// Which one.
    pub id: ProbeId,
    /// The request.
    pub ask: ProbeRequest,
    /// The SHA-256 of the expected content, if it is not the dummy's.
    pub wants: Option<Sha256>,
    /// Maximum number of bytes worth reading, if less than the whole body.
    pub most: Option<u64>,
}

impl ExtraRequest {
    fn new(id: ProbeId, ask: ProbeRequest) -> Self {
        Self { id, ask, wants: None, most: None }
    }
}

/// How to read the storage.
#[derive(Debug)]
pub enum StoragePlan {
    /// Do not read it, for this reason.
    Skip(&'static str),
    /// Read it at this location.
    Read(StorageAt),
    /// The fixture reads it back.
    Fixture {
        /// The fixture.
        fixture: FixtureAt,
        /// The dummy's name.
        name: String,
    },
}

impl Plan {
    /// A GET request as the client sends it.
    fn by_visitor(&self, url: Url) -> ProbeRequest {
        by_visitor(&self.expectations, url)
    }

    /// The intent, redacted.
    pub fn intent(&self, redactor: &Redactor) -> Intent {
        let intent = &self.expectations.intent;
        Intent { value: intent.value.as_deref().map(|it| redactor.url(it)), ..intent.clone() }
    }
}

/// Characters that a request target cannot contain unencoded.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Characters that a name in a path cannot contain unencoded.
const NAME_UNSAFE: &AsciiSet = &UNSAFE.add(b'%').add(b'?');

/// The name of the query parameter that makes the fixture's own URLs unique.
const PARAMETER: &str = "sendfile-check";

/// The plan for any app, from the URLs given for each layer.
pub fn plan_of_urls(
    target: &Target,
    nonce: String,
    storage: Option<&StorageAt>,
    app: Option<&Url>,
    direct: Option<&Url>,
    full: &Url,
) -> Plan {
    let expectations = target.expectations.clone();
    Plan {
        target: target.name.clone(),
        nonce,
        dummy: None,
        size: None,
        storage: storage.map_or(StoragePlan::Skip("no --storage was given"), |it| {
            StoragePlan::Read(it.clone())
        }),
        app: app.map(|url| ask_app(&expectations, url.clone())).ok_or("no --app was given"),
        direct: direct
            .map(|url| by_visitor(&expectations, url.clone()))
            .ok_or("no --direct was given"),
        full: ask_full(&expectations, full.clone()),
        handoff: None,
        fixture: None,
        fixture_probes: Vec::new(),
        check_probes: Vec::new(),
        expectations,
    }
}

/// The plan for a fixture: its contract provides the rest.
pub fn plan_of_contract(
    target: &Target,
    nonce: String,
    contract: &Contract,
    fixture: &FixtureAt,
    site: &Url,
    storage: Option<&StorageAt>,
) -> Result<Plan, ContractError> {
    let wrong =
        |problem: String| ContractError::NotAContract { url: fixture.url.to_string(), problem };
    let main = contract
        .dummies
        .iter()
        .find(|it| it.id == "main")
        .ok_or_else(|| wrong("no dummy `main`".to_owned()))?;
    let at = |url: &Url, path: &str| {
        let target = format!(
            "{}{}{path}?{PARAMETER}={nonce}",
            url.path().trim_end_matches('/'),
            contract.base
        );
        url.with_target(&target).map_err(|error| wrong(error.to_string()))
    };
    let expectations = wish_of(target, contract, main, fixture);
    let hash = |text: &str| text.parse().map_err(wrong);
    let dummy = Dummy {
        size: main.size,
        sha256: hash(&main.sha256)?,
        source: Source::Contract,
        nonce: Some(main.nonce.clone()),
        instance: Some(contract.instance.clone()),
        key: Some(main.key.clone()),
        decoy: contract.dummies.iter().any(|it| it.id == "root-twin"),
        previous: main.previous.as_ref().map(|it| hash(&it.sha256)).transpose()?,
    };
    let storage = match storage {
        Some(root) => StoragePlan::Read(below(root, &main.key).map_err(wrong)?),
        None => StoragePlan::Fixture { fixture: fixture.clone(), name: main.name.clone() },
    };
    let probe_at = |path: &str| {
        let url = at(site, path.strip_prefix(&contract.base)?).ok()?;
        Some(by_visitor(&expectations, url))
    };
    let fixture_probes = fixture_probes(contract, probe_at);
    let for_checks = CHECK_PROBES.into_iter().chain(OddName::ALL.into_iter().map(ProbeId::Name));
    let denied = at(site, "/denied")
        .map(|url| ExtraRequest::new(ProbeId::Denied, by_visitor(&expectations, url)));
    let mut check_probes = offered(contract, for_checks, probe_at);
    check_probes.extend(denied);
    let target_of_app = format!("{}/download?{PARAMETER}={nonce}-app", fixture.url.path());
    let app = fixture.url.with_target(&target_of_app);
    let direct = signed(at(site, &format!("/direct/{}", encoded(&main.name)))?, main);
    Ok(Plan {
        target: target.name.clone(),
        dummy: Some(dummy),
        size: None,
        storage,
        app: Ok(ask_app(&expectations, app.map_err(|error| wrong(error.to_string()))?)),
        direct: Ok(by_visitor(&expectations, direct)),
        full: ask_full(&expectations, at(site, "/download")?),
        handoff: None,
        fixture: Some(fixture.clone()),
        fixture_probes,
        check_probes,
        nonce,
        expectations,
    })
}

/// The operator's expectations, completed from the contract.
fn wish_of(
    target: &Target,
    contract: &Contract,
    main: &ContractDummy,
    fixture: &FixtureAt,
) -> Expectations {
    let mut expectations = target.expectations.clone();
    let intent = &mut expectations.intent;
    intent.header = Some(contract.handoff.header.clone());
    intent.value = Some(main.handoff.clone());
    intent.expect.push(("content-type".to_owned(), main.content_type.clone()));
    let disposition = main.content_disposition.clone();
    intent.expect.extend(disposition.map(|it| ("content-disposition".to_owned(), it)));
    expectations.unix_socket.clone_from(&fixture.unix_socket);
    expectations
}

/// A dummy's direct URL with the query that a private bucket requires. The whole query is signed,
/// so no parameter may be added.
fn signed(direct: Url, dummy: &ContractDummy) -> Url {
    let query = dummy.query.as_deref();
    let signed = query.map(|query| direct.with_target(&format!("{}?{query}", direct.path())));
    signed.and_then(Result::ok).unwrap_or(direct)
}

const NO_FIXTURE: &str = "the fixture, which places the dummy, does not respond";

/// The plan for a fixture that does not respond: the site can still be probed, and the app is known
/// to be down.
pub fn plan_without_contract(
    target: &Target,
    nonce: String,
    fixture: &FixtureAt,
    site: &Url,
) -> Option<Plan> {
    let base = fixture.url.path();
    let full = format!("{}{base}/download?{PARAMETER}={nonce}", site.path().trim_end_matches('/'));
    let app = fixture.url.with_target(&format!("{base}/download?{PARAMETER}={nonce}-app")).ok()?;
    let mut plan =
        plan_of_urls(target, nonce, None, Some(&app), None, &site.with_target(&full).ok()?);
    plan.storage = StoragePlan::Skip(NO_FIXTURE);
    plan.direct = Err(NO_FIXTURE);
    if let Ok(app) = &mut plan.app {
        app.unix_socket.clone_from(&fixture.unix_socket);
    }
    Some(plan)
}

/// The request to the app as the proxy sends it: with the proxy's own headers, and those of the
/// client that it forwards.
fn ask_app(expectations: &Expectations, url: Url) -> ProbeRequest {
    let own = |name: &HeaderName| expectations.app_headers.iter().any(|(it, _)| it == name);
    let passed_on =
        expectations.full_headers.iter().filter(|(name, _)| !own(name) && *name != header::HOST);
    ProbeRequest {
        method: expectations.full_method.clone(),
        url,
        headers: expectations.app_headers.iter().chain(passed_on).cloned().collect(),
        unix_socket: expectations.unix_socket.clone(),
        wants: Wants::HandOff(expectations.intent.header.clone()),
    }
}

/// A GET request with the client's headers: the whole site may require a login.
fn by_visitor(expectations: &Expectations, url: Url) -> ProbeRequest {
    ProbeRequest { headers: expectations.full_headers.clone(), ..ProbeRequest::get(url) }
}

fn ask_full(expectations: &Expectations, url: Url) -> ProbeRequest {
    ProbeRequest {
        method: expectations.full_method.clone(),
        headers: expectations.full_headers.clone(),
        ..ProbeRequest::get(url)
    }
}

/// A key below a storage's root.
fn below(root: &StorageAt, key: &str) -> Result<StorageAt, String> {
    match root {
        StorageAt::File(path) => {
            Ok(StorageAt::File(format!("{}/{key}", path.trim_end_matches('/'))))
        }
        StorageAt::Http(url, header) => {
            let target = format!("{}/{}", url.path().trim_end_matches('/'), encoded(key));
            let url = url.with_target(&target).map_err(|error| error.to_string())?;
            Ok(StorageAt::Http(url, header.clone()))
        }
        StorageAt::Bucket(bucket) => Ok(StorageAt::Bucket(bucket.below(key))),
    }
}

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NAME_UNSAFE).to_string()
}

/// The fixture's probes that narrow down causes, requested through the site.
fn fixture_probes(
    contract: &Contract,
    at: impl Fn(&str) -> Option<ProbeRequest>,
) -> Vec<ExtraRequest> {
    let known = [
        ProbeId::Plain,
        ProbeId::DirectUri,
        ProbeId::DoubleSlash,
        ProbeId::NoExtension,
        ProbeId::Missing,
        ProbeId::Nowhere,
    ];
    offered(contract, known, at)
}

/// The fixture's probes that checks need.
const CHECK_PROBES: [ProbeId; 5] =
    [ProbeId::Html, ProbeId::Empty, ProbeId::Missing, ProbeId::Parent, ProbeId::Relay];

/// Those of these probes that the fixture offers.
fn offered(
    contract: &Contract,
    ids: impl IntoIterator<Item = ProbeId>,
    at: impl Fn(&str) -> Option<ProbeRequest>,
) -> Vec<ExtraRequest> {
    let offered = ids.into_iter().filter_map(|id| {
        let probe = contract.probes.iter().find(|it| it.id == id.to_string())?;
        let wants = probe.sha256.as_deref().and_then(|it| it.parse().ok());
        at(&probe.path).map(|ask| ExtraRequest { wants, ..ExtraRequest::new(id, ask) })
    });
    offered.collect()
}
