//! Timeouts of a server connection: one for the head of a request, one for an idle connection.
//!
//! hyper has one limit for both, which also runs while a connection is idle. Here, a connection may
//! be idle for longer than the client may take to send half a request.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// The state of a connection. Shared with the service, because only the service knows when a request
/// begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

/// No byte of a request has arrived, or a response is being sent.
const IDLE: u8 = 0;
/// A part of a request's head has arrived.
const HEAD: u8 = 1;
/// The service is processing a request: the client is not at fault for the delay.
const BUSY: u8 = 2;
/// The response is ready, and the client's timeout starts again.
const RESPONDING: u8 = 3;

/// The timeouts of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnTimeouts {
    /// The maximum time until the head of a request is complete.
    pub(crate) head: Duration,
    /// The maximum time without a sent or received byte.
    pub(crate) idle: Duration,
}

/// A connection that fails with [`io::ErrorKind::TimedOut`] if the client is too slow.
#[derive(Debug)]
pub(crate) struct TimedStream<S> {
    stream: S,
    phase: Phase,
    timeouts: ConnTimeouts,
    /// The time at which the connection times out. For a new connection, it is the time limit for
    /// the first head. Each byte that is sent and each new phase unsets it, and it is set again
    /// only when the stream has to wait: most requests never read the clock.
    deadline: Option<Instant>,
    /// Fires at the deadline or earlier: the timer is reset when it fires, not for each byte.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Phase {
    /// Records that the service has received a request.
    pub(crate) fn request_begins(&self) {
        self.0.store(BUSY, Ordering::Relaxed);
    }

    /// Records that the service has returned a response.
    pub(crate) fn response_begins(&self) {
        self.0.store(RESPONDING, Ordering::Relaxed);
    }
}

impl<S> TimedStream<S> {
    pub(crate) fn new(stream: S, phase: Phase, timeouts: ConnTimeouts) -> Self {
        let deadline = Some(Instant::now() + timeouts.head);
        Self { stream, phase, timeouts, deadline, timer: None }
    }

    fn phase(&self) -> u8 {
        self.phase.0.load(Ordering::Relaxed)
    }

    fn begin(&mut self, phase: u8) {
        self.phase.0.store(phase, Ordering::Relaxed);
        self.deadline = None;
    }

    fn deadline(&mut self) -> Instant {
        let timeout = if self.phase() == HEAD { self.timeouts.head } else { self.timeouts.idle };
        *self.deadline.get_or_insert_with(|| Instant::now() + timeout)
    }

    /// Records that the client has received bytes of a response, so its timeout starts again.
    fn sent(&mut self) {
        if self.phase() != BUSY {
            self.begin(IDLE);
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.phase() {
            BUSY => return Poll::Pending,
            RESPONDING => self.begin(IDLE),
            _ => {}
        }
        loop {
            let due = self.deadline();
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() > due {
                timer.as_mut().reset(due);
            }
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            timer.as_mut().reset(due);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if Pin::new(&mut self.stream).poll_read(cx, buffer)?.is_pending() {
            return self.poll_timer(cx).map(Err);
        }
        if buffer.filled().len() > before && matches!(self.phase(), IDLE | RESPONDING) {
            self.begin(HEAD);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending => self.poll_timer(cx).map(Err),
            done => {
                self.sent();
                done
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            Poll::Pending => self.poll_timer(cx).map(Err),
            done => {
                self.sent();
                done
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// After a response, hyper reads again only if the stream or a timer wakes it. Therefore this
    /// function sets a timer that may be due earlier.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        let due = self.deadline();
        let late = self.timer.as_ref().is_none_or(|timer| timer.deadline() > due);
        if late && let Poll::Ready(error) = self.poll_timer(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
