//! Runs a fixture as a program: logging, signals, systemd, and messages for the user.

use std::{
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use sendfile_fixture::{Address, Fixture, Running, Socket, error_chain};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, level_filters::LevelFilter, warn};
use tracing_subscriber::{
    filter::Targets, fmt::layer, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    args::{Log, LogFormat},
    notify::{State, notify},
    ready,
};

/// The exit code for invalid usage, and for a fixture that cannot start.
pub(crate) const NOT_STARTED: u8 = 2;

/// The exit code if some files of the fixture could not be removed.
const NOT_CLEANED_UP: u8 = 1;

/// The exit code if the fixture is not ready.
const NOT_READY: u8 = 1;

/// The maximum time to wait for a storage that hangs when the program ends.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// SIGTERM and SIGINT, which have the same effect.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Serves requests until a signal arrives. A second signal stops the program at once.
pub(crate) fn run(fixture: Fixture, sockets: Vec<Socket>, log: &Log) -> ExitCode {
    start_log(log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(NOT_STARTED, &error, None),
    };
    let code = runtime.block_on(serve(fixture, sockets));
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

/// Checks whether the fixture at this address is ready.
pub(crate) fn check_ready(address: &Address, limit: Duration) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(NOT_READY, &error, None),
    };
    match runtime.block_on(ready::check(address, limit)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(NOT_READY, &error, None),
    }
}

async fn serve(fixture: Fixture, sockets: Vec<Socket>) -> ExitCode {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return failed(NOT_STARTED, &error, None),
    };
    let running = tokio::select! {
        started = fixture.start_on(sockets) => match started {
            Ok(running) => running,
            Err(error) => return failed(NOT_STARTED, &error, error.hint()),
        },
        () = signals.next() => return ExitCode::SUCCESS,
    };
    announce(&running).await;
    notify_systemd(State::Ready);
    signals.next().await;
    info!("stopping");
    notify_systemd(State::Stopping);
    tokio::select! {
        stopped = running.stop() => match stopped {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(NOT_CLEANED_UP, &error, None),
        },
        // The fixture is dropped, which removes its dummies.
        () = signals.next() => ExitCode::SUCCESS,
    }
}

impl Signals {
    fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn start_log(log: &Log) {
    let level = match log.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    // The log of the libraries is not useful for users.
    let ours = Targets::new().with_target("sendfile_fixture", level);
    let stderr = layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(ours);
    match log.log_format {
        LogFormat::Text => registry.with(stderr).init(),
        LogFormat::Json => registry.with(stderr.json()).init(),
    }
}

/// Prints the addresses to stdout for other programs, and the next steps to a terminal.
async fn announce(running: &Running) {
    let mut stdout = io::stdout().lock();
    for address in running.addresses() {
        // If nothing reads stdout, the addresses are not needed.
        let _ = writeln!(stdout, "{}", address.url());
    }
    let _ = stdout.flush();
    drop(stdout);
    let files = running.files().await;
    info!(addresses = ?running.addresses(), ?files, "ready");
    if io::stderr().is_terminal() {
        let (url, files) = (running.url(), files.join("\n  "));
        let _ = writeln!(
            io::stderr(),
            "placed files:\n  {files}\nlistening at:\n  {url}\nnext step:\n  \
             sendfile-check verify --fixture {url} --site https://YOUR.SITE\n\
             Press Ctrl-C to stop and to remove the placed files",
        );
    }
}

fn notify_systemd(state: State) {
    if let Err(error) = notify(state) {
        warn!(%error, "cannot notify systemd");
    }
}

/// Prints an error with its causes and a hint.
fn failed(code: u8, error: &(dyn Error + 'static), hint: Option<String>) -> ExitCode {
    let mut stderr = io::stderr().lock();
    let mut label = "error";
    for message in error_chain(error) {
        // If stderr is closed, the exit code still shows the error.
        let _ = writeln!(stderr, "{label}: {message}");
        label = "  caused by";
    }
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(code)
}
