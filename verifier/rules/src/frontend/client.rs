//! Rules about refusals and credentials: what the proxy refuses or drops, and what clients can
//! choose or mistake for the file.

use sendfile_evidence::{Check, ProbeId, Server, dialect, fact::FactKind};

use crate::{
    config_evidence::{ConfigEvidence, refuses},
    frontend::wire::CONTRADICTORY_LENGTHS,
    frontend::{
        ASKS_FOR_LOGIN, REDIRECTS,
        routing::{refused_before_app, treated_as_anonymous},
    },
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] =
    &[&REFUSES, &RIGHTS_DROPPED, &VISITOR_CHOOSES, &SPOOFABLE, &REFUSAL_MASKED];

pub(crate) static REFUSES: Rule = Rule {
    id: "frontend.refuses",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy refuses the request before it reaches the app",
    meaning: "The download's URL returns the proxy's own refusal, while other paths of the site \
              reach the app. Typical causes: an access rule, a condition on the Referer, the \
              User-Agent or the method, or a firewall.",
    remedy: Remedy {
        any: "Allow the download's path in the proxy's access rules",
        servers: &[
            (
                Server::Nginx,
                "Look for `deny`, `return`, `valid_referers`, `limit_except` or a firewall in and \
                 around the download's location; the error log names access rules",
            ),
            (
                Server::Apache,
                "Look for `Require`, `Deny`, `RewriteRule … [F]` or a firewall that matches the \
                 download's path; the error log names access rules",
            ),
        ],
    },
    config: ConfigEvidence::confirms(|_, fact| {
        fact.kind == FactKind::DownloadRefused || refuses(fact)
    }),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_before_app()?;
        let Reached::NotReached(how) = &analysis.reached else { return None };
        if !refused_before_app(analysis, full) {
            return None;
        }
        Some(Match::likely(format!("{how}. {}", analysis.client_gets())))
    },
};

pub(crate) static RIGHTS_DROPPED: Rule = Rule {
    id: "frontend.rights-dropped",
    culprit: Culprit::Frontend,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy does not forward the Cookie or Authorization header to the app",
    meaning: "With these headers, the app hands off. Without them, it returns the same response as \
              the site. Either the proxy strips the Cookie or Authorization header, or it changes \
              the Host, so the app does not accept the header.",
    remedy: Remedy {
        any: "Forward the client's Cookie, Authorization and Host headers to the app",
        servers: &[(
            Server::Nginx,
            "Remove `proxy_set_header Cookie \"\";` and `proxy_set_header Authorization \"\";` \
             from the download's location, and set `proxy_set_header Host $host;`",
        )],
    },
    config: None,
    precedence: Precedence::Replaces(&[&REDIRECTS, &ASKS_FOR_LOGIN]),
    matches: |analysis| {
        let full = analysis.wrong_full()?;
        if !treated_as_anonymous(analysis, full) {
            return None;
        }
        let app = analysis.describe(analysis.probe(ProbeId::AppAnonymous)?);
        let gets = analysis.client_gets();
        let because = format!("{gets}. Without the client's headers, the app returns {app}");
        Some(Match::likely(because).shown_by(ProbeId::AppAnonymous))
    },
};

