//! The program: parses its arguments, runs a command, and returns its exit code.

mod args;
mod manual;
mod notify;
mod program;
mod ready;
mod sockets;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::CommandFactory as _;
use sendfile_manual::{completions, page};

use crate::args::{Args, Command};

fn main() -> ExitCode {
    match Args::from_program().and_then(|args| run(&args.command)) {
        Ok(code) => code,
        Err(error) => {
            // If the message cannot be written, the exit code is still correct.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { program::NOT_STARTED } else { 0 })
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, clap::Error> {
    match command {
        Command::Serve(serve) => Ok(program::run(serve.fixture()?, serve.sockets()?, &serve.log)),
        Command::Ready(ready) => Ok(program::check_ready(&ready.listen, ready.timeout)),
        Command::Completions { shell } => print(&completions(*shell, Args::command())),
        Command::Man => print(&page(Args::command(), manual::DATE, manual::SECTIONS)?),
    }
}

fn print(text: &str) -> Result<ExitCode, clap::Error> {
    // The reader may close the pipe early, which is not an error.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
