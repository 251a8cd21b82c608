//! The command `demo`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result};
use sendfile_probe::{
    config::{Config, Depth},
    prober::Prober,
};
use sendfile_rules::Choice;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    examination::examine,
    output::{done, finish},
};
use crate::{
    args::Demo,
    demo::{DemoEnvironment, fault::Fault},
};

/// Runs the demo, with or without a fault, or lists the faults.
pub(super) async fn run(args: &Demo, out: &mut impl Write) -> Result<ExitCode> {
    let fault = match args.fault.as_deref() {
        Some("list") => return done(list_faults(&Fault::all_of(args.proxy)?, out)),
        Some(id) => Some(Fault::of(args.proxy, id)?),
        None => None,
    };
    let environment = DemoEnvironment::start(args.proxy, fault.as_ref()).await?;
    if !args.output.quiet {
        if let Some(fault) = &fault {
            let _ = writeln!(io::stderr(), "fault   {}", fault.story);
        }
        let _ = writeln!(io::stderr(), "{}", environment.overview());
    }
    let mut config = Config::of(environment.target()?);
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
    environment.stop().await;
    let report = report.context("interrupted")?;
    finish(&report, &args.output, out)
}

fn list_faults(faults: &[Fault], out: &mut impl Write) -> io::Result<()> {
    for fault in faults {
        writeln!(out, "{:30}  {}", fault.id, fault.story)?;
    }
    Ok(())
}

/// Returns when the program receives SIGINT or SIGTERM.
async fn interrupted() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}
