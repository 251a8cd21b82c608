//! Runs the command that the user gave, and maps its outcome to the exit status.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    args::{Cli, Command, Demo, DemoProxy, Output, Verify, choice_of, config_of},
    demo::{DemoEnvironment, fault::Fault},
    explain,
    report::{Detail, Report, Width, json, printable},
};
use sendfile_evidence::Access;
use sendfile_probe::{
    config::{Config, ConfigError, Depth, Target, nearest},
    prober::Prober,
};
use sendfile_rules::{Choice, rule, rules};

/// Runs a command and writes its result to `out`. The exit status is 0 if healthy, 1 if broken,
/// degraded or exposed, 3 if inconclusive. An error means 2: usage or configuration.
pub async fn run(cli: &Cli, out: &mut impl Write) -> Result<ExitCode> {
    match &cli.command {
        Command::Verify(args) => verify(args, out).await,
        Command::Judge { report, output } => judge(report, output, out),
        Command::Rules | Command::Explain { rule: None, .. } => done(explain::list(out)),
        Command::Explain { rule: Some(id), proxy } => match rule(id) {
            Some(rule) => done(explain::explain(out, rule, *proxy, width())),
            None => Err(unknown_rule("explain", id).into()),
        },
        Command::Snippet(args) => done(out.write_all(args.text()?.as_bytes())),
        Command::Demo(args) => demo(args, out).await,
        Command::Manual(manual) => done(manual.write(out)),
    }
}

/// Ignores a closed pipe: a reader such as `head` may stop early.
fn done(written: io::Result<()>) -> Result<ExitCode> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the result")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn verify(args: &Verify, out: &mut impl Write) -> Result<ExitCode> {
    let choice = choice_of(args);
    let config = config_of(args)?;
    known_rules(&choice)?;
    note_missing_rights(&config);
    let prober = Prober::new(&config)?;
    let deadline = Instant::now() + args.limits.wait.unwrap_or_default();
    let (report, failed) = loop {
        let (report, failed) = examine(&config, &prober, &choice).await;
        if failed.is_empty() && report.status() == 0 || Instant::now() >= deadline {
            break (report, failed);
        }
        let pause = deadline.saturating_duration_since(Instant::now()).min(PAUSE);
        tokio::time::sleep(pause).await;
    };
    if failed.is_empty() {
        return finish(&report, &args.output, out);
    }
    // Report the targets that were examined all the same.
    if !report.targets.is_empty() {
        finish(&report, &args.output, out)?;
    }
    anyhow::bail!(failed.join("; "))
}

/// Warns that `--private` has no effect: without `--full-header`, every client is anonymous. The text
/// report says so too, but `-o short` does not.
fn note_missing_rights(config: &Config) {
    let blind = |it: &&Target| {
        it.expectations.intent.access == Access::Private && it.expectations.full_headers.is_empty()
    };
    for Target { name, .. } in config.targets.iter().filter(blind) {
        let note = format!("note: {name}: --private has no effect without --full-header");
        let _ = writeln!(io::stderr(), "{}", printable(&note));
    }
}

/// The pause between two attempts of `--wait`.
const PAUSE: Duration = Duration::from_millis(500);

async fn demo(args: &Demo, out: &mut impl Write) -> Result<ExitCode> {
    let fault = match args.fault.as_deref() {
        Some("list") => return done(list_faults(args.proxy, out)),
        Some(id) => Some(Fault::of(args.proxy, id)?),
        None => None,
    };
    let stage = DemoEnvironment::set(args.proxy, fault.as_ref()).await?;
    if let (Some(fault), false) = (&fault, args.output.quiet) {
        let _ = writeln!(io::stderr(), "fault   {}", fault.story);
    }
    if !args.output.quiet {
        let _ = writeln!(io::stderr(), "{}", stage.tour());
    }
    let mut config = Config::of(stage.target()?);
    config.depth = match &fault {
        _ if args.thorough => Depth::Thorough,
        Some(fault) => fault.depth(),
        None => Depth::AsNeeded,
    };
    let prober = Prober::new(&config)?;
    let choice = Choice::default();
    let report = tokio::select! {
        (report, _) = examine(&config, &prober, &choice) => Some(report),
        () = interrupted() => None,
    };
    stage.clear().await;
    let report = report.context("interrupted")?;
    finish(&report, &args.output, out)
}

