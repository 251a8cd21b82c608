//! The fixture over HTTP: routes a request and builds its response.
//!
//! A `tower::Service` that knows nothing of sockets. The view, which is requested most often, reads
//! no file and formats nothing.

use std::{
    convert::Infallible,
    fmt::Write as _,
    future::{Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::future::Either;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tower::Service;
use tracing::debug;

use crate::{
    body::Body,
    causes::on_one_line,
    contract,
    dummy::LINE_MAX,
    placement::Placed,
    probe::{ASTRAY, ASTRAY_PAGE},
    request_log::{Entry, RequestId, RequestLog, ResponseKind},
    setup::Setup,
    snapshot::{Dummy, PreparedResponse, Snapshot},
    storage::{Storage, Stored},
};

/// How long the result of `/readyz` is cached, so that many requests read the storage once.
const READY_CACHED: Duration = Duration::from_secs(1);

/// The maximum length of an unknown path in the response, in bytes.
const ECHO_MAX: usize = 1024;

/// Responds to the requests of a fixture. Clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct Responder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    base: String,
    setup: RwLock<Arc<Setup>>,
    storage: Arc<Storage>,
    snapshot: RwLock<Arc<Snapshot>>,
    request_log: Mutex<RequestLog>,
    ready: AsyncMutex<Option<(Instant, Readiness)>>,
    /// Limits reading back to one request at a time, to spare the production app: each hashes a
    /// whole file.
    reading: Semaphore,
}

type Readiness = Result<(), String>;

/// The target of a request.
#[derive(Debug)]
enum Route<'a> {
    View(&'a PreparedResponse),
    Probe(&'a PreparedResponse),
    Denied,
    /// The page that a proxy never requests if it only requests URLs of its store.
    Astray,
    Contract(&'a PreparedResponse),
    Requests(RequestId),
    ReadBack(Arc<Placed>),
    Live,
    Ready,
    MethodNotAllowed,
    /// A name, a probe or a nonce that does not exist.
    Unknown,
    /// A path that is not the fixture's: the proxy has forwarded a request that it should handle
    /// itself.
    FallThrough(&'a str),
}

type ResponseFuture = Either<
    Ready<Result<Response<Body>, Infallible>>,
    Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>,
>;

impl Responder {
    pub(crate) fn new(setup: Setup, storage: Arc<Storage>, placed: &[Placed]) -> Self {
        let snapshot = RwLock::new(Arc::new(Snapshot::new(&setup, placed)));
        Self(Arc::new(Shared {
            base: setup.base.clone(),
            setup: RwLock::new(Arc::new(setup)),
            storage,
            snapshot,
            request_log: Mutex::default(),
            ready: AsyncMutex::default(),
            reading: Semaphore::new(1),
        }))
    }

    pub(crate) fn base(&self) -> &str {
        &self.0.base
    }

    /// Returns the current hand-offs.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.0.setup.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the hand-offs. The next [`Responder::update`] uses them.
    pub(crate) fn replace_setup(&self, setup: Setup) {
        let setup = Arc::new(setup);
        *self.0.setup.write().unwrap_or_else(PoisonError::into_inner) = setup;
    }

    /// Rebuilds all responses for these dummies.
    pub(crate) fn update(&self, placed: &[Placed]) {
        let snapshot = Arc::new(Snapshot::new(&self.setup(), placed));
        *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot()
    }
}

impl<B> Service<Request<B>> for Responder {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let snapshot = self.snapshot();
        let route = route(&self.0.base, &snapshot, request.method(), request.uri().path());
        self.record(&request, &route);
        let response = match route {
            Route::View(response) | Route::Probe(response) | Route::Contract(response) => {
                return now(response.response());
            }
            Route::ReadBack(placed) => return later(Arc::clone(&self.0).read_back(placed)),
            Route::Ready => return later(Arc::clone(&self.0).readiness()),
            Route::Requests(id) => self.requests(&id),
            Route::Denied => {
                PreparedResponse::text(StatusCode::FORBIDDEN, "sendfile-fixture denied\n")
            }
            Route::Astray => PreparedResponse::text(StatusCode::OK, ASTRAY),
            Route::Live => PreparedResponse::text(StatusCode::OK, "ok\n"),
            Route::MethodNotAllowed => {
                PreparedResponse::text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n")
                    .with("allow", "GET, HEAD")
            }
            Route::Unknown => PreparedResponse::text(StatusCode::NOT_FOUND, "no such name\n"),
            Route::FallThrough(path) => PreparedResponse::text(StatusCode::NOT_FOUND, echo(path))
                .with("x-sendfile-fixture", "fall-through"),
        };
        now(response.response())
    }
}

impl Responder {
    fn record<B>(&self, request: &Request<B>, route: &Route<'_>) {
        let response = match route {
            Route::View(_) => ResponseKind::View,
            Route::Probe(_) => ResponseKind::Probe,
            Route::Denied => ResponseKind::Denied,
            Route::FallThrough(_) => ResponseKind::FallThrough,
            Route::MethodNotAllowed => ResponseKind::MethodNotAllowed,
            Route::Astray
            | Route::Contract(_)
            | Route::Requests(_)
            | Route::ReadBack(_)
            | Route::Live
            | Route::Ready
            | Route::Unknown => return,
        };
        debug!(?response, "request");
        if let Some(id) = RequestId::of_request(request.headers(), request.uri()) {
            let entry = Entry::new(id, request, response);
            self.0.request_log.lock().unwrap_or_else(PoisonError::into_inner).record(entry);
        }
    }

    fn requests(&self, id: &RequestId) -> PreparedResponse {
        let log = self.0.request_log.lock().unwrap_or_else(PoisonError::into_inner);
        PreparedResponse::json(contract::requests(id, log.find(id)))
    }
}

impl Shared {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn read_back(self: Arc<Self>, placed: Arc<Placed>) -> PreparedResponse {
        let _permit = self.reading.acquire().await;
        let key = &placed.item.key;
        let result = self.storage.read_back(key, placed.content.size()).await;
        PreparedResponse::json(contract::read_back(placed.item.name(), key, result))
    }

    async fn readiness(self: Arc<Self>) -> PreparedResponse {
        let mut cached = self.ready.lock().await;
        let is_fresh = matches!(&*cached, Some((at, _)) if at.elapsed() < READY_CACHED);
        if !is_fresh {
            let readiness = self.check_download().await;
            *cached = Some((Instant::now(), readiness));
        }
        match &*cached {
            Some((_, Err(reason))) => {
                PreparedResponse::text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
            }
            _ => PreparedResponse::text(StatusCode::OK, "ok\n"),
        }
    }

    /// Reads only the beginning of the download; `/storage/NAME` hashes the whole file.
    async fn check_download(&self) -> Readiness {
        let snapshot = self.snapshot();
        let Some(dummy) = snapshot.dummies.first() else { return Ok(()) };
        let Placed { item, content, .. } = &*dummy.placed;
        match self.storage.read_start(&item.key, LINE_MAX).await {
            Ok(Stored::File { bytes, size })
                if bytes == content.read(0, LINE_MAX) && size == content.size() =>
            {
                Ok(())
            }
            Ok(_) => {
                let path = self.storage.display_path(&item.key);
                Err(format!("`{path}` is missing or was changed after it was placed"))
            }
            Err(error) => Err(format!("{}: {}", error.kind(), on_one_line(&error))),
        }
    }
}

fn route<'a>(base: &str, snapshot: &'a Snapshot, method: &Method, path: &'a str) -> Route<'a> {
    let found = match path.strip_prefix(base) {
        Some(rest) => below_base(snapshot, rest),
        None if path == "/livez" => Some(Route::Live),
        None if path == "/readyz" => Some(Route::Ready),
        None => None,
    };
    match found {
        Some(_) if method != Method::GET && method != Method::HEAD => Route::MethodNotAllowed,
        Some(route) => route,
        None => Route::FallThrough(path),
    }
}

/// Routes the part of a path that follows the base path.
fn below_base<'a>(snapshot: &'a Snapshot, rest: &str) -> Option<Route<'a>> {
    let rest = rest.strip_prefix('/')?;
    let (page, name) = rest.split_once('/').unwrap_or((rest, ""));
    let found = match (page, name) {
        ("download", "") => snapshot.dummies.first().map(view),
        ("download", _) => named_dummy(snapshot, name).map(view),
        ("probe", _) => snapshot.probe(name).map(Route::Probe),
        ("storage", _) => named_dummy(snapshot, name).map(read_back),
        ("requests", _) => RequestId::parse(name).map(Route::Requests),
        ("denied", "") => Some(Route::Denied),
        (ASTRAY_PAGE, "") => Some(Route::Astray),
        ("contract", "") => Some(Route::Contract(&snapshot.contract)),
        _ => return None,
    };
    Some(found.unwrap_or(Route::Unknown))
}

fn view(dummy: &Dummy) -> Route<'_> {
    Route::View(&dummy.view)
}

