//! Serves HTTP/1.1 on the host of a production app, with a limit on every resource that clients
//! use.
//!
//! Knows connections and requests, but nothing of downloads: any service can run here.

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
    conn_timeout::{ConnTimeouts, Phase, TimedStream},
    listen::{Listener, Stream},
};

/// The maximum length of a request head, in bytes. The response to a longer one is 431.
const HEAD_MAX: usize = 16 << 10;

/// The largest buffer of a connection, in bytes: a head, or a chunk of a body.
const BUFFER_MAX: usize = 64 << 10;

/// The pause after a failed accept, which doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(10);

const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Limits on the resources that clients use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum number of open connections; further clients wait until one is closed.
    pub max_connections: usize,
    /// The maximum time until the head of a request is complete.
    pub header_timeout: Duration,
    /// The maximum time for which a connection is idle, or its client does not read the response.
    pub keep_alive: Duration,
    /// The maximum time to wait for requests in progress when the server stops.
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
    /// Reduces values that the clock or a semaphore cannot hold.
    fn clamped(self) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self {
            max_connections: self.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            header_timeout: self.header_timeout.min(YEAR),
            keep_alive: self.keep_alive.min(YEAR),
            shutdown_timeout: self.shutdown_timeout.min(YEAR),
        }
    }
}

/// Serves until `stop` is ready, then closes the listeners and waits for requests in progress.
/// If the future is dropped, it closes all connections at once.
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
    let limits = limits.clamped();
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
        warn!("shutdown timeout reached, closing connections with requests in progress");
    }
}

/// Waits for a free slot, then for a client. Further clients wait in the operating system's queue.
async fn accept(
    listeners: &[Listener],
    slots: &Arc<Semaphore>,
) -> Option<(Stream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    let mut pause = BACKOFF;
    loop {
        let accepted: io::Result<Stream> = poll_fn(|cx| {
            for listener in listeners {
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await;
        match accepted {
            Ok(stream) => return Some((stream, slot)),
            Err(error) if is_client_error(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept connections");
                sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_MAX);
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
    let timeouts = ConnTimeouts { head: limits.header_timeout, idle: limits.keep_alive };
    let stream = TokioIo::new(TimedStream::new(stream, phase.clone(), timeouts));
    let service = service_fn(|request| {
        phase.request_begins();
        let response = service.clone().call(request);
        let phase = &phase;
        async move {
            let response = response.await;
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

/// Whether accept(2) failed only because a client disconnected early, so that no pause is needed.
fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput, NotConnected,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | NotConnected | InvalidInput
    )
}
