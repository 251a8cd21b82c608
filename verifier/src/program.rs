//! Runs the command that the user gave, and maps its outcome to the exit status.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::CommandFactory as _;
use sendfile_evidence::{Access, Server};
use sendfile_manual::{completions, page};
use sendfile_probe::{config::Config, prober::Prober};
use sendfile_rules::{Choice, rule};

use self::{
    examination::examine,
    output::{done, finish, width},
    unknown_rule::UnknownRule,
};
use crate::{
    args::{Cli, Command, Output, Verify, choice_of, config_of},
    explain, manual,
    report::{Report, json, printable},
};

#[cfg(feature = "demo")]
mod demo;
mod error;
mod examination;
mod output;
mod unknown_rule;

pub use self::error::error_message;

/// Runs a command and writes its result to `out`. The exit status is 0 if healthy, 1 if broken,
/// degraded or exposed, 3 if inconclusive.
///
/// # Errors
///
/// A usage or configuration error, for which the exit status is 2.
pub async fn run(cli: &Cli, out: &mut impl Write) -> Result<ExitCode> {
    match &cli.command {
        Command::Verify(args) => verify(args, out).await,
        Command::Judge { report, output } => judge(report, output, out),
        Command::Rules | Command::Explain { rule: None, .. } => done(explain::list(out)),
        Command::Explain { rule: Some(id), proxy } => explain(id, *proxy, out),
        Command::Snippet(args) => done(out.write_all(args.text()?.as_bytes())),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::run(args, out).await,
        Command::Completions { shell } => {
            done(out.write_all(completions(*shell, Cli::command()).as_bytes()))
        }
        Command::Man => {
            done(out.write_all(page(Cli::command(), manual::DATE, manual::SECTIONS)?.as_bytes()))
        }
    }
}

/// The pause between two attempts of `--wait`.
const PAUSE: Duration = Duration::from_millis(500);

async fn verify(args: &Verify, out: &mut impl Write) -> Result<ExitCode> {
    let choice = choice_of(args);
    let config = config_of(args)?;
    check_rules("--only", &choice.only)?;
    check_rules("--skip", &choice.skip)?;
    note_missing_rights(&config);
    let prober = Prober::new(&config)?;
    let (report, errors) = attempts(&config, &prober, &choice, args.limits.wait).await;
    if errors.is_empty() {
        return finish(&report, &args.output, out);
    }
    // Report the targets that could be examined.
    if !report.targets.is_empty() {
        finish(&report, &args.output, out)?;
    }
    anyhow::bail!(errors.join("; "))
}

/// Examines the targets until they are healthy or `--wait` expires.
async fn attempts(
    config: &Config,
    prober: &Prober,
    choice: &Choice,
    wait: Option<Duration>,
) -> (Report, Vec<String>) {
    let deadline = Instant::now() + wait.unwrap_or_default();
    loop {
        let (report, errors) = examine(config, prober, choice).await;
        let healthy = errors.is_empty() && report.status() == 0;
        if healthy || Instant::now() >= deadline {
            return (report, errors);
        }
        let pause = deadline.saturating_duration_since(Instant::now()).min(PAUSE);
        tokio::time::sleep(pause).await;
    }
}

fn check_rules(option: &'static str, ids: &[String]) -> Result<(), UnknownRule> {
    for id in ids {
        if rule(id).is_none() {
            return Err(UnknownRule::new(option, id));
        }
    }
    Ok(())
}

/// Warns that `--private` has no effect: without `--full-header`, every client is anonymous. The text
/// report warns of it too, but `-o short` does not.
fn note_missing_rights(config: &Config) {
    for target in &config.targets {
        let expectations = &target.expectations;
        if expectations.intent.access == Access::Private && expectations.full_headers.is_empty() {
            let name = &target.name;
            let note = format!("note: {name}: --private has no effect without --full-header");
            let _ = writeln!(io::stderr(), "{}", printable(&note));
        }
    }
}

fn explain(id: &str, proxy: Option<Server>, out: &mut impl Write) -> Result<ExitCode> {
    match rule(id) {
        Some(rule) => done(explain::explain(out, rule, proxy, width())),
        None => Err(UnknownRule::new("explain", id).into()),
    }
}

fn judge(path: &Path, output: &Output, out: &mut impl Write) -> Result<ExitCode> {
    let text =
        read(path).with_context(|| format!("`{}`: cannot read the report", path.display()))?;
    let saved = json::read(&text)
        .with_context(|| format!("`{}`: cannot judge the report", path.display()))?;
    let report = Report::new(saved.tool, saved.started, saved.seen, &saved.choice);
    finish(&report, output, out)
}

/// The content of a file, or of standard input for `-`.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        return Ok(text);
    }
    std::fs::read(path)
}
