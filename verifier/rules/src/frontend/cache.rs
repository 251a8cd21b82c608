//! The same question gets another answer: a cache keeps an old one, or several servers answer.

use super::{
    super::{
        Culprit, Match, Reading, Remedy, Rule, Severity,
        instead::{Instead, alike, earlier, instead, told},
        reached::Reached,
    },
    by_proxy, reaches_app, refused,
    visitor::treated_as_stranger,
};
use sendfile_evidence::{Journalled, ProbeId, Response, dialect, dummy_line::DummyLine};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "frontend.cached-error",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "a cache keeps an old error",
        meaning: "The visitor gets an error, and the same download with a fresh query arrives, \
                  or the error says itself that it comes from a cache. Or its page is neither the \
                  proxy's own nor the app's for a neighbour of the URL, while the app hands over \
                  now: a cache whose key has no query. A cache in front stored it when it was true.",
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
            match cache_sign(full) {
                Some(sign) => (r.app_right() && !r.comes_again()).then(|| {
                    Match::likely(format!(
                        "the visitor gets {}, from a cache: {sign}",
                        r.describe(full)
                    ))
                }),
                None => kept_error(r),
            }
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

/// An error that nobody gives now: with a page that is not the proxy's own, beside URLs for which
/// the app answers, though the app, asked for this one, hands over.
fn kept_error(r: &Reading<'_>) -> Option<Match> {
    let full = r.left_over().filter(|it| it.status >= 400 && written_by_app(r, it))?;
    let lasts = r.probe(ProbeId::Again).is_some_and(|it| alike(it, full));
    let beside = reaches_app(r, ProbeId::Neighbour, ProbeId::AppNeighbour) == Some(true);
    let general = reaches_app(r, ProbeId::Elsewhere, ProbeId::AppElsewhere) == Some(true);
    let alone = !r.probe(ProbeId::Neighbour).is_some_and(|it| alike(it, full));
    // Whoever answers for the folder has pages for what is not there, but hardly for a failure.
    let known = beside || general && full.status >= 500;
    if !lasts || !known || !alone || treated_as_stranger(r, full) {
        return None;
    }
    let because = format!("{}, though the app hands over now", r.visitor_gets());
    let under_another_name = r.gives_dummy(ProbeId::OtherHost);
    match &r.reached {
        Reached::Not(_) | Reached::Unknown | Reached::App(_)
            if under_another_name && !app_showed(r, full) =>
        {
            let found = Match::likely(because);
            Some(found.also("under another name, another key of a cache, the file arrives"))
        }
        // A visitor may be refused for what only the app sees.
        Reached::Not(_) | Reached::Unknown if matches!(full.status, 404 | 410 | 500..) => {
            Some(Match::likely(because))
        }
        Reached::Not(_) | Reached::Unknown => Some(Match::possible(because)),
        _ => None,
    }
}

/// Whether a cache seems to keep an error.
pub(super) fn kept(r: &Reading<'_>) -> bool {
    kept_error(r).is_some()
}

/// Whether an error's page is not one that a proxy has, and none that the app gives for other paths.
fn written_by_app(r: &Reading<'_>, full: &Response) -> bool {
    let other = matches!(instead(r.evidence, full), Instead::Other);
    other && !by_proxy(r, full) && !refused(r, full)
}

/// Whether the app's answer to this very request left its mark.
fn app_showed(r: &Reading<'_>, full: &Response) -> bool {
    let handoff = r.handoff().is_some_and(|(name, _)| full.header(name).is_some());
    handoff || asked_app(r) || full.header("content-disposition").is_some()
}

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
