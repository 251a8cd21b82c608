//! Rules whose culprit is the proxy: the file is there, and the proxy cannot read it, even without
//! the app.

mod masked;
pub(super) mod store;

use self::store::{breaks_off, names_host, reaches_no_store, store_fails};
use super::{
    Confidence, Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, instead, told},
    local::contradiction,
};
use sendfile_evidence::{
    End, ProbeId, Response,
    dialect::{Product, file_seen, store_error},
    dummy_line::DummyLine,
    fact::{Fact, Says},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "proxy.permission-denied",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the file, or a folder above it, is closed to the proxy's user",
        meaning: "The storage has the file, and the proxy answers 403 when it is asked for it \
                  without the app. The proxy's workers run as a user of their own, who needs to \
                  read the file and to pass every folder above it. An error_page may show the 403 as \
                  another page, or as a redirect to a login.",
        remedy: Remedy {
            nginx: Some(
                "let nginx's worker user (see `user` in nginx.conf) read the file and pass the \
                 folders: namei -l FILE shows all their modes",
            ),
            apache: Some(
                "let Apache's user (www-data) read the file and pass the folders: namei -l FILE \
                 shows all their modes",
            ),
            ..Remedy::any(
                "let the proxy's user read the file and pass the folders above it: namei -l FILE \
                 shows all their modes",
            )
        },
        matches: |r| {
            let closed = |it: &&Response| it.status == 403 && store_error(&it.body).is_none();
            if let Some(direct) = cannot_read(r).filter(closed) {
                let because =
                    format!("the proxy answers {} for the file itself", r.describe(direct));
                let own = r.own_page(direct).is_some();
                return Some(if own { Match::sure(because) } else { Match::likely(because) });
            }
            if let Some(same) = r.masked() {
                let because = format!(
                    "after the hand-off a visitor gets what the direct location gives, and no other \
                     path does: {}",
                    r.describe(same)
                );
                // A login is what follows a refusal.
                let moved = (300..400).contains(&same.status);
                return Some(if moved { Match::likely(because) } else { Match::possible(because) });
            }
            let full = r.lost_after_app().filter(closed).filter(|_| r.direct().is_none())?;
            let because = format!("after the hand-off {}", r.visitor_gets());
            match r.own_page(full)? {
                Product::Nginx => Some(Match::likely(because)),
                // It says the same of a folder that is not allowed.
                Product::Lighttpd => Some(Match::possible(because)),
                _ => None,
            }
        },
    },
    Rule {
        id: "proxy.storage-not-mounted",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy does not see the storage",
        meaning: "The storage has the file, and the proxy does not find it when it is asked \
                  without the app: it runs in a container or with a mount namespace of its own \
                  (systemd's PrivateTmp) where the folder is another one, or its direct location \
                  names another folder.",
        remedy: Remedy::any(
            "mount the storage into the proxy's container at the path that its configuration \
             names; ls -l /proc/PID/root/PATH shows what it sees",
        ),
        matches: |r| {
            let direct = cannot_read(r).filter(|it| it.status == 404 && instead_of(r, it))?;
            let answers = format!("the proxy answers {} for the file itself", r.describe(direct));
            Some(match r.storage_asked() {
                true => Match::likely(answers).also("the storage has it"),
                // Perhaps it is nowhere.
                false => Match::possible(answers),
            })
        },
    },
    Rule {
        id: "proxy.name-not-resolved",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy cannot look up the storage's name",
        meaning: "The proxy answers 502 when it should ask the storage, while the storage \
                  answers this program. nginx looks names in variables up at run time and needs \
                  a `resolver` for it; a name that only one machine knows fails likewise.",
        remedy: Remedy {
            nginx: Some(
                "add `resolver ADDRESS;` to the server (the machine's is in /etc/resolv.conf), \
                 or name the store without variables in proxy_pass",
            ),
            ..Remedy::any("see that the proxy's machine can look up the storage's name")
        },
        matches: |r| {
            if let Some(full) = reaches_no_store(r) {
                let because =
                    format!("after a signed hand-off a visitor gets {}", r.describe(full));
                return Some(Match::possible(because));
            }
            let direct = store_fails(r).filter(|it| matches!(it.status, 500 | 502 | 503))?;
            let because =
                format!("the proxy answers {} where it should ask the storage", r.describe(direct));
            Some(if names_host(r) { Match::likely(because) } else { Match::possible(because) })
        },
    },
    Rule {
        id: "proxy.storage-unreachable",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy cannot reach the storage's server",
        meaning: "The storage answers this program, and the proxy, asked for the file without \
                  the app, answers 502 or 504: another address, a firewall, or TLS stands \
                  between the two.",
        remedy: Remedy::any(
            "ask the storage from the proxy's machine with curl, and compare the address with \
             the one in its configuration",
        ),
        matches: |r| {
            let direct = store_fails(r)?;
            let because =
                format!("the proxy answers {} where it should ask the storage", r.describe(direct));
            Some(if names_host(r) { Match::possible(because) } else { Match::likely(because) })
        },
    },
    Rule {
        id: "proxy.store-refuses",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the store refuses the proxy's own request",
        meaning: "The proxy was asked for the file without the app, and passed the store's error \
                  on: the signed query was dropped, or the request was changed on the way.",
        remedy: Remedy::any(
            "compare the request that the proxy sends with the one that was signed: Host, path, \
             query, method",
        ),
        matches: |r| {
            let direct = cannot_read(r)?;
            let code = store_error(&direct.body)?;
            Some(Match::likely(format!(
                "asked through the proxy, the store answers {} {code}",
                direct.status
            )))
        },
    },
    Rule {
        id: "proxy.keeps-old-file",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy keeps a file that was replaced",
        meaning: "Asked without the app, the proxy gives what the file held before, and another \
                  dummy, which was placed at the same time, as it is now: the proxy sees the \
                  storage, and keeps single files. nginx's open_file_cache keeps what was replaced \
                  by rename for open_file_cache_valid, 60 s by default (measured).",
        remedy: Remedy {
            nginx: Some("open_file_cache off; for the storage, or give changed files another name"),
            ..Remedy::any(
                "switch the proxy's cache of files off, or give changed files another name",
            )
        },
        matches: |r| {
            let line = kept_file(r)?;
            let because = format!(
                "the proxy serves an older content, {}; another dummy, placed with the new one, comes \
                 as it is",
                told(&line)
            );
            Some(Match::sure(because).shown_by(ProbeId::NoExtension))
        },
    },
    Rule {
        id: "proxy.other-bytes",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy reads other bytes than the storage has",
        meaning: "The proxy serves a file of that name, and it is not the one in the storage: a \
                  replica that is behind, a cache of open files, a filter that changes the \
                  stream, or another mount.",
        remedy: Remedy {
            nginx: Some(
                "look for open_file_cache, proxy_cache, sub_filter, gzip_static and charset in \
                 the locations, and compare the mount with the storage",
            ),
            ..Remedy::any(
                "look for caches and filters in the proxy, and compare the mount that it reads \
                 with the storage",
            )
        },
        matches: |r| {
            let whole = |it: &&Response| it.status == 200 && !too_slow(it) && !breaks_off(r, it);
            let direct = cannot_read(r).filter(|it| whole(it) && kept_file(r).is_none())?;
            let of_dummy = !matches!(
                instead(r.evidence, direct),
                Instead::Other | Instead::AppPage | Instead::ProxyPage(_) | Instead::Empty
            );
            let because = format!("the proxy serves {}", r.describe(direct));
            let found = match instead(r.evidence, direct) {
                Instead::OtherInstance(_) => Match::likely(because).also(
                    "another fixture wrote it: this site reads another storage, or --fixture is \
                     another site's",
                ),
                _ if of_dummy => Match::sure(because),
                _ => Match::likely(because),
            };
            Some(match file_behind(r, direct) {
                Some(file) => found.also(file),
                None => found,
            })
        },
    },
    Rule {
        id: "proxy.not-reloaded",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the running proxy does something else than its configuration says",
        meaning: "The configuration, as it reads, gives the visitor the file, or leads to another \
                  place than the one that was measured. Most often it was changed and not loaded \
                  again; or another file than --proxy-config is the one that is used, or the \
                  proxy sees another disk. No cause is read off a configuration that is not in \
                  force.",
        remedy: Remedy {
            nginx: Some("nginx -t && nginx -s reload; then check again"),
            apache: Some("apachectl configtest && apachectl graceful; then check again"),
            caddy: Some("caddy reload; then check again"),
            ..Remedy::any("let the proxy load its configuration again; then check again")
        },
        matches: |r| {
            let mut because = contradiction(r)?.into_iter();
            let first = Match::likely(because.next()?);
            Some(first.told(Confidence::Likely, because.collect(), None))
        },
    },
    Rule {
        id: "proxy.configuration-not-read",
        culprit: Culprit::Proxy,
        severity: Severity::Warning,
        summary: "a configuration or an error log could not be read, or not whole",
        meaning: "What --proxy-config and --error-log name is read as far as it can be. What is \
                  missing may hold the cause, so nothing is said to be sure because of it.",
        remedy: Remedy::any(
            "let the user of this program read the files, or give the output of `nginx -T`",
        ),
        matches: |r| {
            let not_read = |it: &&Fact| matches!(it.says, Says::Unread | Says::LogUnread);
            let unread = r.evidence.local.iter().filter(not_read);
            let mut because = unread.map(|it| it.detail.clone());
            let first = Match::sure(because.next()?);
            Some(because.fold(first, Match::also))
        },
    },
    Rule {
        id: "proxy.storage-public",
        culprit: Culprit::Proxy,
        severity: Severity::Exposed,
        summary: "the storage's folder can be fetched under a public path",
        meaning: "The file comes, byte for byte, at the site's own path for the storage's folder, as \
                  public media are published. Whoever knows or guesses a name gets the file, and \
                  no permission is checked.",
        remedy: Remedy {
            nginx: Some(
                "take the location that publishes the folder away, or keep protected files in a \
                 folder of their own that no public `root` or `alias` holds",
            ),
            apache: Some("take the Alias of the folder away, or `Require all denied` for it"),
            ..Remedy::any("keep protected files in a folder of their own that nothing publishes")
        },
        matches: |r| open_to_anybody(r, ProbeId::StoragePublic),
    },
    Rule {
        id: "proxy.alias-traversal",
        culprit: Culprit::Proxy,
        severity: Severity::Exposed,
        summary: "a public location lets visitors into the folder above its own",
        meaning: "An alias that ends with a slash behind a location that does not reads \
                  `/direct../x` as the folder above: everything beside the folder is public. The \
                  file was fetched in this way, byte for byte.",
        remedy: Remedy {
            nginx: Some(
                "end the location with a slash, as the alias does: location ^~ /direct/ { alias \
                 /FOLDER/; }",
            ),
            ..Remedy::any("end the location's path with a slash")
        },
        matches: |r| open_to_anybody(r, ProbeId::DirectUp),
    },
    Rule {
        id: "proxy.direct-fails",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy does not serve the file, even without the app",
        meaning: "Storage and app are right. The location that serves the file without the app \
                  answers with something that no known cause explains.",
        remedy: Remedy::any("see the proxy's error log for this request"),
        matches: |r| {
            let direct = cannot_read(r)?;
            let known = matches!(direct.status, 200 | 403 | 404 | 502..=504) && !too_slow(direct)
                || store_error(&direct.body).is_some();
            (!known).then(|| Match::possible(format!("the proxy answers {}", r.describe(direct))))
        },
    },
    Rule {
        id: "proxy.direct-location-wrong",
        culprit: Culprit::Proxy,
        severity: Severity::Warning,
        summary: "the direct location is wrong, and tells nothing of the download",
        meaning: "The location by which this program asks the proxy without the app gives something \
                  else though a visitor gets the file, or is answered by the app. That is a fault of \
                  the check, not of the product.",
        remedy: Remedy::any(
            "correct the direct location, or --direct, so that the next diagnosis can rely on it",
        ),
        matches: |r| {
            let wrong = |_: &&Response| r.delivered && !r.direct_right() || r.direct_by_app();
            let direct = r.evidence.direct.answer().filter(wrong)?;
            Some(Match::sure(format!("the direct location answers {}", r.describe(direct))))
        },
    },
];

