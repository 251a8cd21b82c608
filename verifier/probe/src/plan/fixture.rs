//! The plan for a fixture: its contract provides the URLs that the operator did not give. Pure.

use sendfile_evidence::{Dummy, OddName, ProbeId, Sha256, Source};

use super::{
    contract::{Contract, ContractDummy, ContractError, DummyId},
    given::plan_of_urls,
    layers::{
        FixtureProbe, LayerPlan, PARAMETER, Plan, StoragePlan, app_request, client_request,
        full_request,
    },
    request::ProbeRequest,
};
use crate::{
    config::{Expectations, FixtureUrls, GivenUrls, StorageAt, Target},
    url::{Url, encoded},
};

/// The plan for a fixture: its contract provides the rest.
///
/// # Errors
///
/// [`ContractError::NotAContract`] if the contract has no main dummy, or contains an invalid hash or
/// a path that cannot be part of a URL.
pub fn plan_of_contract(
    target: &Target,
    nonce: String,
    contract: &Contract,
    urls: &FixtureUrls,
) -> Result<Plan, ContractError> {
    let mut described =
        Described { contract, urls, nonce: &nonce, expectations: target.expectations.clone() };
    let main = described.main()?;
    described.complete_expectations(main);
    let dummy = described.dummy(main)?;
    let storage = described.storage(main)?;
    let fixture_probes = described.offered(&CAUSE_PROBES);
    let check_probes = described.check_probes();
    let direct = described.direct_url(main)?;
    let app = described.app_url()?;
    let full = described.site_url("/download")?;
    let expectations = described.expectations;
    Ok(Plan {
        target: target.name.clone(),
        nonce,
        dummy: Some(dummy),
        storage,
        app: LayerPlan::Request(app_request(&expectations, app)),
        direct: LayerPlan::Request(client_request(&expectations, direct)),
        full: full_request(&expectations, full),
        fixture: Some(urls.fixture.clone()),
        fixture_probes,
        check_probes,
        expectations,
    })
}

/// The plan for a fixture that does not respond: the site can still be probed, and the app is known
/// to be down. `None` if the site's path cannot be part of a URL.
pub fn plan_without_contract(target: &Target, nonce: String, urls: &FixtureUrls) -> Option<Plan> {
    let FixtureUrls { fixture, site, .. } = urls;
    let base = fixture.url.path();
    let app = format!("{base}/download?{PARAMETER}={nonce}-app");
    let app = fixture.url.with_target(&app).ok()?;
    let full = format!("{}{base}/download?{PARAMETER}={nonce}", site.base());
    let full = site.with_target(&full).ok()?;
    let app = ProbeRequest {
        unix_socket: fixture.unix_socket.clone(),
        ..app_request(&target.expectations, app)
    };
    let only_site = GivenUrls { storage: None, app: None, direct: None, full };
    Some(Plan {
        storage: StoragePlan::Skip(NO_FIXTURE),
        app: LayerPlan::Request(app),
        direct: LayerPlan::Skip(NO_FIXTURE),
        ..plan_of_urls(target, nonce, &only_site)
    })
}

const NO_FIXTURE: &str = "the fixture, which places the dummy, does not respond";

/// The fixture's probes that narrow down causes, requested through the site.
const CAUSE_PROBES: [ProbeId; 6] = [
    ProbeId::Plain,
    ProbeId::DirectUri,
    ProbeId::DoubleSlash,
    ProbeId::NoExtension,
    ProbeId::Missing,
    ProbeId::Nowhere,
];

/// The fixture's probes that checks need, in addition to those for odd names.
const CHECK_PROBES: [ProbeId; 5] =
    [ProbeId::Html, ProbeId::Empty, ProbeId::Missing, ProbeId::Parent, ProbeId::Relay];

/// A fixture as its contract describes it.
struct Described<'a> {
    contract: &'a Contract,
    urls: &'a FixtureUrls,
    nonce: &'a str,
    /// The operator's expectations, to be completed from the contract.
    expectations: Expectations,
}

