//! The same question gets another answer: a cache keeps an old one, or several servers answer.

use super::super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, earlier, instead, told},
    reached::Reached,
};
use crate::{
    dialect,
    dummy_line::DummyLine,
    evidence::{Journalled, ProbeId, Response},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "frontend.cached-error",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "a cache keeps an old error",
        meaning: "The visitor gets an error, and the same download with a fresh query arrives, \
                  or the error says itself that it comes from a cache. A cache in front stored \
                  it when it was true.",
        remedy: Remedy {
            nginx: Some(
                "purge the cache; then proxy_cache_valid without 404 and 5xx, or proxy_no_cache \
                 for downloads",
            ),
            ..Remedy::any(
                "purge the cache; then keep errors of downloads out of it (Cache-Control: \
                 no-store)",
            )
        },
        matches: |r| {
            let full = r.wrong_full().filter(|it| it.status >= 400 && !r.storage_to_blame())?;
            if r.comes_past_cache() {
                return Some(Match::sure(format!(
                    "the visitor gets {}; with a fresh query the file arrives",
                    r.describe(full)
                )));
            }
            let sign = cache_sign(full)?;
            (r.app_right() && !r.comes_again()).then(|| {
                Match::likely(format!(
                    "the visitor gets {}, from a cache: {sign}",
                    r.describe(full)
                ))
            })
        },
    },
    Rule {
        id: "frontend.cached-stale",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "a cache keeps an old content",
        meaning: "The visitor gets an older content of the file than the storage has, and the \
                  proxy's direct location the new one. Or it comes only without the fresh query \
                  that this program's URLs have and visitors' have not: a cache in front answers \
                  without asking.",
        remedy: Remedy {
            nginx: Some(
                "purge the cache; then proxy_no_cache and proxy_cache_bypass for downloads, and no \
                 proxy_ignore_headers Cache-Control",
            ),
            ..Remedy::any(
                "purge the cache; then let it revalidate downloads, or keep them out of it",
            )
        },
        matches: |r| {
            if let Some(found) = stale_for_visitors(r) {
                return Some(found);
            }
            let full = r.left_over()?;
            let old = matches!(instead(r.evidence, full), Instead::Older(_)) && !asked_app(r)
                || r.comes_past_cache() && full.status == 200;
            (old && !r.comes_again()).then(|| Match::likely(r.visitor_gets()))
        },
    },
    Rule {
        id: "frontend.answers-differ",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the same request gets the file at one time, and not at another",
        meaning: "The download failed, and the very same request, made once more, got the file. \
                  Behind one name stand several proxies, apps or storages, and not all of them \
                  are right; or something was restarted, rotated or renewed just then.",
        remedy: Remedy::any(
            "check each server behind the name by itself (--resolve HOST:PORT:ADDRESS, or \
             --inner URL), and check again: once may have been a restart",
        ),
        matches: |r| {
            r.wrong_full().filter(|_| r.comes_again())?;
            let because = format!("{}; asked once more, the site gave the file", r.visitor_gets());
            Some(Match::sure(because).shown_by(ProbeId::Again))
        },
    },
    Rule {
        id: "frontend.cached-private",
        culprit: Culprit::Frontend,
        severity: Severity::Exposed,
        summary: "a cache gives a private file to others",
        meaning: "With --private, the site was asked without the visitor's headers and gave the \
                  file, although the app refuses such a visitor: something in front keeps what a \
                  rightful visitor got.",
        remedy: Remedy {
            nginx: Some(
                "proxy_no_cache and proxy_cache_bypass for downloads, or Cache-Control: private, \
                 no-store from the app, and no proxy_ignore_headers Cache-Control",
            ),
            ..Remedy::any(
                "keep private downloads out of shared caches: Cache-Control: private, no-store",
            )
        },
        matches: |r| {
            let stranger =
                r.probe(ProbeId::Anonymous).filter(|_| r.gives_dummy(ProbeId::Anonymous))?;
            let sign = cache_sign(stranger).map_or(String::new(), |sign| format!(" ({sign})"));
            let because = format!("the site gives the file without the visitor's headers{sign}");
            let Some(app) = r.probe(ProbeId::AppAnonymous) else {
                let found = Match::possible(format!("{because}; the app was not asked"));
                return Some(found.shown_by(ProbeId::Anonymous));
            };
            let intended = r.evidence.intent.header.as_deref();
            let hands_over = dialect::handoff_of(app, intended).is_some();
            let refused = !hands_over && !r.evidence.is_dummy(&app.body);
            let found = || Match::sure(format!("{because}; the app refuses"));
            refused.then(|| found().shown_by(ProbeId::Anonymous))
        },
    },
];

/// What came without the query that makes the fixture's URL fresh, if that is an older content.
fn stale_for_visitors(r: &Reading<'_>) -> Option<Match> {
    let (answer, line, asked) = without_query(r)?;
    let because = format!(
        "with a fresh query the file comes; without it, as visitors ask, an older one: {}",
        told(&line)
    );
    let found = match asked {
        AskedApp::No => Match::sure(because).also("the fixture's journal has no such request"),
        AskedApp::Unknown => Match::likely(because),
        AskedApp::Yes => return None,
    };
    let found = found.shown_by(ProbeId::WithoutQuery);
    Some(match cache_sign(answer) {
        Some(sign) => found.also(sign),
        None => found,
    })
}

/// Whether the app was asked, where the download came without its query.
pub(in super::super) enum AskedApp {
    Yes,
    No,
    Unknown,
}

/// The download without the query that makes it fresh, if that is an older content.
pub(in super::super) fn without_query<'a>(
    r: &Reading<'a>,
) -> Option<(&'a Response, DummyLine, AskedApp)> {
    let answer = r.repeated(ProbeId::WithoutQuery)?;
    let line = earlier(r.evidence, &answer.body.head)?;
    let further = r.evidence.probes.iter().find(|it| it.id == ProbeId::WithoutQuery)?;
    let viewed = |it: &Vec<Journalled>| it.iter().any(|it| it.answer == "view");
    let asked = match further.journal.as_ref().map(viewed) {
        Some(true) => AskedApp::Yes,
        Some(false) => AskedApp::No,
        None => AskedApp::Unknown,
    };
    Some((answer, line, asked))
}

/// Whether the app was asked for this very download, so that nothing in front of it answered.
fn asked_app(r: &Reading<'_>) -> bool {
    let reached = matches!(r.reached, Reached::App(_) | Reached::AppTwice(_));
    reached && r.evidence.journal.is_some()
}

/// What a response says of a cache, if it says that it comes from one.
fn cache_sign(response: &Response) -> Option<String> {
    let hit = ["x-cache", "x-cache-status", "cf-cache-status", "x-proxy-cache", "x-varnish-cache"]
        .into_iter()
        .find_map(|name| {
            let value = response.header(name)?;
            value.to_ascii_lowercase().contains("hit").then(|| format!("{name}: {value}"))
        });
    let age = || response.header("age").filter(|it| *it != "0").map(|it| format!("age: {it}"));
    hit.or_else(age)
}
