//! The fixture over HTTP: a request becomes an [`Answer`], and the answer a response.
//!
//! A `tower::Service` that knows nothing of sockets. What is asked often, the view, touches no
//! file and formats nothing.

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
    contract,
    dummy::LINE_MAX,
    journal::{Entry, Journal, Ticket},
    placement::Placed,
    probe::ASTRAY,
    snapshot::{Reply, Setup, Snapshot},
    storage::{Head, Storage},
};

/// How long the answer of `/readyz` is kept: a flood of questions asks the storage once.
const READY_KEPT: Duration = Duration::from_secs(1);

/// How much of an unknown path is repeated, in bytes.
const ECHO_MAX: usize = 1024;

/// What the fixture answers. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Site(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    base: String,
    setup: RwLock<Arc<Setup>>,
    storage: Arc<Storage>,
    snapshot: RwLock<Arc<Snapshot>>,
    journal: Mutex<Journal>,
    ready: AsyncMutex<Option<(Instant, Readiness)>>,
    /// Reading back hashes a whole file: one at a time is enough beside a production app.
    reading: Semaphore,
}

type Readiness = Result<(), String>;

/// What a request comes to.
#[derive(Debug)]
enum Answer<'a> {
    View(&'a Reply),
    Probe(&'a Reply),
    Denied,
    /// No proxy that knows its store asks for this.
    Astray,
    Contract(&'a Reply),
    Requests(Ticket),
    ReadBack(Arc<Placed>),
    Live,
    Ready,
    MethodNotAllowed,
    /// A name, a probe or a nonce that there is not.
    Unknown,
    /// No path of the fixture: a proxy has asked for what it should have had itself.
    FallThrough(&'a str),
}

type Answering = Either<
    Ready<Result<Response<Body>, Infallible>>,
    Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>,
>;

impl Site {
    pub(crate) fn new(setup: Setup, storage: Arc<Storage>, placed: &[Placed]) -> Self {
        let snapshot = RwLock::new(Arc::new(Snapshot::new(&setup, placed)));
        Self(Arc::new(Shared {
            base: setup.base.clone(),
            setup: RwLock::new(Arc::new(setup)),
            storage,
            snapshot,
            journal: Mutex::default(),
            ready: AsyncMutex::default(),
            reading: Semaphore::new(1),
        }))
    }

    /// Answers with these dummies from now on.
    pub(crate) fn update(&self, placed: &[Placed]) {
        let snapshot = Arc::new(Snapshot::new(&self.setup(), placed));
        *self.0.snapshot.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    pub(crate) fn base(&self) -> &str {
        &self.0.base
    }

    /// What holds until it is changed.
    pub(crate) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.0.setup.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers with this setup from the next update on.
    pub(crate) fn change(&self, setup: Setup) {
        let setup = Arc::new(setup);
        *self.0.setup.write().unwrap_or_else(PoisonError::into_inner) = setup;
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.0.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B> Service<Request<B>> for Site {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        let snapshot = self.snapshot();
        let answer = route(&self.0.base, &snapshot, request.method(), request.uri().path());
        self.record(&request, &answer);
        let reply = match answer {
            Answer::View(reply) | Answer::Probe(reply) | Answer::Contract(reply) => {
                return now(reply.response());
            }
            Answer::ReadBack(placed) => return later(Arc::clone(&self.0).read_back(placed)),
            Answer::Ready => return later(Arc::clone(&self.0).readiness()),
            Answer::Requests(ticket) => self.requests(&ticket),
            Answer::Denied => Reply::text(StatusCode::FORBIDDEN, "sendfile-fixture denied\n"),
            Answer::Astray => Reply::text(StatusCode::OK, ASTRAY.1),
            Answer::Live => Reply::text(StatusCode::OK, "ok\n"),
            Answer::MethodNotAllowed => {
                Reply::text(StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD only\n")
                    .with("allow", "GET, HEAD")
            }
            Answer::Unknown => Reply::text(StatusCode::NOT_FOUND, "no such name\n"),
            Answer::FallThrough(path) => Reply::text(StatusCode::NOT_FOUND, echo(path))
                .with("x-sendfile-fixture", "fall-through"),
        };
        now(reply.response())
    }
}

impl Site {
    fn record<B>(&self, request: &Request<B>, answer: &Answer<'_>) {
        let answer = match answer {
            Answer::View(_) => "view",
            Answer::Probe(_) => "probe",
            Answer::Denied => "denied",
            Answer::FallThrough(_) => "fall-through",
            Answer::MethodNotAllowed => "method-not-allowed",
            Answer::Astray
            | Answer::Contract(_)
            | Answer::Requests(_)
            | Answer::ReadBack(_)
            | Answer::Live
            | Answer::Ready
            | Answer::Unknown => return,
        };
        debug!(answer);
        if let Some(ticket) = Ticket::of(request.headers(), request.uri()) {
            let entry = Entry::new(ticket, request, answer);
            self.0.journal.lock().unwrap_or_else(PoisonError::into_inner).record(entry);
        }
    }

    fn requests(&self, ticket: &Ticket) -> Reply {
        let journal = self.0.journal.lock().unwrap_or_else(PoisonError::into_inner);
        Reply::json(contract::requests(ticket, journal.of(ticket)))
    }
}

impl Shared {
    async fn read_back(self: Arc<Self>, placed: Arc<Placed>) -> Reply {
        let _turn = self.reading.acquire().await;
        let result = self.storage.read_back(&placed.item.key, placed.content.size()).await;
        Reply::json(contract::read_back(placed.item.name(), &placed.item.key, result))
    }

    async fn readiness(self: Arc<Self>) -> Reply {
        let mut kept = self.ready.lock().await;
        if kept.as_ref().is_none_or(|(at, _)| at.elapsed() >= READY_KEPT) {
            let readiness = self.look().await;
            *kept = Some((Instant::now(), readiness));
        }
        match &*kept {
            Some((_, Err(reason))) => {
                Reply::text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"))
            }
            _ => Reply::text(StatusCode::OK, "ok\n"),
        }
    }

    /// Reads the beginning of the download: hashing all of it is left to who asks for it.
    async fn look(&self) -> Readiness {
        let snapshot = Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner));
        let Some(dummy) = snapshot.dummies.first() else { return Ok(()) };
        let Placed { item, content, .. } = &*dummy.placed;
        match self.storage.head(&item.key, LINE_MAX).await {
            Ok(Head::File { bytes, size })
                if bytes == content.read(0, LINE_MAX) && size == content.size() =>
            {
                Ok(())
            }
            Ok(_) => Err(format!("`{}` is not as it was placed", self.storage.place(&item.key))),
            Err(error) => Err(contract::trouble(&error)),
        }
    }
}

fn route<'a>(base: &str, snapshot: &'a Snapshot, method: &Method, path: &'a str) -> Answer<'a> {
    let found = match path.strip_prefix(base) {
        Some(rest) => within(snapshot, rest),
        None => match path {
            "/livez" => Some(Answer::Live),
            "/readyz" => Some(Answer::Ready),
            _ => None,
        },
    };
    match found {
        Some(_) if method != Method::GET && method != Method::HEAD => Answer::MethodNotAllowed,
        Some(answer) => answer,
        None => Answer::FallThrough(path),
    }
}

/// Routes what stands behind the base path.
fn within<'a>(snapshot: &'a Snapshot, rest: &str) -> Option<Answer<'a>> {
    let (place, name) = rest.strip_prefix('/')?.split_once('/').unwrap_or((&rest[1..], ""));
    let named = || percent_decode_str(name).decode_utf8().ok().and_then(|it| snapshot.dummy(&it));
    let answer = match (place, name) {
        ("download", "") => snapshot.dummies.first().map(|dummy| Answer::View(&dummy.view)),
        ("download", _) => named().map(|dummy| Answer::View(&dummy.view)),
        ("probe", _) => snapshot.probe(name).map(Answer::Probe),
        ("storage", _) => named().map(|dummy| Answer::ReadBack(Arc::clone(&dummy.placed))),
        ("requests", _) => Ticket::parse(name).map(Answer::Requests),
        ("denied", "") => Some(Answer::Denied),
        (page, "") if page == ASTRAY.0 => Some(Answer::Astray),
        ("contract", "") => Some(Answer::Contract(&snapshot.contract)),
        _ => return None,
    };
    Some(answer.unwrap_or(Answer::Unknown))
}

/// Repeats a path so that no browser could take it for more than text.
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

fn now(response: Response<Body>) -> Answering {
    Either::Left(ready(Ok(response)))
}

fn later(reply: impl Future<Output = Reply> + Send + 'static) -> Answering {
    Either::Right(Box::pin(async { Ok(reply.await.response()) }))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http_body_util::BodyExt as _;
    use tempfile::TempDir;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        catalog::{self, Choice, OddNames, RootTwin},
        handoff::{Dialect, Handoff},
        placement::Placement,
        storage::{Settings, ledger::Ledger},
    };

    /// A site with the download only, on a storage of its own.
    async fn site() -> (Site, Placement, TempDir) {
        let folder = TempDir::new().unwrap();
        let url = format!("file://{}", folder.path().display());
        let storage = Storage::open(&url, &Settings::default()).unwrap();
        let storage = Arc::new(storage);
        let root_twin = RootTwin::LeftOut;
        let odd_names = OddNames::LeftOut;
        let name = "dummy.bin".into();
        let choice = Choice { name, size: 4096, large_size: 0, root_twin, odd_names };
        let items = catalog::items(&choice).unwrap();
        let key = Ledger::key().unwrap();
        let mut placement = Placement::new(Arc::clone(&storage), items, key);
        placement.place().await.unwrap();
        let handoff = Handoff::new(Dialect::nginx(), "/protected/").unwrap();
        let (base, views, probes) = ("/base".into(), HashMap::new(), Vec::new());
        let instance = placement.instance();
        let setup = Setup { instance, base, storage: String::new(), handoff, views, probes };
        (Site::new(setup, storage, placement.placed()), placement, folder)
    }

    async fn ask(site: &Site, request: Request<()>) -> (StatusCode, Response<Body>) {
        let response = site.clone().oneshot(request).await.unwrap();
        (response.status(), response)
    }

    #[tokio::test]
    async fn paths_lead_where_the_contract_says() {
        let (site, _placement, _folder) = site().await;
        let snapshot = site.snapshot();
        let kind = |method, path| match route("/base", &snapshot, method, path) {
            Answer::View(_) => "view",
            Answer::Probe(_) => "probe",
            Answer::Denied => "denied",
            Answer::Astray => "astray",
            Answer::Contract(_) => "contract",
            Answer::Requests(_) => "requests",
            Answer::ReadBack(_) => "read back",
            Answer::Live => "live",
            Answer::Ready => "ready",
            Answer::MethodNotAllowed => "method",
            Answer::Unknown => "unknown",
            Answer::FallThrough(_) => "fall-through",
        };
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
            assert_eq!(kind(&Method::GET, path), expected, "{path}");
            let post = if expected == "fall-through" { expected } else { "method" };
            assert_eq!(kind(&Method::HEAD, path), expected, "{path}");
            assert_eq!(kind(&Method::POST, path), post, "{path}");
        }
    }

    /// Who opens a link to the fixture must not run what stands in the link.
    #[tokio::test]
    async fn echo_is_inert_and_bounded() {
        assert_eq!(echo("/a<script>&\"'\\é"), "/a%3Cscript%3E%26%22%27%5C%C3%A9\n");
        assert!(echo(&"<".repeat(9000)).len() <= ECHO_MAX + 3);
        let (site, _placement, _folder) = site().await;
        let request = Request::get("/a'b").body(()).unwrap();
        let (status, response) = ask(&site, request).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&body[..], b"/a%27b\n");
    }

    /// A flood of questions must not become a flood on the storage.
    #[tokio::test]
    async fn readiness_is_kept_for_a_moment() {
        let (site, _placement, folder) = site().await;
        let ready = || Request::get("/readyz").body(()).unwrap();
        assert_eq!(ask(&site, ready()).await.0, StatusCode::OK);
        std::fs::remove_file(folder.path().join("healthcheck/dummy.bin")).unwrap();
        assert_eq!(ask(&site, ready()).await.0, StatusCode::OK, "the answer of a moment ago");
        *site.0.ready.lock().await = None;
        let (status, response) = ask(&site, ready()).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let reason = response.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&reason).contains("is not as it was placed"));
    }
}
