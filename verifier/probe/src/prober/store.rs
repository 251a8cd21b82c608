//! Reads an object from S3, Azure or Google, independently of the app and the proxy.
//!
//! `object_store` signs; the requests use the connector of all other probes, so that names,
//! certificates and limits are the operator's, and each failure keeps its kind.

use std::{fmt, sync::Arc};

use ::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Limited, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use object_store::{
    ClientOptions, GetResult, ObjectStoreExt as _,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
    path::Path,
};
use sendfile_stores::{BucketAt, RemoteStore, Scheme};
use thiserror::Error;
use tokio::time::{Duration, Instant, sleep, timeout, timeout_at};

use super::{
    body::{Trace, Watch},
    connect::Connector,
    http::{Client, failure},
    storage::refusal,
};
use crate::{
    config::{Limits, StorageAt},
    plan::{ProbeRequest, StoragePlan},
    url::Url,
};
use sendfile_evidence::{
    Body, End, Failure, FailureKind, Outcome, Probe, RequestRecord, cause_chain, secret::Redactor,
};

/// Delay before a transient failure is retried.
const PAUSE: Duration = Duration::from_millis(200);

/// Validity of a link. It is used at once, but the store's clock may differ.
const LINK_EXPIRY: Duration = Duration::from_secs(300);

/// Maximum size of a store's error page.
const PAGE_BYTES: usize = 64 * 1024;

impl Client {
    /// Reads an object, with the connector and limits of all other probes.
    pub(crate) async fn read_object(
        &self,
        at: &BucketAt,
        nonce: String,
        cap: u64,
    ) -> (Probe<Body>, Trace) {
        // The semaphore is never closed, so every request gets a permit.
        let _permit = self.permits.acquire().await;
        let Self { connector, limits, redactor, .. } = self;
        Reader { connector, limits, redactor, nonce }.read(at, cap).await
    }

    /// The request for the file at the store itself, if the storage is a store.
    pub(crate) async fn store_itself(
        &self,
        storage: &StoragePlan,
        nonce: String,
    ) -> Option<ProbeRequest> {
        match storage {
            StoragePlan::Read(StorageAt::Http(url, authorization)) => {
                Some(with_authorization(url, authorization.as_ref()))
            }
            StoragePlan::Read(StorageAt::Bucket(at)) => {
                let link = self.link(at, nonce).await?;
                Some(ProbeRequest::get(link))
            }
            _ => None,
        }
    }

    /// A link to an object, which a check may request in any way; `None` if the link cannot be
    /// signed. Without a private key, Google's links would be signed by a service that the operator
    /// did not name.
    async fn link(&self, at: &BucketAt, nonce: String) -> Option<Url> {
        if at.scheme == Scheme::Google {
            return None;
        }
        let transport = Transport { connector: Arc::clone(&self.connector), nonce };
        let store = at.open(transport).ok()?;
        let path = Path::parse(&at.key).ok()?;
        let signed = store.signed_url(Method::GET, &path, LINK_EXPIRY);
        let Ok(Ok(link)) = timeout(self.limits.timeout, signed).await else { return None };
        link.as_str().parse().ok()
    }
}

/// A GET request with the operator's credentials, for a server that requires them.
pub(super) fn with_authorization(url: &Url, authorization: Option<&HeaderValue>) -> ProbeRequest {
    let mut request = ProbeRequest::get(url.clone());
    if let Some(value) = authorization {
        request.headers = vec![(header::AUTHORIZATION, value.clone())];
    }
    request
}

/// Reads an object, within the limits.
struct Reader<'a> {
    connector: &'a Arc<Connector>,
    limits: &'a Limits,
    redactor: &'a Redactor,
    nonce: String,
}

/// The transport given to `object_store`.
#[derive(Clone)]
struct Transport {
    connector: Arc<Connector>,
    nonce: String,
}

/// A failure of our own that passes through `object_store`, which keeps it among the causes.
#[derive(Clone, Debug, Error)]
#[error("{}", failure.chain)]
struct StoreFailure {
    failure: Failure,
    persistence: Persistence,
}

/// Whether repeating the request may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Persistence {
    Transient,
    Permanent,
}

