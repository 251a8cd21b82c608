//! Writes results to standard output. Only this module queries the terminal.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::{
    args::Output,
    report::{Detail, Report, Width},
};

/// The exit status after a result was written. Ignores a closed pipe: a reader such as `head` may stop
/// early.
pub(super) fn done(written: io::Result<()>) -> Result<ExitCode> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the result")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Writes a report and returns its exit status.
pub(super) fn finish(report: &Report, output: &Output, out: &mut impl Write) -> Result<ExitCode> {
    let detail = match (output.quiet, output.verbose) {
        (true, _) => Detail::Verdict,
        (false, false) => Detail::Normal,
        (false, true) => Detail::All,
    };
    let mut written = report.write(out, output.output, detail, width());
    if written.is_ok() {
        written = out.flush();
    }
    done(written)?;
    Ok(ExitCode::from(report.status()))
}

/// The width of the output: COLUMNS if it is set, otherwise that of the terminal, otherwise 80.
pub(super) fn width() -> Width {
    if let Ok(columns) = std::env::var("COLUMNS")
        && let Ok(columns) = columns.parse()
        && columns > 0
    {
        return Width::of(columns);
    }
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((columns, _)) => Width::of(columns.0.into()),
        None => Width::default(),
    }
}
