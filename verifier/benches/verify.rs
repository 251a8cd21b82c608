//! Compares the verifier with the commands that an operator would type by hand, in alternating rounds of
//! one run.
//!
//! `cargo bench -p sendfile-check`. Requires nginx, curl, openssl and a shell. Machines differ and are
//! noisy: only the ratios are significant, and none of them is an error.

use std::{
    error::Error,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sendfile_check::demo::DemoEnvironment;
use sendfile_evidence::Server;
use sha2::Digest as _;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The file of the second comparison.
const GIBIBYTE: u64 = 1 << 30;

#[tokio::main]
async fn main() -> Result<()> {
    let mut out = std::io::stdout();
    hashing(&mut out)?;
    let environment = DemoEnvironment::start(Server::Nginx, None).await?;
    small(&mut out, &environment)?;
    environment.stop().await;
    let environment = DemoEnvironment::start_with_size(Server::Nginx, None, GIBIBYTE).await?;
    large(&mut out, &environment)?;
    environment.stop().await;
    Ok(())
}

/// Measures sha2: with the processor's SHA instructions it is several times faster than the about
/// 250 MB/s without them.
fn hashing(out: &mut impl std::io::Write) -> Result<()> {
    let piece = vec![0xa5; 1 << 20];
    let mut hash = sha2::Sha256::new();
    let began = Instant::now();
    for _ in 0..512 {
        hash.update(&piece);
    }
    let digest = hash.finalize();
    let speed = 512.0 * 1.048_576 / began.elapsed().as_secs_f64();
    writeln!(out, "sha2 in memory          {speed:8.0} MB/s  (digest {:02x}…)", digest[0])?;
    #[cfg(target_arch = "x86_64")]
    writeln!(out, "SHA instructions        {:>8}", std::arch::is_x86_feature_detected!("sha"))?;
    Ok(())
}

/// A rule that no check needs, so that only the layers are requested.
const NO_CHECKS: &str = "frontend.unreachable";

/// Measures a default verification of a small dummy, including the start of the process.
fn small(out: &mut impl std::io::Write, environment: &DemoEnvironment) -> Result<()> {
    let (download, direct) = (url(environment, "download"), url(environment, "direct/dummy.bin"));
    let app = format!("{}/download", environment.fixture_url());
    let file = environment.storage().join("healthcheck/dummy.bin");
    let by_hand = format!(
        "for url in {download} {app} {direct} file://{}; \
         do curl -s $url | sha256sum; done >/dev/null",
        file.display()
    );
    let layers = || run(verify(environment).args(["--only", NO_CHECKS]), 0);
    let ours = || run(&mut verify(environment), 0);
    let [ours, theirs, layers] = medians(41, [&ours, &|| run(&mut shell(&by_hand), 0), &layers])?;
    writeln!(out, "\nverification, 4 KiB     {}", milliseconds(ours))?;
    writeln!(out, "4 × curl | sha256sum    {}", milliseconds(theirs))?;
    writeln!(out, "ratio                   {:8.3}     (at most 0.3)", ratio(ours, theirs))?;
    writeln!(out, "the layers alone        {}", milliseconds(layers))?;
    let checks = milliseconds(ours.saturating_sub(layers));
    writeln!(out, "the checks beside them  {checks}  (at most 30 ms)")?;
    Ok(())
}

/// Measures one download of a large dummy through nginx.
fn large(out: &mut impl std::io::Write, environment: &DemoEnvironment) -> Result<()> {
    let download = url(environment, "download");
    let file = environment.storage().join("healthcheck/dummy.bin");
    let on_disk = format!("openssl dgst -sha256 {} >/dev/null", file.display());
    let piped = format!("curl -s {download} | openssl dgst -sha256 >/dev/null");
    let layer = ["verify", "-q", "--only", NO_CHECKS, "--full", &download];
    let ours = || run(&mut program(&layer), 3);
    let theirs = || run(&mut shell(&on_disk), 0);
    let by_pipe = || run(&mut shell(&piped), 0);
    let [ours, theirs, by_pipe] = medians(7, [&ours, &theirs, &by_pipe])?;
    writeln!(out, "\nfull layer, 1 GiB       {}", milliseconds(ours))?;
    writeln!(out, "openssl dgst, on disk   {}", milliseconds(theirs))?;
    writeln!(out, "curl | openssl dgst     {}", milliseconds(by_pipe))?;
    writeln!(out, "ratio to the disk       {:8.3}     (at most 1.10)", ratio(ours, theirs))?;
    writeln!(out, "ratio to the pipe       {:8.3}     (at most 0.6)", ratio(ours, by_pipe))?;
    let large = peak(program(&["verify", "-q", "--full", &download]))?;
    let small =
        peak(program(&["verify", "-q", "--full", &url(environment, "probe/no-extension")]))?;
    writeln!(
        out,
        "memory, 1 GiB           {large:8} KiB (at most 32768; a 4 KiB dummy takes {small})"
    )?;
    let [whole] = medians(3, [&|| run(&mut verify(environment), 0)])?;
    writeln!(out, "all four layers, 1 GiB  {}", milliseconds(whole))?;
    Ok(())
}

/// The median time of each contender; they run in turn.
fn medians<const N: usize>(
    rounds: usize,
    contenders: [&dyn Fn() -> Result<()>; N],
) -> Result<[Duration; N]> {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (times, contender) in times.iter_mut().zip(contenders) {
            let began = Instant::now();
            contender()?;
            times.push(began.elapsed());
        }
    }
    Ok(times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    }))
}

fn verify(environment: &DemoEnvironment) -> Command {
    let storage = format!("file://{}", environment.storage().display());
    program(&[
        "verify",
        "-q",
        "--fixture",
        environment.fixture_url(),
        "--site",
        environment.site_url(),
        "--storage",
        &storage,
    ])
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendfile-check"));
    command.args(arguments).stdout(Stdio::null());
    command
}

fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

/// Runs a contender, which must end with this status.
fn run(command: &mut Command, status: i32) -> Result<()> {
    let ended = command.status()?;
    if ended.code() == Some(status) {
        Ok(())
    } else {
        Err(format!("{command:?} ended with {ended}").into())
    }
}

/// The maximum memory of a process, in KiB: the last high-water mark before it ended.
fn peak(mut command: Command) -> Result<u64> {
    let mut child: Child = command.spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        most = most.max(high_water_mark(&text).unwrap_or(0));
    }
    Ok(most)
}

/// The maximum memory in the status file of a process, in KiB.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn url(environment: &DemoEnvironment, path: &str) -> String {
    format!("{}/healthcheck-utils/{path}", environment.site_url())
}

fn milliseconds(time: Duration) -> String {
    format!("{:8.1} ms", time.as_secs_f64() * 1e3)
}

fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
