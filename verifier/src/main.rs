//! The program `sendfile-check`: parses the command line, runs it, and sets the exit status.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use anstream::AutoStream;
use clap::Parser;
use sendfile_check::{
    args::{Cli, Color},
    program,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return failed(
                &anyhow::Error::new(error).context("cannot start the asynchronous runtime"),
            );
        }
    };
    let choice = match cli.color {
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), choice));
    let outcome = runtime.block_on(program::run(&cli, &mut out));
    drop(out);
    // Do not wait for threads that a silent name server or a hung mount blocks.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // If standard error is closed too, the error cannot be reported.
    let _ = writeln!(io::stderr(), "error: {}", program::chain(error));
    ExitCode::from(2)
}
