//! Rules for files with unusual names: which of them fail, and whether that is a known limit of the
//! proxy.

use sendfile_evidence::{Check, ExtraProbe, OddName, Outcome, ProbeId, Server};

use crate::{
    analysis::Analysis,
    checks::inconclusive,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[&NAME_NOT_SERVED, &NAME_LIMITS];

pub(crate) static NAME_NOT_SERVED: Rule = Rule {
    id: "handoff.name-not-served",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Names),
    summary: "Files with unusual names do not arrive",
    meaning: "The download arrives, but the fixture's files with unusual names do not, although \
              this proxy serves such names if nothing rewrites them. Typical causes: a regex that \
              excludes them, a rule that decodes once too often or merges slashes, or a length \
              limit.",
    remedy: Remedy {
        any: "Look for the rule that parses such names differently",
        servers: &[(
            Server::Nginx,
            "Look for a regex location or a rewrite that matches such names, and for variables in \
             `alias` or `proxy_pass`: `$uri` is already decoded",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let mut found: Option<Match> = None;
        for (name, extra) in lost(analysis) {
            if is_known(analysis, name) {
                continue;
            }
            let got = match &extra.probed.outcome {
                Outcome::Response(response) => analysis.describe(response),
                Outcome::Failed(failure) => failure.chain.clone(),
                Outcome::Skipped(reason) => reason.clone(),
            };
            let because = format!("For a name with {name}, the client gets {got}");
            found = Some(match found {
                Some(found) => found.also(because),
                None => Match::sure(because).shown_by(extra.id),
            });
        }
        found
    },
};

pub(crate) static NAME_LIMITS: Rule = Rule {
    id: "handoff.name-limits",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Names),
    summary: "The proxy cannot serve files with some unusual names",
    meaning: "The proxy parses the header's value in a way that breaks such names: Caddy \
              interprets it as a URI, which 2.6 does not decode and 2.11 decodes completely, and \
              mod_xsendfile decodes it since 1.0. This site is not misconfigured.",
    remedy: Remedy::any(
        "Store files under plain names, and send the user's own name in Content-Disposition",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let mut names = Vec::new();
        let mut shown_by = None;
        for (name, extra) in lost(analysis) {
            if is_known(analysis, name) {
                names.push(name.to_string());
                shown_by = shown_by.or(Some(extra.id));
            }
        }
        let because = format!("Files are not served if their name has {}", names.join(", "));
        Some(Match::sure(because).shown_by(shown_by?))
    },
};

/// The names that were requested and did not arrive.
fn lost<'a>(analysis: &Analysis<'a>) -> Vec<(OddName, &'a ExtraProbe)> {
    let mut lost = Vec::new();
    if !analysis.delivered {
        return lost;
    }
    for extra in &analysis.evidence.probes {
        if let ProbeId::Name(name) = extra.id
            && !analysis.returns_dummy(extra.id)
            && inconclusive(analysis.evidence, extra.id).is_none()
        {
            lost.push((name, extra));
        }
    }
    lost
}

/// Whether the server mangles such names in some version, whatever its configuration.
fn is_known(analysis: &Analysis<'_>, name: OddName) -> bool {
    analysis.server.is_some_and(|server| server.mangles(name))
}
