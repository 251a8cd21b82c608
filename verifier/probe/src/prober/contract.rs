//! Communicates with the fixture itself: its contract, its request log, and files read back. These
//! requests are not judged, so they use an ordinary client: reqwest, without proxies and without
//! redirects.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use http::HeaderName;
use serde::{Deserialize, de::DeserializeOwned};

use super::connect::{Connector, tls};
use crate::{
    config::FixtureAt,
    plan::{Contract, ContractError, encoded},
};
use sendfile_evidence::{
    Body, End, Failure, FailureKind, LoggedRequest, Outcome, Probe, RequestRecord, cause_chain,
};

/// Maximum size of a response from the fixture, in bytes.
const RESPONSE_LIMIT: usize = 1 << 20;

const NOT_RUNNING: &str = "start it with `sendfile-fixture serve`, or correct --fixture";

/// The client for the fixture's own URLs. Names and certificates are handled as for all other
/// requests.
pub(crate) struct Control<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) timeout: Duration,
}

#[derive(Deserialize)]
struct RequestLog {
    requests: Vec<LogEntry>,
}

#[derive(Deserialize)]
struct LogEntry {
    method: String,
    target: String,
    answer: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
enum ReadBack {
    Pass { size: u64, sha256: String },
    Fail { kind: String, error: String },
}

impl Control<'_> {
    /// The contract.
    ///
    /// # Errors
    ///
    /// [`ContractError`] if the fixture is unreachable, or returns something else.
    pub(crate) async fn contract(&self, fixture: &FixtureAt) -> Result<Contract, ContractError> {
        let url = format!("{}/contract", fixture.url);
        let text = match self.text(fixture, "contract").await {
            Ok(text) => text,
            Err(Failure { kind: FailureKind::NotHttp, chain }) => {
                return Err(ContractError::NotAContract { url, problem: chain });
            }
            Err(Failure { chain, .. }) => {
                return Err(ContractError::Unreachable { url, chain, hint: NOT_RUNNING });
            }
        };
        let contract: Contract = match serde_json::from_slice(&text) {
            Ok(contract) => contract,
            Err(error) => {
                return Err(ContractError::NotAContract { url, problem: error.to_string() });
            }
        };
        if contract.version != 1 {
            let problem = format!("version {} is not supported (expected 1)", contract.version);
            return Err(ContractError::NotAContract { url, problem });
        }
        Ok(contract)
    }

    /// The request log's entries for a nonce; `None` if they cannot be read, since no verdict may
    /// depend on them alone.
    pub(crate) async fn request_log(
        &self,
        fixture: &FixtureAt,
        nonce: &str,
    ) -> Option<Vec<LoggedRequest>> {
        let log: RequestLog = self.json(fixture, &format!("requests/{nonce}")).await.ok()?;
        let mut requests = Vec::new();
        for LogEntry { method, target, answer, .. } in log.requests {
            requests.push(LoggedRequest { method, target, answer });
        }
        Some(requests)
    }

    /// Which of these headers arrived with the requests that had this nonce; `None` if no request
    /// with this nonce arrived.
    pub(crate) async fn reached(
        &self,
        fixture: &FixtureAt,
        nonce: &str,
        names: &[HeaderName],
    ) -> Option<Vec<String>> {
        let log: RequestLog = self.json(fixture, &format!("requests/{nonce}")).await.ok()?;
        if log.requests.is_empty() {
            return None;
        }
        let mut reached = Vec::new();
        for name in names {
            if log.requests.iter().any(|entry| entry.has(name)) {
                reached.push(name.to_string());
            }
        }
        Some(reached)
    }

    /// The dummy as the fixture reads it back from storage.
    pub(crate) async fn read_back(&self, fixture: &FixtureAt, name: &str) -> Probe<Body> {
        let began = Instant::now();
        let path = format!("storage/{}", encoded(name));
        let request = RequestRecord {
            method: "GET".to_owned(),
            url: format!("{}/{path}", fixture.url),
            headers: Vec::new(),
            unix_socket: fixture.unix_socket.as_ref().map(|path| path.display().to_string()),
            through: self.connector.through(&fixture.url),
            http: None,
        };
        let outcome = match self.json(fixture, &path).await {
            Ok(response) => outcome_of(response),
            Err(failure) => Outcome::Failed(failure),
        };
        Probe { request, outcome, took: began.elapsed() }
    }

