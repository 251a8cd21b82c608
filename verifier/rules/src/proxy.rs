//! Rules whose culprit is the proxy: the file exists, but the proxy cannot read it, even without
//! the app.

use sendfile_evidence::{
    Check, End, ProbeId, Response, Server,
    dialect::{file_seen, store_error, store_refusal},
    dummy_line::DummyLine,
    fact::{Fact, FactKind},
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, body_class, described},
    config_evidence::{
        ConfigEvidence, another_disk, changes_bytes, closed, gateway_event, unresolved,
    },
    contradiction::contradiction,
    rule::{Confidence, Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{bad_gateway, cannot_read, shut_out, store_fails},
};

pub(crate) mod masked;
pub(crate) mod store;

pub(crate) const RULES: &[&Rule] = &[
    &PERMISSION_DENIED,
    &STORAGE_NOT_MOUNTED,
    &NAME_NOT_RESOLVED,
    &STORAGE_UNREACHABLE,
    &STORE_REFUSES,
    &KEEPS_OLD_FILE,
    &OTHER_BYTES,
    &NOT_RELOADED,
    &CONFIGURATION_NOT_READ,
    &STORAGE_PUBLIC,
    &ALIAS_TRAVERSAL,
    &DIRECT_FAILS,
    &DIRECT_LOCATION_WRONG,
];

pub(crate) static PERMISSION_DENIED: Rule = Rule {
    id: "proxy.permission-denied",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy's user cannot read the file or a directory above it",
    meaning: "The storage has the file, but the proxy returns 403 when it is requested without the \
              app. The proxy's workers run as a separate user, which needs read permission on the \
              file and search permission on every directory above it. An error_page may replace \
              the 403 with another page, or with a redirect to a login.",
    remedy: Remedy {
        any: "Give the proxy's user read permission on the file and search permission on the \
              directories above it; `namei -l FILE` shows all modes",
        servers: &[
            (
                Server::Nginx,
                "Give nginx's worker user (see `user` in nginx.conf) read permission on the file \
                 and search permission on its directories; `namei -l FILE` shows all modes",
            ),
            (
                Server::Apache,
                "Give Apache's user (www-data) read permission on the file and search permission \
                 on its directories; `namei -l FILE` shows all modes",
            ),
        ],
    },
    config: ConfigEvidence::explains(|_, fact| closed(fact), shut_out),
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some(direct) = cannot_read(analysis)
            && is_forbidden(direct)
        {
            let got = analysis.describe(direct);
            let because = format!("Requested without the app, the direct location returns {got}");
            let own = analysis.own_page(direct).is_some();
            return Some(if own { Match::sure(because) } else { Match::likely(because) });
        }
        if let Some(page) = analysis.masked() {
            let because = format!(
                "After the hand-off, the client gets the same response as from the direct \
                 location, and no other path returns it: {}",
                analysis.describe(page)
            );
            // A redirect to a login usually follows a refusal.
            let redirect = (300..400).contains(&page.status);
            return Some(if redirect { Match::likely(because) } else { Match::possible(because) });
        }
        let full = analysis.failed_after_app()?;
        if !is_forbidden(full) || analysis.direct().is_some() {
            return None;
        }
        let because = format!("{}, after the hand-off", analysis.client_gets());
        match analysis.own_page(full)? {
            Server::Nginx => Some(Match::likely(because)),
            // lighttpd returns the same page for a directory that is not allowed.
            Server::Lighttpd => Some(Match::possible(because)),
            _ => None,
        }
    },
};

pub(crate) static STORAGE_NOT_MOUNTED: Rule = Rule {
    id: "proxy.storage-not-mounted",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The storage has the file, but the proxy cannot find it",
    meaning: "Requested without the app, the proxy does not find the file, although the storage \
              has it. Typical causes: the proxy runs in a container or with its own mount \
              namespace (systemd's PrivateTmp), where the path refers to a different directory, or \
              its direct location names a different directory.",
    remedy: Remedy::any(
        "Mount the storage into the proxy's container at the path in the proxy's configuration; \
         `ls -l /proc/PID/root/PATH` shows what the proxy can access",
    ),
    config: ConfigEvidence::confirms(another_disk),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let direct = cannot_read(analysis)?;
        let class = body_class(analysis.evidence, direct);
        if direct.status != 404 || matches!(class, BodyClass::AppPage | BodyClass::StoreError(_)) {
            return None;
        }
        let got = analysis.describe(direct);
        let because = format!("Requested without the app, the direct location returns {got}");
        Some(if analysis.storage_checked() {
            Match::likely(because).also("The storage has the file")
        } else {
            // The file may be missing from the storage, too.
            Match::possible(because)
        })
    },
};