/// The direct location's answer, where it is wrong, the download fails, and storage and app are
/// right.
fn cannot_read<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    let alone = !r.delivered && !r.storage_to_blame() && r.app_right() && !r.direct_unknown();
    r.direct_wrong().filter(|_| alone)
}

/// The rest did not come in time: that tells nothing of the bytes.
fn too_slow(response: &Response) -> bool {
    response.body.end == End::TimedOut
}

/// The file came where nobody should get it.
fn open_to_anybody(r: &Reading<'_>, id: ProbeId) -> Option<Match> {
    let url = &r.evidence.probed(id).filter(|_| r.gives_dummy(id))?.asked.url;
    Some(Match::sure(format!("anybody gets the file at {url}")).shown_by(id))
}

/// The first line of an older content, where the direct location gives one, and a dummy of the same
/// rotation comes: one that is asked for only where something is wrong, so that nobody keeps it.
fn kept_file(r: &Reading<'_>) -> Option<DummyLine> {
    let direct = cannot_read(r).filter(|it| it.status == 200)?;
    let line = DummyLine::read(&direct.body.head)?;
    let older = matches!(instead(r.evidence, direct), Instead::Older(_));
    (older && r.gives_dummy(ProbeId::NoExtension)).then_some(line)
}

/// What the ETag tells of the file from which the bytes were made.
fn file_behind(r: &Reading<'_>, direct: &Response) -> Option<String> {
    let file = file_seen(r.server?, direct.header("etag")?)?;
    let right = r.evidence.dummy.as_ref().is_some_and(|it| it.size == file.size);
    let hint = match right && direct.body.size != file.size {
        true => ", the right size: the bytes are changed after they are read",
        false => "",
    };
    let changed = humantime::format_rfc3339_seconds(file.modified);
    Some(format!(
        "by its ETag the proxy read a file of {} bytes, changed last at {changed}{hint}",
        file.size
    ))
}

/// A 404 of the proxy itself, of a store behind it, or of nobody in particular, but not a page of
/// the app.
fn instead_of(r: &Reading<'_>, direct: &Response) -> bool {
    !matches!(instead(r.evidence, direct), Instead::AppPage | Instead::StoreError(_))
}
