//! How facts from configurations and error logs affect the rules: a fact makes a rule certain if
//! the symptom that it explains was measured, and gives the line and the change.
//!
//! A fact never overrides a measurement. If the two contradict each other, the running server has
//! not loaded the configuration, and its facts are ignored.

use super::{Analysis, Confidence, Match, Rule};
use sendfile_evidence::{
    dialect,
    fact::{Fact, FactKind, FileState, Misconfiguration, misconfiguration},
    log::{LogEntry, LogEvent, LogSubject},
};

mod contradiction;
mod symptom;

pub(super) use self::contradiction::contradiction;
use self::symptom::{
    app_page, asked_elsewhere, astray, bad_gateway, before_app, comes_by_handoff, inside,
    inside_unlike_direct, kept_error, misled, no_store, open_target, own_500, passed_on, refused,
    refused_by_store, shut_out,
};

/// What the confidence of a finding is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A measurement.
    Measured,
    /// A measurement, confirmed by a configuration or an error log.
    Both,
    /// A configuration or an error log that explains a measured symptom.
    Told,
}

impl Basis {
    /// The order among findings of equal confidence: among certain ones, a measurement comes before
    /// a fact that was only read; among guesses, a fact that was read comes first.
    pub(super) fn rank(self, confidence: Confidence) -> u8 {
        match (self, confidence) {
            (Self::Both, _) => 0,
            (Self::Measured, Confidence::Sure) => 1,
            (Self::Told, _) => 2,
            (Self::Measured, _) => 3,
        }
    }
}

