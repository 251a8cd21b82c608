//! Files with unusual names: which are lost between app and proxy, and whether the proxy is known
//! to lose them.

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
    check: Some(Check::ValueKind),
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
        let mut lost =
            lost(analysis).filter(|(name, _)| !known(analysis, *name)).map(|(name, it)| {
                let came = match &it.probed.outcome {
                    Outcome::Response(answer) => analysis.describe(answer),
                    Outcome::Failed(failure) => failure.chain.clone(),
                    Outcome::Skipped(reason) => reason.clone(),
                };
                (it.id, format!("For a name with {}, the client gets {came}", name))
            });
        let (id, first) = lost.next()?;
        let found = Match::sure(first).shown_by(id);
        Some(lost.fold(found, |found, (_, line)| found.also(line)))
    },
};

pub(crate) static NAME_LIMITS: Rule = Rule {
    id: "handoff.name-limits",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::ValueKind),
    summary: "The proxy cannot serve files with some unusual names",
    meaning: "The proxy parses the header's value in a way that breaks such names: Caddy takes it \
              for a URI, and 2.6 decodes nothing, 2.11 everything; mod_xsendfile decodes since \
              1.0. This site is not misconfigured.",
    remedy: Remedy::any(
        "Store files under plain names, and send the user's own name in Content-Disposition",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let mut lost = lost(analysis).filter(|(name, _)| known(analysis, *name));
        let (first, probe) = lost.next()?;
        let names = lost.fold(first.to_string(), |all, (it, _)| format!("{all}, {it}"));
        Some(Match::sure(format!("Names with {names} are lost")).shown_by(probe.id))
    },
};

/// The names that were requested and did not arrive.
fn lost<'a>(analysis: &Analysis<'a>) -> impl Iterator<Item = (OddName, &'a ExtraProbe)> {
    let named = analysis.evidence.probes.iter().filter_map(|it| match it.id {
        ProbeId::Name(name) => Some((name, it)),
        _ => None,
    });
    let wrong = |id| !analysis.returns_dummy(id) && inconclusive(analysis.evidence, id).is_none();
    let lost: Vec<_> = named.filter(|(_, it)| analysis.delivered && wrong(it.id)).collect();
    lost.into_iter()
}

fn known(analysis: &Analysis<'_>, name: OddName) -> bool {
    analysis.server.is_some_and(|it| it.mangles(name))
}