impl<'a> Described<'a> {
    fn main(&self) -> Result<&'a ContractDummy, ContractError> {
        let mut dummies = self.contract.dummies.iter();
        let main = dummies.find(|dummy| dummy.id == DummyId::Main);
        main.ok_or_else(|| self.invalid("no dummy `main`".to_owned()))
    }

    fn complete_expectations(&mut self, main: &ContractDummy) {
        let intent = &mut self.expectations.intent;
        intent.header = Some(self.contract.handoff.header.clone());
        intent.value = Some(main.handoff.clone());
        intent.expect.push(("content-type".to_owned(), main.content_type.clone()));
        if let Some(disposition) = &main.content_disposition {
            intent.expect.push(("content-disposition".to_owned(), disposition.clone()));
        }
        self.expectations.unix_socket.clone_from(&self.urls.fixture.unix_socket);
    }

    fn dummy(&self, main: &ContractDummy) -> Result<Dummy, ContractError> {
        let sha256 = self.hash(&main.sha256)?;
        let previous = match &main.previous {
            Some(previous) => Some(self.hash(&previous.sha256)?),
            None => None,
        };
        Ok(Dummy {
            size: main.size,
            sha256,
            source: Source::Contract,
            nonce: Some(main.nonce.clone()),
            instance: Some(self.contract.instance.clone()),
            key: Some(main.key.clone()),
            decoy: self.contract.dummies.iter().any(|dummy| dummy.id == DummyId::RootDecoy),
            previous,
        })
    }

    fn storage(&self, main: &ContractDummy) -> Result<StoragePlan, ContractError> {
        let Some(root) = &self.urls.storage else {
            let fixture = self.urls.fixture.clone();
            return Ok(StoragePlan::Fixture { fixture, name: main.name.clone() });
        };
        match below(root, &main.key) {
            Ok(storage) => Ok(StoragePlan::Read(storage)),
            Err(problem) => Err(self.invalid(problem)),
        }
    }

    fn check_probes(&self) -> Vec<FixtureProbe> {
        let mut probes = self.offered(&CHECK_PROBES);
        probes.extend(self.offered(&OddName::ALL.map(ProbeId::Name)));
        if let Ok(url) = self.site_url("/denied") {
            let request = client_request(&self.expectations, url);
            probes.push(FixtureProbe { id: ProbeId::Denied, request, expected: None });
        }
        probes
    }

    /// Those of these probes that the fixture offers.
    fn offered(&self, ids: &[ProbeId]) -> Vec<FixtureProbe> {
        let mut offered = Vec::new();
        for id in ids {
            let mut probes = self.contract.probes.iter();
            let Some(probe) = probes.find(|probe| probe.id == Some(*id)) else { continue };
            let Some(path) = probe.path.strip_prefix(&self.contract.base) else { continue };
            let Ok(url) = self.site_url(path) else { continue };
            let request = client_request(&self.expectations, url);
            let expected = probe.sha256.as_deref().and_then(|text| text.parse().ok());
            offered.push(FixtureProbe { id: *id, request, expected });
        }
        offered
    }

    /// The dummy's direct URL. In a private bucket, it includes the required query, which is signed
    /// as a whole, so that no parameter may be added.
    fn direct_url(&self, main: &ContractDummy) -> Result<Url, ContractError> {
        let direct = self.site_url(&format!("/direct/{}", encoded(&main.name)))?;
        if let Some(query) = &main.query
            && let Ok(signed) = direct.with_query(query)
        {
            return Ok(signed);
        }
        Ok(direct)
    }

    fn app_url(&self) -> Result<Url, ContractError> {
        let url = &self.urls.fixture.url;
        let target = format!("{}/download?{PARAMETER}={}-app", url.path(), self.nonce);
        url.with_target(&target).map_err(|error| self.invalid(error.to_string()))
    }

    /// The site's URL of one of the fixture's paths, given without the base path.
    fn site_url(&self, path: &str) -> Result<Url, ContractError> {
        let Self { contract: Contract { base, .. }, urls: FixtureUrls { site, .. }, .. } = self;
        let target = format!("{}{base}{path}?{PARAMETER}={}", site.base(), self.nonce);
        site.with_target(&target).map_err(|error| self.invalid(error.to_string()))
    }

    fn hash(&self, text: &str) -> Result<Sha256, ContractError> {
        text.parse().map_err(|problem| self.invalid(problem))
    }

    fn invalid(&self, problem: String) -> ContractError {
        ContractError::NotAContract { url: self.urls.fixture.url.to_string(), problem }
    }
}

/// A key below a storage's root.
fn below(root: &StorageAt, key: &str) -> Result<StorageAt, String> {
    match root {
        StorageAt::File(path) => {
            Ok(StorageAt::File(format!("{}/{key}", path.trim_end_matches('/'))))
        }
        StorageAt::Http(url, authorization) => {
            let target = format!("{}/{}", url.base(), encoded(key));
            let url = url.with_target(&target).map_err(|error| error.to_string())?;
            Ok(StorageAt::Http(url, authorization.clone()))
        }
        StorageAt::Bucket(bucket) => Ok(StorageAt::Bucket(bucket.below(key))),
    }
}