impl Reader<'_> {
    async fn read(&self, at: &BucketAt, cap: u64) -> (Probe<Body>, Trace) {
        let began = Instant::now();
        let request = RequestRecord {
            url: at.to_string(),
            http: at.http().map(|url| self.redactor.url(&url)),
            ..RequestRecord::default()
        };
        let (outcome, trace) = match self.body(at, cap, began).await {
            Ok((body, trace)) => (Outcome::Response(body), trace),
            Err(failure) => (Outcome::Failed(failure), Trace::default()),
        };
        (Probe { request, outcome, took: began.elapsed() }, trace)
    }

    async fn body(
        &self,
        at: &BucketAt,
        cap: u64,
        began: Instant,
    ) -> Result<(Body, Trace), Failure> {
        let transport =
            Transport { connector: Arc::clone(self.connector), nonce: self.nonce.clone() };
        let store = at.open(transport).map_err(|error| self.failure(&error).failure)?;
        let path = Path::parse(&at.key).map_err(|error| {
            let chain = format!("`{}` is not a valid key: {}", at.key, cause_chain(&error));
            Failure { kind: FailureKind::Other, chain }
        })?;
        let until = began + self.limits.timeout;
        let found = match timeout_at(until, self.get_with_retry(&*store, &path)).await {
            Ok(found) => found?,
            Err(_) => return Err(self.timed_out()),
        };
        self.watch(found.into_stream(), cap, began).await
    }

    /// Retries once after a transient failure.
    async fn get_with_retry(
        &self,
        store: &dyn RemoteStore,
        path: &Path,
    ) -> Result<GetResult, Failure> {
        let failed = match self.get(store, path).await {
            Ok(found) => return Ok(found),
            Err(failed) => failed,
        };
        if failed.persistence == Persistence::Permanent {
            return Err(failed.failure);
        }
        sleep(PAUSE).await;
        self.get(store, path).await.map_err(|failed| failed.failure)
    }

    async fn get(&self, store: &dyn RemoteStore, path: &Path) -> Result<GetResult, StoreFailure> {
        store.get(path).await.map_err(|error| self.failure(&error))
    }

    async fn watch(
        &self,
        mut stream: impl futures_util::Stream<Item = object_store::Result<Bytes>> + Unpin,
        cap: u64,
        began: Instant,
    ) -> Result<(Body, Trace), Failure> {
        let mut watch = Watch::new();
        loop {
            let paced = began + self.limits.timeout + self.limits.pace(watch.size());
            let quiet = Instant::now() + self.limits.timeout;
            match timeout_at(paced.min(quiet), stream.next()).await {
                Err(_) => return Err(self.timed_out()),
                Ok(None) => return Ok(watch.finish(End::Whole, 0, self.redactor)),
                Ok(Some(Err(error))) => {
                    let StoreFailure { mut failure, .. } = self.failure(&error);
                    let stopped = format!("the connection closed after {} bytes", watch.size());
                    failure.chain = format!("{stopped}: {}", failure.chain);
                    failure.kind = FailureKind::Closed;
                    return Err(failure);
                }
                Ok(Some(Ok(bytes))) => watch.update(&bytes),
            }
            if watch.size() > cap {
                return Ok(watch.finish(End::TooLong, 0, self.redactor));
            }
        }
    }

    fn timed_out(&self) -> Failure {
        let limit = humantime::format_duration(self.limits.timeout);
        Failure { kind: FailureKind::TimedOut, chain: format!("no response within {limit}") }
    }

    /// Our own failure, if it is among the causes, without the text that `object_store` adds;
    /// otherwise the complete text, without the secrets of URLs.
    fn failure(&self, error: &object_store::Error) -> StoreFailure {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(failed) = error.downcast_ref::<StoreFailure>() {
                return failed.clone();
            }
            next = error.source();
        }
        let mut words = Vec::new();
        for word in cause_chain(error).split(' ') {
            words.push(self.redactor.url(word));
        }
        permanent(words.join(" "))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl HttpConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.exchange(request).await.map_err(http_error)
    }
}

impl Transport {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, StoreFailure> {
        let url: Url = match request.uri().to_string().parse() {
            Ok(url) => url,
            Err(error) => return Err(permanent(cause_chain(&error))),
        };
        let stream = self.connector.open(&url, None).await.map_err(transient)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(no_response)?;
        // The task ends when the sender and the body are dropped.
        tokio::spawn(connection);
        let request = self.as_http1(request, &url);
        let response = sender.send_request(request).await.map_err(no_response)?;
        if response.status().is_success() {
            let (parts, body) = response.into_parts();
            let body = body.map_err(|error| http_error(no_response(error)));
            return Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)));
        }
        let (parts, body) = response.into_parts();
        Err(refused(parts.status, &parts.headers, &self.error_page(body).await))
    }

    /// The page of a response that is not successful. An error page that is cut off still has its
    /// status.
    async fn error_page(&self, body: Incoming) -> String {
        let page = Limited::new(body, PAGE_BYTES).collect();
        match timeout(self.connector.timeout(), page).await {
            Ok(Ok(page)) => String::from_utf8_lossy(&page.to_bytes()).into_owned(),
            Ok(Err(_)) | Err(_) => String::new(),
        }
    }

    /// The request in the form of HTTP/1.1, with the headers that every request of this program
    /// has.
    fn as_http1(
        &self,
        mut request: HttpRequest,
        url: &Url,
    ) -> Request<UnsyncBoxBody<Bytes, HttpError>> {
        let headers = request.headers_mut();
        if let Some(authority) = url.uri().authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
            && !headers.contains_key(header::HOST)
        {
            headers.insert(header::HOST, host);
        }
        if let Ok(nonce) = HeaderValue::from_str(&self.nonce) {
            headers.insert("x-sendfile-check", nonce);
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let target = url.uri().path_and_query().map_or("/", |target| target.as_str());
        if let Ok(target) = target.parse::<Uri>() {
            *request.uri_mut() = target;
        }
        request.map(|body| body.boxed_unsync())
    }
}

/// The failure for a response whose status is not 2xx.
fn refused(status: StatusCode, headers: &HeaderMap, page: &str) -> StoreFailure {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let failure = refusal(status.as_u16(), header, page);
    let is_busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let persistence = if is_busy { Persistence::Transient } else { Persistence::Permanent };
    StoreFailure { failure, persistence }
}

fn http_error(failed: StoreFailure) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, failed)
}

fn no_response(error: hyper::Error) -> StoreFailure {
    transient(failure(&error))
}

fn transient(failure: Failure) -> StoreFailure {
    StoreFailure { failure, persistence: Persistence::Transient }
}

fn permanent(chain: String) -> StoreFailure {
    let failure = Failure { kind: FailureKind::Other, chain };
    StoreFailure { failure, persistence: Persistence::Permanent }
}
