//! Rules about an older version of the file that is served, although no cache in front of the app
//! stores it.

use sendfile_evidence::{Check, ProbeId, Response, Server, dummy_line::DummyLine};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, body_class, described, earlier},
    frontend::cache::{ReachedApp, without_query},
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[&TARGET_STALE, &STALE_FOR_BROWSERS];

pub(crate) static TARGET_STALE: Rule = Rule {
    id: "handoff.target-stale",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: Some(Check::Freshness),
    summary: "The hand-off's target serves a stale file",
    meaning: "The app got the request and handed off, and the proxy's direct location returns the \
              current file, but the client gets an older version. The internal location has its \
              own cache, or its directory is an outdated copy. nginx's `open_file_cache` keeps a \
              file that was replaced by rename for `open_file_cache_valid`, 60 s by default, and \
              `proxy_cache` in front of a store keeps it for the configured time (measured).",
    remedy: Remedy {
        any: "Turn off file caches at the hand-off's target, or give changed files a new name",
        servers: &[(
            Server::Nginx,
            "Set `open_file_cache off;` and `proxy_cache off;` in the internal location, or give \
             changed files a new name",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some((_, line, ReachedApp::Yes)) = without_query(analysis) {
            let version = described(&line);
            let because = format!(
                "With a new query string, the current file arrives. Without it, the request also \
                 reaches the app, but an older version arrives: {version}"
            );
            return Some(Match::sure(because).shown_by(ProbeId::WithoutQuery));
        }
        let full = analysis.failed_after_app()?;
        let line = earlier(analysis.evidence, &full.body.head)?;
        let logged =
            matches!(analysis.reached, Reached::App(_)) && analysis.evidence.request_log.is_some();
        if !logged || !analysis.direct_right() {
            return None;
        }
        let version = described(&line);
        let because =
            format!("The request reached the app, but an older version arrived: {version}");
        match body_class(analysis.evidence, full) {
            BodyClass::Older(_) => Some(Match::sure(because)),
            // The content comes from an earlier fixture, whose files may also be in another
            // directory.
            BodyClass::OtherInstance(_) => Some(Match::likely(because)),
            _ => None,
        }
    },
};

pub(crate) static STALE_FOR_BROWSERS: Rule = Rule {
    id: "handoff.stale-for-browsers",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: Some(Check::Freshness),
    summary: "Clients that accept compression get a stale file",
    meaning: "With `Accept-Encoding: gzip`, as browsers send it, the site returns an older version \
              of the file, while the plain request returns the current one. Typical causes: a .gz \
              beside the file that was not regenerated (`gzip_static`, `precompressed`), or a \
              cache that stores the two variants separately.",
    remedy: COMPRESSED_COPY,
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (response, line) = for_browsers(analysis)?;
        let coding = response.header("content-encoding").unwrap_or("identity");
        let because = format!(
            "With Accept-Encoding: gzip, the site returns an older version ({coding}): {}",
            described(&line)
        );
        Some(Match::sure(because).shown_by(ProbeId::Gzip))
    },
};

/// The remedy for a compressed copy beside the file that does not match it.
pub(crate) const COMPRESSED_COPY: Remedy = Remedy {
    any: "Remove the compressed copy beside the file, or regenerate it whenever the file \
          changes",
    servers: &[
        (
            Server::Nginx,
            "Set `gzip_static off;` in the internal location, or regenerate the .gz whenever \
             the file changes",
        ),
        (
            Server::Caddy,
            "Remove `precompressed` from `file_server`, or regenerate the .gz whenever the \
             file changes",
        ),
    ],
};

/// The response to a request that accepts compression, and its first line, if it is an older
/// version.
pub(crate) fn for_browsers<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, DummyLine)> {
    let response = analysis.repeated(ProbeId::Gzip)?;
    if response.status != 200 {
        return None;
    }
    let head = match &response.body.gunzipped {
        Some(content) => &content.head,
        None => &response.body.head,
    };
    Some((response, earlier(analysis.evidence, head)?))
}