pub(crate) static NAME_NOT_RESOLVED: Rule = Rule {
    id: "proxy.name-not-resolved",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy cannot resolve the storage's host name",
    meaning: "The proxy returns 502 instead of a response from the storage, while the storage \
              responds to this program. nginx resolves names in variables at run time and needs a \
              `resolver` for them. A name that is known only on one machine fails in the same way.",
    remedy: Remedy {
        any: "Make sure that the proxy's machine can resolve the storage's host name",
        servers: &[(
            Server::Nginx,
            "Add `resolver ADDRESS;` to the server block (see /etc/resolv.conf for the machine's \
             own), or name the store in proxy_pass without variables",
        )],
    },
    config: ConfigEvidence::explains(unresolved, bad_gateway),
    precedence: Precedence::Usual,
    matches: |analysis| {
        if let Some(full) = fails_for_signed_link(analysis) {
            let got = analysis.describe(full);
            return Some(Match::possible(format!(
                "After a signed hand-off, the client gets {got}"
            )));
        }
        let direct = store_fails(analysis)?;
        if !matches!(direct.status, 500 | 502 | 503) {
            return None;
        }
        let because = instead_of_storage(analysis, direct);
        Some(if names_host(analysis) { Match::likely(because) } else { Match::possible(because) })
    },
};

pub(crate) static STORAGE_UNREACHABLE: Rule = Rule {
    id: "proxy.storage-unreachable",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy cannot reach the storage server",
    meaning: "The storage responds to this program, but the proxy returns 502 or 504 when the file \
              is requested without the app. Typical causes: a different address, a firewall, or \
              TLS between the two.",
    remedy: Remedy::any(
        "Request the file from the storage with curl on the proxy's machine, and compare the \
         address with the one in the proxy's configuration",
    ),
    config: ConfigEvidence::confirms(|_, fact| gateway_event(fact)),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let direct = store_fails(analysis)?;
        let because = instead_of_storage(analysis, direct);
        Some(if names_host(analysis) { Match::possible(because) } else { Match::likely(because) })
    },
};

pub(crate) static STORE_REFUSES: Rule = Rule {
    id: "proxy.store-refuses",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The store rejects the proxy's request",
    meaning: "The file was requested from the proxy without the app, and the proxy passed on the \
              store's error. Typical causes: the proxy dropped the signed query, or it modified \
              the request.",
    remedy: Remedy::any(
        "Compare the request that the proxy sends with the one that was signed: Host, path, query \
         and method",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let direct = cannot_read(analysis)?;
        let code = store_error(&direct.body)?;
        Some(Match::likely(format!(
            "Requested through the proxy, the store returns {} {code}",
            direct.status
        )))
    },
};

pub(crate) static KEEPS_OLD_FILE: Rule = Rule {
    id: "proxy.keeps-old-file",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: Some(Check::Freshness),
    summary: "The proxy serves a cached copy of a file that was replaced",
    meaning: "At the direct location, the proxy returns the old content of this file, but the \
              current content of another test file that was placed at the same time. So the proxy \
              can access the storage, but caches individual files. nginx's open_file_cache keeps a \
              file that was replaced by rename for open_file_cache_valid, 60 s by default \
              (measured).",
    remedy: Remedy {
        any: "Disable the proxy's file cache, or give changed files a new name",
        servers: &[(
            Server::Nginx,
            "Set `open_file_cache off;` for the storage, or give changed files a new name",
        )],
    },
    config: None,
    precedence: Precedence::Replaces(&[&OTHER_BYTES]),
    matches: |analysis| {
        let direct = wrong_file(analysis)?;
        let line = DummyLine::read(&direct.body.head)?;
        // The other dummy is requested only when something is wrong, so no cache contains it.
        let other_is_current = analysis.returns_dummy(ProbeId::NoExtension);
        let older = matches!(body_class(analysis.evidence, direct), BodyClass::Older(_));
        if !older || !other_is_current {
            return None;
        }
        let because = format!(
            "The proxy serves the old content of this file, {}, but the current content of another \
             dummy that was placed at the same time",
            described(&line)
        );
        Some(Match::sure(because).shown_by(ProbeId::NoExtension))
    },
};

