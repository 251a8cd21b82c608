//! Whether a server's user may read a path, by owner, group and mode of the path and its parent
//! directories. Access lists, namespaces and SELinux are not considered.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::process;
use sendfile_readers::{Access, Worker};

/// The identity of the workers.
struct Identity {
    name: String,
    uid: u32,
    gids: Vec<u32>,
}

/// Permissions: `r` or `x` in the last digit of the mode.
const READ: u32 = 0o4;
const PASS: u32 = 0o1;

/// Determines whether the workers may read the path.
pub(super) fn of(path: &Path, worker: &Worker) -> Access {
    let Some(who) = identity(worker) else { return Access::Unknown };
    if who.uid == 0 {
        return Access::Open;
    }
    let mut above: Vec<&Path> =
        path.ancestors().skip(1).filter(|it| !it.as_os_str().is_empty()).collect();
    above.reverse();
    for (step, may) in above.into_iter().map(|it| (it, PASS)).chain([(path, READ)]) {
        match std::fs::metadata(step) {
            Ok(found) if allowed(&found, &who, may) => {}
            Ok(found) => return closed(step.to_owned(), &found, &who),
            Err(_) => return Access::Unknown,
        }
    }
    Access::Open
}

fn allowed(found: &Metadata, who: &Identity, may: u32) -> bool {
    let shift = match () {
        () if found.uid() == who.uid => 6,
        () if who.gids.contains(&found.gid()) => 3,
        () => 0,
    };
    found.mode() >> shift & may != 0
}

fn closed(path: PathBuf, found: &Metadata, who: &Identity) -> Access {
    let owner = name_of("/etc/passwd", found.uid());
    let group = name_of("/etc/group", found.gid());
    let (kind, what) = if found.is_dir() { ("directory", "x") } else { ("file", "r") };
    let mode = found.mode() & 0o7777;
    let shown = path.display().to_string();
    let fix = match found.uid() == who.uid {
        true => format!("chmod u+{what} {}", quoted(&shown)),
        false if who.gids.contains(&found.gid()) => format!("chmod g+{what} {}", quoted(&shown)),
        false => format!("chmod o+{what} {}", quoted(&shown)),
    };
    Access::Closed {
        path: shown,
        why: format!(
            "a {kind} owned by {owner}:{group} with mode {mode:04o}, not accessible to {}",
            who.name
        ),
        fix,
    }
}

fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

/// The user of the workers: that of the running process, if known, else the configured one.
fn identity(worker: &Worker) -> Option<Identity> {
    if let Some(uid) = process::worker_uid(worker) {
        let name = name_of("/etc/passwd", uid);
        return Some(Identity { gids: groups(&name, gid_of(&name)), name, uid });
    }
    let user = worker.user.as_deref().map(|it| it.trim_start_matches('#'))?;
    let uid = user.parse().ok().or_else(|| number(&lines("/etc/passwd"), user, 2))?;
    let group = worker.group.as_deref().map(|it| it.trim_start_matches('#'));
    let gid = group
        .and_then(|it| it.parse().ok().or_else(|| number(&lines("/etc/group"), it, 2)))
        .or_else(|| gid_of(user));
    Some(Identity { name: user.to_owned(), uid, gids: groups(user, gid) })
}

fn gid_of(user: &str) -> Option<u32> {
    number(&lines("/etc/passwd"), user, 3)
}

/// The user's primary group and the groups that list the user as a member.
fn groups(user: &str, gid: Option<u32>) -> Vec<u32> {
    let member =
        |line: &&Vec<String>| line.get(3).is_some_and(|it| it.split(',').any(|it| it == user));
    let lines = lines("/etc/group");
    let listed = lines.iter().filter(member).filter_map(|it| it.get(2)?.parse().ok());
    gid.into_iter().chain(listed).collect()
}

fn name_of(file: &str, number: u32) -> String {
    let number = number.to_string();
    let line = lines(file).into_iter().find(|it| it.get(2) == Some(&number));
    line.and_then(|it| it.into_iter().next()).unwrap_or(number)
}

fn number(lines: &[Vec<String>], name: &str, field: usize) -> Option<u32> {
    lines.iter().find(|it| it.first().is_some_and(|it| it == name))?.get(field)?.parse().ok()
}

fn lines(file: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}
