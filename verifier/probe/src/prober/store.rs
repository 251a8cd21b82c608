//! Reads an object from S3, Azure or Google, independently of the app and the proxy.
//!
//! `object_store` signs; the requests use the connector of all other probes, so that names,
//! certificates and limits are the operator's, and each failure keeps its kind.

use std::{fmt, sync::Arc};

use ::http::{HeaderValue, Method, header};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Limited, combinators::UnsyncBoxBody};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt as _, RetryConfig,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
    gcp::GoogleCloudStorageBuilder,
    path::Path,
    signer::Signer,
};
use thiserror::Error;
use tokio::time::{Duration, Instant, sleep, timeout, timeout_at};

use super::{
    body::{Trace, Watch},
    connect::Connector,
    http::{Client, failure},
    storage::refusal,
};
use crate::{
    config::{BucketAt, Limits, Scheme, StorageAt},
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

/// Reads an object, within the limits.
struct Reader<'a> {
    connector: &'a Arc<Connector>,
    limits: &'a Limits,
    redactor: &'a Redactor,
    nonce: String,
}

/// The transport given to `object_store`.
#[derive(Clone)]
struct Wire {
    connector: Arc<Connector>,
    nonce: String,
}

/// A failure that passes through `object_store`, which keeps it among the causes.
#[derive(Clone, Debug, Error)]
#[error("{}", failure.chain)]
struct Broken {
    failure: Failure,
    again: Again,
}

/// Whether repeating the request may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Maybe,
    No,
}

impl Reader<'_> {
    async fn read(&self, at: &BucketAt, cap: u64) -> (Probe<Body>, Trace) {
        let began = Instant::now();
        let asked = RequestRecord {
            url: at.to_string(),
            http: at.http().map(|it| self.redactor.url(&it)),
            ..RequestRecord::default()
        };
        let (seen, trace) = match self.body(at, cap, began).await {
            Ok((body, trace)) => (Outcome::Response(body), trace),
            Err(failure) => (Outcome::Failed(failure), Trace::default()),
        };
        (Probe { request: asked, outcome: seen, took: began.elapsed() }, trace)
    }

    async fn body(
        &self,
        at: &BucketAt,
        cap: u64,
        began: Instant,
    ) -> Result<(Body, Trace), Failure> {
        let wire = Wire { connector: Arc::clone(self.connector), nonce: self.nonce.clone() };
        let (store, _) = open(at, wire).map_err(|error| self.failure(&error).failure)?;
        let path = Path::parse(&at.key).map_err(|error| Failure {
            kind: FailureKind::Other,
            chain: format!("`{}` is not a valid key: {}", at.key, cause_chain(&error)),
        })?;
        let asked = async {
            match store.get(&path).await.map_err(|error| self.failure(&error)) {
                Err(Broken { again: Again::Maybe, .. }) => {
                    sleep(PAUSE).await;
                    store.get(&path).await.map_err(|error| self.failure(&error))
                }
                answered => answered,
            }
        };
        let answered = timeout_at(began + self.limits.timeout, asked).await;
        let found = answered.map_err(|_| self.too_late())?.map_err(|it| it.failure)?;
        self.watch(found.into_stream(), cap, began).await
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
                Err(_) => return Err(self.too_late()),
                Ok(None) => return Ok(watch.finish(End::Whole, 0, self.redactor)),
                Ok(Some(Err(error))) => {
                    let Broken { mut failure, .. } = self.failure(&error);
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

    fn too_late(&self) -> Failure {
        let limit = humantime::format_duration(self.limits.timeout);
        Failure { kind: FailureKind::TimedOut, chain: format!("no response within {limit}") }
    }

    /// Our own failure among the causes, without the text that `object_store` adds; or its complete
    /// text, without the secrets of URLs.
    fn failure(&self, error: &object_store::Error) -> Broken {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(broken) = error.downcast_ref::<Broken>() {
                return broken.clone();
            }
            next = error.source();
        }
        let said = cause_chain(error);
        let said: Vec<_> = said.split(' ').map(|word| self.redactor.url(word)).collect();
        let failure = Failure { kind: FailureKind::Other, chain: said.join(" ") };
        Broken { failure, again: Again::No }
    }
}

