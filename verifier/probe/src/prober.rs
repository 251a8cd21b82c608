//! Does all input and output: sends the requests that `plan` returns and records the responses.
//! Judges nothing, and never decides which request to send.

use std::sync::Arc;

use futures_util::{StreamExt, future::join_all, stream};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::{
    config::{Config, Depth, LayerUrls, StorageAt, Target},
    plan::{
        ContractError, Destination, ExtraRequest, Handoffs, LayerPlan, Plan, ProbeRequest,
        Progress, SPOOFED, StoragePlan, checks, next, plan_of_contract, plan_of_urls,
        plan_without_contract, spoofing_nonce,
    },
};
use sendfile_evidence::{
    Body, Certificate, Check, Evidence, ExtraProbe, LoggedRequest, Outcome, Probe, ProbeId,
    Response, debug_headers, secret::Redactor,
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
    /// The system provides no randomness for nonces.
    #[error("cannot get random numbers from the system")]
    Randomness(#[source] getrandom::Error),
    /// The file of trusted certificates cannot be read.
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
    ///
    /// # Errors
    ///
    /// [`StartError`] if no probe can be made.
    pub fn new(config: &Config) -> Result<Self, StartError> {
        connect::tls::check(&config.network.trust).map_err(StartError::Certificates)?;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(StartError::Randomness)?;
        let client = Client {
            connector: Arc::new(Connector::new(config.network.clone())),
            limits: config.limits.clone(),
            redactor: Redactor::new(salt),
            permits: Semaphore::new(config.concurrency.into()),
        };
        Ok(Self {
            client,
            concurrency: config.concurrency.into(),
            depth: config.depth,
            checks: config.checks.clone(),
            salt,
        })
    }

    /// Collects the evidence about a target: the four layers, `full` first, then the probes that
    /// narrow down the possible causes.
    ///
    /// # Errors
    ///
    /// [`ContractError`] if the response of the target's fixture is not a contract.
    pub async fn examine(&self, target: &Target) -> Result<Evidence, ContractError> {
        let files = &target.expectations.local;
        let paths = files.logs.clone();
        let timeout = self.client.limits.timeout;
        let logs = storage::on_a_thread(timeout, move || Logs::begin(&paths)).await;
        let plan = self.plan(target).await?;
        let mut run = Run::of_layers(self, &plan).await;
        if let Some(fixture) = &plan.fixture {
            run.evidence.request_log = self.control().request_log(fixture, &plan.nonce).await;
        }
        run.send_extra_requests().await;
        let mut evidence = run.evidence;
        evidence.local = debug_headers::facts(&evidence);
        evidence.local.extend(local::examine(files, logs, &evidence, &self.client).await);
        if plan.dummy.is_none() {
            evidence.forget_file();
        }
        Ok(evidence)
    }

    /// Collects the evidence about several targets, in order, a few at a time.
    pub async fn examine_all(&self, targets: &[Target]) -> Vec<Result<Evidence, ContractError>> {
        let examined = stream::iter(targets).map(|target| self.examine(target));
        examined.buffered(self.concurrency).collect().await
    }

    /// Makes the plan: from the fixture's contract, or from the URLs given for each layer.
    async fn plan(&self, target: &Target) -> Result<Plan, ContractError> {
        let nonce = self.nonce();
        let urls = match &target.layers {
            LayerUrls::Given(urls) => return Ok(plan_of_urls(target, nonce, urls)),
            LayerUrls::Fixture(urls) => urls,
        };
        match self.control().contract(&urls.fixture).await {
            Ok(contract) => plan_of_contract(target, nonce, &contract, urls),
            Err(error @ ContractError::Unreachable { .. }) => {
                plan_without_contract(target, nonce, urls).ok_or(error)
            }
            Err(error) => Err(error),
        }
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

/// The probes of one target: the evidence so far, and the data that evidence must not contain.
struct Run<'a> {
    prober: &'a Prober,
    plan: &'a Plan,
    /// Maximum number of bytes of a body to read.
    cap: u64,
    evidence: Evidence,
    /// The trace of the download, with which other bodies are compared.
    download: Trace,
    handoffs: Handoffs,
}

/// The result of an extra request.
struct Sent {
    probe: ExtraProbe,
    /// The hand-off in the response, including the signature that evidence omits.
    handoff: Option<String>,
    /// The site's certificate, if it was inspected.
    certificate: Option<Certificate>,
}

impl<'a> Run<'a> {
    /// Probes the layers.
    async fn of_layers(prober: &'a Prober, plan: &'a Plan) -> Self {
        let client = &prober.client;
        let cap = client.limits.cap(prober.size(plan).await);
        let (mut full, full_trace) = client.send(&plan.full, &plan.nonce, cap).await;
        let (storage, app, direct) = tokio::join!(
            prober.storage(&plan.storage, cap),
            prober.layer(&plan.app, cap),
            prober.layer(&plan.direct, cap)
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
            intent: plan.intent(&client.redactor),
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
        let handoffs = Handoffs { get: app_trace.handoff, head: None };
        Self { prober, plan, cap, evidence, download: full_trace, handoffs }
    }

    /// Sends the requests that the plan returns beyond the layers, round by round.
    async fn send_extra_requests(&mut self) {
        self.evidence.checks = self.planned(checks, 0);
        for rounds in 0.. {
            let requests = self.planned(next, rounds);
            if requests.is_empty() {
                return;
            }
            self.send_round(&requests).await;
        }
    }

    /// The result of a function that plans, given what is known after this many rounds.
    fn planned<T>(&self, function: fn(&Progress<'_>) -> T, rounds: usize) -> T {
        function(&Progress {
            plan: self.plan,
            evidence: &self.evidence,
            rounds,
            handoffs: &self.handoffs,
            part: &|range| self.download.part(range),
            depth: self.prober.depth,
            checks: &self.prober.checks,
        })
    }

    /// Sends requests concurrently, as far as the client's permits allow, and records the responses
    /// in the order of the requests.
    async fn send_round(&mut self, requests: &[ExtraRequest]) {
        let store = self.store_request(requests).await;
        let sending = requests.iter().map(|request| self.send(request, store.as_ref()));
        let all: Vec<Option<Sent>> = join_all(sending).await;
        for Sent { probe, handoff, certificate } in all.into_iter().flatten() {
            if probe.id == ProbeId::AppHead {
                self.handoffs.head = handoff;
            }
            if certificate.is_some() {
                self.evidence.certificate = certificate;
            }
            self.evidence.probes.push(probe);
        }
        if requests.iter().any(|request| request.id == ProbeId::Spoofed) {
            self.evidence.spoofed = self.spoofed().await;
        }
    }

    /// The request for the file at the store itself, if one of these is sent there.
    async fn store_request(&self, requests: &[ExtraRequest]) -> Option<ProbeRequest> {
        for request in requests {
            if let Destination::Store(_) = request.destination {
                let nonce = self.prober.nonce();
                return self.prober.client.store_itself(&self.plan.storage, nonce).await;
            }
        }
        None
    }

    /// Sends one request; `None` if the request is for the store itself, but the storage is not a
    /// store or the link to the file cannot be signed.
    async fn send(&self, request: &ExtraRequest, store: Option<&ProbeRequest>) -> Option<Sent> {
        let client = &self.prober.client;
        let cap = request.max_bytes.map_or(self.cap, |max_bytes| self.cap.min(max_bytes));
        let nonce = self.prober.nonce();
        let mut certificate = None;
        let (mut probed, trace) = match &request.destination {
            Destination::Http1(to_url) => client.send(to_url, &nonce, cap).await,
            Destination::Http2(to_url) => {
                let (inspected, probed) = client.send_http2(to_url, &nonce, cap).await;
                certificate = inspected;
                (probed, Trace::default())
            }
            Destination::Store(headers) => {
                let mut to_store = store?.clone();
                to_store.headers.extend_from_slice(headers);
                client.send(&to_store, &nonce, cap).await
            }
        };
        if let Outcome::Response(response) = &mut probed.outcome
            && request.max_bytes.is_some()
        {
            // A body that is not read to its end can only be compared.
            response.body.same = Some(trace.same(&self.download));
        }
        let request_log = self.senders(request.id, &probed, &nonce).await;
        let probe = ExtraProbe { id: request.id, probed, wants: request.expected, request_log };
        Some(Sent { probe, handoff: trace.handoff, certificate })
    }

    /// The fixture's log entries for a request without the unique query. They show which component
    /// sent the response, which matters only if it differs.
    async fn senders(
        &self,
        id: ProbeId,
        probed: &Probe<Response>,
        nonce: &str,
    ) -> Option<Vec<LoggedRequest>> {
        if id != ProbeId::WithoutQuery {
            return None;
        }
        let response = probed.response()?;
        let expected = self.plan.dummy.as_ref().map(|dummy| dummy.sha256);
        if expected == Some(response.body.sha256) {
            return None;
        }
        let fixture = self.plan.fixture.as_ref()?;
        self.prober.control().request_log(fixture, nonce).await
    }

    /// What the fixture's request log shows about the client that chooses the hand-off itself.
    async fn spoofed(&self) -> Option<Vec<String>> {
        let fixture = self.plan.fixture.as_ref()?;
        let nonce = spoofing_nonce(self.plan);
        self.prober.control().reached(fixture, &nonce, &SPOOFED).await
    }
}

impl Prober {
    /// The file's size, if the contract or the disk provides it.
    async fn size(&self, plan: &Plan) -> Option<u64> {
        if let Some(dummy) = &plan.dummy {
            return Some(dummy.size);
        }
        let StoragePlan::Read(StorageAt::File(path)) = &plan.storage else { return None };
        let path = path.clone();
        storage::on_a_thread(self.client.limits.timeout, move || storage::size(&path)).await?
    }

    async fn layer(&self, layer: &LayerPlan, cap: u64) -> (Probe<Response>, Trace) {
        match layer {
            LayerPlan::Request(request) => self.client.send(request, &self.nonce(), cap).await,
            LayerPlan::Skip(reason) => (Probe::skipped(*reason), Trace::default()),
        }
    }

    async fn storage(&self, storage: &StoragePlan, cap: u64) -> (Probe<Body>, Trace) {
        match storage {
            StoragePlan::Skip(reason) => (Probe::skipped(*reason), Trace::default()),
            StoragePlan::Read(StorageAt::File(path)) => {
                storage::read_file(path, &self.client.limits, cap, &self.client.redactor).await
            }
            StoragePlan::Read(StorageAt::Http(url, authorization)) => {
                let request = store::with_authorization(url, authorization.as_ref());
                let (probed, trace) = self.client.send(&request, &self.nonce(), cap).await;
                (storage::of_response(probed), trace)
            }
            StoragePlan::Read(StorageAt::Bucket(bucket)) => {
                self.client.read_object(bucket, self.nonce(), cap).await
            }
            StoragePlan::Fixture { fixture, name } => {
                (self.control().read_back(fixture, name).await, Trace::default())
            }
        }
    }
}
