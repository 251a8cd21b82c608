//! Inspects the running server, found by its PID file: the user of its workers, and when they were
//! started. Linux only; elsewhere nothing is known.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sendfile_evidence::fact::{Fact, FactKind};
use sendfile_readers::{ProxyConfig, Worker};

/// The user of a server's workers.
pub(super) fn worker_uid(worker: &Worker) -> Option<u32> {
    let master = master(worker)?;
    let worker = children(master).into_iter().next().unwrap_or(master);
    let status = std::fs::read_to_string(format!("/proc/{worker}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The fact that a configuration is newer than the workers that should have read it.
pub(super) fn edited(config: &ProxyConfig, newest: Option<SystemTime>) -> Option<Fact> {
    let master = master(&config.worker())?;
    let newest = newest?;
    // A server without workers reloads its configuration in the same process.
    let started = children(master).into_iter().filter_map(started).max()?;
    // The kernel counts in ticks; a file written while a server starts does not count as edited.
    let later = newest.duration_since(started).ok()?;
    (later > Duration::from_secs(2)).then(|| {
        let detail = format!(
            "{} was changed {} after the workers of {} were started, and they are still running",
            config.path,
            humantime::format_duration(Duration::from_secs(later.as_secs())),
            config.worker().server
        );
        Fact::of(FactKind::Edited, detail)
    })
}

/// The master's process id, if such a process runs and is a server.
fn master(worker: &Worker) -> Option<u32> {
    let text = std::fs::read_to_string(worker.pid_file.as_deref()?).ok()?;
    let pid = text.trim().parse().ok()?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let known =
        ["nginx", "openresty", "angie", "freenginx", "apache2", "httpd", "lighttpd", "caddy"];
    known.contains(&name.trim()).then_some(pid)
}

fn children(pid: u32) -> Vec<u32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|it| it.parse().ok()).collect()
}

/// When a process was started.
fn started(pid: u32) -> Option<SystemTime> {
    /// Ticks per second on all Linux systems (USER_HZ).
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may contain spaces; the fields after it do not.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    let boot = std::fs::read_to_string("/proc/stat").ok()?;
    let boot: u64 = boot.lines().find_map(|it| it.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(boot) + Duration::from_millis(ticks * 1000 / TICKS))
}
