//! Rules about a proxy that acts on the hand-off, but refuses its target.

use sendfile_evidence::{Check, FailureKind, ProbeId, Server, dialect, fact::FactKind};

use crate::{
    config_evidence::{ConfigEvidence, forbids, has, not_allowed, refuses, refuses_link},
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{inside, own_500, refused},
};

pub(crate) const RULES: &[&Rule] = &[
    &REFUSAL_IGNORED,
    &ALIAS_TRAVERSAL,
    &NO_ANSWER,
    &OVERRIDE_FORBIDDEN,
    &PATH_NOT_ALLOWED,
    &ACCESS_DENIED,
    &LINK_REFUSED,
];

pub(crate) static REFUSAL_IGNORED: Rule = Rule {
    id: "handoff.refusal-ignored",
    culprit: Culprit::Handoff,
    severity: Severity::Exposed,
    check: Some(Check::Refusal),
    summary: "A client that the app refuses gets the file",
    meaning: "The fixture refuses with 403 and does not hand off, but the site returns the file \
              anyway. Either a cache returns it, or a rule does not forward the request to the \
              app.",
    remedy: Remedy::any(
        "Forward every request for the download to the app, and keep its responses out of caches",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if !analysis.returns_dummy(ProbeId::Denied) {
            return None;
        }
        let because = "The site returns the file although the app returns 403";
        Some(Match::sure(because).shown_by(ProbeId::Denied))
    },
};

pub(crate) static ALIAS_TRAVERSAL: Rule = Rule {
    id: "handoff.alias-traversal",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Exposure),
    summary: "A hand-off with `..` leaves the internal location's directory",
    meaning: "If `alias` ends with a slash but its location does not, `/protected../x` resolves to \
              the parent directory. Clients cannot request that URI, but an app that builds its \
              value from user input can be made to hand it off.",
    remedy: Remedy {
        any: "Add a trailing slash to the location's path",
        servers: &[(
            Server::Nginx,
            "Add a trailing slash to the location, as the alias has one: `location ^~ /PREFIX/ { \
             internal; alias /DIRECTORY/; }`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        if !analysis.returns_dummy(ProbeId::Parent) {
            return None;
        }
        let because = "A hand-off whose path leaves the storage directory and reenters it returns \
                       the file";
        Some(Match::sure(because).shown_by(ProbeId::Parent))
    },
};

pub(crate) static NO_ANSWER: Rule = Rule {
    id: "handoff.no-answer",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "After the hand-off, the proxy sends no response or times out",
    meaning: "Storage, app and direct location respond, and so do other paths of the site, but the \
              download gets no response. Typical causes: a rate limit that is too low \
              (`limit_rate`, X-Accel-Limit-Rate), a pipe or a dead mount in the file's path, or a \
              worker that crashes.",
    remedy: Remedy {
        any: "Check the proxy's error log for this request",
        servers: &[(
            Server::Nginx,
            "Check nginx's error log for this request, `limit_rate` in the internal location and \
             X-Accel-Limit-Rate in the app's response. If the download is meant to be slow, raise \
             --timeout",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.full.outcome.failure()?;
        let silent = matches!(failure.kind, FailureKind::TimedOut | FailureKind::Closed);
        let others =
            !analysis.storage_is_culprit() && analysis.app_right() && analysis.direct_right();
        if !silent || !others || !analysis.site_answers() {
            return None;
        }
        let because = format!("A client gets no response: {}", failure.chain);
        match analysis.reached {
            Reached::App(how) | Reached::AppTwice(how) => Some(Match::likely(because).also(how)),
            Reached::Unknown => Some(Match::possible(because)),
            Reached::NotReached(_) | Reached::Misrouted(_) => None,
        }
    },
};

pub(crate) static OVERRIDE_FORBIDDEN: Rule = Rule {
    id: "handoff.override-forbidden",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "A directive is not allowed in its context",
    meaning: "Apache returns its own error 500. The cause is a .htaccess file, which Apache reads \
              at run time. It contains a directive that `AllowOverride` does not permit \
              (`XSendFile` requires FileInfo) or that no module defines.",
    remedy: Remedy::any(
        "Move `XSendFile On` from .htaccess to the virtual host, or set `AllowOverride FileInfo` \
         for its directory",
    ),
    config: ConfigEvidence::explains(|_, fact| forbids(fact), own_500),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.unexplained_failure()?;
        if full.status != 500 || analysis.own_page(full) != Some(Server::Apache) {
            return None;
        }
        Some(Match::likely("Apache itself returns 500, before the request reaches the app"))
    },
};

pub(crate) static PATH_NOT_ALLOWED: Rule = Rule {
    id: "handoff.path-not-allowed",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The file's path is outside the allowed directories",
    meaning: "The server acts on the header, but sends only files below the configured \
              directories: `XSendFilePath` in Apache, which otherwise returns 404, and \
              `x-sendfile-docroot` in lighttpd, which otherwise returns 403. Symlinks in the path \
              are resolved first.",
    remedy: Remedy {
        any: "Add the storage directory to the list of allowed directories",
        servers: &[
            (
                Server::Apache,
                "Add `XSendFilePath /DIRECTORY` for the storage directory, where the app's \
                 location is",
            ),
            (
                Server::Lighttpd,
                "Add the storage directory, with symlinks resolved and a trailing slash, to \
                 `\"x-sendfile-docroot\"`",
            ),
        ],
    },
    config: ConfigEvidence::explains_only(|_, fact| not_allowed(fact), inside),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let page = analysis.own_page(full)?;
        let (_, value) = analysis.handoff()?;
        // lighttpd checks the directory first: if a file with another name is not refused, the
        // directory is allowed.
        let allowed = page == Server::Lighttpd
            && analysis.probe(ProbeId::Missing).is_some_and(|missing| missing.status == 404);
        if allowed || analysis.refused_between(full) {
            return None;
        }
        let server = analysis.server.map_or("the server", Server::name);
        let because = if analysis.direct_right() {
            format!(
                "The direct location returns the file, but after the hand-off {server} denies \
                 access to it"
            )
        } else {
            format!("After the hand-off, {server} returns {}", analysis.describe(full))
        };
        let found = match (page, full.status) {
            (Server::Lighttpd, 403) if analysis.direct_right() => Match::sure(because),
            (Server::Apache, 404) if analysis.direct_right() => Match::likely(because),
            // A file that the server's user cannot read causes the same response.
            (Server::Lighttpd, 403) | (Server::Apache, 404) => Match::possible(because),
            _ => return None,
        };
        Some(match analysis.stored_at() {
            Some(path) if value != path && dialect::decoded(value) != path => found.also(format!(
                "The hand-off names {value}, but the storage that was read has the file at {path}. \
                 Check that the server uses the same directory"
            )),
            _ => found,
        })
    },
};

