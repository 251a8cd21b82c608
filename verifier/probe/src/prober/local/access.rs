//! Whether a server's user may read a path, by owner, group and mode of the path and its parent
//! directories. Access lists, namespaces and SELinux are not considered.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use super::process;
use sendfile_readers::{Access, Worker};

/// Permissions: `r` or `x` in the last digit of the mode.
const READ: u32 = 0o4;
const PASS: u32 = 0o1;

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The identity of the workers.
struct Identity {
    name: String,
    uid: u32,
    gids: Vec<u32>,
}

/// Which digit of the mode applies to a user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Owner,
    Group,
    Other,
}

/// Determines whether the workers may read the path.
pub(super) fn of(path: &Path, worker: &Worker) -> Access {
    let Some(identity) = identity(worker) else { return Access::Unknown };
    if identity.uid == 0 {
        return Access::Open;
    }
    // A relative path has the empty path as its last ancestor.
    let mut steps = vec![(path, READ)];
    for ancestor in path.ancestors().skip(1) {
        if !ancestor.as_os_str().is_empty() {
            steps.push((ancestor, PASS));
        }
    }
    for (step, permission) in steps.into_iter().rev() {
        let Ok(metadata) = fs::metadata(step) else { return Access::Unknown };
        if !is_allowed(&metadata, &identity, permission) {
            return closed(step, &metadata, &identity);
        }
    }
    Access::Open
}

impl Class {
    fn of(metadata: &Metadata, identity: &Identity) -> Self {
        if metadata.uid() == identity.uid {
            Self::Owner
        } else if identity.gids.contains(&metadata.gid()) {
            Self::Group
        } else {
            Self::Other
        }
    }
}

fn is_allowed(metadata: &Metadata, identity: &Identity, permission: u32) -> bool {
    let shift = match Class::of(metadata, identity) {
        Class::Owner => 6,
        Class::Group => 3,
        Class::Other => 0,
    };
    metadata.mode() >> shift & permission != 0
}

fn closed(path: &Path, metadata: &Metadata, identity: &Identity) -> Access {
    let owner = name_of(USERS, metadata.uid());
    let group = name_of(GROUPS, metadata.gid());
    let (kind, permission) = if metadata.is_dir() { ("directory", "x") } else { ("file", "r") };
    let mode = metadata.mode() & 0o7777;
    let class = match Class::of(metadata, identity) {
        Class::Owner => "u",
        Class::Group => "g",
        Class::Other => "o",
    };
    let path = path.display().to_string();
    let fix = format!("chmod {class}+{permission} {}", quoted(&path));
    let why = format!(
        "a {kind} owned by {owner}:{group} with mode {mode:04o}, not accessible to {}",
        identity.name
    );
    Access::Closed { path, why, fix }
}

/// A path as a word of a POSIX shell.
fn quoted(path: &str) -> String {
    if path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c)) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', "'\\''"))
}

/// The user of the workers: that of the running process if it is known, else the configured one.
fn identity(worker: &Worker) -> Option<Identity> {
    if let Some(uid) = process::worker_uid(worker) {
        let name = name_of(USERS, uid);
        return Some(Identity { gids: groups(&name, gid_of(&name)), name, uid });
    }
    let user = worker.user.as_deref()?.trim_start_matches('#');
    let uid = number_of(USERS, user)?;
    let configured = match worker.group.as_deref() {
        Some(group) => number_of(GROUPS, group.trim_start_matches('#')),
        None => None,
    };
    let gid = configured.or_else(|| gid_of(user));
    Some(Identity { name: user.to_owned(), uid, gids: groups(user, gid) })
}

/// The number of a user or group, which may be given as a name or as a number.
fn number_of(file: &str, name: &str) -> Option<u32> {
    match name.parse() {
        Ok(number) => Some(number),
        Err(_) => number_in(file, name, 2),
    }
}

/// The number of a user's primary group.
fn gid_of(user: &str) -> Option<u32> {
    number_in(USERS, user, 3)
}

/// The user's primary group and the groups that list the user as a member.
fn groups(user: &str, gid: Option<u32>) -> Vec<u32> {
    let mut gids = Vec::new();
    gids.extend(gid);
    for line in lines(GROUPS) {
        let [_, _, number, members, ..] = line.as_slice() else { continue };
        if members.split(',').any(|member| member == user)
            && let Ok(number) = number.parse()
        {
            gids.push(number);
        }
    }
    gids
}

fn name_of(file: &str, number: u32) -> String {
    let number = number.to_string();
    for line in lines(file) {
        if line.get(2) == Some(&number) {
            return line[0].clone();
        }
    }
    number
}

fn number_in(file: &str, name: &str, field: usize) -> Option<u32> {
    for line in lines(file) {
        if line.first().is_some_and(|first| first == name) {
            return line.get(field)?.parse().ok();
        }
    }
    None
}

fn lines(file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}
