//! Communicates with the fixture itself: its contract, its request log, and files read back. These
//! requests are not judged, so they use an ordinary client: reqwest, without proxies and without
//! redirects.

use std::{collections::BTreeMap, time::Instant};

use http::HeaderName;
use serde::{Deserialize, de::DeserializeOwned};

use super::connect::{Connector, tls};
use crate::{
    config::FixtureAt,
    plan::{Contract, ContractError},
};
use sendfile_evidence::{
    Body, End, Failure, FailureKind, LoggedRequest, Outcome, Probe, RequestRecord, cause_chain,
};

#[derive(Deserialize)]
struct JournalAnswer {
    requests: Vec<JournalRequest>,
}

#[derive(Deserialize)]
struct JournalRequest {
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

/// Maximum size of a response from the fixture.
const ANSWER_LIMIT: usize = 1 << 20;

const NOT_RUNNING: &str = "start it with `sendfile-fixture serve`, or correct --fixture";

/// The client for the fixture's own URLs. Names and certificates are handled as for all other
/// requests.
pub(crate) struct Control<'a> {
    pub(crate) connector: &'a Connector,
    pub(crate) timeout: std::time::Duration,
}

impl Control<'_> {
    /// The contract.
    pub(crate) async fn contract(&self, fixture: &FixtureAt) -> Result<Contract, ContractError> {
        let url = format!("{}/contract", fixture.url);
        let not = |problem: String| ContractError::NotAContract { url: url.clone(), problem };
        let text = match self.text(fixture, "contract").await {
            Ok(text) => text,
            Err(failure) if failure.kind == FailureKind::NotHttp => return Err(not(failure.chain)),
            Err(failure) => {
                return Err(ContractError::Unreachable {
                    url: url.clone(),
                    chain: failure.chain,
                    hint: NOT_RUNNING,
                });
            }
        };
        let contract: Contract =
            serde_json::from_slice(&text).map_err(|error| not(error.to_string()))?;
        match contract.version {
            1 => Ok(contract),
            other => Err(not(format!("version {other} is not supported (expected 1)"))),
        }
    }

    /// The request log's entries for a nonce; `None` if they cannot be read, since no verdict may
    /// depend on them alone.
    pub(crate) async fn journal(
        &self,
        fixture: &FixtureAt,
        nonce: &str,
    ) -> Option<Vec<LoggedRequest>> {
        let answer: JournalAnswer = self.json(fixture, &format!("requests/{nonce}")).await.ok()?;
        let read = |it: JournalRequest| LoggedRequest {
            method: it.method,
            target: it.target,
            answer: it.answer,
        };
        Some(answer.requests.into_iter().map(read).collect())
    }

    /// Which of these headers arrived with the requests that had this nonce; `None` if there was no
    /// such request.
    pub(crate) async fn reached(
        &self,
        fixture: &FixtureAt,
        nonce: &str,
        names: &[HeaderName],
    ) -> Option<Vec<String>> {
        let answer: JournalAnswer = self.json(fixture, &format!("requests/{nonce}")).await.ok()?;
        let came = |name: &&HeaderName| {
            let value = |it: &JournalRequest| it.headers.get(name.as_str()).cloned();
            answer.requests.iter().filter_map(value).any(|it| !it.is_empty())
        };
        let names = names.iter().filter(came).map(HeaderName::to_string).collect();
        (!answer.requests.is_empty()).then_some(names)
    }

    /// The dummy as the fixture reads it back from storage.
    pub(crate) async fn read_back(&self, fixture: &FixtureAt, name: &str) -> Probe<Body> {
        let began = Instant::now();
        let path = format!("storage/{}", crate::plan::encoded(name));
        let asked = RequestRecord {
            method: "GET".to_owned(),
            url: format!("{}/{path}", fixture.url),
            headers: Vec::new(),
            unix_socket: fixture.unix_socket.as_ref().map(|it| it.display().to_string()),
            through: self.connector.through(&fixture.url),
            http: None,
        };
        let seen = match self.json::<ReadBack>(fixture, &path).await {
            Ok(answer) => read_back(answer),
            Err(failure) => Outcome::Failed(failure),
        };
        Probe { request: asked, outcome: seen, took: began.elapsed() }
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
        let url = format!("{}/{path}", fixture.url);
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
        builder = match fixture.url.is_https() {
            true => builder.tls_backend_preconfigured(self.connector.tls()?.as_ref().clone()),
            false => builder.tls_backend_preconfigured(tls::none()?),
        };
        let other =
            |error: reqwest::Error| failure(kind(&error), cause_chain(&error.without_url()));
        let client = builder.build().map_err(other)?;
        let mut response = client.get(&url).send().await.map_err(other)?;
        if !response.status().is_success() {
            return Err(failure(
                FailureKind::NotHttp,
                format!("unexpected status {}", response.status()),
            ));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(other)? {
            if text.len() + chunk.len() > ANSWER_LIMIT {
                return Err(failure(
                    FailureKind::NotHttp,
                    format!("the response is longer than {ANSWER_LIMIT} bytes"),
                ));
            }
            text.extend_from_slice(&chunk);
        }
        Ok(text)
    }
}

fn read_back(answer: ReadBack) -> Outcome<Body> {
    match answer {
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
        ReadBack::Fail { kind, error } => {
            let kind = match kind.as_str() {
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
            };
            Outcome::Failed(failure(kind, error))
        }
    }
}

fn failure(kind: FailureKind, chain: String) -> Failure {
    Failure { kind, chain }
}

fn kind(error: &reqwest::Error) -> FailureKind {
    if error.is_timeout() {
        FailureKind::TimedOut
    } else if error.is_connect() {
        FailureKind::Refused
    } else {
        FailureKind::Other
    }
}