fn read_back(dummy: &Dummy) -> Route<'_> {
    Route::ReadBack(Arc::clone(&dummy.placed))
}

fn named_dummy<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Dummy> {
    snapshot.dummy(&percent_decode_str(name).decode_utf8().ok()?)
}

/// Repeats a path in a form that no browser interprets as markup.
fn echo(path: &str) -> String {
    let mut echo = String::new();
    for byte in path.bytes() {
        match byte {
            b'<' | b'>' | b'&' | b'"' | b'\'' | b'\\' | 0..=b' ' | 0x7f.. => {
                // Writing to a string cannot fail.
                let _ = write!(echo, "%{byte:02X}");
            }
            _ => echo.push(char::from(byte)),
        }
        if echo.len() >= ECHO_MAX - 3 {
            echo.push('…');
            break;
        }
    }
    echo.push('\n');
    echo
}

fn now(response: Response<Body>) -> ResponseFuture {
    Either::Left(ready(Ok(response)))
}

fn later(response: impl Future<Output = PreparedResponse> + Send + 'static) -> ResponseFuture {
    Either::Right(Box::pin(async { Ok(response.await.response()) }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http_body_util::BodyExt as _;
    use tempfile::TempDir;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        catalog::{self, DummyOptions, OddNames, RootDecoy},
        handoff::{Dialect, Handoff},
        placement::Placement,
        storage::{StorageConfig, manifest::Manifest},
    };

    /// A responder for a few dummies in a temporary directory, without hand-offs.
    async fn responder() -> (Responder, Placement, TempDir) {
        let directory = TempDir::new().unwrap();
        let url = format!("file://{}", directory.path().display());
        let storage = Storage::open(&url, &StorageConfig::default()).unwrap();
        let storage = Arc::new(storage);
        let root_decoy = RootDecoy::LeftOut;
        let odd_names = OddNames::LeftOut;
        let name = "dummy.bin".into();
        let options = DummyOptions { name, size: 4096, large_size: 0, root_decoy, odd_names };
        let items = catalog::items(&options).unwrap();
        let key = Manifest::key().unwrap();
        let mut placement = Placement::new(Arc::clone(&storage), items, key);
        placement.place().await.unwrap();
        let handoff = Handoff::new(Dialect::nginx(), "/protected/").unwrap();
        let (base, views, probes) = ("/base".into(), HashMap::new(), Vec::new());
        let instance = placement.instance();
        let setup = Setup { instance, base, storage: String::new(), handoff, views, probes };
        (Responder::new(setup, storage, placement.placed()), placement, directory)
    }

    async fn send(responder: &Responder, request: Request<()>) -> (StatusCode, Response<Body>) {
        let response = responder.clone().oneshot(request).await.unwrap();
        (response.status(), response)
    }

    fn kind(snapshot: &Snapshot, method: &Method, path: &str) -> &'static str {
        match route("/base", snapshot, method, path) {
            Route::View(_) => "view",
            Route::Probe(_) => "probe",
            Route::Denied => "denied",
            Route::Astray => "astray",
            Route::Contract(_) => "contract",
            Route::Requests(_) => "requests",
            Route::ReadBack(_) => "read back",
            Route::Live => "live",
            Route::Ready => "ready",
            Route::MethodNotAllowed => "method",
            Route::Unknown => "unknown",
            Route::FallThrough(_) => "fall-through",
        }
    }

    #[tokio::test]
    async fn paths_are_routed_as_in_the_contract() {
        let (responder, _placement, _directory) = responder().await;
        let snapshot = responder.snapshot();
        let table = [
            ("/base/download", "view"),
            ("/base/download/", "view"),
            ("/base/download/main", "view"),
            ("/base/download/odd%20name%20%C3%A9%20100%25.bin", "view"),
            ("/base/download/other", "unknown"),
            ("/base/download/main/", "unknown"),
            ("/base/download/%FF", "unknown"),
            ("/base/downloads", "fall-through"),
            ("/base/probe/nonsense", "unknown"),
            ("/base/probe", "unknown"),
            ("/base/denied", "denied"),
            ("/base/denied/x", "fall-through"),
            ("/base/astray", "astray"),
            ("/base/contract", "contract"),
            ("/base/requests/abc-1", "requests"),
            ("/base/requests/", "unknown"),
            ("/base/requests/a.b", "unknown"),
            ("/base/storage/dummy.bin", "read back"),
            ("/base/storage/", "unknown"),
            ("/base", "fall-through"),
            ("/base/", "fall-through"),
            ("/basedownload", "fall-through"),
            ("/base/direct/dummy.bin", "fall-through"),
            ("/protected/healthcheck/dummy.bin", "fall-through"),
            ("/livez", "live"),
            ("/readyz", "ready"),
            ("/", "fall-through"),
        ];
        for (path, expected) in table {
            assert_eq!(kind(&snapshot, &Method::GET, path), expected, "{path}");
            let post = if expected == "fall-through" { expected } else { "method" };
            assert_eq!(kind(&snapshot, &Method::HEAD, path), expected, "{path}");
            assert_eq!(kind(&snapshot, &Method::POST, path), post, "{path}");
        }
    }

    /// A link to the fixture must not execute script code that is in the link.
    #[tokio::test]
    async fn echo_is_inert_and_bounded() {
        assert_eq!(echo("/a<script>&\"'\\é"), "/a%3Cscript%3E%26%22%27%5C%C3%A9\n");
        assert!(echo(&"<".repeat(9000)).len() <= ECHO_MAX + 3);
        let (responder, _placement, _directory) = responder().await;
        let request = Request::get("/a'b").body(()).unwrap();
        let (status, response) = send(&responder, request).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"/a%27b\n");
    }

    /// Many requests must not cause many reads of the storage.
    #[tokio::test]
    async fn readiness_is_cached_for_a_second() {
        let (responder, _placement, directory) = responder().await;
        let ready = || Request::get("/readyz").body(()).unwrap();
        assert_eq!(send(&responder, ready()).await.0, StatusCode::OK);
        std::fs::remove_file(directory.path().join("healthcheck/dummy.bin")).unwrap();
        assert_eq!(send(&responder, ready()).await.0, StatusCode::OK, "the cached result");
        *responder.0.ready.lock().await = None;
        let (status, response) = send(&responder, ready()).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let reason = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&reason).contains("is missing or was changed"));
    }
}