pub(crate) static OTHER_BYTES: Rule = Rule {
    id: "proxy.other-bytes",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy serves different content than the storage contains",
    meaning: "The proxy serves a file of that name, but its content differs from the one in the \
              storage. Typical causes: a replica that lags behind, a cache of open files, a filter \
              that changes the stream, or a different mount.",
    remedy: Remedy {
        any: "Check the proxy for caches and filters, and compare the mount that it reads with the \
              storage",
        servers: &[(
            Server::Nginx,
            "Check the locations for open_file_cache, proxy_cache, sub_filter, gzip_static and \
             charset, and compare the mount with the storage",
        )],
    },
    config: ConfigEvidence::confirms(|_, fact| changes_bytes(fact)),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let direct = wrong_file(analysis)?;
        // If the rest of the body timed out, its content is unknown.
        if timed_out(direct) {
            return None;
        }
        let because = format!("The proxy serves {}", analysis.describe(direct));
        let found = match body_class(analysis.evidence, direct) {
            BodyClass::OtherInstance(_) => Match::likely(because).also(
                "A different fixture wrote this file: the site reads a different storage, or \
                 --fixture belongs to a different site",
            ),
            BodyClass::Other | BodyClass::AppPage | BodyClass::ProxyPage(_) | BodyClass::Empty => {
                Match::likely(because)
            }
            _ => Match::sure(because),
        };
        Some(match file_behind(analysis, direct) {
            Some(file) => found.also(file),
            None => found,
        })
    },
};

