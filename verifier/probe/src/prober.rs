//! Does all input and output: runs the probes of a plan and records the responses.

use std::sync::Arc;

use futures_util::{StreamExt, future::join_all, stream};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::{
    config::{Config, Depth, Places, StorageAt, Target},
    plan::{
        CheckContext, ContractError, ExtraRequest, Plan, ProbeRequest, StoragePlan,
        as_app_for_head, checks,
        exposure::{SPOOFED, spoofing_nonce},
        follow_ups, further, odd_parts, past_handoff, plan_of_contract, plan_of_urls,
        plan_without_contract,
    },
};
use sendfile_evidence::{
    Body, Certificate, Check, Evidence, ExtraProbe, Outcome, Probe, ProbeId, Response,
    debug_headers, secret::Redactor,
};

mod body;
mod connect;
mod contract;
mod http;
mod http2;
mod local;
mod reference;
mod storage;
mod store;

use self::{
    body::Trace,
    connect::Connector,
    http::Client,
    local::Logs,
    reference::{body_of, compare, expected, response_of},
};

/// Why no probe can be made.
#[derive(Debug, Error)]
pub enum StartError {
    /// The system gives no randomness for nonces.
    #[error("cannot get random numbers from the system")]
    Randomness(#[source] getrandom::Error),
    /// The certificates that should be trusted cannot be read from their file.
    #[error("--cacert: {0}\nhint: give the path to a file of certificates in PEM format")]
    Certificates(String),
}

/// Runs probes.
pub struct Prober {
    client: Client,
    concurrency: usize,
    depth: Depth,
    checks: Vec<Check>,
    salt: [u8; 16],
}

impl Prober {
    /// A prober for a configuration.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        let trusted = connect::tls::check(&config.network.trust);
        trusted.map_err(StartError::Certificates)?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(StartError::Randomness)?;
        let client = Client {
            connector: Arc::new(Connector::new(config.network.clone())),
            limits: config.limits.clone(),
            redactor: Redactor::new(salt),
            permits: Semaphore::new(config.concurrency.into()),
        };
        let checks = config.checks.clone();
        Ok(Self {
            client,
            concurrency: config.concurrency.into(),
            depth: config.depth,
            checks,
            salt,
        })
    }

    /// Collects the evidence about a target: the four layers, `full` first, then the probes that
    /// narrow down the possible causes.
    pub async fn examine(&self, target: &Target) -> Result<Evidence, ContractError> {
        let paths = target.expectations.local.logs.clone();
        let logs =
            storage::on_a_thread(self.client.limits.timeout, move || Logs::begin(&paths)).await;
        let mut plan = self.plan(target).await?;
        plan.size = self.size(&plan).await;
        let (mut evidence, download, app) = self.layers(&plan).await;
        plan.handoff = app.handoff;
        if let Some(fixture) = &plan.fixture {
            evidence.request_log = self.control().request_log(fixture, &plan.nonce).await;
        }
        self.beyond_layers(&plan, &mut evidence, &download).await;
        let places = &target.expectations.local;
        evidence.local = debug_headers::facts(&evidence);
        evidence.local.extend(local::examine(places, logs, &evidence, &self.client).await);
        if plan.dummy.is_none() {
            evidence.forget_file();
        }
        Ok(evidence)
    }

    /// Runs the probes that narrow down the possible causes, and those that the checks need.
    async fn beyond_layers(&self, plan: &Plan, evidence: &mut Evidence, download: &Trace) {
        let part = |range| download.part(range);
        let (depth, wanted, part) = (self.depth, self.checks.as_slice(), &part);
        let mut asks = further(plan, evidence, depth);
        let scene = CheckContext { plan, evidence: &*evidence, depth, checks: wanted, part };
        evidence.checks = checks(&scene, &mut asks);
        let cap = self.cap(plan);
        let (probes, over_tls) =
            tokio::join!(self.further(plan, asks, download), self.over_tls(plan, cap));
        evidence.probes = probes;
        evidence.spoofed = self.spoofed(plan, evidence).await;
        if let Some((certificate, http2)) = over_tls {
            evidence.certificate = certificate;
            let (id, wants, journal) = (ProbeId::Http2, None, None);
            evidence.probes.push(ExtraProbe { id, probed: http2, wants, request_log: journal });
        }
        let scene = CheckContext { plan, evidence: &*evidence, depth, checks: wanted, part };
        let mut asks = follow_ups(&scene);
        let parts = odd_parts(evidence);
        if !parts.is_empty() {
            let store = self.client.store_itself(&plan.storage, self.nonce()).await;
            asks.extend(past_handoff(&scene, &parts, store.as_ref()));
        }
        let (follow_ups, handoffs): (Vec<_>, Vec<_>) =
            self.with_handoffs(plan, asks, download).await.into_iter().unzip();
        let mut handed_over = follow_ups.iter().zip(handoffs);
        let for_head = handed_over.find(|(it, _)| it.id == ProbeId::AppHead).and_then(|it| it.1);
        evidence.probes.extend(follow_ups);
        if let Some(handoff) = for_head {
            let asks = as_app_for_head(plan, &handoff);
            evidence.probes.extend(self.further(plan, asks, download).await);
        }
    }

