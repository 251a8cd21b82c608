//! Rules about a hand-off URI that matches no location, or leads to the wrong location or
//! directory.

use sendfile_evidence::{
    ProbeId, Response, Server,
    dialect::{self, ValueKind},
    fact::{FactKind, Misconfiguration},
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class},
    config_evidence::{ConfigEvidence, DIRECTORIES, Symptom, opens},
    handoff::store::{
        CLIENT_AUTH_FORWARDED, QUERY_DROPPED, STORE_REFUSES, UPSTREAM_HOST_WRONG,
        UPSTREAM_UNREACHABLE,
    },
    hops::swallowed,
    reached::Reached,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{astray, misled},
};

pub(crate) const RULES: &[&Rule] = &[
    &MAPPING_WRONG,
    &BACK_TO_APP,
    &URI_MATCHES_NO_LOCATION,
    &WRONG_SERVER_BLOCK,
    &CAPTURE_WRONG,
    &LOCATION_SHADOWS_REDIRECT,
    &ROOT_FOR_ALIAS,
    &ALIAS_WRONG_DIRECTORY,
    &VALUE_NOT_READ,
    &PATH_VARIABLE_WRONG,
];

pub(crate) static MAPPING_WRONG: Rule = Rule {
    id: "handoff.mapping-wrong",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "X-Accel-Mapping does not match the app's file path",
    meaning: "With the mapping given in --app-header, the app hands off the correct URI, and the \
              proxy has a location for it. Through the site, the app gets a second request, for a \
              different URI. The mapping that the proxy sends does not match the file's path, so \
              the framework sends the path unmapped.",
    remedy: Remedy {
        any: "Correct the mapping that the proxy sends to the app. Use the directory path that the \
              app opens, with symlinks resolved",
        servers: &[(
            Server::Nginx,
            "Correct the mapping that nginx sends. Use the directory path that the app opens, with \
             symlinks resolved: `proxy_set_header X-Accel-Mapping /DIRECTORY/=/PREFIX/;`",
        )],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::MappingWrong),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        let outside = analysis.probe(ProbeId::TargetOutside)?;
        let located = analysis.own_page(outside).is_some();
        if !fell_through(analysis, full) || !mapping_given(analysis) || !located {
            return None;
        }
        let got = analysis.describe(full);
        Some(Match::sure(format!(
            "The proxy has a location for the correct URI, but the client gets {got}"
        )))
    },
};

pub(crate) static BACK_TO_APP: Rule = Rule {
    id: "handoff.back-to-app",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The hand-off's location forwards to the app again instead of serving the file",
    meaning: "The proxy denies clients access to the hand-off's URI, so a location matches it. \
              After the hand-off, the app gets a request for that URI, because the location \
              forwards every request (`proxy_pass`) or only requests for missing files \
              (`try_files`, `error_page`).",
    remedy: Remedy {
        any: "Serve the file in the internal location, not through the app",
        servers: &[(
            Server::Nginx,
            "Serve the file in the internal location: `location ^~ /PREFIX/ { internal; alias \
             /DIRECTORY/; }`, without `proxy_pass` and without a `try_files` that ends at the app",
        )],
    },
    config: ConfigEvidence::explains_only(|_, fact| fact.kind == FactKind::TargetAsksApp, astray),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = back_to_app(analysis)?;
        let because = "The proxy itself denies clients access to the hand-off's URI, so a location \
                       matches it";
        let after = format!("After the hand-off, the app returns {}", analysis.describe(full));
        Some(Match::likely(because).also(after))
    },
};

