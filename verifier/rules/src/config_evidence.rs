//! The facts from configurations and error logs that confirm a rule, exclude it, or explain a symptom.

use sendfile_evidence::{
    dialect,
    fact::{Fact, FactKind, FileState, Misconfiguration, misconfiguration},
    log::{LogEntry, LogEvent, LogSubject},
};

use crate::analysis::Analysis;

/// The facts that confirm or exclude a rule.
pub struct ConfigEvidence {
    /// Whether a fact confirms the rule.
    pub confirms: fn(&Analysis<'_>, &Fact) -> bool,
    /// The symptom that must have been measured.
    pub symptom: Symptom,
    /// Whether a fact excludes the rule, whose cause looks the same from outside.
    pub excluded_by: Option<fn(&Fact) -> bool>,
}

/// The symptom that must have been measured for a fact to count.
pub enum Symptom {
    /// The rule's own condition.
    OfRule,
    /// This symptom, or the rule's own condition.
    Or(fn(&Analysis<'_>) -> Option<String>),
    /// This symptom, even if the rule's own condition is met: the rule also matches by symptoms that
    /// the fact does not explain.
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
    &[Misconfiguration::Slash, Misconfiguration::Alias, Misconfiguration::Folder];

/// Whether a fact of this kind exists.
pub(crate) fn has(analysis: &Analysis<'_>, wanted: &[FactKind]) -> bool {
    analysis.evidence.local.iter().any(|it| wanted.contains(&it.kind))
}

pub(crate) fn event(fact: &Fact) -> Option<(LogEvent, LogSubject)> {
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

/// The direct location names another file, or the proxy reports a file as missing that exists: it
/// sees another disk.
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

/// A directory that differs here may be the right one in the proxy's container, if no direct
/// location shows that both see the same disk.
pub(crate) fn another_disk_perhaps(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    let misconfiguration =
        [Misconfiguration::Root, Misconfiguration::Slash, Misconfiguration::Alias];
    let other = matches!(&fact.kind, FactKind::TargetOpens { wrong: Some(it), .. } if !misconfiguration.contains(it));
    other && !analysis.direct_right()
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

/// A link is refused as a link or, if a directory above is the link, the log reports a file as
/// missing that the direct location returns (measured with nginx 1.22.1).
pub(crate) fn refuses_link(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    let FactKind::Logged(LogEntry { event, of: LogSubject::Download, what }) = &fact.kind else {
        return false;
    };
    let right_path = what.as_deref().is_some_and(|it| analysis.stored_at() == Some(it));
    *event == LogEvent::Link || *event == LogEvent::Missing && right_path && analysis.direct_right()
}

pub(crate) fn app_elsewhere(analysis: &Analysis<'_>, fact: &Fact) -> bool {
    let app = |it: &str| {
        sendfile_evidence::request::Request::get(&analysis.evidence.app.request.url)
            .is_some_and(|app| it.contains(&app.address.to_string()))
    };
    match &fact.kind {
        FactKind::AppElsewhere => true,
        FactKind::Logged(LogEntry { event, of, what }) => {
            let fails =
                matches!(event, LogEvent::NotConnected | LogEvent::TimedOut | LogEvent::Closes);
            let at_app = what.as_deref().is_none_or(app);
            *of != LogSubject::Direct && (fails && at_app || *event == LogEvent::HeaderTooBig)
        }
        _ => false,
    }
}

/// Whether the path that a hand-off opens, according to the configuration or else the log, is wrong
/// in one of these ways.
pub(crate) fn opens(analysis: &Analysis<'_>, fact: &Fact, ways: &[Misconfiguration]) -> bool {
    let written = analysis.evidence.local.iter().find_map(|fact| match &fact.kind {
        FactKind::TargetOpens { path, wrong, .. } => Some((path, wrong)),
        _ => None,
    });
    match &fact.kind {
        FactKind::TargetOpens { wrong: Some(wrong), .. } => ways.contains(wrong),
        FactKind::Logged(LogEntry { event, of: LogSubject::Download, what: Some(path) }) => {
            let opened = matches!(event, LogEvent::Missing | LogEvent::Closed | LogEvent::Folder);
            let way = match written {
                // The configuration has more detail; the log confirms it.
                Some((same, wrong)) => wrong.filter(|_| same == path),
                None => logged_habit(analysis, path),
            };
            opened && by_handoff(analysis, path) && way.is_some_and(|it| ways.contains(&it))
        }
        _ => false,
    }
}

/// Whether an opened path may be the hand-off's target: it ends with the file's name. Error pages
/// and password files are opened for the same request.
pub(crate) fn by_handoff(analysis: &Analysis<'_>, path: &str) -> bool {
    let value = analysis
        .handoff()
        .map(|(_, value)| dialect::decoded(value.split('?').next().unwrap_or(value)));
    let names = [value.as_deref(), analysis.stored_at()].into_iter().flatten();
    let last = |it: &str| it.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    names.map(last).any(|name| name.is_some_and(|it| path.trim_end_matches('/').ends_with(&it)))
}

/// What a logged path shows on its own, if no configuration was read.
pub(crate) fn logged_habit(analysis: &Analysis<'_>, path: &str) -> Option<Misconfiguration> {
    let read = analysis.evidence.local.iter().any(|it| it.kind == FactKind::DownloadAsksApp);
    let (_, value) = analysis.handoff().filter(|_| !read)?;
    let uri = dialect::decoded(value.split('?').next()?);
    misconfiguration(path, &uri, analysis.stored_at()?)
}
