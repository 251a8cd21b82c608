//! The program `sendfile-check`: wiring and the exit status.

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
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start")),
    };
    let choice = match cli.color {
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), choice));
    let outcome = runtime.block_on(program::run(&cli, &mut out));
    drop(out);
    // A name server that does not answer, or a hung mount, holds a thread that nobody waits for.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nobody is left to tell if standard error is gone too.
    let _ = writeln!(io::stderr(), "error: {}", program::chain(error));
    ExitCode::from(2)
}
