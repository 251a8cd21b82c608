//! Identical requests get different responses: a cache keeps an old one, or several servers
//! respond.

use sendfile_evidence::{
    Check, LoggedRequest, ProbeId, Response, Server, dialect, dummy_line::DummyLine, fact::FactKind,
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, body_class, described, earlier},
    config_evidence::ConfigEvidence,
    frontend::{
        APP_UNREACHABLE, ASKS_FOR_LOGIN, BYPASSES_SERVING_PROXY,
        kept_error::{error_without_source, reached_app},
    },
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::kept_error,
};

pub(crate) const RULES: &[&Rule] =
    &[&CACHED_ERROR, &CACHED_STALE, &ANSWERS_DIFFER, &CACHED_PRIVATE];

pub(crate) static CACHED_ERROR: Rule = Rule {
    id: "frontend.cached-error",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "A cache returns an old error",
    meaning: "The client gets an error, but the same download with a new query string succeeds, or \
              the error's headers show that it comes from a cache. A cache whose key does not \
              contain the query is also likely if the app hands off now and the error page is \
              neither the proxy's own nor the app's page for a URL in the same directory as the \
              download. The cache stored the error when it was correct.",
    remedy: Remedy {
        any: "Purge the cache, then prevent it from storing error responses to downloads \
              (Cache-Control: no-store)",
        servers: &[(
            Server::Nginx,
            "Purge the cache, then remove 404 and 5xx from `proxy_cache_valid`, or set \
             `proxy_no_cache` for downloads",
        )],
    },
    config: ConfigEvidence::explains(
        |_, fact| matches!(fact.kind, FactKind::Cached | FactKind::CachesErrors),
        kept_error,
    ),
    precedence: Precedence::Before(&[&APP_UNREACHABLE, &ASKS_FOR_LOGIN]),
    matches: |analysis| {
        let full = analysis.wrong_full()?;
        if full.status < 400 || analysis.storage_is_culprit() {
            return None;
        }
        let got = analysis.describe(full);
        if analysis.succeeds_past_cache() {
            return Some(Match::sure(format!(
                "The client gets {got}, but with a new query string the file arrives"
            )));
        }
        let Some(sign) = cache_sign(full) else { return error_without_source(analysis) };
        if !analysis.app_right() {
            return None;
        }
        Some(Match::likely(format!("The client gets {got}, from a cache: {sign}")))
    },
};

pub(crate) static CACHED_STALE: Rule = Rule {
    id: "frontend.cached-stale",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: Some(Check::Freshness),
    summary: "A cache serves a stale file",
    meaning: "The client gets an older version of the file, while the storage and the proxy's \
              direct location have the current one. Or the older version arrives only without the \
              new query string that this program adds to its URLs. A cache in front of the app \
              responds without forwarding the request.",
    remedy: Remedy {
        any: "Purge the cache, then configure it to revalidate downloads or not to store them",
        servers: &[(
            Server::Nginx,
            "Purge the cache, then set `proxy_no_cache` and `proxy_cache_bypass` for downloads, \
             and remove `proxy_ignore_headers Cache-Control`",
        )],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::Cached),
    precedence: Precedence::Before(&[&BYPASSES_SERVING_PROXY]),
    matches: |analysis| {
        if let Some(found) = stale_without_query(analysis) {
            return Some(found);
        }
        let full = analysis.unexplained_failure()?;
        let older = matches!(body_class(analysis.evidence, full), BodyClass::Older(_));
        let from_cache = older && !reached_app(analysis);
        let past_cache = full.status == 200 && analysis.succeeds_past_cache();
        if from_cache || past_cache { Some(Match::likely(analysis.client_gets())) } else { None }
    },
};

pub(crate) static ANSWERS_DIFFER: Rule = Rule {
    id: "frontend.answers-differ",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The same request sometimes returns the file and sometimes does not",
    meaning: "The download failed, but the identical request, repeated, returned the file. Typical \
              causes: several proxies, apps or storages share one host name and one of them is \
              misconfigured, a server was just restarted, or a key or certificate was just \
              replaced.",
    remedy: Remedy::any(
        "Check each server behind the name separately (--resolve HOST:PORT:ADDRESS, or --inner \
         URL), and repeat the check. A restart may have caused a single failure",
    ),
    config: None,
    precedence: Precedence::Replaces(&[&CACHED_ERROR, &CACHED_STALE]),
    matches: |analysis| {
        analysis.wrong_full()?;
        if !analysis.retry_succeeds() {
            return None;
        }
        let because =
            format!("{}, but the repeated request returned the file", analysis.client_gets());
        Some(Match::sure(because).shown_by(ProbeId::Again))
    },
};

