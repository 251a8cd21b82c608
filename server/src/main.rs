//! The program: parses its arguments, runs, and says with its exit code how that went.

mod args;
mod manual;
mod notify;
mod program;
mod ready;
mod sockets;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    match Args::from_program().and_then(|args| run(&args.command)) {
        Ok(code) => code,
        Err(error) => {
            // Without anybody to read it, the exit code still says it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { program::NOT_STARTED } else { 0 })
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, clap::Error> {
    Ok(match command {
        Command::Serve(serve) => program::run(serve.fixture()?, serve.sockets()?, &serve.log),
        Command::Ready(ready) => program::ask(ready),
        Command::Manual(manual) => {
            // A reader that has seen enough is no error.
            let _ = manual.write(&mut std::io::stdout().lock());
            ExitCode::SUCCESS
        }
    })
}
