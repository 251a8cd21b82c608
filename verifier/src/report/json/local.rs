//! Facts from configurations and logs in JSON, written and read.

use serde::{Deserialize, Serialize};

use sendfile_evidence::{
    fact::{Fact, Place, Says, State, Wrong},
    log::{Entry, Event, Of},
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

names!(SAYS, Says:
    "unread" => Says::Unread,
    "log-not-read" => Says::LogUnread,
    "listens-elsewhere" => Says::ListensElsewhere,
    "unsure" => Says::Unsure,
    "download-asks-app" => Says::DownloadAsksApp,
    "download-shadowed" => Says::DownloadShadowed,
    "download-not-routed" => Says::DownloadNotRouted,
    "download-redirected" => Says::DownloadRedirected,
    "login-asked" => Says::LoginAsked,
    "download-refused" => Says::DownloadRefused,
    "guarded" => Says::Guarded,
    "path-rewritten" => Says::PathRewritten,
    "app-elsewhere" => Says::AppElsewhere,
    "header-obeyed" => Says::HeaderObeyed,
    "feature-off" => Says::FeatureOff,
    "override-forbidden" => Says::OverrideForbidden,
    "bypassed" => Says::Bypassed,
    "swallowed-between" => Says::SwallowedBetween,
    "not-announced" => Says::NotAnnounced,
    "mapping-wrong" => Says::MappingWrong,
    "target-falls-through" => Says::TargetFallsThrough,
    "target-shadowed" => Says::TargetShadowed,
    "target-in-other-server" => Says::TargetInOtherServer,
    "target-refused" => Says::TargetRefused,
    "target-asks-app" => Says::TargetAsksApp,
    "target-path-unknown" => Says::TargetPathUnknown,
    "target-asks-store" => Says::TargetAsksStore,
    "path-not-allowed" => Says::PathNotAllowed,
    "value-not-read" => Says::ValueNotRead,
    "headers-dropped" => Says::HeadersDropped,
    "not-internal" => Says::NotInternal,
    "errors-masked" => Says::ErrorsMasked,
    "no-resolver" => Says::NoResolver,
    "host-wrong" => Says::HostWrong,
    "authorization-forwarded" => Says::AuthorizationForwarded,
    "path-decoded" => Says::PathDecoded,
    "query-dropped" => Says::QueryDropped,
    "store-key-wrong" => Says::StoreKeyWrong,
    "store-key-captured" => Says::StoreKeyCaptured,
    "store-key-of-variable" => Says::StoreKeyOfVariable,
    "store-prefix-kept" => Says::StorePrefixKept,
    "relays" => Says::Relays,
    "relays-for-anybody" => Says::RelaysForAnybody,
    "bytes-changed" => Says::BytesChanged,
    "cached" => Says::Cached,
    "caches-errors" => Says::CachesErrors,
    "edited" => Says::Edited,
    "fine" => Says::Fine,
);

names!(STATES, State:
    "readable" => State::Readable,
    "there" => State::There,
    "missing" => State::Missing,
    "folder" => State::Folder,
    "closed" => State::Closed,
    "unknown" => State::Unknown,
);

names!(WRONGS, Wrong:
    "root" => Wrong::Root,
    "alias" => Wrong::Alias,
    "slash" => Wrong::Slash,
    "capture" => Wrong::Capture,
    "variable" => Wrong::Variable,
    "folder" => Wrong::Folder,
    // `DirectOpens` has none of these, only another file.
);

names!(EVENTS, Event:
    "log-not-trusted" => Event::NotTrusted,
    "log-missing" => Event::Missing,
    "log-closed" => Event::Closed,
    "log-link" => Event::Link,
    "log-folder" => Event::Folder,
    "log-refused" => Event::Refused,
    "log-not-allowed" => Event::NotAllowed,
    "log-override-forbidden" => Event::OverrideForbidden,
    "log-unsafe" => Event::Unsafe,
    "log-no-resolver" => Event::NoResolver,
    "log-not-resolved" => Event::NotResolved,
    "log-not-connected" => Event::NotConnected,
    "log-timed-out" => Event::TimedOut,
    "log-closes" => Event::Closes,
    "log-header-too-big" => Event::HeaderTooBig,
    "log-cycle" => Event::Cycle,
);

names!(OWNERS, Of:
    "download" => Of::Download,
    "direct" => Of::Direct,
    "unknown" => Of::Unknown,
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
        let says = match &it.says {
            Says::TargetOpens { path: to, state: is, wrong: habit } => {
                (path, state) = (Some(to.clone()), Some(name(STATES, is)));
                wrong = habit.map(|it| name(WRONGS, &it));
                TARGET_OPENS.to_owned()
            }
            Says::DirectOpens { path: to, state: is, other } => {
                (path, state) = (Some(to.clone()), Some(name(STATES, is)));
                wrong = other.then(|| OTHER.to_owned());
                DIRECT_OPENS.to_owned()
            }
            Says::Logged(entry) => {
                (path, of) = (entry.what.clone(), Some(name(OWNERS, &entry.of)));
                name(EVENTS, &entry.event)
            }
            says => name(SAYS, says),
        };
        let place =
            |it: &Place| JsonPlace { file: it.file.clone(), line: it.line, text: it.text.clone() };
        let at = it.at.as_ref().map(place);
        Self { says, path, state, wrong, of, at, detail: it.detail.clone(), fix: it.fix.clone() }
    }

    pub(super) fn evidence(self) -> Result<Fact, String> {
        let state = || value(STATES, self.state.as_deref().unwrap_or("unknown"));
        let path = || self.path.clone().unwrap_or_default();
        let says = match self.says.as_str() {
            TARGET_OPENS => Says::TargetOpens {
                path: path(),
                state: state()?,
                wrong: self.wrong.as_deref().map(|it| value(WRONGS, it)).transpose()?,
            },
            DIRECT_OPENS => {
                Says::DirectOpens { path: path(), state: state()?, other: self.wrong.is_some() }
            }
            log if EVENTS.iter().any(|(name, _)| *name == log) => Says::Logged(Entry {
                event: value(EVENTS, log)?,
                of: value(OWNERS, self.of.as_deref().unwrap_or("unknown"))?,
                what: self.path.clone(),
            }),
            says => value(SAYS, says)?,
        };
        let place = |it: JsonPlace| Place { file: it.file, line: it.line, text: it.text };
        Ok(Fact { says, at: self.at.map(place), detail: self.detail, fix: self.fix })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_written() {
        let place = Place { file: "/n.conf".to_owned(), line: 3, text: "alias /x".to_owned() };
        let with = |says| Fact {
            says,
            at: Some(place.clone()),
            detail: "as written".to_owned(),
            fix: Some("as suggested".to_owned()),
        };
        let opens =
            |wrong| Says::TargetOpens { path: "/x".to_owned(), state: State::Missing, wrong };
        let direct = Says::DirectOpens { path: "/x".to_owned(), state: State::Closed, other: true };
        let entry = Entry { event: Event::Cycle, of: Of::Direct, what: None };
        let more = [opens(None), opens(Some(Wrong::Slash)), direct, Says::Logged(entry)];
        let plain = SAYS.iter().map(|(_, says)| says.clone());
        for fact in plain.chain(more).map(with) {
            assert_eq!(JsonFact::of(&fact).evidence(), Ok(fact));
        }
    }
}