pub(crate) static CACHED_PRIVATE: Rule = Rule {
    id: "frontend.cached-private",
    culprit: Culprit::Frontend,
    severity: Severity::Exposed,
    check: Some(Check::Refusal),
    summary: "A cache serves a private file to other clients",
    meaning: "With --private, the site was requested without the client's headers and returned the \
              file, although the app refuses such a client. A cache in front of the app stores the \
              response to an authorized client.",
    remedy: Remedy {
        any: "Keep private downloads out of shared caches: send `Cache-Control: private, no-store`",
        servers: &[(
            Server::Nginx,
            "Set `proxy_no_cache` and `proxy_cache_bypass` for downloads, or send `Cache-Control: \
             private, no-store` from the app and remove `proxy_ignore_headers Cache-Control`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let anonymous = analysis.probe(ProbeId::Anonymous)?;
        if !analysis.returns_dummy(ProbeId::Anonymous) {
            return None;
        }
        let mut because = "Without the client's headers, the site returns the file".to_owned();
        if let Some(sign) = cache_sign(anonymous) {
            because += &format!(" ({sign})");
        }
        let Some(app) = analysis.probe(ProbeId::AppAnonymous) else {
            let found = Match::possible(format!("{because}. The app was not probed"));
            return Some(found.shown_by(ProbeId::Anonymous));
        };
        let intended = analysis.evidence.intent.header.as_deref();
        let handoff = dialect::handoff_of(app, intended);
        if handoff.is_some() || analysis.evidence.is_dummy(&app.body) {
            return None;
        }
        let found = Match::sure(format!("{because}, although the app refuses the request"));
        Some(found.shown_by(ProbeId::Anonymous))
    },
};

/// A match if the fixture's URL without its unique query returns an older version.
fn stale_without_query(analysis: &Analysis<'_>) -> Option<Match> {
    let (response, line, reached_app) = without_query(analysis)?;
    let because = format!(
        "With a new query string, the current file arrives. Without it, as clients request the \
         file, an older version arrives: {}",
        described(&line)
    );
    let found = match reached_app {
        ReachedApp::No => {
            Match::sure(because).also("The fixture's request log has no request without it")
        }
        ReachedApp::Unknown => Match::likely(because),
        ReachedApp::Yes => return None,
    };
    let found = found.shown_by(ProbeId::WithoutQuery);
    Some(match cache_sign(response) {
        Some(sign) => found.also(sign),
        None => found,
    })
}

/// Whether the request without the unique query reached the app.
pub(crate) enum ReachedApp {
    /// The request reached the app.
    Yes,
    /// The request did not reach the app.
    No,
    /// There is no request log.
    Unknown,
}

/// The download without its unique query, if the response is an older version.
pub(crate) fn without_query<'a>(
    analysis: &Analysis<'a>,
) -> Option<(&'a Response, DummyLine, ReachedApp)> {
    let response = analysis.repeated(ProbeId::WithoutQuery)?;
    let line = earlier(analysis.evidence, &response.body.head)?;
    let mut probes = analysis.evidence.probes.iter();
    let probe = probes.find(|probe| probe.id == ProbeId::WithoutQuery)?;
    let reached_app = match &probe.request_log {
        Some(log) if has_download(log) => ReachedApp::Yes,
        Some(_) => ReachedApp::No,
        None => ReachedApp::Unknown,
    };
    Some((response, line, reached_app))
}

/// Whether the fixture's request log contains a request for a download.
fn has_download(log: &[LoggedRequest]) -> bool {
    log.iter().any(|request| request.answer == "view")
}

/// The header that shows that a response comes from a cache, if any.
fn cache_sign(response: &Response) -> Option<String> {
    for name in ["x-cache", "x-cache-status", "cf-cache-status", "x-proxy-cache", "x-varnish-cache"]
    {
        if let Some(value) = response.header(name)
            && value.to_ascii_lowercase().contains("hit")
        {
            return Some(format!("{name}: {value}"));
        }
    }
    let age = response.header("age")?;
    if age == "0" { None } else { Some(format!("age: {age}")) }
}
