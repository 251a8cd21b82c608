//! Runs a fixture as a program: the log, the signals, systemd, and what people are told.

use std::{
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use sendfile_fixture::{Fixture, Running, Socket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, level_filters::LevelFilter, warn};
use tracing_subscriber::{
    filter::Targets, fmt::layer, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    args::{Log, LogFormat},
    notify::{State, notify},
    ready::Ready,
};

/// The exit code of wrong usage, and of a fixture that cannot be started.
pub(crate) const NOT_STARTED: u8 = 2;

/// The exit code of a fixture that has left something behind.
const NOT_CLEANED_UP: u8 = 1;

/// The exit code of a question that was not answered with yes.
const NOT_READY: u8 = 1;

/// How long a storage that hangs may hold up the end of the program.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// SIGTERM and SIGINT, which both mean the same.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Runs until a signal stops it. A second signal does not wait for anybody.
pub(crate) fn run(fixture: Fixture, sockets: Vec<Socket>, log: &Log) -> ExitCode {
    start_log(log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(NOT_STARTED, &error, None),
    };
    let code = runtime.block_on(serve(fixture, sockets));
    runtime.shutdown_timeout(LAST_WAIT);
    code
}

/// Asks the fixture that runs already.
pub(crate) fn ask(question: &Ready) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(NOT_READY, &error, None),
    };
    match runtime.block_on(question.ask()) {
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
    tell(State::Ready);
    signals.next().await;
    info!("stopping");
    tell(State::Stopping);
    tokio::select! {
        stopped = running.stop() => match stopped {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(NOT_CLEANED_UP, &error, None),
        },
        // What was running is dropped, and removes its dummies even so.
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
    // What its libraries do to a connection is of no use to anybody else.
    let ours = Targets::new().with_target("sendfile_fixture", level);
    let stderr = layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(ours);
    match log.log_format {
        LogFormat::Text => registry.with(stderr).init(),
        LogFormat::Json => registry.with(stderr.json()).init(),
    }
}

/// Addresses on stdout, for programs; what to do next on a terminal, for people.
async fn announce(running: &Running) {
    let mut stdout = io::stdout().lock();
    for address in running.addresses() {
        // Whoever does not read it does not need it.
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
            "placed:\n  {files}\nanswering below:\n  {url}\nnext:\n  \
             sendfile-check verify --fixture {url} --site https://YOUR.SITE\n\
             Ctrl-C stops it and removes what it has placed",
        );
    }
}

fn tell(state: State) {
    if let Err(error) = notify(state) {
        warn!(%error, "cannot tell systemd");
    }
}

/// Says what went wrong, with all its causes and what to do.
fn failed(code: u8, error: &(dyn Error + 'static), hint: Option<String>) -> ExitCode {
    let mut stderr = io::stderr().lock();
    // There is nowhere else to say it.
    let _ = writeln!(stderr, "error: {error}");
    let mut said = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        // Some errors tell their causes themselves.
        if !said.ends_with(&cause) {
            let _ = writeln!(stderr, "  caused by: {cause}");
            said = cause;
        }
    }
    if let Some(hint) = hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
    ExitCode::from(code)
}