pub(crate) static ACCESS_DENIED: Rule = Rule {
    id: "handoff.access-denied",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "An access rule denies the hand-off's target",
    meaning: "The proxy can read the file and the app hands off, but the proxy itself returns 401 \
              or 403. Typical causes: `deny`, `auth_basic`, `auth_request` or `return` in the \
              internal location. `internal` alone is enough to block clients.",
    remedy: Remedy {
        any: "Remove the access rules from the location of the target",
        servers: &[(
            Server::Nginx,
            "Remove `deny`, `auth_basic`, `auth_request` and `return` from the internal location: \
             `internal;` already blocks clients",
        )],
    },
    config: ConfigEvidence::explains_only(
        |analysis, fact| {
            fact.kind == FactKind::TargetRefused
                || refuses(fact) && !has(analysis, &[FactKind::TargetShadowed])
        },
        refused,
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let server = analysis.own_page(full)?;
        // If a missing file is not refused, the rule is about this file.
        let missing = analysis.probe(ProbeId::Missing);
        let only_this = missing.is_some_and(|missing| missing.status != full.status);
        if !matches!(full.status, 401 | 403)
            || server == Server::Lighttpd
            || !matches!(analysis.reached, Reached::App(_))
            || !analysis.direct_right()
            || only_this
        {
            return None;
        }
        let (server, got) = (server.name(), analysis.describe(full));
        Some(Match::likely(format!("After the hand-off, {server} itself denies access: {got}")))
    },
};

pub(crate) static LINK_REFUSED: Rule = Rule {
    id: "handoff.link-refused",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy does not follow a symbolic link in the file's path",
    meaning: "After the hand-off, the proxy denies access to this file but not to a different name \
              in the same directory, and its direct location returns the file. nginx does so for \
              links if `disable_symlinks` is set, lighttpd if `server.follow-symlink` is disabled. \
              If a parent directory is the link, nginx reports the file as missing \
              instead, and only its error log shows the cause. A copy of the directory that the \
              proxy's user cannot read looks the same.",
    remedy: Remedy {
        any: "Allow the proxy to follow the link, or use a storage path without symlinks",
        servers: &[
            (
                Server::Nginx,
                "Set `disable_symlinks if_not_owner from=/DIRECTORY/;` in the internal location, \
                 or use a storage path without symlinks",
            ),
            (
                Server::Lighttpd,
                "Set `server.follow-symlink = \"enable\"`, or use a storage path without symlinks",
            ),
        ],
    },
    config: ConfigEvidence::explains(refuses_link, inside),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let server = analysis.own_page(full)?;
        let missing = analysis.probe(ProbeId::Missing)?;
        if full.status != 403 || missing.status != 404 || !analysis.direct_right() {
            return None;
        }
        Some(Match::likely(format!(
            "After the hand-off, {} refuses the file, but for a missing file it returns {}",
            server.name(),
            analysis.describe(missing)
        )))
    },
};
