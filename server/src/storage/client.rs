//! The HTTP client for stores: ignores proxy variables, follows no redirects, and classifies each
//! failure where it occurs.

use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Limited, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo},
};
use object_store::{
    ClientOptions,
    client::{HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpService},
    client::{HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tower::Service;

use super::{
    error::StorageError,
    failure::{Failure, FailureKind, Persistence, request_line},
};
use crate::causes::BoxError;

/// The maximum time to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The pause before a request is retried after a transient failure.
const PAUSE: Duration = Duration::from_millis(100);

/// The maximum length of an error page, in bytes.
const PAGE_MAX: usize = 64 << 10;

/// The body of a request.
pub(crate) type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

/// An HTTP client for stores. Clones share their connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(legacy::Client<HttpsConnector<Connect>, RequestBody>);

/// Opens connections.
#[derive(Clone, Copy, Debug)]
struct Connect;

impl Client {
    /// Loads the system's root certificates, which takes some milliseconds.
    pub(crate) fn new() -> Result<Self, StorageError> {
        let mut roots = RootCertStore::empty();
        // Without certificates, an https store fails with the reason, and an http store needs none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StorageError::Options { source: error.into() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Connect);
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Sends a request and returns the response if its status is 2xx.
    pub(crate) async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let sent = self.0.request(request).await;
        let response = sent.map_err(|error| no_response(&method, &uri, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        // The status matters, even if the error page is incomplete.
        let page = Limited::new(body, PAGE_MAX).collect().await;
        let page = match page {
            Ok(page) => page.to_bytes(),
            Err(_) => Bytes::new(),
        };
        Err(Failure::refusal(&method, &uri, parts.status, &parts.headers, &page))
    }
}

impl HttpConnector for Client {
    /// Ignores the options, which are those of `object_store`'s own client.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Client {
    /// Retries once after a transient failure. `object_store` would do so too, but it would also
    /// resume an incomplete body, and report the failure of that attempt instead.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let mut sent = self.send(request.clone().map(request_body)).await;
        if let Err(failure) = &sent
            && failure.persistence == Persistence::Transient
        {
            sleep(PAUSE).await;
            sent = self.send(request.map(request_body)).await;
        }
        let (parts, body) = sent.map_err(http_error)?.into_parts();
        let body = body.map_err(move |error| http_error(incomplete(&method, &uri, error)));
        Ok(Response::from_parts(parts, HttpResponseBody::new(body)))
    }
}

fn request_body(body: HttpRequestBody) -> RequestBody {
    body.map_err(BoxError::from).boxed_unsync()
}

fn http_error(failure: Failure) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, failure)
}

/// Returns the failure for a response body that ends too early.
pub(crate) fn incomplete(method: &Method, uri: &Uri, error: hyper::Error) -> Failure {
    let what = format!("{}: the response is incomplete", request_line(method, uri));
    Failure::new(FailureKind::Unreachable, what).because(error).transient()
}

fn no_response(method: &Method, uri: &Uri, error: legacy::Error) -> Failure {
    let what = format!("{}: no response", request_line(method, uri));
    match Failure::find(&error) {
        Some(connect) => Failure::new(connect.kind, what).because(connect.clone()).transient(),
        None if is_tls(&error) => Failure::new(FailureKind::Tls, what).because(error),
        None => Failure::new(FailureKind::Unreachable, what).because(error).transient(),
    }
}

/// Whether an error or one of its causes is a TLS error. An I/O error does not list the error that
/// it wraps as a cause.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        next = error.source();
        if let Some(io) = error.downcast_ref::<io::Error>()
            && let Some(wrapped) = io.get_ref()
        {
            next = Some(wrapped);
        }
    }
    false
}

impl Service<Uri> for Connect {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
            let port = match (uri.port_u16(), uri.scheme_str()) {
                (Some(port), _) => port,
                (None, Some("https")) => 443,
                (None, _) => 80,
            };
            match timeout(CONNECT_TIMEOUT, connect(host, port)).await {
                Ok(stream) => stream,
                Err(_) => {
                    let limit = humantime::format_duration(CONNECT_TIMEOUT);
                    let what = format!("no connection to `{host}:{port}` within {limit}");
                    Err(Failure::new(FailureKind::Unreachable, what))
                }
            }
        })
    }
}

async fn connect(host: &str, port: u16) -> Result<TokioIo<TcpStream>, Failure> {
    let found = match tokio::net::lookup_host((host, port)).await {
        Ok(found) => found,
        Err(error) => {
            let what = format!("cannot resolve `{host}`");
            return Err(Failure::new(FailureKind::NameNotResolved, what).because(error));
        }
    };
    let mut last = None;
    for address in found {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Disables Nagle's algorithm, which delays small requests. If this fails, they are
                // only slower.
                let _ = stream.set_nodelay(true);
                return Ok(TokioIo::new(stream));
            }
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((address, error)) => {
            let what = format!("cannot connect to `{address}`");
            Failure::new(FailureKind::Unreachable, what).because(error)
        }
        None => Failure::new(FailureKind::NameNotResolved, format!("`{host}` has no address")),
    })
}
