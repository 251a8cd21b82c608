//! What a visitor should not be able to do: choose the hand-off, or take a refusal for the file.

use super::{
    super::{
        Culprit, Match, Reading, Remedy, Rule, Severity,
        instead::{Instead, alike, instead, is_app_page},
        reached::Reached,
    },
    refuses,
};
use sendfile_evidence::{ProbeId, Response, dialect};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "frontend.refuses",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "the proxy refuses the request by itself, before the app is asked",
        meaning: "The download's URL gets the proxy's own refusal, and other paths of the site do \
                  reach the app: an access rule, a condition on the Referer, the User-Agent or the \
                  method, a firewall.",
        remedy: Remedy {
            nginx: Some(
                "look for deny, return, valid_referers, limit_except or a firewall in the \
                 download's location and around it; the error log names access rules",
            ),
            apache: Some(
                "look for Require, Deny, RewriteRule … [F] or a firewall that takes the download's \
                 path; the error log names access rules",
            ),
            ..Remedy::any("let the proxy's access rules let the download's path through")
        },
        matches: |r| {
            r.lost_before_app().filter(|it| refuses(r, it))?;
            let Reached::Not(how) = &r.reached else { return None };
            Some(Match::likely(format!("{how}; {}", r.visitor_gets())))
        },
    },
    Rule {
        id: "frontend.rights-dropped",
        culprit: Culprit::Frontend,
        severity: Severity::Broken,
        summary: "what shows the visitor's rights does not reach the app",
        meaning: "The app hands over to a visitor with these headers, and answers one without them \
                  as the site answers this one: on the way the Cookie or Authorization header is \
                  taken away, or the app takes it for another host's.",
        remedy: Remedy {
            nginx: Some(
                "let the download's location send them: no proxy_set_header Cookie \"\"; or \
                 Authorization \"\"; and proxy_set_header Host $host;",
            ),
            ..Remedy::any(
                "let the proxy pass the visitor's Cookie and Authorization on to the app, and his \
                 Host",
            )
        },
        matches: |r| {
            r.wrong_full().filter(|it| treated_as_stranger(r, it))?;
            let app = r.describe(r.probe(ProbeId::AppAnonymous)?);
            let because = format!(
                "{}; without the visitor's headers the app answers {app}",
                r.visitor_gets()
            );
            Some(Match::likely(because).shown_by(ProbeId::AppAnonymous))
        },
    },
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

/// Whether the site answers a visitor with rights as the app answers one without.
pub(super) fn treated_as_stranger(r: &Reading<'_>, full: &Response) -> bool {
    let left = r.app_right() && r.handoff().is_some() && !r.storage_to_blame();
    let refusal = |it: &Response| matches!(it.status, 301..=303 | 307 | 400..=404);
    // A page that the app has for other paths too tells nothing of the visitor.
    let page = r.own_page(full).is_none() && !is_app_page(r.evidence, full);
    let same = |it: &Response| match (instead(r.evidence, it), instead(r.evidence, full)) {
        (Instead::Redirect(a), Instead::Redirect(b)) => a == b,
        _ => it.body.size > 0 && alike(it, full) && page,
    };
    let stranger = r.probe(ProbeId::AppAnonymous).filter(|it| refusal(it) && same(it));
    left && stranger.is_some()
}
