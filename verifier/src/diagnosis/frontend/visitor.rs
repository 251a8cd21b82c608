//! What a visitor should not be able to do: choose the hand-off, or take a refusal for the file.

use super::super::{Culprit, Match, Remedy, Rule, Severity};
use crate::{dialect, evidence::ProbeId};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "frontend.visitor-chooses",
        culprit: Culprit::Frontend,
        severity: Severity::Exposed,
        summary: "a visitor's own headers choose the hand-off",
        meaning: "With X-Sendfile-Type and X-Accel-Mapping of the visitor's choice the app hands \
                  over what the visitor says, and the site, sent those headers, no longer gives \
                  the file. Whoever maps the storage's folder to another location gets round the \
                  app's permissions (Rack, CVE-2025-61780).",
        remedy: Remedy {
            nginx: Some(
                "set both headers for the app, or empty them: proxy_set_header X-Sendfile-Type \
                 \"\"; proxy_set_header X-Accel-Mapping \"\";",
            ),
            apache: Some(
                "RequestHeader unset X-Sendfile-Type, and X-Accel-Mapping (with mod_headers)",
            ),
            caddy: Some("in reverse_proxy: header_up -X-Sendfile-Type, and -X-Accel-Mapping"),
            ..Remedy::any(
                "let the proxy set X-Sendfile-Type and X-Accel-Mapping, or take them away",
            )
        },
        matches: |r| {
            let sent = &r.evidence.probed(ProbeId::AppSpoofed)?.asked.headers;
            let (_, mark) = sent.iter().find(|(name, _)| name == "x-accel-redirect")?;
            let app = r.probe(ProbeId::AppSpoofed)?;
            let (_, value) = dialect::handoff_of(app, r.evidence.intent.header.as_deref())?;
            let site = r.repeated(ProbeId::Spoofed)?;
            // A firewall that refuses such a visitor does what it should.
            let refused = matches!(site.status, 400 | 403 | 406 | 429);
            // Where the proxy announces nothing, that comes first, and its remedy closes this too.
            let announced = r.delivered && !r.evidence.streamed();
            let lost = announced && !r.gives_dummy(ProbeId::Spoofed) && !refused;
            (lost && value.contains(mark.as_str())).then(|| {
                Match::sure(format!("the app hands over {value}, as the visitor says"))
                    .also(format!("the site gives that visitor {}", r.describe(site)))
                    .shown_by(ProbeId::Spoofed)
            })
        },
    },
    Rule {
        id: "frontend.spoofable",
        culprit: Culprit::Frontend,
        severity: Severity::Warning,
        summary: "headers that choose a hand-off reach the app from visitors",
        meaning: "The proxy passes a visitor's X-Sendfile-Type, X-Accel-Mapping, X-Accel-Redirect \
                  or X-Sendfile on to the fixture, which ignores them. An app on Rack, Symfony or \
                  their kin in its place obeys the first two.",
        remedy: Remedy {
            nginx: Some("proxy_set_header X-Sendfile-Type \"\"; and likewise for the others"),
            apache: Some("RequestHeader unset X-Sendfile-Type, and likewise for the others"),
            caddy: Some(
                "in reverse_proxy: header_up -X-Sendfile-Type, and likewise for the others",
            ),
            ..Remedy::any("let the proxy take these headers away")
        },
        matches: |r| {
            let reached = r.evidence.spoofed.as_ref().filter(|it| !it.is_empty())?;
            let names: Vec<_> = reached.iter().map(|it| dialect::spelling(it)).collect();
            let because = format!("a visitor's {} reached the fixture", names.join(", "));
            Some(Match::sure(because).shown_by(ProbeId::Spoofed))
        },
    },
    Rule {
        id: "frontend.refusal-masked",
        culprit: Culprit::Frontend,
        severity: Severity::Degraded,
        summary: "where the app refuses, visitors get a page with 200",
        meaning: "The fixture refuses with 403, and a visitor gets a success: an error page is sent \
                  with another status. Programs save that page as the file, and caches keep it.",
        remedy: Remedy {
            nginx: Some("error_page 403 /page; without `=200` behind it"),
            ..Remedy::any("keep the app's status on the error page")
        },
        matches: |r| {
            let denied = r.probe(ProbeId::Denied).filter(|it| (200..300).contains(&it.status))?;
            (!r.gives_dummy(ProbeId::Denied)).then(|| {
                let gets = r.describe(denied);
                Match::sure(format!("the app answers 403, and a visitor gets {gets}"))
                    .shown_by(ProbeId::Denied)
            })
        },
    },
];