/// A store for a bucket, and the signer of links to it; no request is sent yet.
fn open(
    at: &BucketAt,
    wire: Wire,
) -> object_store::Result<(Arc<dyn ObjectStore>, Arc<dyn Signer>)> {
    // Retries are decided here, and a body that is cut off is not resumed.
    let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    macro_rules! built {
        ($builder:expr) => {{
            let mut builder = $builder;
            for (name, value) in &at.options {
                builder = builder.with_config(name.parse()?, value);
            }
            let store = Arc::new(builder.with_http_connector(wire).with_retry(retry).build()?);
            Ok((store.clone(), store))
        }};
    }
    match at.scheme {
        Scheme::S3 => built!(AmazonS3Builder::new().with_bucket_name(&at.bucket)),
        Scheme::Azure => built!(MicrosoftAzureBuilder::new().with_container_name(&at.bucket)),
        Scheme::Google => built!(GoogleCloudStorageBuilder::new().with_bucket_name(&at.bucket)),
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl HttpConnector for Wire {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Wire {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answered = self.exchange(request).await;
        answered.map_err(|broken| HttpError::new(HttpErrorKind::Unknown, broken))
    }
}

impl Wire {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Broken> {
        let url: Url = request.uri().to_string().parse().map_err(|error| {
            let chain = cause_chain(&error);
            Broken { failure: Failure { kind: FailureKind::Other, chain }, again: Again::No }
        })?;
        let stream = self.connector.open(&url, None).await.map_err(maybe)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends when the sender and the body are dropped.
        tokio::spawn(connection);
        let request = self.of_wire(request, &url);
        let response = sender.send_request(request).await.map_err(broken)?;
        if response.status().is_success() {
            let cut = |error| HttpError::new(HttpErrorKind::Unknown, broken(error));
            return Ok(response.map(|body| HttpResponseBody::new(body.map_err(cut))));
        }
        let (parts, body) = response.into_parts();
        // An error page that is cut off still has its status.
        let page =
            timeout(self.connector.timeout(), Limited::new(body, PAGE_BYTES).collect()).await;
        let page = page.ok().and_then(Result::ok).map(|it| it.to_bytes()).unwrap_or_default();
        let value = |name: &str| parts.headers.get(name).and_then(|it| it.to_str().ok());
        let failure = refusal(parts.status.as_u16(), value, &String::from_utf8_lossy(&page));
        let busy = parts.status.is_server_error() || parts.status.as_u16() == 429;
        Err(Broken { failure, again: if busy { Again::Maybe } else { Again::No } })
    }

    /// The request in the form of HTTP/1.1, with the headers that every request of this program
    /// has.
    fn of_wire(
        &self,
        mut request: HttpRequest,
        url: &Url,
    ) -> ::http::Request<UnsyncBoxBody<Bytes, HttpError>> {
        let target = url.uri().path_and_query().map_or("/", |it| it.as_str()).parse();
        let host = url.uri().authority().map(|it| HeaderValue::from_str(it.as_str()));
        let headers = request.headers_mut();
        if let (Some(Ok(host)), false) = (host, headers.contains_key(header::HOST)) {
            headers.insert(header::HOST, host);
        }
        if let Ok(nonce) = HeaderValue::from_str(&self.nonce) {
            headers.insert("x-sendfile-check", nonce);
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if let Ok(target) = target {
            *request.uri_mut() = target;
        }
        request.map(|body| body.boxed_unsync())
    }
}

fn maybe(failure: Failure) -> Broken {
    Broken { failure, again: Again::Maybe }
}

fn broken(error: hyper::Error) -> Broken {
    maybe(failure(&error))
}

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

    /// The request for the file at the store itself, if the storage is one.
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
                self.link(at, nonce).await.map(ProbeRequest::get)
            }
            _ => None,
        }
    }

    /// A link to an object, which a check may request in any way; `None` if it cannot be signed.
    /// Without a private key, Google's links would be signed by a service that the operator did not
    /// name.
    async fn link(&self, at: &BucketAt, nonce: String) -> Option<Url> {
        if at.scheme == Scheme::Google {
            return None;
        }
        let wire = Wire { connector: Arc::clone(&self.connector), nonce };
        let (_, signer) = open(at, wire).ok()?;
        let path = Path::parse(&at.key).ok()?;
        let signed = signer.signed_url(Method::GET, &path, LINK_EXPIRY);
        let link = timeout(self.limits.timeout, signed).await.ok()?.ok()?;
        link.as_str().parse().ok()
    }
}

/// A GET request with the operator's credentials, for a server that requires them.
pub(super) fn with_authorization(url: &Url, authorization: Option<&HeaderValue>) -> ProbeRequest {
    let header = authorization.map(|it| (header::AUTHORIZATION, it.clone()));
    ProbeRequest { headers: header.into_iter().collect(), ..ProbeRequest::get(url.clone()) }
}