pub(crate) static VISITOR_CHOOSES: Rule = Rule {
    id: "frontend.visitor-chooses",
    culprit: Culprit::Frontend,
    severity: Severity::Exposed,
    check: Some(Check::Spoofing),
    summary: "The client's own request headers choose the hand-off",
    meaning: "With X-Sendfile-Type and X-Accel-Mapping from the client, the app hands off the path \
              that the client chose, and the site no longer returns the file. A client that maps \
              the storage directory to another location bypasses the app's permissions (Rack, \
              CVE-2025-61780).",
    remedy: Remedy {
        any: "Set X-Sendfile-Type and X-Accel-Mapping in the proxy, or strip them",
        servers: &[
            (
                Server::Nginx,
                "Set both headers for the app, or clear them: `proxy_set_header X-Sendfile-Type \
                 \"\";` and `proxy_set_header X-Accel-Mapping \"\";`",
            ),
            (
                Server::Apache,
                "Add `RequestHeader unset X-Sendfile-Type` and `RequestHeader unset \
                 X-Accel-Mapping` (requires mod_headers)",
            ),
            (
                Server::Caddy,
                "In `reverse_proxy`, add `header_up -X-Sendfile-Type` and `header_up \
                 -X-Accel-Mapping`",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let request = &analysis.evidence.probed(ProbeId::AppSpoofed)?.request;
        let (_, mark) = request.headers.iter().find(|(name, _)| name == "x-accel-redirect")?;
        let app = analysis.probe(ProbeId::AppSpoofed)?;
        let (_, value) = dialect::handoff_of(app, analysis.evidence.intent.header.as_deref())?;
        let site = analysis.repeated(ProbeId::Spoofed)?;
        // A firewall that refuses such a client works as intended.
        let refused = matches!(site.status, 400 | 403 | 406 | 429);
        // If the proxy does not announce the hand-off, that finding comes first, and its remedy
        // also fixes this problem.
        let announced = analysis.delivered && !analysis.evidence.streamed();
        let lost = announced && !refused && !analysis.returns_dummy(ProbeId::Spoofed);
        if !lost || !value.contains(mark.as_str()) {
            return None;
        }
        let because = format!("The app hands off {value}, as the client's headers request");
        let gets = format!("The site returns {} to that client", analysis.describe(site));
        Some(Match::sure(because).also(gets).shown_by(ProbeId::Spoofed))
    },
};

pub(crate) static SPOOFABLE: Rule = Rule {
    id: "frontend.spoofable",
    culprit: Culprit::Frontend,
    severity: Severity::Warning,
    check: Some(Check::Spoofing),
    summary: "Client headers that choose a hand-off reach the app",
    meaning: "The proxy forwards a client's X-Sendfile-Type, X-Accel-Mapping, X-Accel-Redirect or \
              X-Sendfile to the fixture, which ignores them. An app on Rack, Symfony or a similar \
              framework would obey the first two.",
    remedy: Remedy {
        any: "Strip these headers in the proxy",
        servers: &[
            (
                Server::Nginx,
                "Add `proxy_set_header X-Sendfile-Type \"\";`, and likewise for the other headers",
            ),
            (
                Server::Apache,
                "Add `RequestHeader unset X-Sendfile-Type`, and likewise for the other headers",
            ),
            (
                Server::Caddy,
                "In `reverse_proxy`, add `header_up -X-Sendfile-Type`, and likewise for the other \
                 headers",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let reached = analysis.evidence.spoofed.as_ref()?;
        if reached.is_empty() {
            return None;
        }
        let names: Vec<&str> = reached.iter().map(|name| dialect::spelling(name)).collect();
        let because = format!("The client's {} reached the fixture", names.join(", "));
        Some(Match::sure(because).shown_by(ProbeId::Spoofed))
    },
};

pub(crate) static REFUSAL_MASKED: Rule = Rule {
    id: "frontend.refusal-masked",
    culprit: Culprit::Frontend,
    severity: Severity::Degraded,
    check: Some(Check::Refusal),
    summary: "Clients get a page with a success status although the app refuses the request",
    meaning: "The fixture refuses with 403, but the client gets a success status, because an error \
              page is sent with a different status. Programs save that page as the file, and \
              caches store it.",
    remedy: Remedy {
        any: "Keep the app's status on the error page",
        servers: &[(Server::Nginx, "Use `error_page 403 /page;` without `=200`")],
    },
    config: None,
    precedence: Precedence::Before(&[&CONTRADICTORY_LENGTHS]),
    matches: |analysis| {
        let denied = analysis.probe(ProbeId::Denied)?;
        let success = (200..300).contains(&denied.status);
        if !success || analysis.returns_dummy(ProbeId::Denied) {
            return None;
        }
        let got = analysis.describe(denied);
        let because = format!("The app returns 403, but a client gets {got}");
        Some(Match::sure(because).shown_by(ProbeId::Denied))
    },
};
