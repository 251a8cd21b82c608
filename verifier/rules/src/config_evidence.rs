//! The facts from configurations and error logs that confirm a rule, exclude it, or explain a symptom.

use sendfile_evidence::{
    dialect,
    fact::{Fact, FactKind, FileState, Misconfiguration, misconfiguration},
    log::{LogEntry, LogEvent, LogSubject},
    request::Request,
};

use crate::analysis::Analysis;

/// The facts that confirm or exclude a rule.
pub struct ConfigEvidence {
    /// Whether a fact confirms the rule.
    pub confirms: fn(&Analysis<'_>, &Fact) -> bool,
    /// The symptom that must have been measured.
    pub symptom: Symptom,
    /// Whether a fact excludes the rule, by showing another cause that looks the same from outside.
    pub excluded_by: Option<fn(&Fact) -> bool>,
}

/// The symptom that must have been measured for a fact to count.
pub enum Symptom {
    /// The rule's own condition.
    OfRule,
    /// This symptom, or the rule's own condition.
    Or(fn(&Analysis<'_>) -> Option<String>),
    /// Only this symptom. The rule's own condition is not enough, because it also includes symptoms
    /// that the fact does not explain.
    Only(fn(&Analysis<'_>) -> Option<String>),
}

impl ConfigEvidence {
    /// Facts that confirm a rule whose own condition is met.
    pub(crate) const fn confirms(fact: fn(&Analysis<'_>, &Fact) -> bool) -> Option<Self> {
        Some(Self { confirms: fact, symptom: Symptom::OfRule, excluded_by: None })
    }

    /// Facts that explain a symptom, or confirm a rule whose own condition is met.
    pub(crate) const fn explains(
        fact: fn(&Analysis<'_>, &Fact) -> bool,
        symptom: fn(&Analysis<'_>) -> Option<String>,
    ) -> Option<Self> {
        Some(Self { confirms: fact, symptom: Symptom::Or(symptom), excluded_by: None })
    }

    /// Facts that explain one symptom only.
    pub(crate) const fn explains_only(
        fact: fn(&Analysis<'_>, &Fact) -> bool,
        symptom: fn(&Analysis<'_>) -> Option<String>,
    ) -> Option<Self> {
        Some(Self { confirms: fact, symptom: Symptom::Only(symptom), excluded_by: None })
    }

    /// Whether a fact excludes the rule.
    pub(crate) fn excludes(&self, fact: &Fact) -> bool {
        self.excluded_by.is_some_and(|excludes| excludes(fact))
    }
}

/// Mistakes in a configured directory.
pub(crate) const DIRECTORIES: &[Misconfiguration] =
    &[Misconfiguration::Slash, Misconfiguration::Alias, Misconfiguration::Directory];

/// Whether a fact of one of these kinds exists.
pub(crate) fn has(analysis: &Analysis<'_>, wanted: &[FactKind]) -> bool {
    analysis.evidence.local.iter().any(|fact| wanted.contains(&fact.kind))
}

/// The event of a log line, and the request that it belongs to.
fn event(fact: &Fact) -> Option<(LogEvent, LogSubject)> {
    match &fact.kind {
        FactKind::Logged(entry) => Some((entry.event, entry.of)),
        _ => None,
    }
}

pub(crate) fn closed(fact: &Fact) -> bool {
    match &fact.kind {
        FactKind::TargetOpens { state, .. } | FactKind::DirectOpens { state, .. } => {
            *state == FileState::Closed
        }
        _ => matches!(event(fact), Some((LogEvent::Closed, _))),
    }
}

/// The direct location names another file, or the proxy reports an existing file as missing: the
/// proxy sees another disk.
pub(crate) fn another_disk(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    match &fact.kind {
        FactKind::DirectOpens { other, state, .. } => {
            *other || matches!(state, FileState::Readable | FileState::There)
        }
        FactKind::Logged(LogEntry { event: LogEvent::Missing, what: Some(path), of }) => {
            *of != LogSubject::Download && analysis.stored_at() == Some(path.as_str())
        }
        _ => false,
    }
}

/// A directory that does not match this host's disk may be correct in the proxy's container, unless
/// the direct location shows that both see the same disk.
pub(crate) fn another_disk_perhaps(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    let FactKind::TargetOpens { wrong: Some(wrong), .. } = &fact.kind else { return false };
    // A missing slash, or `root` instead of `alias`, is wrong on any disk.
    let anywhere =
        matches!(wrong, Misconfiguration::Root | Misconfiguration::Slash | Misconfiguration::Alias);
    !anywhere && !analysis.direct_right()
}

pub(crate) fn unresolved(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    match event(fact) {
        Some((LogEvent::NoResolver | LogEvent::NotResolved, of)) => {
            analysis.direct().is_some() || of != LogSubject::Direct
        }
        _ => fact.kind == FactKind::NoResolver,
    }
}

pub(crate) fn gateway_event(fact: &Fact) -> bool {
    matches!(event(fact), Some((LogEvent::NotConnected | LogEvent::TimedOut | LogEvent::Closes, _)))
}

pub(crate) fn not_trusted(fact: &Fact) -> bool {
    matches!(event(fact), Some((LogEvent::NotTrusted, _)))
}

pub(crate) fn changes_bytes(fact: &Fact) -> bool {
    matches!(fact.kind, FactKind::BytesChanged | FactKind::Cached)
}

pub(crate) fn forbids(fact: &Fact) -> bool {
    fact.kind == FactKind::OverrideForbidden
        || matches!(event(fact), Some((LogEvent::OverrideForbidden, _)))
}

pub(crate) fn not_allowed(fact: &Fact) -> bool {
    fact.kind == FactKind::PathNotAllowed || matches!(event(fact), Some((LogEvent::NotAllowed, _)))
}

pub(crate) fn refuses(fact: &Fact) -> bool {
    matches!(event(fact), Some((LogEvent::Refused, LogSubject::Download)))
}

/// The server refuses to follow a symbolic link. If a parent directory is the link, the log instead
/// reports a file as missing that the direct location returns (measured with nginx 1.22.1).
pub(crate) fn refuses_link(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    let FactKind::Logged(LogEntry { event, of: LogSubject::Download, what }) = &fact.kind else {
        return false;
    };
    let right_path = what.is_some() && what.as_deref() == analysis.stored_at();
    *event == LogEvent::Link || *event == LogEvent::Missing && right_path && analysis.direct_right()
}

pub(crate) fn app_elsewhere(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    match &fact.kind {
        FactKind::AppElsewhere => true,
        FactKind::Logged(LogEntry { of: LogSubject::Direct, .. }) => false,
        FactKind::Logged(LogEntry { event: LogEvent::HeaderTooBig, .. }) => true,
        FactKind::Logged(LogEntry {
            event: LogEvent::NotConnected | LogEvent::TimedOut | LogEvent::Closes,
            what,
            ..
        }) => match what {
            Some(upstream) => names_app(analysis, upstream),
            None => true,
        },
        _ => false,
    }
}

/// Whether the upstream in a log line is the app.
fn names_app(analysis: &Analysis<'_>, upstream: &str) -> bool {
    match Request::get(&analysis.evidence.app.request.url) {
        Some(app) => upstream.contains(&app.address.to_string()),
        None => false,
    }
}

/// Whether the path that a hand-off opens, according to the configuration or else the log, is wrong
/// in one of these ways.
pub(crate) fn opens(analysis: &Analysis<'_>, fact: &Fact, ways: &[Misconfiguration]) -> bool {
    match &fact.kind {
        FactKind::TargetOpens { wrong: Some(wrong), .. } => ways.contains(wrong),
        FactKind::Logged(LogEntry {
            event: LogEvent::Missing | LogEvent::Closed | LogEvent::Directory,
            of: LogSubject::Download,
            what: Some(path),
        }) => {
            let Some(wrong) = logged_misconfiguration(analysis, path) else { return false };
            ways.contains(&wrong) && by_handoff(analysis, path)
        }
        _ => false,
    }
}

/// What is wrong with a path in the log.
fn logged_misconfiguration(analysis: &Analysis<'_>, logged: &str) -> Option<Misconfiguration> {
    for fact in &analysis.evidence.local {
        // The configuration has more detail; the log confirms it.
        if let FactKind::TargetOpens { path, wrong, .. } = &fact.kind {
            return if path == logged { *wrong } else { None };
        }
    }
    if has(analysis, &[FactKind::DownloadAsksApp]) {
        return None;
    }
    let (_, value) = analysis.handoff()?;
    misconfiguration(logged, &uri(value), analysis.stored_at()?)
}

/// Whether a path may have been opened for the hand-off: it ends with the file's name. Servers also
/// open error pages and password files for the same request.
pub(crate) fn by_handoff(analysis: &Analysis<'_>, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    if let Some((_, value)) = analysis.handoff()
        && path.ends_with(last_segment(&uri(value)))
    {
        return true;
    }
    analysis.stored_at().is_some_and(|file| path.ends_with(last_segment(file)))
}

/// The decoded path of a hand-off's value.
fn uri(value: &str) -> String {
    let (path, _) = value.split_once('?').unwrap_or((value, ""));
    dialect::decoded(path)
}

fn last_segment(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or(path)
}
