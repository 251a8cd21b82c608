//! Serves HTTP/1.1 beside a production app: everything a client can use up has a limit.
//!
//! Knows connections and requests, and nothing of downloads: the service is anybody's.

use std::{
    convert::Infallible, error::Error, future::poll_fn, io, sync::Arc, task::Poll, time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::TokioIo,
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::Service;
use tracing::{debug, warn};

use crate::{
    listen::{Listener, Stream},
    patience::{Patience, Patient, Phase},
};

/// The longest head of a request, in bytes. More is answered with 431.
const HEAD_MAX: usize = 16 << 10;

/// The longest a connection buffers, in bytes: a head, or a chunk of a body.
const BUFFER_MAX: usize = 64 << 10;

/// How long to wait after a failed accept; it doubles up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What clients may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; others wait until one is closed.
    pub max_connections: usize,
    /// The time in which a request's head must arrive.
    pub header_timeout: Duration,
    /// The time for which a connection may be idle, or its client take nothing of a response.
    pub keep_alive: Duration,
    /// The time for which a stop waits for requests that are being answered.
    pub shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 512,
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Cuts what the clock or a semaphore could not hold.
    fn within_reason(self) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self {
            max_connections: self.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            header_timeout: self.header_timeout.min(YEAR),
            keep_alive: self.keep_alive.min(YEAR),
            shutdown_timeout: self.shutdown_timeout.min(YEAR),
        }
    }
}

/// Serves until `stop` is ready, then lets go of the listeners, and waits for the requests that
/// are being answered. Dropped, it closes all connections at once.
pub(crate) async fn serve<S, B>(
    listeners: Vec<Listener>,
    service: S,
    limits: Limits,
    stop: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limits = limits.within_reason();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listeners, &slots) => accepted,
            () = &mut stop => break,
        };
        let Some((stream, slot)) = accepted else { break };
        let watcher = graceful.watcher();
        let service = service.clone();
        match stream {
            Stream::Tcp(stream) => {
                connections.spawn(connection(stream, service, limits, watcher, slot))
            }
            Stream::Unix(stream) => {
                connections.spawn(connection(stream, service, limits, watcher, slot))
            }
        };
        while connections.try_join_next().is_some() {}
    }
    drop(listeners);
    if timeout(limits.shutdown_timeout, graceful.shutdown()).await.is_err() {
        warn!("closing connections that were still being answered");
    }
}

/// Waits for a free slot, then for a client: who has to wait, waits in the system's queue.
async fn accept(
    listeners: &[Listener],
    slots: &Arc<Semaphore>,
) -> Option<(Stream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let mut pause = BACKOFF.0;
    loop {
        let accepted: io::Result<Stream> = poll_fn(|cx| {
            let mut polls = listeners.iter().map(|listener| listener.poll_accept(cx));
            polls.find(Poll::is_ready).unwrap_or(Poll::Pending)
        })
        .await;
        match accepted {
            Ok(stream) => return Some((stream, slot)),
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

async fn connection<I, S, B>(
    stream: I,
    service: S,
    limits: Limits,
    watcher: Watcher,
    slot: OwnedSemaphorePermit,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: http_body::Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let phase = Phase::default();
    let patience = Patience { head: limits.header_timeout, idle: limits.keep_alive };
    let stream = TokioIo::new(Patient::new(stream, phase.clone(), patience));
    let service = service_fn(|request| {
        phase.request_begins();
        let answering = service.clone().call(request);
        let phase = &phase;
        async move {
            let response = answering.await;
            phase.response_begins();
            response
        }
    });
    let connection = http1::Builder::new()
        .max_header_size(HEAD_MAX)
        .max_buf_size(BUFFER_MAX)
        .header_read_timeout(None)
        .serve_connection(stream, service);
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "connection ended");
    }
    drop(slot);
}

/// A client that went away before it was accepted is no reason to wait (accept(2)).
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected | InvalidInput
    )
}
