//! A relay in front of a server, with which a test can stop the server, let it hang, abort its responses,
//! or read them slowly.

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

/// A server that forwards connections.
pub(super) struct Relay {
    pub(super) port: u16,
    state: Arc<AtomicU8>,
    task: AbortHandle,
}

/// How it handles a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelayState {
    /// Forwards it.
    Open,
    /// Refuses it.
    Closed,
    /// Accepts it, but never responds.
    Silent,
    /// Forwards it, but reads the response only after the server has filled all buffers.
    Late,
    /// Forwards the head and a part of the body of the response.
    Cut,
}

/// The delay of [`RelayState::Late`].
const LATE: Duration = Duration::from_millis(500);

/// Number of bytes for [`RelayState::Cut`]: more than the head of any store, less than head and dummy.
const CUT: usize = 2_000;

impl Relay {
    pub(super) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a port").port();
        let state = Arc::new(AtomicU8::new(RelayState::Open as u8));
        let seen = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, seen.load(Ordering::Relaxed)));
            }
        });
        Self { port, state, task: task.abort_handle() }
    }

    /// Changes the state. A closed relay cannot be opened again.
    pub(super) fn now(&self, state: RelayState) {
        self.state.store(state as u8, Ordering::Relaxed);
        if state == RelayState::Closed {
            self.task.abort();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, port: u16, state: u8) {
    if state == RelayState::Silent as u8 {
        let mut void = Vec::new();
        // Until the client gives up.
        let _ = client.read_to_end(&mut void).await;
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let forwarded = async {
        let _ = copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let answered = async {
        if state == RelayState::Late as u8 {
            sleep(LATE).await;
        }
        if state == RelayState::Cut as u8 {
            let mut part = (&mut from_server).take(CUT as u64);
            let _ = copy(&mut part, &mut to_client).await;
        } else {
            let _ = copy(&mut from_server, &mut to_client).await;
        }
        let _ = to_client.shutdown().await;
    };
    // The end of the response closes the connection.
    tokio::select! {
        () = answered => {}
        () = async { forwarded.await; std::future::pending::<()>().await } => {}
    }
}
