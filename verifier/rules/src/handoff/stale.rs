//! What the file held before still comes, though nothing in front of the app keeps it.

use super::super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    frontend::cache::{AskedApp, without_query},
    instead::{Instead, earlier, instead, told},
    reached::Reached,
};
use sendfile_evidence::{ProbeId, Response, dummy_line::DummyLine};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.target-stale",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the place where the hand-off leads to keeps an old content",
        meaning: "The app was asked and handed over, the proxy's direct location gives what the file \
                  holds now, and the visitor gets what it held before: the internal location has a \
                  cache of its own. nginx's open_file_cache keeps a file that was replaced by rename \
                  for open_file_cache_valid, 60 s by default; proxy_cache before a store keeps it as \
                  long as it was told (measured). Or its folder is a copy that is behind.",
        remedy: Remedy {
            nginx: Some(
                "open_file_cache off; and proxy_cache off; in the internal location, or give changed \
                 files another name",
            ),
            ..Remedy::any(
                "switch caches of files off where the hand-off leads to, or give changed files \
                 another name",
            )
        },
        matches: |r| {
            if let Some((_, line, AskedApp::Yes)) = without_query(r) {
                let because = format!(
                    "with a fresh query the file comes; without it the app is asked too, and an \
                     older content comes: {}",
                    told(&line)
                );
                return Some(Match::sure(because).shown_by(ProbeId::WithoutQuery));
            }
            let full = r.lost_after_app().filter(|_| r.direct_right())?;
            let asked = matches!(r.reached, Reached::App(_)) && r.evidence.journal.is_some();
            let line = earlier(r.evidence, &full.body.head).filter(|_| asked)?;
            let because = format!("the app was asked, and an older content came: {}", told(&line));
            match instead(r.evidence, full) {
                Instead::Older(_) => Some(Match::sure(because)),
                // Of a fixture that ran before; what it left may lie in another folder too.
                Instead::OtherInstance(_) => Some(Match::likely(because)),
                _ => None,
            }
        },
    },
    Rule {
        id: "handoff.stale-for-browsers",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "who accepts compression gets what the file held before",
        meaning: "Asked with `Accept-Encoding: gzip`, as every browser asks, the site gives an older \
                  content of the file, while the plain request gets the new one: a .gz beside the file \
                  that was not made anew (gzip_static, precompressed), or a cache that keeps the two \
                  apart.",
        remedy: Remedy {
            nginx: Some(
                "gzip_static off; in the internal location, or renew the .gz with the file",
            ),
            caddy: Some("leave `precompressed` out of file_server, or renew the .gz with the file"),
            ..Remedy::any("remove the compressed copy beside the file, or renew it with the file")
        },
        matches: |r| {
            let (answer, line) = for_browsers(r)?;
            let coding = answer.header("content-encoding").unwrap_or("identity");
            let because = format!(
                "with Accept-Encoding: gzip comes {coding}, an older content: {}",
                told(&line)
            );
            Some(Match::sure(because).shown_by(ProbeId::Gzip))
        },
    },
];

/// What comes to those who accept compression, and its first line, if that is an older content.
pub(super) fn for_browsers<'a>(r: &Reading<'a>) -> Option<(&'a Response, DummyLine)> {
    let answer = r.repeated(ProbeId::Gzip).filter(|it| it.status == 200)?;
    let head = answer.body.gunzipped.as_ref().map_or(&answer.body.head, |it| &it.head);
    Some((answer, earlier(r.evidence, head)?))
}