pub(crate) static URI_MATCHES_NO_LOCATION: Rule = Rule {
    id: "handoff.uri-matches-no-location",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "No location matches the hand-off's URI, so it falls through to a catch-all",
    meaning: "After the hand-off, the proxy looks for a location for the new URI and finds only \
              the catch-all, which forwards to the app again or serves the site's own directory. \
              The prefix configured in the app differs from that of the internal location: it has \
              a different name, a slash is missing, the case differs, or the location is defined \
              with `=` or `@`.",
    remedy: Remedy {
        any: "Give the internal location the prefix that the app sends",
        servers: &[(
            Server::Nginx,
            "Give the internal location the prefix that the app sends: `location ^~ /PREFIX/ { \
             internal; alias /DIRECTORY/; }`",
        )],
    },
    config: ConfigEvidence::explains_only(
        |_, fact| fact.kind == FactKind::TargetFallsThrough,
        astray,
    ),
    precedence: Precedence::Before(&[
        &ALIAS_WRONG_DIRECTORY,
        &ROOT_FOR_ALIAS,
        &STORE_REFUSES,
        &UPSTREAM_UNREACHABLE,
    ]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        if !sends_uri(analysis) || back_to_app(analysis).is_some() {
            return None;
        }
        if full.status == 502 && full.body.head.starts_with(UNHANDLED) {
            return Some(Match::sure("The Caddy snippet responds that no rule handles this value"));
        }
        if fell_through(analysis, full) {
            return Some(Match::likely(match analysis.reached {
                Reached::AppTwice(how) => how,
                _ => "The client gets the app's response for the hand-off's URI",
            }));
        }
        let unknown_path = analysis.probe(ProbeId::Elsewhere)?;
        let by_proxy = analysis.own_page(full).is_some()
            || matches!(body_class(analysis.evidence, full), BodyClass::Other);
        if !by_proxy || !alike(unknown_path, full) {
            return None;
        }
        let got = analysis.describe(unknown_path);
        Some(Match::likely(format!("An unknown path of the site returns the same response: {got}")))
    },
};

pub(crate) static WRONG_SERVER_BLOCK: Rule = Rule {
    id: "handoff.wrong-server-block",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The internal location is in a different server block",
    meaning: "A hand-off stays in the server block that received the request. If the internal \
              location is in another `server` block, the URI falls through as if the location did \
              not exist.",
    remedy: Remedy {
        any: "Move the internal location to the virtual host that serves this host name",
        servers: &[(
            Server::Nginx,
            "Move the internal location to the server block that serves this host, or include it \
             in both",
        )],
    },
    config: ConfigEvidence::explains_only(
        |_, fact| fact.kind == FactKind::TargetInOtherServer,
        astray,
    ),
    precedence: Precedence::Before(&[
        &CAPTURE_WRONG,
        &LOCATION_SHADOWS_REDIRECT,
        &PATH_VARIABLE_WRONG,
        &QUERY_DROPPED,
        &UPSTREAM_HOST_WRONG,
    ]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        if !sends_uri(analysis) || !fell_through(analysis, full) || back_to_app(analysis).is_some()
        {
            return None;
        }
        let because = format!(
            "The hand-off's URI falls through: {}. Its location may be in a different server block",
            analysis.describe(full)
        );
        let evidence = analysis.evidence;
        let other_host =
            authority(&evidence.direct.request.url) != authority(&evidence.full.request.url);
        Some(if other_host && analysis.direct_right() {
            Match::likely(because)
        } else {
            Match::possible(because)
        })
    },
};

pub(crate) static CAPTURE_WRONG: Rule = Rule {
    id: "handoff.capture-wrong",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "A regex location captures too much or too little of the path",
    meaning: "nginx responds to the hand-off with a redirect to the same URI plus a trailing \
              slash, as it does for directories: the location's capture or alias results in the \
              path of a directory instead of the file.",
    remedy: Remedy {
        any: "Capture the whole name of the file",
        servers: &[(
            Server::Nginx,
            "Use `location ^~ /PREFIX/ { internal; alias /DIRECTORY/; }`, or a regex that captures \
             the whole name",
        )],
    },
    config: Some(ConfigEvidence {
        confirms: |analysis, fact| {
            fact.kind == FactKind::StoreKeyCaptured
                || opens(analysis, fact, &[Misconfiguration::Capture])
        },
        symptom: Symptom::Only(misled),
        excluded_by: Some(|fact| match &fact.kind {
            FactKind::TargetOpens { wrong: Some(wrong), .. } => *wrong != Misconfiguration::Capture,
            _ => false,
        }),
    }),
    precedence: Precedence::Before(&[&ALIAS_WRONG_DIRECTORY]),
    matches: |analysis| {
        if let Some(full) = analysis.failed_after_app()
            && (300..=399).contains(&full.status)
            && !fell_through(analysis, full)
        {
            let location = redirect_to_directory(analysis, full)?;
            return Some(Match::sure(format!("Redirect to a directory: {location}")));
        }
        if analysis.server != Some(Server::Nginx) {
            return None;
        }
        inside_location(analysis).map(Match::possible)
    },
};

