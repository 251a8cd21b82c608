//! The proxy takes the hand-off up, and refuses what it leads to.

use super::super::{Culprit, Match, Remedy, Rule, Severity, reached::Reached};
use sendfile_evidence::{
    FailureKind, ProbeId,
    dialect::{self, Product},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.refusal-ignored",
        culprit: Culprit::Handoff,
        severity: Severity::Exposed,
        summary: "a visitor whom the app refuses gets the file",
        meaning: "The fixture refuses with 403 and hands nothing over, and the site gives the file \
                  all the same: it comes from a cache, or by a rule that does not ask the app.",
        remedy: Remedy::any(
            "let every request for the download ask the app, and keep its answers out of caches",
        ),
        matches: |r| {
            let found = || Match::sure("the file comes where the app answers 403");
            r.gives_dummy(ProbeId::Denied).then(|| found().shown_by(ProbeId::Denied))
        },
    },
    Rule {
        id: "handoff.alias-traversal",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "a hand-off with `..` in it leaves the internal location's folder",
        meaning: "An alias that ends with a slash behind a location that does not reads \
                  `/protected../x` as the folder above. No visitor can ask for that, but an app \
                  that builds its value from what users send can be made to.",
        remedy: Remedy {
            nginx: Some(
                "end the location with a slash, as the alias does: location ^~ /PREFIX/ { \
                 internal; alias /FOLDER/; }",
            ),
            ..Remedy::any("end the location's path with a slash")
        },
        matches: |r| {
            let because = "a hand-off that leaves the storage and comes back gets the file";
            let found = || Match::sure(because).shown_by(ProbeId::Parent);
            r.gives_dummy(ProbeId::Parent).then(found)
        },
    },
    Rule {
        id: "handoff.no-answer",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "after the hand-off no answer comes, or not in time",
        meaning: "Storage, app and direct location answer, other paths of the site do too, and the \
                  download gets no answer. A limit of the rate that is too low (limit_rate, \
                  X-Accel-Limit-Rate), a pipe or a dead mount where the file is looked for, or a \
                  worker that crashes does this.",
        remedy: Remedy {
            nginx: Some(
                "see nginx's error log for this request; look for limit_rate in the internal \
                 location and for X-Accel-Limit-Rate in the app's answer, and give --timeout more \
                 if it is meant to be slow",
            ),
            ..Remedy::any("see the proxy's error log for this request")
        },
        matches: |r| {
            let failure = r.evidence.full.seen.failure()?;
            let silent = matches!(failure.kind, FailureKind::TimedOut | FailureKind::Closed);
            let others = !r.storage_to_blame() && r.app_right() && r.direct_right();
            let because = || format!("a visitor gets nothing: {}", failure.chain);
            match &r.reached {
                _ if !(silent && others && r.site_answers()) => None,
                Reached::App(how) | Reached::AppTwice(how) => {
                    Some(Match::likely(because()).also(*how))
                }
                Reached::Unknown => Some(Match::possible(because())),
                Reached::Not(_) | Reached::Otherwise(_) => None,
            }
        },
    },
    Rule {
        id: "handoff.override-forbidden",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the directive is not allowed where it stands",
        meaning: "Apache answers with its own error 500, which it does while running only for \
                  what it reads while running: a .htaccess with a directive that AllowOverride \
                  does not admit (XSendFile wants FileInfo) or that no module knows.",
        remedy: Remedy::any(
            "move XSendFile On from .htaccess to the virtual host, or set AllowOverride FileInfo \
             for its folder",
        ),
        matches: |r| {
            let full = r.left_over().filter(|it| it.status == 500)?;
            (r.own_page(full) == Some(Product::Apache))
                .then(|| Match::likely("Apache itself answers 500, before the app is asked"))
        },
    },
    Rule {
        id: "handoff.path-not-allowed",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the path is outside the list of allowed ones",
        meaning: "The server acts on the header, and sends only files below the folders that it \
                  was told: XSendFilePath in Apache (a refusal is a 404), x-sendfile-docroot in \
                  lighttpd (a 403). A symlink on the way counts by what it points to.",
        remedy: Remedy {
            any: "add the storage's folder to the list of folders that may be sent",
            nginx: None,
            apache: Some(
                "add `XSendFilePath /FOLDER` for the storage's folder, where the app's location is",
            ),
            lighttpd: Some(
                "add the storage's folder, symlinks resolved and with a slash at its end, to \
                 \"x-sendfile-docroot\"",
            ),
            caddy: None,
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let server = r.server.map_or("the server", Product::name);
            let because = || match r.direct_right() {
                true => format!("{server} refuses the file that the direct location gives"),
                false => format!("after the hand-off {server} gives {}", r.describe(full)),
            };
            if r.refused_between(full) {
                return None;
            }
            let found = match (r.own_page(full)?, full.status) {
                // It looks at the folder first: where another name is not refused, it is allowed.
                (Product::Lighttpd, 403)
                    if r.probe(ProbeId::Missing).is_some_and(|it| it.status == 404) =>
                {
                    return None;
                }
                (Product::Lighttpd, 403) if r.direct_right() => Match::sure(because()),
                (Product::Apache, 404) if r.direct_right() => Match::likely(because()),
                // A file that is closed to the server's user looks the same.
                (Product::Lighttpd, 403) | (Product::Apache, 404) => Match::possible(because()),
                _ => return None,
            };
            let (_, value) = r.handoff()?;
            let elsewhere =
                r.stored_at().filter(|it| dialect::decoded(value) != *it && value != *it);
            Some(match elsewhere {
                Some(path) => found.also(format!(
                    "the hand-off names {value}, and the storage that was read has the file at \
                     {path}: is that the folder as the server sees it?"
                )),
                None => found,
            })
        },
    },
    Rule {
        id: "handoff.access-denied",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "an access rule closes the location of the hand-off's target",
        meaning: "The proxy can read the file, the app hands over, and the proxy itself answers 401 or \
                  403: a deny, an auth_basic, an auth_request or a return in the internal location. \
                  `internal` alone is enough to keep visitors out.",
        remedy: Remedy {
            nginx: Some(
                "take deny, auth_basic, auth_request and return out of the internal location; \
                 `internal;` keeps visitors out",
            ),
            ..Remedy::any("take the access rules out of the location of the target")
        },
        matches: |r| {
            let full = r.lost_after_app().filter(|it| matches!(it.status, 401 | 403))?;
            let server = r.own_page(full).filter(|it| *it != Product::Lighttpd)?;
            // Where a file that is not there is not refused, the rule is about this file.
            let only_this = r.probe(ProbeId::Missing).is_some_and(|it| it.status != full.status);
            let reached = matches!(r.reached, Reached::App(_)) && r.direct_right() && !only_this;
            let because =
                || format!("after the hand-off {} refuses: {}", server.name(), r.describe(full));
            reached.then(|| Match::likely(because()))
        },
    },
    Rule {
        id: "handoff.link-refused",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "a symbolic link on the way to the file is not followed where the hand-off ends",
        meaning: "After the hand-off the proxy refuses this file, and does not refuse another name \
                  beside it, while its direct location gives the file. nginx does so for links \
                  under disable_symlinks, lighttpd without server.follow-symlink. Where a folder \
                  above is the link, nginx calls the file missing instead, and only its error log \
                  tells. A copy of the folder that is closed to the proxy's user looks the same.",
        remedy: Remedy {
            nginx: Some(
                "disable_symlinks if_not_owner from=/FOLDER/; in the internal location, or let the \
                 storage's path have no link in it",
            ),
            lighttpd: Some("server.follow-symlink = \"enable\", or a storage without links"),
            ..Remedy::any(
                "let the proxy follow the link, or let the storage's path have none in it",
            )
        },
        matches: |r| {
            let full = r.lost_after_app().filter(|it| it.status == 403 && r.direct_right())?;
            let server = r.own_page(full)?;
            let missing = r.probe(ProbeId::Missing).filter(|it| it.status == 404)?;
            Some(Match::likely(format!(
                "after the hand-off {} refuses the file, and for one that is not there it answers {}",
                server.name(),
                r.describe(missing)
            )))
        },
    },
];
