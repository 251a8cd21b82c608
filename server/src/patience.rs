//! How long a server waits for a client: for a request to arrive whole, and for anything at all.
//!
//! hyper has one limit for both, which also runs while a connection is idle; a kept connection
//! deserves more patience than half a request does.

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

/// What a connection is at. Shared with the service, which alone knows when a request has begun.
#[derive(Clone, Debug, Default)]
pub(crate) struct Phase(Arc<AtomicU8>);

/// Nothing of a request is there yet, or a response is being sent.
const IDLE: u8 = 0;
/// A part of a request's head is there.
const HEAD: u8 = 1;
/// A request is being answered: it is not the client who makes others wait.
const BUSY: u8 = 2;
/// The answer is ready, and the client's time begins anew.
const ANSWERED: u8 = 3;

/// The limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
}

/// A connection that fails when its client has made it wait for too long.
#[derive(Debug)]
pub(crate) struct Patient<S> {
    stream: S,
    phase: Phase,
    patience: Patience,
    /// Unknown until somebody has to wait: most requests come and go without a look at the clock.
    deadline: Option<Instant>,
    /// Runs out at the deadline or before: it is set anew when it has run out, not for each byte.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Phase {
    pub(crate) fn request_begins(&self) {
        self.0.store(BUSY, Ordering::Relaxed);
    }

    pub(crate) fn response_begins(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }
}

impl<S> Patient<S> {
    pub(crate) fn new(stream: S, phase: Phase, patience: Patience) -> Self {
        let deadline = Some(Instant::now() + patience.head);
        Self { stream, phase, patience, deadline, alarm: None }
    }

    fn phase(&self) -> u8 {
        self.phase.0.load(Ordering::Relaxed)
    }

    fn begin(&mut self, phase: u8) {
        self.phase.0.store(phase, Ordering::Relaxed);
        self.deadline = None;
    }

    fn deadline(&mut self) -> Instant {
        let patience = if self.phase() == HEAD { self.patience.head } else { self.patience.idle };
        *self.deadline.get_or_insert_with(|| Instant::now() + patience)
    }

    /// Bytes of a response were taken: the client is there.
    fn taken(&mut self) {
        if self.phase() != BUSY {
            self.begin(IDLE);
        }
    }

    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.phase() {
            BUSY => return Poll::Pending,
            ANSWERED => self.begin(IDLE),
            _ => {}
        }
        loop {
            let due = self.deadline();
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if alarm.deadline() > due {
                alarm.as_mut().reset(due);
            }
            ready!(alarm.as_mut().poll(cx));
            if Instant::now() >= due {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            alarm.as_mut().reset(due);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if Pin::new(&mut self.stream).poll_read(cx, buffer)?.is_pending() {
            return self.poll_alarm(cx).map(Err);
        }
        if buffer.filled().len() > before && matches!(self.phase(), IDLE | ANSWERED) {
            self.begin(HEAD);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending => self.poll_alarm(cx).map(Err),
            done => {
                self.taken();
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
            Poll::Pending => self.poll_alarm(cx).map(Err),
            done => {
                self.taken();
                done
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper does not read after a response before the stream or an alarm wakes it: so this is
    /// the place to set one that may be due earlier.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        let due = self.deadline();
        let late = self.alarm.as_ref().is_none_or(|alarm| alarm.deadline() > due);
        if late && let Poll::Ready(error) = self.poll_alarm(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
