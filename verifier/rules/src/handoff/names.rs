//! Files with odd names: which ones are lost between app and proxy, and whether that is known of
//! the proxy.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity, checks::unanswered};
use sendfile_evidence::{Further, OddName, ProbeId, Seen};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.name-not-served",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "files with some names do not arrive",
        meaning: "The download arrives, and files of the fixture with odd names do not, though \
                  this proxy serves such names where nothing rewrites them: a regex that excludes \
                  them, a rule that decodes once too often or merges slashes, a limit of length.",
        remedy: Remedy {
            nginx: Some(
                "look for a regex location or a rewrite that takes such names, and for variables \
                 in alias or proxy_pass: $uri is decoded already",
            ),
            ..Remedy::any("look for the rule that reads such names otherwise")
        },
        matches: |r| {
            let mut lost = lost(r).filter(|(name, _)| !known(r, *name)).map(|(name, it)| {
                let came = match &it.probed.seen {
                    Seen::Answer(answer) => r.describe(answer),
                    Seen::Nothing(failure) => failure.chain.clone(),
                    Seen::Skipped(reason) => reason.clone(),
                };
                (it.id, format!("for a name with {} comes {came}", name.what()))
            });
            let (id, first) = lost.next()?;
            let found = Match::sure(first).shown_by(id);
            Some(lost.fold(found, |found, (_, line)| found.also(line)))
        },
    },
    Rule {
        id: "handoff.name-limits",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "files with some names cannot be served by this proxy",
        meaning: "The proxy reads the header's value in a way that such names do not survive: \
                  Caddy takes it for a URI, of which 2.6 decodes nothing and 2.11 all; \
                  mod_xsendfile decodes since 1.0. Nothing is wrong with this site.",
        remedy: Remedy::any(
            "store files under plain names, and give the user's own name in Content-Disposition",
        ),
        matches: |r| {
            let mut lost = lost(r).filter(|(name, _)| known(r, *name));
            let (first, probe) = lost.next()?;
            let names = lost.fold(first.what().to_owned(), |all, (it, _)| all + ", " + it.what());
            Some(Match::sure(format!("lost are names with {names}")).shown_by(probe.id))
        },
    },
];

/// The names that were asked for and did not arrive.
fn lost<'a>(r: &Reading<'a>) -> impl Iterator<Item = (OddName, &'a Further)> {
    let named = r.evidence.probes.iter().filter_map(|it| match it.id {
        ProbeId::Name(name) => Some((name, it)),
        _ => None,
    });
    let wrong = |id| !r.gives_dummy(id) && unanswered(r.evidence, id).is_none();
    let lost: Vec<_> = named.filter(|(_, it)| r.delivered && wrong(it.id)).collect();
    lost.into_iter()
}

fn known(r: &Reading<'_>, name: OddName) -> bool {
    r.server.is_some_and(|it| it.loses(name))
}
