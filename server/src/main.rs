//! The program: parses its arguments, runs, and says with its exit code how that went.

mod args;
mod notify;
mod program;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let parsed = Args::from_program().and_then(|Args { command: Command::Serve(serve) }| {
        let fixture = serve.fixture()?;
        Ok((fixture, serve.log))
    });
    match parsed {
        Ok((fixture, log)) => program::run(fixture, &log),
        Err(error) => {
            // Without anybody to read it, the exit code still says it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { program::NOT_STARTED } else { 0 })
        }
    }
}