    async fn json<T: DeserializeOwned>(
        &self,
        fixture: &FixtureAt,
        path: &str,
    ) -> Result<T, Failure> {
        let text = self.text(fixture, path).await?;
        serde_json::from_slice(&text)
            .map_err(|error| failure(FailureKind::NotHttp, cause_chain(&error)))
    }

    async fn text(&self, fixture: &FixtureAt, path: &str) -> Result<Vec<u8>, Failure> {
        let client = self.client(fixture).await?;
        let sent = client.get(format!("{}/{path}", fixture.url)).send().await;
        let mut response = sent.map_err(not_received)?;
        if !response.status().is_success() {
            let chain = format!("unexpected status {}", response.status());
            return Err(failure(FailureKind::NotHttp, chain));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(not_received)? {
            if text.len() + chunk.len() > RESPONSE_LIMIT {
                let chain = format!("the response is longer than {RESPONSE_LIMIT} bytes");
                return Err(failure(FailureKind::NotHttp, chain));
            }
            text.extend_from_slice(&chunk);
        }
        Ok(text)
    }

    async fn client(&self, fixture: &FixtureAt) -> Result<reqwest::Client, Failure> {
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(self.timeout)
            .connect_timeout(self.connector.timeout());
        builder = match &fixture.unix_socket {
            Some(path) => builder.unix_socket(path.clone()),
            None => {
                let addresses = self.connector.resolved(&fixture.url).await?;
                builder.resolve_to_addrs(fixture.url.host(), &addresses)
            }
        };
        // Loading root certificates takes milliseconds, and plain HTTP does not need them.
        let tls = if fixture.url.is_https() {
            self.connector.tls()?.as_ref().clone()
        } else {
            tls::none()?
        };
        builder.tls_backend_preconfigured(tls).build().map_err(not_received)
    }
}

impl LogEntry {
    /// Whether the request had this header, with a value that is not empty.
    fn has(&self, name: &HeaderName) -> bool {
        self.headers.get(name.as_str()).is_some_and(|value| !value.is_empty())
    }
}

fn outcome_of(read_back: ReadBack) -> Outcome<Body> {
    match read_back {
        ReadBack::Pass { size, sha256 } => match sha256.parse() {
            Ok(sha256) => Outcome::Response(Body {
                size,
                sha256,
                head: Vec::new(),
                end: End::Whole,
                gunzipped: None,
                beyond: 0,
                same: None,
            }),
            Err(problem) => Outcome::Failed(failure(FailureKind::NotHttp, problem)),
        },
        ReadBack::Fail { kind, error } => Outcome::Failed(failure(kind_of(&kind), error)),
    }
}

/// The kind of failure that the fixture names.
fn kind_of(name: &str) -> FailureKind {
    match name {
        "not-found" => FailureKind::NotFound,
        "bucket-missing" => FailureKind::BucketMissing,
        "permission-denied" => FailureKind::Denied,
        "key-refused" => FailureKind::KeyRefused,
        "wrong-region" => FailureKind::WrongRegion,
        "clock-skewed" => FailureKind::ClockSkewed,
        "name-not-resolved" => FailureKind::NameNotResolved,
        "tls" => FailureKind::Tls,
        "unreachable" => FailureKind::Refused,
        _ => FailureKind::Other,
    }
}

fn not_received(error: reqwest::Error) -> Failure {
    let kind = if error.is_timeout() {
        FailureKind::TimedOut
    } else if error.is_connect() {
        FailureKind::Refused
    } else {
        FailureKind::Other
    };
    failure(kind, cause_chain(&error.without_url()))
}

fn failure(kind: FailureKind, chain: String) -> Failure {
    Failure { kind, chain }
}