/// Returns when the program receives SIGINT or SIGTERM.
async fn interrupted() {
    let Ok(mut ended) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = ended.recv() => {}
    }
}

fn list_faults(proxy: DemoProxy, out: &mut impl Write) -> io::Result<()> {
    Fault::all_of(proxy).try_for_each(|(id, fault)| writeln!(out, "{id:30}  {}", fault.story))
}

/// The report on the targets that could be examined, and the errors of the others.
async fn examine(config: &Config, prober: &Prober, choice: &Choice) -> (Report, Vec<String>) {
    let started = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let (mut seen, mut failed) = (Vec::new(), Vec::new());
    for (target, outcome) in config.targets.iter().zip(prober.examine_all(&config.targets).await) {
        match outcome {
            Ok(evidence) => seen.push(evidence),
            Err(error) => failed.push(format!("target `{}`: {error}", target.name)),
        }
    }
    let tool = concat!("sendfile-check ", env!("CARGO_PKG_VERSION")).to_owned();
    (Report::new(tool, started, seen, choice), failed)
}

fn judge(path: &Path, output: &Output, out: &mut impl Write) -> Result<ExitCode> {
    let mut text = Vec::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().lock().read_to_end(&mut text),
        _ => std::fs::File::open(path).and_then(|mut it| it.read_to_end(&mut text)),
    };
    read.with_context(|| format!("`{}`: cannot read the report", path.display()))?;
    let saved = json::read(&text)
        .with_context(|| format!("`{}`: cannot judge the report", path.display()))?;
    finish(&Report::new(saved.tool, saved.started, saved.seen, &saved.choice), output, out)
}

fn finish(report: &Report, output: &Output, out: &mut impl Write) -> Result<ExitCode> {
    let detail = match (output.quiet, output.verbose) {
        (true, _) => Detail::Verdict,
        (false, false) => Detail::Normal,
        (false, true) => Detail::All,
    };
    done(report.write(out, output.output, detail, width()).and_then(|()| out.flush()))?;
    Ok(ExitCode::from(report.status()))
}

/// The width of the output: COLUMNS if it is set, otherwise that of the terminal, otherwise 80.
fn width() -> Width {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    if let Some(columns) = given.filter(|columns| *columns > 0) {
        return Width::of(columns);
    }
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((columns, _)) => Width::of(columns.0.into()),
        None => Width::default(),
    }
}

fn known_rules(choice: &Choice) -> Result<(), ConfigError> {
    for (flag, ids) in [("--only", &choice.only), ("--skip", &choice.skip)] {
        if let Some(id) = ids.iter().find(|id| rule(id).is_none()) {
            return Err(unknown_rule(flag, id));
        }
    }
    Ok(())
}

fn unknown_rule(input: &str, id: &str) -> ConfigError {
    const SHOWN: usize = 8;
    let similar: Vec<_> = similar_rules(id).iter().map(|id| format!("`{id}`")).collect();
    let suggestion = match similar.as_slice() {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [first @ .., last] if first.len() < SHOWN => {
            format!("; did you mean {} or {last}?", first.join(", "))
        }
        all => format!("; {} ids contain this, e.g. {}", all.len(), all[..SHOWN].join(", ")),
    };
    ConfigError::Rule { rule: format!("{input} `{id}`"), suggestion }
}

/// The rules whose ids contain all words of a text, otherwise the one with the most similar id.
fn similar_rules(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_lowercase();
    let words: Vec<_> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect();
    let ids = || rules().map(|rule| rule.id);
    let mut similar = Vec::new();
    if !words.is_empty() {
        similar.extend(ids().filter(|id| words.iter().all(|word| id.contains(word))));
    }
    if similar.is_empty() {
        similar.extend(nearest(&text, ids()));
    }
    similar
}

/// An error with its causes on one line, followed by one line per hint.
pub fn chain(error: &anyhow::Error) -> String {
    let (mut line, mut hints) = (String::new(), String::new());
    for cause in error.chain() {
        let text = cause.to_string();
        let (said, hint) = text.split_once("\nhint:").unwrap_or((&text, ""));
        let (said, hint) = (&printable(said), &printable(hint));
        if !line.contains(said.as_str()) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(said);
        }
        if !hint.is_empty() {
            hints.push_str("\nhint:");
            hints.push_str(hint);
        }
    }
    line + &hints
}
