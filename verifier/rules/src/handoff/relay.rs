//! Open proxies: the proxy can be made to send requests to servers other than the app's store.

use super::super::{Culprit, Match, Remedy, Rule, Severity};
use sendfile_evidence::{ProbeId, Response};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.relay-for-anybody",
        culprit: Culprit::Handoff,
        severity: Severity::Exposed,
        summary: "Open proxy (SSRF): clients choose the upstream host",
        meaning: "The location that fetches from the store is public and takes the upstream host \
                  from the request. A client that writes another host into the URL gets that \
                  host's response, from within the proxy's network: the local machine, \
                  neighbouring hosts, a cloud's metadata address.",
        remedy: Remedy {
            nginx: Some(
                "Add `internal;` to the location, and write the store's host into `proxy_pass`, \
                 with variables only after the host",
            ),
            ..Remedy::any(
                "Block clients from the location, and restrict the upstream to the one store",
            )
        },
        matches: |analysis| {
            analysis.probe(ProbeId::RelayOutside).filter(astray)?;
            let because = "Requested with the fixture's address in place of the store's, the site \
                           returns the fixture's page";
            Some(Match::sure(because).shown_by(ProbeId::RelayOutside))
        },
    },
    Rule {
        id: "handoff.open-relay",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "Open proxy (SSRF): a hand-off chooses the upstream host",
        meaning: "The proxy sends a request to any host that the app names in a hand-off. Clients \
                  cannot choose it directly, but an app that builds the link from user input can \
                  be made to name the local machine, neighbouring hosts or a cloud's metadata \
                  address. The client then gets their response.",
        remedy: Remedy {
            nginx: Some(
                "Write the store's host into `proxy_pass`, with variables only after the host. \
                 Refuse links that begin differently, as nginx/remote-header.conf does",
            ),
            caddy: Some("Name the store in `reverse_proxy` instead of a placeholder"),
            ..Remedy::any(
                "Restrict the upstream to the one store, and refuse links to anything else",
            )
        },
        matches: |analysis| {
            analysis.probe(ProbeId::Relay).filter(astray)?;
            let because = "A hand-off whose link leads to the fixture itself returns the fixture's \
                           page";
            Some(Match::sure(because).shown_by(ProbeId::Relay))
        },
    },
];

/// The body that the fixture returns to requests that only an open proxy makes.
const ASTRAY: &[u8] = b"sendfile-fixture astray";

fn astray(answer: &&Response) -> bool {
    answer.body.head.starts_with(ASTRAY)
}