pub(crate) static NOT_RELOADED: Rule = Rule {
    id: "proxy.not-reloaded",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The running proxy does not behave as its configuration says",
    meaning: "According to the configuration, the client would get the file, or the request would \
              be routed differently from what was measured. Usually the configuration was changed \
              but not reloaded. Otherwise, the proxy uses a different file from the one given with \
              --proxy-config, or accesses a different disk. No cause is derived from a \
              configuration that is not in effect.",
    remedy: Remedy {
        any: "Reload the proxy's configuration, then check again",
        servers: &[
            (Server::Nginx, "Run `nginx -t && nginx -s reload`, then check again"),
            (Server::Apache, "Run `apachectl configtest && apachectl graceful`, then check again"),
            (Server::Caddy, "Run `caddy reload`, then check again"),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let mut because = contradiction(analysis)?.into_iter();
        let first = Match::likely(because.next()?);
        Some(first.with_config(Confidence::Likely, because.collect(), None))
    },
};

pub(crate) static CONFIGURATION_NOT_READ: Rule = Rule {
    id: "proxy.configuration-not-read",
    culprit: Culprit::Proxy,
    severity: Severity::Warning,
    check: None,
    summary: "A configuration or error log could not be read completely",
    meaning: "The files that --proxy-config and --error-log name are read as far as possible. The \
              missing part may contain the cause, so these files do not make any finding certain.",
    remedy: Remedy::any(
        "Give the user of this program read permission on the files, or pass the output of `nginx \
         -T`",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let mut unread = analysis.evidence.local.iter().filter(|fact| is_unread(fact));
        let first = unread.next()?;
        let mut found = Match::sure(first.detail.as_str());
        for fact in unread {
            found = found.also(fact.detail.as_str());
        }
        Some(found)
    },
};

pub(crate) static STORAGE_PUBLIC: Rule = Rule {
    id: "proxy.storage-public",
    culprit: Culprit::Proxy,
    severity: Severity::Exposed,
    check: Some(Check::Exposure),
    summary: "The storage directory is published under a public path",
    meaning: "A public path of the site, for example for media files, maps to the storage \
              directory and returns the file, byte for byte. Every client that knows or guesses a \
              file name can download the file without a permission check.",
    remedy: Remedy {
        any: "Move protected files to a separate directory that is not published",
        servers: &[
            (
                Server::Nginx,
                "Remove the location that publishes the directory, or move protected files to a \
                 separate directory outside every public `root` or `alias`",
            ),
            (
                Server::Apache,
                "Remove the Alias of the directory, or set `Require all denied` for it",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| open_to_anybody(analysis, ProbeId::StoragePublic),
};

pub(crate) static ALIAS_TRAVERSAL: Rule = Rule {
    id: "proxy.alias-traversal",
    culprit: Culprit::Proxy,
    severity: Severity::Exposed,
    check: Some(Check::Exposure),
    summary: "A public location exposes its parent directory (alias traversal)",
    meaning: "If `alias` ends with a slash but its location does not, `/direct../x` resolves to \
              the parent directory, and everything next to the directory is public. The file was \
              downloaded in this way, byte for byte.",
    remedy: Remedy {
        any: "Add a trailing slash to the location's path",
        servers: &[(
            Server::Nginx,
            "Add a trailing slash to the location, as the alias has one: `location ^~ /direct/ { \
             alias /DIRECTORY/; }`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| open_to_anybody(analysis, ProbeId::DirectUp),
};

pub(crate) static DIRECT_FAILS: Rule = Rule {
    id: "proxy.direct-fails",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy does not serve the file, even without the app",
    meaning: "Storage and app work correctly. The location that serves the file without the app \
              returns a response that no known cause explains.",
    remedy: Remedy::any("Check the proxy's error log for this request"),
    config: None,
    precedence: Precedence::Last,
    matches: |analysis| {
        let direct = cannot_read(analysis)?;
        let explained = matches!(direct.status, 200 | 403 | 404 | 502..=504) && !timed_out(direct);
        if explained || store_error(&direct.body).is_some() {
            return None;
        }
        Some(Match::possible(format!("The proxy returns {}", analysis.describe(direct))))
    },
};

pub(crate) static DIRECT_LOCATION_WRONG: Rule = Rule {
    id: "proxy.direct-location-wrong",
    culprit: Culprit::Proxy,
    severity: Severity::Warning,
    check: None,
    summary: "The direct location is wrong, so its result is not conclusive",
    meaning: "At the direct location, this program requests the file from the proxy without the \
              app. The location returns a different response although the client gets the file, or \
              its response comes from the app. This is a mistake in the setup of the check, not in \
              the product.",
    remedy: Remedy::any(
        "Correct the direct location or --direct, so that the next diagnosis can rely on it",
    ),
    config: ConfigEvidence::confirms(|_, fact| {
        matches!(fact.kind, FactKind::DirectOpens { other: true, .. })
    }),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let direct = analysis.evidence.direct.response()?;
        let wrong = analysis.delivered && !analysis.direct_right();
        if !wrong && !analysis.direct_by_app() {
            return None;
        }
        Some(Match::sure(format!("The direct location returns {}", analysis.describe(direct))))
    },
};

/// A 403 that is not a store's error.
fn is_forbidden(response: &Response) -> bool {
    response.status == 403 && store_error(&response.body).is_none()
}

/// Whether the rest of the body timed out.
fn timed_out(response: &Response) -> bool {
    response.body.end == End::TimedOut
}

/// The direct location's response, if the proxy serves a wrong file there.
fn wrong_file<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let direct = cannot_read(analysis)?;
    if direct.status == 200 { Some(direct) } else { None }
}

/// Describes the proxy's own error for a file in a store.
fn instead_of_storage(analysis: &Analysis<'_>, direct: &Response) -> String {
    let got = analysis.describe(direct);
    format!("The proxy returns {got}, instead of a response from the storage")
}

/// nginx's own gateway error in response to a signed link to a store.
fn fails_for_signed_link<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let full = analysis.failed_after_app()?;
    let (_, value) = analysis.handoff()?;
    let own = store_refusal(full).is_none() && analysis.own_page(full) == Some(Server::Nginx);
    let kept = full.header("content-disposition").is_some();
    if full.status == 502 && own && kept && value.contains('?') { Some(full) } else { None }
}

/// Whether the hand-off itself contains a host name, which is then resolved at run time.
fn names_host(analysis: &Analysis<'_>) -> bool {
    let Some((_, value)) = analysis.handoff() else { return false };
    let (path, _) = value.split_once('?').unwrap_or((value, ""));
    let mut segments = path.split('/');
    while let Some(segment) = segments.next() {
        if matches!(segment.trim_end_matches(':'), "http" | "https") {
            return segments.next().is_some_and(is_host_name);
        }
    }
    false
}

/// Whether the segment after a scheme is a host name: it contains letters, and either a port or two
/// dots.
fn is_host_name(segment: &str) -> bool {
    let (name, port) = match segment.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (segment, None),
    };
    let letters = name.chars().any(|char| char.is_ascii_alphabetic());
    letters && (name == "localhost" || port.is_some() || name.matches('.').count() >= 2)
}

fn is_unread(fact: &Fact) -> bool {
    matches!(fact.kind, FactKind::Unread | FactKind::LogUnread)
}

/// A match if the file is returned at a URL that must not serve it.
fn open_to_anybody(analysis: &Analysis<'_>, id: ProbeId) -> Option<Match> {
    let url = &analysis.evidence.probed(id)?.request.url;
    if !analysis.returns_dummy(id) {
        return None;
    }
    Some(Match::sure(format!("Anyone can download the file at {url}")).shown_by(id))
}

/// Describes the file that the proxy opened for a response, by the response's ETag.
fn file_behind(analysis: &Analysis<'_>, direct: &Response) -> Option<String> {
    let file = file_seen(analysis.server?, direct.header("etag")?)?;
    let right = analysis.evidence.dummy.as_ref().is_some_and(|dummy| dummy.size == file.size);
    let changed = humantime::format_rfc3339_seconds(file.modified);
    let because = format!(
        "According to its ETag, the proxy read a file of {} bytes, last modified at {changed}",
        file.size
    );
    if right && direct.body.size != file.size {
        return Some(format!(
            "{because}. The size is correct, so the content is changed after it is read"
        ));
    }
    Some(because)
}
