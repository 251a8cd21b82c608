//! How facts from configurations and error logs affect the rules: a fact makes a rule certain if
//! the symptom that it explains was measured, and gives the line and the change.
//!
//! A fact never overrides a measurement. If the two contradict each other, the running server has
//! not loaded the configuration, and its facts are ignored.

use super::{Confidence, Match, Reading, Rule};
use sendfile_evidence::{
    dialect,
    fact::{Fact, Says, State, Wrong, habit},
    log::{Entry, Event, Of},
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
pub enum Ground {
    /// A measurement.
    Measured,
    /// A measurement, confirmed by a configuration or an error log.
    Both,
    /// A configuration or an error log that explains a measured symptom.
    Told,
}

impl Ground {
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
    fact: fn(&Reading<'_>, &Fact) -> bool,
    symptom: Symptom,
}

/// The symptom that must have been measured.
enum Symptom {
    /// The rule's own condition.
    OfRule,
    /// This symptom, or the rule's own condition.
    Or(fn(&Reading<'_>) -> Option<String>),
    /// This symptom only, because the rule also matches by symptoms that the fact does not explain.
    Only(fn(&Reading<'_>) -> Option<String>),
}

const fn confirms(rule: &'static str, fact: fn(&Reading<'_>, &Fact) -> bool) -> Clue {
    Clue { rule, fact, symptom: Symptom::OfRule }
}

const fn explains(
    rule: &'static str,
    fact: fn(&Reading<'_>, &Fact) -> bool,
    symptom: fn(&Reading<'_>) -> Option<String>,
) -> Clue {
    Clue { rule, fact, symptom: Symptom::Or(symptom) }
}

const fn explains_only(
    rule: &'static str,
    fact: fn(&Reading<'_>, &Fact) -> bool,
    symptom: fn(&Reading<'_>) -> Option<String>,
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
        matches!(it.says, Says::DirectOpens { other: true, .. })
    }),
    confirms("handoff.feature-off", |_, it| it.says == Says::FeatureOff),
    confirms("handoff.not-engaged", |_, it| it.says == Says::NotAnnounced),
    explains_only("handoff.swallowed-between", |_, it| it.says == Says::SwallowedBetween, astray),
    confirms("handoff.mapping-wrong", |_, it| it.says == Says::MappingWrong),
    explains_only(
        "handoff.uri-matches-no-location",
        |_, it| it.says == Says::TargetFallsThrough,
        astray,
    ),
    explains_only("handoff.back-to-app", |_, it| it.says == Says::TargetAsksApp, astray),
    explains_only(
        "handoff.wrong-server-block",
        |_, it| it.says == Says::TargetInOtherServer,
        astray,
    ),
    explains("handoff.override-forbidden", |_, it| forbids(it), own_500),
    explains_only("handoff.path-not-allowed", |_, it| not_allowed(it), inside),
    explains_only(
        "handoff.capture-wrong",
        |r, it| it.says == Says::StoreKeyCaptured || opens(r, it, &[Wrong::Capture]),
        misled,
    ),
    explains_only(
        "handoff.location-shadows-redirect",
        |_, it| it.says == Says::TargetShadowed,
        astray,
    ),
    explains_only(
        "handoff.root-for-alias",
        |r, it| it.says == Says::StorePrefixKept || opens(r, it, &[Wrong::Root]),
        misled,
    ),
    explains_only("handoff.alias-wrong-directory", |r, it| opens(r, it, FOLDERS), misled),
    explains_only(
        "handoff.path-variable-wrong",
        |r, it| it.says == Says::StoreKeyOfVariable || opens(r, it, &[Wrong::Variable]),
        misled,
    ),
    explains_only("handoff.value-not-read", |_, it| it.says == Says::ValueNotRead, astray),
    explains_only(
        "handoff.access-denied",
        |r, it| it.says == Says::TargetRefused || refuses(it) && !has(r, &[Says::TargetShadowed]),
        refused,
    ),
    explains("handoff.link-refused", refuses_link, inside),
    confirms("handoff.does-not-fit", |_, it| it.says == Says::TargetRefused),
    confirms("handoff.bytes-changed", |_, it| it.says == Says::BytesChanged),
    confirms("frontend.cached-stale", |_, it| it.says == Says::Cached),
    explains(
        "handoff.client-auth-forwarded",
        |_, it| it.says == Says::AuthorizationForwarded,
        |r| refused_by_store(r, &["SignatureDoesNotMatch", "NoSuchKey"]),
    ),
    explains(
        "handoff.decoded-for-upstream",
        |_, it| it.says == Says::PathDecoded,
        |r| refused_by_store(r, &[]),
    ),
    explains(
        "handoff.upstream-host-wrong",
        |_, it| it.says == Says::HostWrong,
        |r| {
            refused_by_store(r, &["InvalidArgument", "AccessDenied", "NoSuchKey"])
                .or_else(|| inside_unlike_direct(r))
        },
    ),
    explains(
        "handoff.query-dropped",
        |_, it| it.says == Says::QueryDropped,
        |r| refused_by_store(r, &["InvalidArgument", "SignatureDoesNotMatch"]),
    ),
    explains("handoff.open-relay", |_, it| it.says == Says::Relays, comes_by_handoff),
    explains("handoff.relay-for-anybody", |_, it| it.says == Says::RelaysForAnybody, open_target),
    confirms("handoff.store-refuses", |_, it| it.says == Says::StoreKeyWrong),
    confirms("handoff.headers-dropped", |_, it| it.says == Says::HeadersDropped),
    confirms("handoff.not-internal", |_, it| it.says == Says::NotInternal),
    explains("frontend.bypasses-serving-proxy", |_, it| it.says == Says::Bypassed, passed_on),
    explains(
        "frontend.cached-error",
        |_, it| matches!(it.says, Says::Cached | Says::CachesErrors),
        kept_error,
    ),
    explains(
        "frontend.location-shadows-download",
        |_, it| it.says == Says::DownloadShadowed,
        before_app,
    ),
    explains("frontend.not-routed-to-app", |_, it| it.says == Says::DownloadNotRouted, before_app),
    explains("frontend.path-rewritten", |_, it| it.says == Says::PathRewritten, app_page),
    explains("frontend.app-unreachable", app_elsewhere, asked_elsewhere),
    confirms("frontend.refuses", |_, it| it.says == Says::DownloadRefused || refuses(it)),
    confirms("frontend.redirects", |_, it| it.says == Says::DownloadRedirected),
    confirms("frontend.asks-for-login", |_, it| it.says == Says::LoginAsked),
];

/// Mistakes in a configured directory.
const FOLDERS: &[Wrong] = &[Wrong::Slash, Wrong::Alias, Wrong::Folder];

/// Whether a fact excludes a rule whose cause looks the same from outside.
fn rules_out(fact: &Fact, rule: &Rule) -> bool {
    match (&fact.says, rule.id) {
        (Says::DownloadShadowed, "frontend.not-routed-to-app") => true,
        (Says::TargetOpens { wrong: Some(wrong), .. }, "handoff.capture-wrong") => {
            *wrong != Wrong::Capture
        }
        _ => false,
    }
}

/// Combines a match with what a configuration or a log says about it.
pub(super) fn borne_out(
    rule: &Rule,
    measured: Option<Match>,
    reading: &Reading<'_>,
) -> Option<Match> {
    let found = with_facts(rule, measured, reading)?;
    // If the running server contradicts the file, it has not loaded the file, and editing the file
    // does not help.
    let of_file = CLUES.iter().any(|it| it.rule == rule.id) && found.confidence == Confidence::Sure;
    let loaded = !of_file || contradiction(reading).is_none();
    Some(if loaded { found } else { Match { confidence: Confidence::Likely, ..found } })
}

fn with_facts(rule: &Rule, measured: Option<Match>, reading: &Reading<'_>) -> Option<Match> {
    let doubt = has(reading, &[Says::Unread, Says::Unsure, Says::ListensElsewhere]);
    if !doubt && believed(reading).any(|it| rules_out(it, rule)) {
        return None;
    }
    let Some(clue) = CLUES.iter().find(|it| it.rule == rule.id) else { return measured };
    let facts = || believed(reading).filter(|it| (clue.fact)(reading, it));
    let Some(fact) = facts().find(|it| it.fix.is_some()).or_else(|| facts().next()) else {
        return measured;
    };
    // Parts that were not read or not understood may say otherwise, and a configuration for another
    // port may belong to another server; a log line is what happened.
    let doubt = doubt || another_disk_perhaps(reading, fact) || fact.says == Says::CachesErrors;
    let sure = match doubt && !matches!(fact.says, Says::Logged(_)) {
        true => Confidence::Likely,
        false => Confidence::Sure,
    };
    let found = match (measured, &clue.symptom) {
        (Some(found), Symptom::OfRule | Symptom::Or(_)) => found,
        (Some(found), Symptom::Only(it)) if it(reading).is_some() => found,
        (None, Symptom::Or(it) | Symptom::Only(it)) => Match::possible(it(reading)?),
        (measured, _) => return measured,
    };
    let mut lines: Vec<String> = facts().map(Fact::line).collect();
    lines.dedup();
    Some(found.told(sure, lines, fact.fix.clone()))
}

/// The facts that are trusted.
fn believed<'a>(reading: &Reading<'a>) -> impl Iterator<Item = &'a Fact> + use<'a> {
    let doubted = contradiction(reading).is_some();
    reading.evidence.local.iter().filter(move |it| !doubted || matches!(it.says, Says::Logged(_)))
}

/// Whether a fact of this kind exists.
fn has(r: &Reading<'_>, wanted: &[Says]) -> bool {
    r.evidence.local.iter().any(|it| wanted.contains(&it.says))
}

fn event(it: &Fact) -> Option<(Event, Of)> {
    match &it.says {
        Says::Logged(entry) => Some((entry.event, entry.of)),
        _ => None,
    }
}

fn closed(it: &Fact) -> bool {
    match &it.says {
        Says::TargetOpens { state, .. } | Says::DirectOpens { state, .. } => {
            *state == State::Closed
        }
        _ => matches!(event(it), Some((Event::Closed, _))),
    }
}

/// The direct location names another file, or the proxy reports a file as missing that exists: it
/// sees another disk.
fn another_disk(r: &Reading<'_>, it: &Fact) -> bool {
    match &it.says {
        Says::DirectOpens { other, state, .. } => {
            *other || matches!(state, State::Readable | State::There)
        }
        Says::Logged(Entry { event: Event::Missing, what: Some(path), of }) => {
            *of != Of::Download && r.stored_at() == Some(path.as_str())
        }
        _ => false,
    }
}

/// A directory that differs here may be the right one in the proxy's container, if no direct
/// location shows that both see the same disk.
fn another_disk_perhaps(r: &Reading<'_>, it: &Fact) -> bool {
    let habit = [Wrong::Root, Wrong::Slash, Wrong::Alias];
    let other =
        matches!(&it.says, Says::TargetOpens { wrong: Some(it), .. } if !habit.contains(it));
    other && !r.direct_right()
}

fn unresolved(r: &Reading<'_>, it: &Fact) -> bool {
    match event(it) {
        Some((Event::NoResolver | Event::NotResolved, of)) => {
            r.direct().is_some() || of != Of::Direct
        }
        _ => it.says == Says::NoResolver,
    }
}

fn gateway_event(it: &Fact) -> bool {
    matches!(event(it), Some((Event::NotConnected | Event::TimedOut | Event::Closes, _)))
}

fn not_trusted(it: &Fact) -> bool {
    matches!(event(it), Some((Event::NotTrusted, _)))
}

fn changes_bytes(it: &Fact) -> bool {
    matches!(it.says, Says::BytesChanged | Says::Cached)
}

fn forbids(it: &Fact) -> bool {
    it.says == Says::OverrideForbidden || matches!(event(it), Some((Event::OverrideForbidden, _)))
}

fn not_allowed(it: &Fact) -> bool {
    it.says == Says::PathNotAllowed || matches!(event(it), Some((Event::NotAllowed, _)))
}

fn refuses(it: &Fact) -> bool {
    matches!(event(it), Some((Event::Refused, Of::Download)))
}

/// A link is refused as a link or, if a directory above is the link, the log reports a file as
/// missing that the direct location returns (measured with nginx 1.22.1).
fn refuses_link(r: &Reading<'_>, it: &Fact) -> bool {
    let Says::Logged(Entry { event, of: Of::Download, what }) = &it.says else { return false };
    let right_path = what.as_deref().is_some_and(|it| r.stored_at() == Some(it));
    *event == Event::Link || *event == Event::Missing && right_path && r.direct_right()
}

fn app_elsewhere(r: &Reading<'_>, it: &Fact) -> bool {
    let app = |it: &str| {
        sendfile_evidence::request::Request::get(&r.evidence.app.asked.url)
            .is_some_and(|app| it.contains(&app.address.to_string()))
    };
    match &it.says {
        Says::AppElsewhere => true,
        Says::Logged(Entry { event, of, what }) => {
            let fails = matches!(event, Event::NotConnected | Event::TimedOut | Event::Closes);
            let at_app = what.as_deref().is_none_or(app);
            *of != Of::Direct && (fails && at_app || *event == Event::HeaderTooBig)
        }
        _ => false,
    }
}

/// Whether the path that a hand-off opens, according to the configuration or else the log, is wrong
/// in one of these ways.
fn opens(r: &Reading<'_>, it: &Fact, ways: &[Wrong]) -> bool {
    let written = r.evidence.local.iter().find_map(|it| match &it.says {
        Says::TargetOpens { path, wrong, .. } => Some((path, wrong)),
        _ => None,
    });
    match &it.says {
        Says::TargetOpens { wrong: Some(wrong), .. } => ways.contains(wrong),
        Says::Logged(Entry { event, of: Of::Download, what: Some(path) }) => {
            let opened = matches!(event, Event::Missing | Event::Closed | Event::Folder);
            let way = match written {
                // The configuration has more detail; the log confirms it.
                Some((same, wrong)) => wrong.filter(|_| same == path),
                None => logged_habit(r, path),
            };
            opened && by_handoff(r, path) && way.is_some_and(|it| ways.contains(&it))
        }
        _ => false,
    }
}

/// Whether an opened path may be the hand-off's target: it ends with the file's name. Error pages
/// and password files are opened for the same request.
fn by_handoff(r: &Reading<'_>, path: &str) -> bool {
    let value =
        r.handoff().map(|(_, value)| dialect::decoded(value.split('?').next().unwrap_or(value)));
    let names = [value.as_deref(), r.stored_at()].into_iter().flatten();
    let last = |it: &str| it.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    names.map(last).any(|name| name.is_some_and(|it| path.trim_end_matches('/').ends_with(&it)))
}

/// What a logged path shows on its own, if no configuration was read.
fn logged_habit(r: &Reading<'_>, path: &str) -> Option<Wrong> {
    let read = r.evidence.local.iter().any(|it| it.says == Says::DownloadAsksApp);
    let (_, value) = r.handoff().filter(|_| !read)?;
    let uri = dialect::decoded(value.split('?').next()?);
    habit(path, &uri, r.stored_at()?)
}
