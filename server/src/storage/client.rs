//! Asks a store's server over HTTP: no proxy of the environment, no redirect followed, and every
//! failure told apart where it happens.

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
    Trouble,
    error::Cause,
    failure::{Failure, Lasting, place},
};

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);

/// Before what may be gone in a moment is tried once more.
const PAUSE: Duration = Duration::from_millis(100);

/// No error page is longer, in bytes.
const PAGE_MAX: usize = 64 << 10;

/// What is sent.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, Cause>;

/// A client of stores. Cloning shares its connections.
#[derive(Clone, Debug)]
pub(crate) struct Client(legacy::Client<HttpsConnector<Dial>, Outgoing>);

/// Opens connections.
#[derive(Clone, Copy, Debug)]
struct Dial;

impl Client {
    /// Loads the system's root certificates, which takes some milliseconds.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        // Without any, an https store is refused with the reason, and an http store needs none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(Dial);
        Ok(Self(legacy::Client::builder(TokioExecutor::new()).build(connector)))
    }

    /// Returns the answer, if it is one of success.
    pub(crate) async fn ask(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let sent = self.0.request(request).await;
        let response = sent.map_err(|error| unanswered(&method, &uri, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        // A page that breaks off still has its status.
        let page = Limited::new(body, PAGE_MAX).collect().await;
        let page = page.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(Failure::refusal(&method, &uri, parts.status, &parts.headers, &page))
    }
}

impl HttpConnector for Client {
    /// What `object_store` would set for its own client means nothing to this one.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Client {
    /// Tries once more what may be gone in a moment. `object_store` would do so too; it would also
    /// go on where a body broke off, and tell the failure of that instead.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let again = request.clone();
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let outgoing = |body: HttpRequestBody| body.map_err(Cause::from).boxed_unsync();
        let mut answered = self.ask(request.map(outgoing)).await;
        if answered.as_ref().is_err_and(|it| it.lasting == Lasting::Momentary) {
            sleep(PAUSE).await;
            answered = self.ask(again.map(outgoing)).await;
        }
        let response = answered.map_err(http_error)?;
        let cut = move |error| http_error(broken_off(&method, &uri, error));
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(cut))))
    }
}

fn http_error(failure: Failure) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, failure)
}

/// A body that ended before its end.
pub(crate) fn broken_off(method: &Method, uri: &Uri, error: hyper::Error) -> Failure {
    let what = format!("{}: the answer breaks off", place(method, uri));
    Failure::new(Trouble::Unreachable, what).because(error).momentary()
}

fn unanswered(method: &Method, uri: &Uri, error: legacy::Error) -> Failure {
    let what = format!("{}: no answer", place(method, uri));
    match Failure::of(&error) {
        Some(dialled) => Failure::new(dialled.trouble, what).because(dialled.clone()).momentary(),
        None if is_tls(&error) => Failure::new(Trouble::Tls, what).because(error),
        None => Failure::new(Trouble::Unreachable, what).because(error).momentary(),
    }
}

/// Looks among the causes. An I/O error does not name what it wraps among them.
fn is_tls(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        next = match error.downcast_ref::<io::Error>() {
            Some(io) => io.get_ref().map(|it| it as _),
            None => error.source(),
        };
    }
    false
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            let port =
                uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
            match timeout(CONNECT, dial(&host, port)).await {
                Ok(stream) => stream,
                Err(_) => {
                    let limit = humantime::format_duration(CONNECT);
                    let what = format!("no connection to `{host}:{port}` within {limit}");
                    Err(Failure::new(Trouble::Unreachable, what))
                }
            }
        })
    }
}

async fn dial(host: &str, port: u16) -> Result<TokioIo<TcpStream>, Failure> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found = found.map_err(|error| {
        Failure::new(Trouble::NameNotResolved, format!("cannot resolve `{host}`")).because(error)
    })?;
    let mut last = None;
    for address in found {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it a small request waits for more to send; with it lost, it is only slower.
                let _ = stream.set_nodelay(true);
                return Ok(TokioIo::new(stream));
            }
            Err(error) => last = Some((address, error)),
        }
    }
    Err(match last {
        Some((address, error)) => {
            let what = format!("cannot connect to `{address}`");
            Failure::new(Trouble::Unreachable, what).because(error)
        }
        None => Failure::new(Trouble::NameNotResolved, format!("`{host}` has no address")),
    })
}