    /// Makes the plan: from the fixture's contract, or from the URLs given for each layer.
    async fn plan(&self, target: &Target) -> Result<Plan, ContractError> {
        match &target.places {
            Places::Fixture { fixture, site, storage } => {
                let (nonce, storage) = (self.nonce(), storage.as_ref());
                match self.control().contract(fixture).await {
                    Ok(contract) => {
                        plan_of_contract(target, nonce, &contract, fixture, site, storage)
                    }
                    Err(error @ ContractError::Unreachable { .. }) => {
                        plan_without_contract(target, nonce, fixture, site).ok_or(error)
                    }
                    Err(error) => Err(error),
                }
            }
            Places::Urls { storage, app, direct, full } => Ok(plan_of_urls(
                target,
                self.nonce(),
                storage.as_ref(),
                app.as_ref(),
                direct.as_ref(),
                full,
            )),
        }
    }

    /// Collects the evidence about several targets, in order, a few at a time.
    pub async fn examine_all(&self, targets: &[Target]) -> Vec<Result<Evidence, ContractError>> {
        let all = stream::iter(targets).map(|it| self.examine(it));
        all.buffered(self.concurrency).collect().await
    }

    /// Probes the layers; also returns the traces of the download and of the app's response, which
    /// evidence does not contain.
    async fn layers(&self, plan: &Plan) -> (Evidence, Trace, Trace) {
        let cap = self.cap(plan);
        let (mut full, full_trace) = self.client.ask(&plan.full, &plan.nonce, cap).await;
        let (storage, app, direct) = tokio::join!(
            self.storage(&plan.storage, cap),
            self.layer(&plan.app, cap),
            self.layer(&plan.direct, cap)
        );
        let ((mut storage, storage_trace), (app, app_trace), (mut direct, direct_trace)) =
            (storage, app, direct);
        let dummy = plan.dummy.clone().or_else(|| expected(&storage, &direct, &full));
        if let Some(dummy) = &dummy {
            let bodies = [
                (body_of(&mut storage.outcome), &storage_trace),
                (response_of(&mut direct.outcome), &direct_trace),
                (response_of(&mut full.outcome), &full_trace),
            ];
            compare(dummy, bodies.into_iter().filter_map(|(body, trace)| Some((body?, trace))));
        }
        let evidence = Evidence {
            target: plan.target.clone(),
            intent: plan.intent(&self.client.redactor),
            dummy,
            storage,
            app,
            direct,
            full,
            probes: Vec::new(),
            checks: Vec::new(),
            request_log: None,
            local: Vec::new(),
            spoofed: None,
            certificate: None,
        };
        (evidence, full_trace, app_trace)
    }

    /// How many bytes of a body to read.
    fn cap(&self, plan: &Plan) -> u64 {
        self.client.limits.cap(plan.size)
    }

    /// The file's size, if the contract or the disk provides it.
    async fn size(&self, plan: &Plan) -> Option<u64> {
        if let Some(dummy) = &plan.dummy {
            return Some(dummy.size);
        }
        let StoragePlan::Read(StorageAt::File(path)) = &plan.storage else { return None };
        let path = path.clone();
        storage::on_a_thread(self.client.limits.timeout, move || storage::size(&path)).await?
    }