pub(crate) static LOCATION_SHADOWS_REDIRECT: Rule = Rule {
    id: "handoff.location-shadows-redirect",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "Another location handles the hand-off's URI",
    meaning: "nginx itself returns 404 after the hand-off, and a client's OPTIONS request for the \
              hand-off's URI returns 405, as in a public location. Or a client's request for that \
              URI returns the same response as the download, while a file name without an \
              extension returns nginx's own 404. A different location, often a regex for file \
              extensions, takes precedence over the internal one.",
    remedy: Remedy {
        any: "Give the internal location precedence over the one that handles its URI",
        servers: &[(
            Server::Nginx,
            "Write `^~` before the internal location's prefix, so that no regex location is tried: \
             `location ^~ /PREFIX/ { internal; … }`",
        )],
    },
    config: ConfigEvidence::explains_only(|_, fact| fact.kind == FactKind::TargetShadowed, astray),
    precedence: Precedence::Before(&[&CLIENT_AUTH_FORWARDED]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        // An older version of the file, or only its beginning, also comes from the correct
        // location.
        let of_file = matches!(
            body_class(analysis.evidence, full),
            BodyClass::Older(_) | BodyClass::OtherInstance(_) | BodyClass::Truncated
        );
        if !sends_uri(analysis) || of_file {
            return None;
        }
        if extension_matters(analysis) {
            return Some(Match::sure(
                "A file name without an extension works, so a rule for file extensions takes \
                 precedence",
            ));
        }
        if matched_by_extension(analysis, full) {
            let got = analysis.describe(full);
            let because = format!("Requested by a client, the hand-off's URI also returns {got}");
            return Some(Match::likely(because).also(
                "A file name without an extension returns nginx's own 404. So the internal location \
                 matches that name, but a location for file extensions takes precedence for the \
                 hand-off's URI",
            ));
        }
        let options = analysis.probe(ProbeId::TargetOptions)?;
        if options.status != 405 || analysis.own_page(full) != Some(Server::Nginx) {
            return None;
        }
        let because = "A client's OPTIONS request for the hand-off's URI returns 405";
        let everywhere = analysis.probe(ProbeId::Elsewhere).is_some_and(|page| alike(page, full));
        Some(if everywhere { Match::possible(because) } else { Match::likely(because) })
    },
};

pub(crate) static ROOT_FOR_ALIAS: Rule = Rule {
    id: "handoff.root-for-alias",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "`root` is used instead of `alias`, so the prefix stays in the path",
    meaning: "The internal location matches, but nginx looks for the file in the wrong directory. \
              With `root`, nginx appends the URI, including the location's prefix, to the \
              directory. With `alias`, the directory replaces the prefix. A store has the same \
              problem if `proxy_pass` has no path: the prefix stays in the key.",
    remedy: Remedy {
        any: "Strip the prefix before looking up the file",
        servers: &[(
            Server::Nginx,
            "Replace `root` with `alias /DIRECTORY/;`, with a trailing slash on both the location \
             and the alias",
        )],
    },
    config: ConfigEvidence::explains_only(
        |analysis, fact| {
            fact.kind == FactKind::StorePrefixKept
                || opens(analysis, fact, &[Misconfiguration::Root])
        },
        misled,
    ),
    precedence: Precedence::Before(&[&ALIAS_WRONG_DIRECTORY, &PATH_VARIABLE_WRONG]),
    matches: |analysis| {
        if let Some(full) = analysis.failed_after_app()
            && let Some(key) = decoy(analysis, full)
        {
            return Some(Match::sure(format!(
                "The client gets the decoy file placed at {key}, the path that results from `root`"
            )));
        }
        // If the fixture placed the decoy and it did not arrive, `root` is not the cause.
        let placed = analysis.evidence.dummy.as_ref().is_some_and(|dummy| dummy.decoy);
        if placed || slash_is_missing(analysis) {
            return None;
        }
        let because = inside_location(analysis)?;
        Some(ranked(analysis, because))
    },
};

