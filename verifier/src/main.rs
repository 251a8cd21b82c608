//! The program `sendfile-check`: parses the command line, runs it, and sets the exit status.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;
use clap::Parser;
use sendfile_check::{
    args::{Cli, Color},
    program,
};

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(status) => status,
        Err(error) => {
            // If standard error is closed too, the error cannot be reported.
            let _ = writeln!(io::stderr(), "error: {}", program::error_message(&error));
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Runtime::new().context("cannot start the asynchronous runtime")?;
    let colour = match cli.color {
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let mut out = BufWriter::new(AutoStream::new(io::stdout().lock(), colour));
    let outcome = runtime.block_on(program::run(cli, &mut out));
    drop(out);
    // Do not wait for threads that a silent name server or a hung mount blocks.
    runtime.shutdown_background();
    outcome
}