/// A kind of fact that can confirm a rule.
struct Clue {
    rule: &'static str,
    /// Whether a fact is of this kind.
    fact: fn(&Analysis<'_>, &Fact) -> bool,
    symptom: Symptom,
}

/// The symptom that must have been measured.
enum Symptom {
    /// The rule's own condition.
    OfRule,
    /// This symptom, or the rule's own condition.
    Or(fn(&Analysis<'_>) -> Option<String>),
    /// This symptom only, because the rule also matches by symptoms that the fact does not explain.
    Only(fn(&Analysis<'_>) -> Option<String>),
}

const fn confirms(rule: &'static str, fact: fn(&Analysis<'_>, &Fact) -> bool) -> Clue {
    Clue { rule, fact, symptom: Symptom::OfRule }
}

const fn explains(
    rule: &'static str,
    fact: fn(&Analysis<'_>, &Fact) -> bool,
    symptom: fn(&Analysis<'_>) -> Option<String>,
) -> Clue {
    Clue { rule, fact, symptom: Symptom::Or(symptom) }
}

const fn explains_only(
    rule: &'static str,
    fact: fn(&Analysis<'_>, &Fact) -> bool,
    symptom: fn(&Analysis<'_>) -> Option<String>,
) -> Clue {
    Clue { rule, fact, symptom: Symptom::Only(symptom) }
}

const CLUES: &[Clue] = &[
    explains("proxy.permission-denied", |_, it| closed(it), shut_out),
    confirms("proxy.storage-not-mounted", another_disk),
    explains("proxy.name-not-resolved", unresolved, bad_gateway),
    explains("proxy.store-not-trusted", |_, it| not_trusted(it), no_store),
    confirms("proxy.storage-unreachable", |_, it| gateway_event(it)),
    confirms("proxy.other-bytes", |_, it| changes_bytes(it)),
    confirms("proxy.direct-location-wrong", |_, it| {
        matches!(it.kind, FactKind::DirectOpens { other: true, .. })
    }),
    confirms("handoff.feature-off", |_, it| it.kind == FactKind::FeatureOff),
    confirms("handoff.not-engaged", |_, it| it.kind == FactKind::NotAnnounced),
    explains_only(
        "handoff.swallowed-between",
        |_, it| it.kind == FactKind::SwallowedBetween,
        astray,
    ),
    confirms("handoff.mapping-wrong", |_, it| it.kind == FactKind::MappingWrong),
    explains_only(
        "handoff.uri-matches-no-location",
        |_, it| it.kind == FactKind::TargetFallsThrough,
        astray,
    ),
    explains_only("handoff.back-to-app", |_, it| it.kind == FactKind::TargetAsksApp, astray),
    explains_only(
        "handoff.wrong-server-block",
        |_, it| it.kind == FactKind::TargetInOtherServer,
        astray,
    ),
    explains("handoff.override-forbidden", |_, it| forbids(it), own_500),
    explains_only("handoff.path-not-allowed", |_, it| not_allowed(it), inside),
    explains_only(
        "handoff.capture-wrong",
        |analysis, it| {
            it.kind == FactKind::StoreKeyCaptured
                || opens(analysis, it, &[Misconfiguration::Capture])
        },
        misled,
    ),
    explains_only(
        "handoff.location-shadows-redirect",
        |_, it| it.kind == FactKind::TargetShadowed,
        astray,
    ),
    explains_only(
        "handoff.root-for-alias",
        |analysis, it| {
            it.kind == FactKind::StorePrefixKept || opens(analysis, it, &[Misconfiguration::Root])
        },
        misled,
    ),
    explains_only(
        "handoff.alias-wrong-directory",
        |analysis, it| opens(analysis, it, FOLDERS),
        misled,
    ),
    explains_only(
        "handoff.path-variable-wrong",
        |analysis, it| {
            it.kind == FactKind::StoreKeyOfVariable
                || opens(analysis, it, &[Misconfiguration::Variable])
        },
        misled,
    ),
    explains_only("handoff.value-not-read", |_, it| it.kind == FactKind::ValueNotRead, astray),
    explains_only(
        "handoff.access-denied",
        |analysis, it| {
            it.kind == FactKind::TargetRefused
                || refuses(it) && !has(analysis, &[FactKind::TargetShadowed])
        },
        refused,
    ),
    explains("handoff.link-refused", refuses_link, inside),
    confirms("handoff.does-not-fit", |_, it| it.kind == FactKind::TargetRefused),
    confirms("handoff.bytes-changed", |_, it| it.kind == FactKind::BytesChanged),
    confirms("frontend.cached-stale", |_, it| it.kind == FactKind::Cached),
    explains(
        "handoff.client-auth-forwarded",
        |_, it| it.kind == FactKind::AuthorizationForwarded,
        |analysis| refused_by_store(analysis, &["SignatureDoesNotMatch", "NoSuchKey"]),
    ),
    explains(
        "handoff.decoded-for-upstream",
        |_, it| it.kind == FactKind::PathDecoded,
        |analysis| refused_by_store(analysis, &[]),
    ),
    explains(
        "handoff.upstream-host-wrong",
        |_, it| it.kind == FactKind::HostWrong,
        |analysis| {
            refused_by_store(analysis, &["InvalidArgument", "AccessDenied", "NoSuchKey"])
                .or_else(|| inside_unlike_direct(analysis))
        },
    ),
    explains(
        "handoff.query-dropped",
        |_, it| it.kind == FactKind::QueryDropped,
        |analysis| refused_by_store(analysis, &["InvalidArgument", "SignatureDoesNotMatch"]),
    ),
    explains("handoff.open-relay", |_, it| it.kind == FactKind::Relays, comes_by_handoff),
    explains(
        "handoff.relay-for-anybody",
        |_, it| it.kind == FactKind::RelaysForAnybody,
        open_target,
    ),
    confirms("handoff.store-refuses", |_, it| it.kind == FactKind::StoreKeyWrong),
    confirms("handoff.headers-dropped", |_, it| it.kind == FactKind::HeadersDropped),
    confirms("handoff.not-internal", |_, it| it.kind == FactKind::NotInternal),
    explains("frontend.bypasses-serving-proxy", |_, it| it.kind == FactKind::Bypassed, passed_on),
    explains(
        "frontend.cached-error",
        |_, it| matches!(it.kind, FactKind::Cached | FactKind::CachesErrors),
        kept_error,
    ),
    explains(
        "frontend.location-shadows-download",
        |_, it| it.kind == FactKind::DownloadShadowed,
        before_app,
    ),
    explains(
        "frontend.not-routed-to-app",
        |_, it| it.kind == FactKind::DownloadNotRouted,
        before_app,
    ),
    explains("frontend.path-rewritten", |_, it| it.kind == FactKind::PathRewritten, app_page),
    explains("frontend.app-unreachable", app_elsewhere, asked_elsewhere),
    confirms("frontend.refuses", |_, it| it.kind == FactKind::DownloadRefused || refuses(it)),
    confirms("frontend.redirects", |_, it| it.kind == FactKind::DownloadRedirected),
    confirms("frontend.asks-for-login", |_, it| it.kind == FactKind::LoginAsked),
];

/// Mistakes in a configured directory.
const FOLDERS: &[Misconfiguration] =
    &[Misconfiguration::Slash, Misconfiguration::Alias, Misconfiguration::Folder];

/// Whether a fact excludes a rule whose cause looks the same from outside.
fn rules_out(fact: &Fact, rule: &Rule) -> bool {
    match (&fact.kind, rule.id) {
        (FactKind::DownloadShadowed, "frontend.not-routed-to-app") => true,
        (FactKind::TargetOpens { wrong: Some(wrong), .. }, "handoff.capture-wrong") => {
            *wrong != Misconfiguration::Capture
        }
        _ => false,
    }
}

/// Combines a match with what a configuration or a log says about it.
pub(super) fn corroborate(
    rule: &Rule,
    measured: Option<Match>,
    analysis: &Analysis<'_>,
) -> Option<Match> {
    let found = with_facts(rule, measured, analysis)?;
    // If the running server contradicts the file, it has not loaded the file, and editing the file
    // does not help.
    let of_file = CLUES.iter().any(|it| it.rule == rule.id) && found.confidence == Confidence::Sure;
    let loaded = !of_file || contradiction(analysis).is_none();
    Some(if loaded { found } else { Match { confidence: Confidence::Likely, ..found } })
}

fn with_facts(rule: &Rule, measured: Option<Match>, analysis: &Analysis<'_>) -> Option<Match> {
    let doubt = has(analysis, &[FactKind::Unread, FactKind::Unsure, FactKind::ListensElsewhere]);
    if !doubt && believed(analysis).any(|it| rules_out(it, rule)) {
        return None;
    }
    let Some(clue) = CLUES.iter().find(|it| it.rule == rule.id) else { return measured };
    let facts = || believed(analysis).filter(|it| (clue.fact)(analysis, it));
    let Some(fact) = facts().find(|it| it.fix.is_some()).or_else(|| facts().next()) else {
        return measured;
    };
    // Parts that were not read or not understood may say otherwise, and a configuration for another
    // port may belong to another server; a log line is what happened.
    let doubt =
        doubt || another_disk_perhaps(analysis, fact) || fact.kind == FactKind::CachesErrors;
    let sure = match doubt && !matches!(fact.kind, FactKind::Logged(_)) {
        true => Confidence::Likely,
        false => Confidence::Sure,
    };
    let found = match (measured, &clue.symptom) {
        (Some(found), Symptom::OfRule | Symptom::Or(_)) => found,
        (Some(found), Symptom::Only(it)) if it(analysis).is_some() => found,
        (None, Symptom::Or(it) | Symptom::Only(it)) => Match::possible(it(analysis)?),
        (measured, _) => return measured,
    };
    let mut lines: Vec<String> = facts().map(Fact::line).collect();
    lines.dedup();
    Some(found.told(sure, lines, fact.fix.clone()))
}

/// The facts that are trusted.
fn believed<'a>(analysis: &Analysis<'a>) -> impl Iterator<Item = &'a Fact> + use<'a> {
    let doubted = contradiction(analysis).is_some();
    analysis
        .evidence
        .local
        .iter()
        .filter(move |it| !doubted || matches!(it.kind, FactKind::Logged(_)))
}

/// Whether a fact of this kind exists.
fn has(analysis: &Analysis<'_>, wanted: &[FactKind]) -> bool {
    analysis.evidence.local.iter().any(|it| wanted.contains(&it.kind))
}

fn event(it: &Fact) -> Option<(LogEvent, LogSubject)> {
    match &it.kind {
        FactKind::Logged(entry) => Some((entry.event, entry.of)),
        _ => None,
    }
}

fn closed(it: &Fact) -> bool {
    match &it.kind {
        FactKind::TargetOpens { state, .. } | FactKind::DirectOpens { state, .. } => {
            *state == FileState::Closed
        }
        _ => matches!(event(it), Some((LogEvent::Closed, _))),
    }
}

/// The direct location names another file, or the proxy reports a file as missing that exists: it
/// sees another disk.
fn another_disk(analysis: &Analysis<'_>, it: &Fact) -> bool {
    match &it.kind {
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
fn another_disk_perhaps(analysis: &Analysis<'_>, it: &Fact) -> bool {
    let misconfiguration =
        [Misconfiguration::Root, Misconfiguration::Slash, Misconfiguration::Alias];
    let other = matches!(&it.kind, FactKind::TargetOpens { wrong: Some(it), .. } if !misconfiguration.contains(it));
    other && !analysis.direct_right()
}

fn unresolved(analysis: &Analysis<'_>, it: &Fact) -> bool {
    match event(it) {
        Some((LogEvent::NoResolver | LogEvent::NotResolved, of)) => {
            analysis.direct().is_some() || of != LogSubject::Direct
        }
        _ => it.kind == FactKind::NoResolver,
    }
}

fn gateway_event(it: &Fact) -> bool {
    matches!(event(it), Some((LogEvent::NotConnected | LogEvent::TimedOut | LogEvent::Closes, _)))
}

fn not_trusted(it: &Fact) -> bool {
    matches!(event(it), Some((LogEvent::NotTrusted, _)))
}

fn changes_bytes(it: &Fact) -> bool {
    matches!(it.kind, FactKind::BytesChanged | FactKind::Cached)
}

fn forbids(it: &Fact) -> bool {
    it.kind == FactKind::OverrideForbidden
        || matches!(event(it), Some((LogEvent::OverrideForbidden, _)))
}

fn not_allowed(it: &Fact) -> bool {
    it.kind == FactKind::PathNotAllowed || matches!(event(it), Some((LogEvent::NotAllowed, _)))
}

fn refuses(it: &Fact) -> bool {
    matches!(event(it), Some((LogEvent::Refused, LogSubject::Download)))
}

/// A link is refused as a link or, if a directory above is the link, the log reports a file as
/// missing that the direct location returns (measured with nginx 1.22.1).
fn refuses_link(analysis: &Analysis<'_>, it: &Fact) -> bool {
    let FactKind::Logged(LogEntry { event, of: LogSubject::Download, what }) = &it.kind else {
        return false;
    };
    let right_path = what.as_deref().is_some_and(|it| analysis.stored_at() == Some(it));
    *event == LogEvent::Link || *event == LogEvent::Missing && right_path && analysis.direct_right()
}

fn app_elsewhere(analysis: &Analysis<'_>, it: &Fact) -> bool {
    let app = |it: &str| {
        sendfile_evidence::request::Request::get(&analysis.evidence.app.request.url)
            .is_some_and(|app| it.contains(&app.address.to_string()))
    };
    match &it.kind {
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
fn opens(analysis: &Analysis<'_>, it: &Fact, ways: &[Misconfiguration]) -> bool {
    let written = analysis.evidence.local.iter().find_map(|it| match &it.kind {
        FactKind::TargetOpens { path, wrong, .. } => Some((path, wrong)),
        _ => None,
    });
    match &it.kind {
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
fn by_handoff(analysis: &Analysis<'_>, path: &str) -> bool {
    let value = analysis
        .handoff()
        .map(|(_, value)| dialect::decoded(value.split('?').next().unwrap_or(value)));
    let names = [value.as_deref(), analysis.stored_at()].into_iter().flatten();
    let last = |it: &str| it.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    names.map(last).any(|name| name.is_some_and(|it| path.trim_end_matches('/').ends_with(&it)))
}

/// What a logged path shows on its own, if no configuration was read.
fn logged_habit(analysis: &Analysis<'_>, path: &str) -> Option<Misconfiguration> {
    let read = analysis.evidence.local.iter().any(|it| it.kind == FactKind::DownloadAsksApp);
    let (_, value) = analysis.handoff().filter(|_| !read)?;
    let uri = dialect::decoded(value.split('?').next()?);
    misconfiguration(path, &uri, analysis.stored_at()?)
}