pub(crate) static ALIAS_WRONG_DIRECTORY: Rule = Rule {
    id: "handoff.alias-wrong-directory",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The location matches, but its directory is not the storage directory",
    meaning: "The internal location matches, but its `alias` points to a different directory. \
              Typical causes: a missing trailing slash (directory and file name are then joined), \
              a wrong path, or a directory that was moved.",
    remedy: Remedy {
        any: "Map the prefix to the storage directory",
        servers: &[(
            Server::Nginx,
            "Point `alias` to the storage directory, with a trailing slash if the location's \
             prefix has one: `location ^~ /PREFIX/ { internal; alias /DIRECTORY/; }`",
        )],
    },
    config: ConfigEvidence::explains_only(
        |analysis, fact| opens(analysis, fact, DIRECTORIES),
        misled,
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        if back_to_app(analysis).is_some() {
            return Some(Match::possible(
                "A location matches the hand-off's URI. It may look in a different directory and \
                 forward requests for missing files to the app",
            ));
        }
        let because = inside_location(analysis)?;
        if slash_is_missing(analysis) {
            return Some(Match::sure(
                "Requested with a double slash after the prefix, the file is served: `alias` is \
                 missing its trailing slash",
            ));
        }
        Some(ranked(analysis, because))
    },
};

pub(crate) static VALUE_NOT_READ: Rule = Rule {
    id: "handoff.value-not-read",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy's rule reads the wrong variable",
    meaning: "The proxy handles the header with a custom rule, but the placeholder in its path \
              does not contain the header's value. A misspelled placeholder is empty.",
    remedy: Remedy {
        any: "Build the path from the header that the app sends",
        servers: &[(
            Server::Caddy,
            "Use `rewrite * {rp.header.X-Accel-Redirect}` with the exact header that the app \
             sends, inside `handle_response`",
        )],
    },
    config: ConfigEvidence::explains_only(|_, fact| fact.kind == FactKind::ValueNotRead, astray),
    precedence: Precedence::Before(&[&PATH_VARIABLE_WRONG]),
    matches: |analysis| {
        let full = analysis.failed_after_app()?;
        if full.status != 404 || analysis.own_page(full) != Some(Server::Caddy) {
            return None;
        }
        let got = analysis.describe(full);
        Some(Match::possible(format!("After the hand-off, Caddy returns {got}")))
    },
};

pub(crate) static PATH_VARIABLE_WRONG: Rule = Rule {
    id: "handoff.path-variable-wrong",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The path is built from a variable with the wrong value",
    meaning: "The internal location matches, but its path is built from a variable, such as an app \
              header or a capture, that does not contain the intended value.",
    remedy: Remedy::any(
        "Log the variable (nginx: `log_format` with `$request_filename`) and correct it, or write \
         the directory explicitly",
    ),
    config: ConfigEvidence::explains_only(
        |analysis, fact| {
            fact.kind == FactKind::StoreKeyOfVariable
                || opens(analysis, fact, &[Misconfiguration::Variable])
        },
        misled,
    ),
    precedence: Precedence::Usual,
    matches: |analysis| inside_location(analysis).map(Match::possible),
};

/// The body that the Caddy snippet returns for a hand-off that none of its rules handles.
const UNHANDLED: &[u8] = b"unhandled X-Accel-Redirect";

/// Whether the request to the app contains a mapping from paths to URIs.
fn mapping_given(analysis: &Analysis<'_>) -> bool {
    let headers = &analysis.evidence.app.request.headers;
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-accel-mapping"))
}

/// The app's page for the hand-off's URI, if an internal location matches that URI. A client that
/// requests the URI gets the proxy's own 404, but gets a page of the app for other paths.
fn back_to_app<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let full = analysis.failed_after_app()?;
    let outside = analysis.probe(ProbeId::TargetOutside)?;
    let elsewhere = analysis.probe(ProbeId::Elsewhere)?;
    let app_elsewhere = analysis.probe(ProbeId::AppElsewhere)?;
    let refused = outside.status == 404 && analysis.own_page(outside).is_some();
    let by_app = alike(elsewhere, app_elsewhere) && analysis.own_page(elsewhere).is_none();
    if refused
        && by_app
        && sends_uri(analysis)
        && fell_through(analysis, full)
        && !mapping_given(analysis)
    {
        return Some(full);
    }
    None
}

