//! What stands between everybody and a server, so that the server can be stopped, fall silent, break
//! off or be read late, for one test alone.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::{Duration, sleep},
};

/// A server that passes connections on.
pub(super) struct Relay {
    pub(super) port: u16,
    state: Arc<AtomicU8>,
    task: AbortHandle,
}

/// What it does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Passes it on.
    Open,
    /// Takes none any more.
    Closed,
    /// Takes it and never answers.
    Silent,
    /// Passes it on, and begins to read the answer when its server has long filled all buffers.
    Late,
    /// Passes so much of the answer that its head is through, and some of the body.
    Cut,
}

/// So late.
const LATE: Duration = Duration::from_millis(500);

/// More than any head of these stores, and less than a head and the dummy.
const CUT: usize = 2_000;

impl Relay {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let state = Arc::new(AtomicU8::new(State::Open as u8));
        let seen = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((visitor, _)) = listener.accept().await {
                tokio::spawn(pass(visitor, server, seen.load(Ordering::Relaxed)));
            }
        });
        Self { port, state, task: task.abort_handle() }
    }

    /// Does this from now on. What is closed does not open again.
    pub(super) fn now(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
        if state == State::Closed {
            self.task.abort();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut visitor: TcpStream, port: u16, state: u8) {
    if state == State::Silent as u8 {
        let mut void = Vec::new();
        // Until the visitor gives up.
        let _ = visitor.read_to_end(&mut void).await;
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_visitor, mut to_visitor) = visitor.split();
    let (mut from_server, mut to_server) = server.split();
    let asked = async {
        let _ = copy(&mut from_visitor, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let answered = async {
        if state == State::Late as u8 {
            sleep(LATE).await;
        }
        if state == State::Cut as u8 {
            let mut part = (&mut from_server).take(CUT as u64);
            let _ = copy(&mut part, &mut to_visitor).await;
        } else {
            let _ = copy(&mut from_server, &mut to_visitor).await;
        }
        let _ = to_visitor.shutdown().await;
    };
    // The answer's end is the connection's.
    tokio::select! {
        () = answered => {}
        () = async { asked.await; std::future::pending::<()>().await } => {}
    }
}
