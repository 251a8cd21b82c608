//! Facts from configurations and logs in JSON, written and read.

use serde::{Deserialize, Serialize};

use sendfile_evidence::{
    fact::{Fact, FactKind, FileState, Misconfiguration, SourceLine},
    log::{LogEntry, LogEvent, LogSubject},
};

/// A fact by its name, with the details that some facts have.
#[derive(Serialize, Deserialize)]
pub(super) struct JsonFact {
    says: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    wrong: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    at: Option<JsonPlace>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    fix: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JsonPlace {
    file: String,
    line: u32,
    text: String,
}

/// The names of variants, for both directions.
macro_rules! names {
    ($table:ident, $type:ty: $($name:literal => $value:expr),+ $(,)?) => {
        const $table: &[(&str, $type)] = &[$(($name, $value)),+];
    };
}

names!(SAYS, FactKind:
    "unread" => FactKind::Unread,
    "log-not-read" => FactKind::LogUnread,
    "listens-elsewhere" => FactKind::ListensElsewhere,
    "unsure" => FactKind::Unsure,
    "download-asks-app" => FactKind::DownloadAsksApp,
    "download-shadowed" => FactKind::DownloadShadowed,
    "download-not-routed" => FactKind::DownloadNotRouted,
    "download-redirected" => FactKind::DownloadRedirected,
    "login-asked" => FactKind::LoginAsked,
    "download-refused" => FactKind::DownloadRefused,
    "guarded" => FactKind::Guarded,
    "path-rewritten" => FactKind::PathRewritten,
    "app-elsewhere" => FactKind::AppElsewhere,
    "header-obeyed" => FactKind::HeaderObeyed,
    "feature-off" => FactKind::FeatureOff,
    "override-forbidden" => FactKind::OverrideForbidden,
    "bypassed" => FactKind::Bypassed,
    "swallowed-between" => FactKind::SwallowedBetween,
    "not-announced" => FactKind::NotAnnounced,
    "mapping-wrong" => FactKind::MappingWrong,
    "target-falls-through" => FactKind::TargetFallsThrough,
    "target-shadowed" => FactKind::TargetShadowed,
    "target-in-other-server" => FactKind::TargetInOtherServer,
    "target-refused" => FactKind::TargetRefused,
    "target-asks-app" => FactKind::TargetAsksApp,
    "target-path-unknown" => FactKind::TargetPathUnknown,
    "target-asks-store" => FactKind::TargetAsksStore,
    "path-not-allowed" => FactKind::PathNotAllowed,
    "value-not-read" => FactKind::ValueNotRead,
    "headers-dropped" => FactKind::HeadersDropped,
    "not-internal" => FactKind::NotInternal,
    "errors-masked" => FactKind::ErrorsMasked,
    "no-resolver" => FactKind::NoResolver,
    "host-wrong" => FactKind::HostWrong,
    "authorization-forwarded" => FactKind::AuthorizationForwarded,
    "path-decoded" => FactKind::PathDecoded,
    "query-dropped" => FactKind::QueryDropped,
    "store-key-wrong" => FactKind::StoreKeyWrong,
    "store-key-captured" => FactKind::StoreKeyCaptured,
    "store-key-of-variable" => FactKind::StoreKeyOfVariable,
    "store-prefix-kept" => FactKind::StorePrefixKept,
    "relays" => FactKind::Relays,
    "relays-for-anybody" => FactKind::RelaysForAnybody,
    "bytes-changed" => FactKind::BytesChanged,
    "cached" => FactKind::Cached,
    "caches-errors" => FactKind::CachesErrors,
    "edited" => FactKind::Edited,
    "fine" => FactKind::Fine,
);

names!(STATES, FileState:
    "readable" => FileState::Readable,
    "there" => FileState::There,
    "missing" => FileState::Missing,
    "folder" => FileState::Folder,
    "closed" => FileState::Closed,
    "unknown" => FileState::Unknown,
);

names!(WRONGS, Misconfiguration:
    "root" => Misconfiguration::Root,
    "alias" => Misconfiguration::Alias,
    "slash" => Misconfiguration::Slash,
    "capture" => Misconfiguration::Capture,
    "variable" => Misconfiguration::Variable,
    "folder" => Misconfiguration::Folder,
    // `DirectOpens` has none of these, only another file.
);

names!(EVENTS, LogEvent:
    "log-not-trusted" => LogEvent::NotTrusted,
    "log-missing" => LogEvent::Missing,
    "log-closed" => LogEvent::Closed,
    "log-link" => LogEvent::Link,
    "log-folder" => LogEvent::Folder,
    "log-refused" => LogEvent::Refused,
    "log-not-allowed" => LogEvent::NotAllowed,
    "log-override-forbidden" => LogEvent::OverrideForbidden,
    "log-unsafe" => LogEvent::Unsafe,
    "log-no-resolver" => LogEvent::NoResolver,
    "log-not-resolved" => LogEvent::NotResolved,
    "log-not-connected" => LogEvent::NotConnected,
    "log-timed-out" => LogEvent::TimedOut,
    "log-closes" => LogEvent::Closes,
    "log-header-too-big" => LogEvent::HeaderTooBig,
    "log-cycle" => LogEvent::Cycle,
);

names!(OWNERS, LogSubject:
    "download" => LogSubject::Download,
    "direct" => LogSubject::Direct,
    "unknown" => LogSubject::Unknown,
);

const TARGET_OPENS: &str = "target-opens";
const DIRECT_OPENS: &str = "direct-opens";
const OTHER: &str = "other";

fn name<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> String {
    table.iter().find(|(_, it)| it == value).map_or("?", |(name, _)| name).to_owned()
}

fn value<T: Clone>(table: &[(&str, T)], name: &str) -> Result<T, String> {
    let found = table.iter().find(|(it, _)| *it == name);
    found.map(|(_, it)| it.clone()).ok_or_else(|| format!("unknown fact `{name}`"))
}

impl JsonFact {
    pub(super) fn of(it: &Fact) -> Self {
        let (mut path, mut state, mut wrong, mut of) = (None, None, None, None);
        let says = match &it.kind {
            FactKind::TargetOpens { path: to, state: is, wrong: misconfiguration } => {
                (path, state) = (Some(to.clone()), Some(name(STATES, is)));
                wrong = misconfiguration.map(|it| name(WRONGS, &it));
                TARGET_OPENS.to_owned()
            }
            FactKind::DirectOpens { path: to, state: is, other } => {
                (path, state) = (Some(to.clone()), Some(name(STATES, is)));
                wrong = other.then(|| OTHER.to_owned());
                DIRECT_OPENS.to_owned()
            }
            FactKind::Logged(entry) => {
                (path, of) = (entry.what.clone(), Some(name(OWNERS, &entry.of)));
                name(EVENTS, &entry.event)
            }
            says => name(SAYS, says),
        };
        let place = |it: &SourceLine| JsonPlace {
            file: it.file.clone(),
            line: it.line,
            text: it.text.clone(),
        };
        let at = it.at.as_ref().map(place);
        Self { says, path, state, wrong, of, at, detail: it.detail.clone(), fix: it.fix.clone() }
    }

