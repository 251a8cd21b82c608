//! Inspects the running server, found by its PID file: the user of its workers, and when they were
//! started. Linux only; elsewhere nothing is known.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sendfile_evidence::fact::{Fact, FactKind};
use sendfile_readers::{ProxyConfig, Worker};

/// The names of processes that are servers.
const SERVERS: [&str; 8] =
    ["nginx", "openresty", "angie", "freenginx", "apache2", "httpd", "lighttpd", "caddy"];

/// Tolerance for the kernel's clock ticks: a file written while a server starts does not count as
/// edited.
const MARGIN: Duration = Duration::from_secs(2);

/// The user of a server's workers.
pub(super) fn worker_uid(worker: &Worker) -> Option<u32> {
    let master = master(worker)?;
    let process = children(master).first().copied().unwrap_or(master);
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}

/// The fact that a configuration is newer than the workers that should have read it.
pub(super) fn edited(config: &ProxyConfig, newest: Option<SystemTime>) -> Option<Fact> {
    let worker = config.worker();
    let master = master(&worker)?;
    let newest = newest?;
    // A server without workers reloads its configuration in the same process.
    let started = children(master).into_iter().filter_map(started).max()?;
    let later = newest.duration_since(started).ok()?;
    if later <= MARGIN {
        return None;
    }
    let detail = format!(
        "{} was changed {} after the workers of {} were started, and they are still running",
        config.path,
        humantime::format_duration(Duration::from_secs(later.as_secs())),
        worker.server
    );
    Some(Fact::of(FactKind::Edited, detail))
}

/// The process id of the master, if the process runs and is a server.
fn master(worker: &Worker) -> Option<u32> {
    let text = fs::read_to_string(worker.pid_file.as_deref()?).ok()?;
    let pid = text.trim().parse().ok()?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    if !SERVERS.contains(&name.trim()) {
        return None;
    }
    Some(pid)
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// When a process was started.
fn started(pid: u32) -> Option<SystemTime> {
    /// Ticks per second on all Linux systems (USER_HZ).
    const TICKS: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain spaces; the fields after it do not.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let since_boot = Duration::from_millis(ticks * 1000 / TICKS);
    Some(UNIX_EPOCH + Duration::from_secs(boot_seconds()?) + since_boot)
}

/// When the machine was started, in seconds since 1970.
fn boot_seconds() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim().parse().ok()
}
