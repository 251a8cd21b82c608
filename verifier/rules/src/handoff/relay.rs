//! Rules about open proxies: a client or the app can make the proxy send requests to servers other
//! than the app's store.

use sendfile_evidence::{Check, ProbeId, Response, Server, fact::FactKind};

use crate::{
    config_evidence::ConfigEvidence,
    handoff::NOT_INTERNAL,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{comes_by_handoff, open_target},
};

pub(crate) const RULES: &[&Rule] = &[&RELAY_FOR_ANYBODY, &OPEN_RELAY];

pub(crate) static RELAY_FOR_ANYBODY: Rule = Rule {
    id: "handoff.relay-for-anybody",
    culprit: Culprit::Handoff,
    severity: Severity::Exposed,
    check: Some(Check::Exposure),
    summary: "Open proxy (SSRF): clients choose the upstream host",
    meaning: "The location that fetches from the store is public and takes the upstream host from \
              the request. A client that writes another host into the URL gets that host's \
              response from within the proxy's network, for example from the local machine, \
              another host of that network or a cloud's metadata address.",
    remedy: Remedy {
        any: "Block clients from the location, and restrict the upstream to the one store",
        servers: &[(
            Server::Nginx,
            "Add `internal;` to the location, and write the store's host into `proxy_pass`, with \
             variables only after the host",
        )],
    },
    config: ConfigEvidence::explains(
        |_, fact| fact.kind == FactKind::RelaysForAnybody,
        open_target,
    ),
    precedence: Precedence::Before(&[&NOT_INTERNAL]),
    matches: |analysis| {
        if !reaches_fixture(analysis.probe(ProbeId::RelayOutside)?) {
            return None;
        }
        let because = "Requested with the fixture's address in place of the store's, the site \
                       returns the fixture's page";
        Some(Match::sure(because).shown_by(ProbeId::RelayOutside))
    },
};

pub(crate) static OPEN_RELAY: Rule = Rule {
    id: "handoff.open-relay",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Exposure),
    summary: "Open proxy (SSRF): a hand-off chooses the upstream host",
    meaning: "The proxy sends a request to any host that the app names in a hand-off. Clients \
              cannot choose it directly, but an app that builds the link from user input can be \
              made to name the local machine, another host of the proxy's network or a cloud's \
              metadata address. The client then gets their response.",
    remedy: Remedy {
        any: "Restrict the upstream to the one store, and refuse links to anything else",
        servers: &[
            (
                Server::Nginx,
                "Write the store's host into `proxy_pass`, with variables only after the host. \
                 Refuse links that begin differently, as nginx/remote-header.conf does",
            ),
            (Server::Caddy, "Name the store in `reverse_proxy` instead of a placeholder"),
        ],
    },
    config: ConfigEvidence::explains(|_, fact| fact.kind == FactKind::Relays, comes_by_handoff),
    precedence: Precedence::Usual,
    matches: |analysis| {
        if !reaches_fixture(analysis.probe(ProbeId::Relay)?) {
            return None;
        }
        let because = "A hand-off whose link points to the fixture itself returns the fixture's \
                       page";
        Some(Match::sure(because).shown_by(ProbeId::Relay))
    },
};

/// The body that the fixture returns to requests that only an open proxy makes.
const ASTRAY: &[u8] = b"sendfile-fixture astray";

fn reaches_fixture(response: &Response) -> bool {
    response.body.head.starts_with(ASTRAY)
}