    async fn layer(
        &self,
        ask: &Result<ProbeRequest, &'static str>,
        cap: u64,
    ) -> (Probe<Response>, Trace) {
        match ask {
            Ok(ask) => self.client.ask(ask, &self.nonce(), cap).await,
            Err(reason) => (Probe::skipped(*reason), Trace::default()),
        }
    }

    async fn storage(&self, plan: &StoragePlan, cap: u64) -> (Probe<Body>, Trace) {
        match plan {
            StoragePlan::Skip(reason) => (Probe::skipped(*reason), Trace::default()),
            StoragePlan::Read(StorageAt::File(path)) => {
                storage::read_file(path, &self.client.limits, cap, &self.client.redactor).await
            }
            StoragePlan::Read(StorageAt::Http(url, authorization)) => {
                let ask = store::with_authorization(url, authorization.as_ref());
                let (probed, trace) = self.client.ask(&ask, &self.nonce(), cap).await;
                (storage::of_response(probed), trace)
            }
            StoragePlan::Read(StorageAt::Bucket(at)) => {
                self.client.read_object(at, self.nonce(), cap).await
            }
            StoragePlan::Fixture { fixture, name } => {
                (self.control().read_back(fixture, name).await, Trace::default())
            }
        }
    }

    async fn further(
        &self,
        plan: &Plan,
        asks: Vec<ExtraRequest>,
        download: &Trace,
    ) -> Vec<ExtraProbe> {
        let made = self.with_handoffs(plan, asks, download).await;
        made.into_iter().map(|(further, _)| further).collect()
    }

    /// The same, each with the hand-off including the signature that evidence omits.
    async fn with_handoffs(
        &self,
        plan: &Plan,
        asks: Vec<ExtraRequest>,
        download: &Trace,
    ) -> Vec<(ExtraProbe, Option<String>)> {
        let cap = self.cap(plan);
        // The client's permits limit how many run at once, whatever their order.
        let made = asks.into_iter().map(async |ExtraRequest { id, ask, wants, most }| {
            let cap = most.map_or(cap, |most| cap.min(most));
            let nonce = self.nonce();
            let (mut probed, trace) = self.client.ask(&ask, &nonce, cap).await;
            if let Outcome::Response(it) = &mut probed.outcome {
                // A body that is not read to its end can only be compared.
                it.body.same = most.map(|_| trace.same(download));
            }
            // The sender matters only if the response differs.
            let right = plan.dummy.as_ref().map(|it| it.sha256);
            let other = probed.response().is_some_and(|it| Some(it.body.sha256) != right);
            let matters = id == ProbeId::WithoutQuery && other;
            let journal = match plan.fixture.as_ref().filter(|_| matters) {
                Some(fixture) => self.control().request_log(fixture, &nonce).await,
                None => None,
            };
            (ExtraProbe { id, probed, wants, request_log: journal }, trace.handoff)
        });
        join_all(made).await
    }

    /// What the fixture's request log shows about the client that chooses the hand-off itself.
    async fn spoofed(&self, plan: &Plan, evidence: &Evidence) -> Option<Vec<String>> {
        evidence.probed(ProbeId::Spoofed)?;
        let fixture = plan.fixture.as_ref()?;
        self.control().reached(fixture, &spoofing_nonce(plan), &SPOOFED).await
    }

    /// Probes that apply only to a site with TLS: its certificate, and HTTP/2.
    async fn over_tls(
        &self,
        plan: &Plan,
        cap: u64,
    ) -> Option<(Option<Certificate>, Probe<Response>)> {
        let wanted = self.checks.contains(&Check::Tls) || self.checks.contains(&Check::Protocol);
        let ask = Some(&plan.full).filter(|it| it.url.is_https() && wanted)?;
        Some(self.client.ask_http2(ask, &self.nonce(), cap).await)
    }

    fn control(&self) -> contract::Control<'_> {
        contract::Control { connector: &self.client.connector, timeout: self.client.limits.timeout }
    }

    /// A fresh nonce of 16 hexadecimal digits.
    pub(crate) fn nonce(&self) -> String {
        let mut bytes = [0; 8];
        // Without fresh randomness, the salt of this run still distinguishes the nonce from those
        // of other runs.
        if getrandom::fill(&mut bytes).is_err() {
            bytes.copy_from_slice(&self.salt[..8]);
        }
        format!("{:016x}", u64::from_be_bytes(bytes))
    }
}