/// Whether the client got what the app returns for the hand-off's own URI.
fn fell_through(analysis: &Analysis<'_>, full: &Response) -> bool {
    let by_app = matches!(analysis.reached, Reached::AppTwice(_)) || is_target_page(analysis, full);
    by_app && !swallowed(analysis) && !matched_by_extension(analysis, full)
}

/// Whether the response is the app's page for the hand-off's URI.
fn is_target_page(analysis: &Analysis<'_>, full: &Response) -> bool {
    let Some(page) = analysis.probe(ProbeId::AppTarget) else { return false };
    let location = full.header("location");
    let distinctive = full.body.size > 0 || location.is_some();
    distinctive && alike(page, full) && page.header("location") == location
}

/// Whether a public location handles the hand-off's URI because of its extension: an internal
/// location handles the sibling URI without one.
pub(crate) fn matched_by_extension(analysis: &Analysis<'_>, full: &Response) -> bool {
    let (Some(bare), Some(elsewhere), Some(outside)) = (
        analysis.probe(ProbeId::TargetBare),
        analysis.probe(ProbeId::Elsewhere),
        analysis.probe(ProbeId::TargetOutside),
    ) else {
        return false;
    };
    bare.status == 404
        && analysis.own_page(bare) == Some(Server::Nginx)
        && !alike(elsewhere, bare)
        && alike(outside, full)
}

/// The redirect by which nginx adds a slash to the hand-off's URI, as for a directory.
fn redirect_to_directory<'a>(analysis: &Analysis<'_>, full: &'a Response) -> Option<&'a str> {
    let uri = path(analysis.value()?);
    let location = full.header("location")?;
    let directory = format!("{uri}/");
    if uri.starts_with('/') && path(location).ends_with(&directory) { Some(location) } else { None }
}

/// A URI without its query.
fn path(uri: &str) -> &str {
    uri.split_once('?').map_or(uri, |(path, _)| path)
}

/// Evidence that the proxy itself returned 404 after a hand-off whose URI an internal location
/// matches: the proxy looked for the file in the wrong place.
fn inside_location(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis.failed_after_app()?;
    if !sends_uri(analysis) || extension_matters(analysis) {
        return None;
    }
    let server = analysis.file_not_found(full)?;
    let public = analysis.probe(ProbeId::TargetOptions).is_some_and(|page| page.status == 405);
    if public || !matches!(server, Server::Nginx | Server::Caddy | Server::BuiltIn) {
        return None;
    }
    let because = format!("{} does not find the file after the hand-off", server.name());
    if analysis.direct_right() {
        return Some(format!("{because}, but the direct location returns it"));
    }
    Some(because)
}

/// Whether the fixture's probe without an extension gets its file while the download fails.
fn extension_matters(analysis: &Analysis<'_>) -> bool {
    analysis.returns_dummy(ProbeId::NoExtension) && !analysis.passed_on()
}

/// The key of the decoy that only `root` instead of `alias` leads to, if the client got it.
fn decoy(analysis: &Analysis<'_>, full: &Response) -> Option<String> {
    let BodyClass::OtherDummy(line) = body_class(analysis.evidence, full) else { return None };
    let (_, value) = analysis.handoff()?;
    let key = dialect::decoded(&line.key);
    if dialect::decoded(value).ends_with(&format!("/{key}")) { Some(key) } else { None }
}

/// Whether the fixture's probe with a double slash gets the file.
fn slash_is_missing(analysis: &Analysis<'_>) -> bool {
    analysis.returns_dummy(ProbeId::DoubleSlash)
}

/// Rates a match by the server: on nginx, a wrong `root` and a wrong `alias` look the same and are
/// equally likely.
fn ranked(analysis: &Analysis<'_>, because: String) -> Match {
    if analysis.server == Some(Server::Nginx) {
        Match::likely(because)
    } else {
        Match::possible(because)
    }
}

/// Whether the value of the app's hand-off is a URI, not a path on disk.
fn sends_uri(analysis: &Analysis<'_>) -> bool {
    let Some((name, _)) = analysis.handoff() else { return false };
    dialect::header_named(name).is_none_or(|header| header.names == ValueKind::Uri)
}

/// The host and port in a URL.
fn authority(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    rest.split_once('/').map_or(rest, |(authority, _)| authority)
}