    pub(super) fn evidence(self) -> Result<Fact, String> {
        let state = || value(STATES, self.state.as_deref().unwrap_or("unknown"));
        let path = || self.path.clone().unwrap_or_default();
        let says = match self.says.as_str() {
            TARGET_OPENS => FactKind::TargetOpens {
                path: path(),
                state: state()?,
                wrong: self.wrong.as_deref().map(|it| value(WRONGS, it)).transpose()?,
            },
            DIRECT_OPENS => {
                FactKind::DirectOpens { path: path(), state: state()?, other: self.wrong.is_some() }
            }
            log if EVENTS.iter().any(|(name, _)| *name == log) => FactKind::Logged(LogEntry {
                event: value(EVENTS, log)?,
                of: value(OWNERS, self.of.as_deref().unwrap_or("unknown"))?,
                what: self.path.clone(),
            }),
            says => value(SAYS, says)?,
        };
        let place = |it: JsonPlace| SourceLine { file: it.file, line: it.line, text: it.text };
        Ok(Fact { kind: says, at: self.at.map(place), detail: self.detail, fix: self.fix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_written() {
        let place = SourceLine { file: "/n.conf".to_owned(), line: 3, text: "alias /x".to_owned() };
        let with = |kind| Fact {
            kind,
            at: Some(place.clone()),
            detail: "as written".to_owned(),
            fix: Some("as suggested".to_owned()),
        };
        let opens = |wrong| FactKind::TargetOpens {
            path: "/x".to_owned(),
            state: FileState::Missing,
            wrong,
        };
        let direct =
            FactKind::DirectOpens { path: "/x".to_owned(), state: FileState::Closed, other: true };
        let entry = LogEntry { event: LogEvent::Cycle, of: LogSubject::Direct, what: None };
        let more =
            [opens(None), opens(Some(Misconfiguration::Slash)), direct, FactKind::Logged(entry)];
        let plain = SAYS.iter().map(|(_, says)| says.clone());
        for fact in plain.chain(more).map(with) {
            assert_eq!(JsonFact::of(&fact).evidence(), Ok(fact));
        }
    }
}
