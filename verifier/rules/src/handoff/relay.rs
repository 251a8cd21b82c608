//! The proxy can be made to ask servers that are no store of the app.

use super::super::{Culprit, Match, Remedy, Rule, Severity};
use sendfile_evidence::{ProbeId, Response};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.relay-for-anybody",
        culprit: Culprit::Handoff,
        severity: Severity::Exposed,
        summary: "any visitor can make the proxy ask any server",
        meaning: "The location that fetches from the store is open to visitors, and takes the host \
                  that it asks from the request. Whoever writes another host into the URL gets \
                  what that one answers, from within the network of the proxy: this machine, its \
                  neighbours, a cloud's metadata address (SSRF).",
        remedy: Remedy {
            nginx: Some(
                "add `internal;` to the location, and write the store's host into proxy_pass, with \
                 only what is behind it as a variable",
            ),
            ..Remedy::any("close the location to visitors, and let the proxy ask the one store")
        },
        matches: |r| {
            r.probe(ProbeId::RelayOutside).filter(astray)?;
            let because = "asked for the fixture's address in the place of the store's, the site \
                           gives the fixture's page";
            Some(Match::sure(because).shown_by(ProbeId::RelayOutside))
        },
    },
    Rule {
        id: "handoff.open-relay",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "a hand-off can make the proxy ask any server",
        meaning: "The proxy asks whatever host the app names after a hand-off. No visitor chooses \
                  that, but an app that builds the link from what users send can be made to name \
                  this machine, its neighbours or a cloud's metadata address, and the visitor gets \
                  what they answer.",
        remedy: Remedy {
            nginx: Some(
                "write the store's host into proxy_pass, and only what is behind it as a variable; \
                 refuse links that begin otherwise, as nginx/remote-header.conf does",
            ),
            caddy: Some("name the store in reverse_proxy, not a placeholder"),
            ..Remedy::any("let the proxy ask the one store, and refuse links to anything else")
        },
        matches: |r| {
            r.probe(ProbeId::Relay).filter(astray)?;
            let because = "a hand-off whose link leads to the fixture itself gets its page";
            Some(Match::sure(because).shown_by(ProbeId::Relay))
        },
    },
];

/// What the fixture answers where only a relay asks.
const ASTRAY: &[u8] = b"sendfile-fixture astray";

fn astray(answer: &&Response) -> bool {
    answer.body.head.starts_with(ASTRAY)
}
