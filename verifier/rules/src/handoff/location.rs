//! The hand-off's URI leads to no location, to the wrong one, or to the wrong directory.

use sendfile_evidence::{
    ProbeId, Response, Server,
    dialect::{self, ValueKind},
    fact::{FactKind, Misconfiguration},
};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, alike, body_class},
    config_evidence::{ConfigEvidence, DIRECTORIES, Symptom, opens},
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
              proxy has a location for it. Through the site, the app gets a second request with \
              another URI: the mapping that the proxy sends does not match the path, and \
              frameworks then send the path unmapped.",
    remedy: Remedy {
        any: "Correct the mapping that the proxy sends to the app, with the directory as the app \
              opens it, symlinks resolved",
        servers: &[(
            Server::Nginx,
            "Correct the mapping that nginx sends, with the directory as the app opens it, \
             symlinks resolved: `proxy_set_header X-Accel-Mapping /FOLDER/=/PREFIX/;`",
        )],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::MappingWrong),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.failed_after_app().filter(|it| fell_through(analysis, it))?;
        let located = analysis
            .probe(ProbeId::TargetOutside)
            .is_some_and(|it| analysis.own_page(it).is_some());
        (mapped(analysis) && located).then(|| {
            Match::sure(format!(
                "The correct URI has a location, but the client gets {}",
                analysis.describe(full)
            ))
        })
    },
};

pub(crate) static BACK_TO_APP: Rule = Rule {
    id: "handoff.back-to-app",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The hand-off's location forwards to the app again instead of serving the file",
    meaning: "A location matches the hand-off's URI, because clients are refused there. After the \
              hand-off, the app gets a request for that URI: the location forwards it \
              (`proxy_pass`), or does so if it finds no file (`try_files`, `error_page`).",
    remedy: Remedy {
        any: "Serve the file in the internal location, not through the app",
        servers: &[(
            Server::Nginx,
            "Serve the file in the internal location: `location ^~ /PREFIX/ { internal; alias \
             /FOLDER/; }`, without `proxy_pass` and without a `try_files` that ends at the app",
        )],
    },
    config: ConfigEvidence::explains_only(|_, fact| fact.kind == FactKind::TargetAsksApp, astray),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = back_to_app(analysis)?;
        let because =
            "The proxy itself refuses the hand-off's URI to clients, so a location matches it";
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
              The app's configured prefix and the internal location's differ: another name, a \
              missing slash, different case, or a location with `=` or `@`.",
    remedy: Remedy {
        any: "Give the internal location the prefix that the app sends",
        servers: &[(
            Server::Nginx,
            "Give the internal location the prefix that the app sends: `location ^~ /PREFIX/ { \
             internal; alias /FOLDER/; }`",
        )],
    },
    config: ConfigEvidence::explains_only(
        |_, fact| fact.kind == FactKind::TargetFallsThrough,
        astray,
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis
            .failed_after_app()
            .filter(|_| hands_over_uri(analysis) && back_to_app(analysis).is_none())?;
        if full.status == 502 && full.body.head.starts_with(UNHANDLED) {
            return Some(Match::sure("The Caddy snippet responds that no rule handles this value"));
        }
        if fell_through(analysis, full) {
            let because = match &analysis.reached {
                Reached::AppTwice(how) => (*how).to_owned(),
                _ => "The client gets the app's response for the hand-off's URI".to_owned(),
            };
            return Some(Match::likely(because));
        }
        let general = analysis.probe(ProbeId::Elsewhere).filter(|it| alike(it, full))?;
        let by_proxy = analysis.own_page(full).is_some()
            || matches!(body_class(analysis.evidence, full), BodyClass::Other);
        by_proxy.then(|| {
            Match::likely(format!(
                "An unknown path of the site returns the same: {}",
                analysis.describe(general)
            ))
        })
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
    precedence: Precedence::Usual,
    matches: |analysis| {
        let fallen = |it: &&Response| fell_through(analysis, it) && back_to_app(analysis).is_none();
        let full =
            analysis.failed_after_app().filter(|it| hands_over_uri(analysis) && fallen(it))?;
        let other_host = analysis.direct_right()
            && authority(&analysis.evidence.direct.request.url)
                != authority(&analysis.evidence.full.request.url);
        let because = format!(
            "The hand-off's URI falls through: {}; its location may be in another server block",
            analysis.describe(full)
        );
        Some(if other_host { Match::likely(because) } else { Match::possible(because) })
    },
};

pub(crate) static CAPTURE_WRONG: Rule = Rule {
    id: "handoff.capture-wrong",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "A regex location captures too much or too little of the path",
    meaning: "nginx responds to the hand-off with a redirect to the same URI plus a trailing \
              slash, as it does for directories: the location's capture or alias leads to a \
              directory instead of the file.",
    remedy: Remedy {
        any: "Capture the whole name of the file",
        servers: &[(
            Server::Nginx,
            "Use `location ^~ /PREFIX/ { internal; alias /FOLDER/; }`, or a regex that captures \
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
    precedence: Precedence::Usual,
    matches: |analysis| {
        let redirect =
            |it: &&Response| (300..=399).contains(&it.status) && !fell_through(analysis, it);
        if let Some(full) = analysis.failed_after_app().filter(redirect) {
            let value = analysis.value().filter(|it| it.starts_with('/'))?;
            let folder = format!("{}/", value.split('?').next().unwrap_or(value));
            let location = full
                .header("location")
                .filter(|it| it.split('?').next().is_some_and(|it| it.ends_with(&folder)))?;
            return Some(Match::sure(format!("Redirect to a directory: {location}")));
        }
        inside_location(analysis)
            .filter(|_| analysis.server == Some(Server::Nginx))
            .map(Match::possible)
    },
};

pub(crate) static LOCATION_SHADOWS_REDIRECT: Rule = Rule {
    id: "handoff.location-shadows-redirect",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "Another location handles the hand-off's URI",
    meaning: "nginx itself returns 404 after the hand-off, and an OPTIONS request from outside to \
              the hand-off's URI returns 405, as a public location does. Or a request from outside \
              to that URI returns what the download returned, while a sibling name without an \
              extension returns nginx's own 404. Another location, often a regex for file \
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
    precedence: Precedence::Usual,
    matches: |analysis| {
        // An older version of the file, or its beginning, comes from the correct location.
        let of_file = |it: &Response| {
            let held = body_class(analysis.evidence, it);
            matches!(held, BodyClass::Older(_) | BodyClass::OtherInstance(_) | BodyClass::Truncated)
        };
        let full =
            analysis.failed_after_app().filter(|it| hands_over_uri(analysis) && !of_file(it))?;
        if for_its_ending(analysis) {
            return Some(Match::sure(
                "A name without an extension works, so a rule for extensions takes precedence",
            ));
        }
        if taken_for_its_ending(analysis, full) {
            let because = format!(
                "From outside, the hand-off's URI also returns {}",
                analysis.describe(full)
            );
            return Some(Match::likely(because).also(
                "A sibling name without an extension returns nginx's own 404: an internal location \
                 handles that name, but a rule for extensions handles the hand-off's URI",
            ));
        }
        let own = analysis.own_page(full) == Some(Server::Nginx);
        let open = analysis.probe(ProbeId::TargetOptions).filter(|it| own && it.status == 405)?;
        let general = analysis.probe(ProbeId::Elsewhere).is_some_and(|it| alike(it, full));
        let because = format!(
            "An OPTIONS request from outside to the hand-off's URI returns {}",
            open.status
        );
        Some(if general { Match::possible(because) } else { Match::likely(because) })
    },
};

pub(crate) static ROOT_FOR_ALIAS: Rule = Rule {
    id: "handoff.root-for-alias",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "`root` is used instead of `alias`, so the prefix stays in the path",
    meaning: "The internal location matches, but nginx looks for the file in the wrong directory. \
              With `root`, the location's prefix is part of the path below the directory; with \
              `alias`, the directory replaces it. The same happens in front of a store: a \
              `proxy_pass` without a path leaves the prefix in the key.",
    remedy: Remedy {
        any: "Strip the prefix before looking up the file",
        servers: &[(
            Server::Nginx,
            "Replace `root` with `alias /FOLDER/;`, with a trailing slash on both the location and \
             the alias",
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
        if let Some(key) = analysis.failed_after_app().and_then(|it| twin(analysis, it)) {
            return Some(Match::sure(format!(
                "The client gets the twin file placed at {key}, where `root` leads"
            )));
        }
        // If the fixture placed the twin and it did not arrive, `root` is not the cause.
        let excluded =
            without_slash(analysis) || analysis.evidence.dummy.as_ref().is_some_and(|it| it.decoy);
        inside_location(analysis).filter(|_| !excluded).map(|because| ranked(analysis, because))
    },
};

pub(crate) static ALIAS_WRONG_DIRECTORY: Rule = Rule {
    id: "handoff.alias-wrong-directory",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: None,
    summary: "The location matches, but its directory is not the storage directory",
    meaning: "The internal location matches, but its alias leads elsewhere. Typical causes: a \
              missing trailing slash (directory and file name are then joined), another directory, \
              or a directory that was moved.",
    remedy: Remedy {
        any: "Map the prefix to the storage directory",
        servers: &[(
            Server::Nginx,
            "Point `alias` to the storage directory, with a trailing slash if the location's \
             prefix has one: `location ^~ /PREFIX/ { internal; alias /FOLDER/; }`",
        )],
    },
    config: ConfigEvidence::explains_only(
        |analysis, fact| opens(analysis, fact, DIRECTORIES),
        misled,
    ),
    precedence: Precedence::Usual,
    matches: |analysis| {
        if back_to_app(analysis).is_some() {
            let because = "A location matches the hand-off's URI; it may look in another directory \
                           and forward missing files to the app";
            return Some(Match::possible(because));
        }
        let because = inside_location(analysis)?;
        if without_slash(analysis) {
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
    meaning: "The proxy acts on the header by a custom rule, but its path placeholder does not \
              contain the header's value. A misspelt placeholder is empty.",
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
        let full = analysis.failed_after_app().filter(|it| it.status == 404)?;
        let caddy = analysis.own_page(full) == Some(Server::Caddy);
        let because = || format!("After the hand-off, Caddy returns {}", analysis.describe(full));
        caddy.then(|| Match::possible(because()))
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
         the directory out",
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

/// Whether the app is told how to map paths to URIs.
fn mapped(analysis: &Analysis<'_>) -> bool {
    let asked = &analysis.evidence.app.request.headers;
    asked.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-accel-mapping"))
}

/// The app's page for the hand-off's URI, if an internal location matches that URI: a client that
/// requests it gets the proxy's own 404, but gets a page of the app for other paths.
fn back_to_app<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let full = analysis
        .failed_after_app()
        .filter(|it| hands_over_uri(analysis) && fell_through(analysis, it))?;
    let outside = analysis.probe(ProbeId::TargetOutside)?;
    let (site, app) =
        analysis.probe(ProbeId::Elsewhere).zip(analysis.probe(ProbeId::AppElsewhere))?;
    let refused = outside.status == 404 && analysis.own_page(outside).is_some();
    let general = alike(site, app) && analysis.own_page(site).is_none();
    (refused && general && !mapped(analysis)).then_some(full)
}

/// Whether the client got what the app returns for the hand-off's own URI.
fn fell_through(analysis: &Analysis<'_>, full: &Response) -> bool {
    let redirect = full.header("location").is_some();
    let same = |it: &&Response| alike(it, full) && it.header("location") == full.header("location");
    let page = analysis.probe(ProbeId::AppTarget).filter(same).is_some();
    let fallen = matches!(analysis.reached, Reached::AppTwice(_));
    let fallen = fallen || page && (full.body.size > 0 || redirect);
    fallen && !swallowed(analysis) && !taken_for_its_ending(analysis, full)
}

/// Whether a public location handles the hand-off's URI, and an internal one its sibling without an
/// extension.
pub(crate) fn taken_for_its_ending(analysis: &Analysis<'_>, full: &Response) -> bool {
    let bare = analysis.probe(ProbeId::TargetBare).filter(|it| it.status == 404);
    let Some(bare) = bare.filter(|it| analysis.own_page(it) == Some(Server::Nginx)) else {
        return false;
    };
    let general = analysis.probe(ProbeId::Elsewhere).is_none_or(|it| alike(it, bare));
    !general && analysis.probe(ProbeId::TargetOutside).is_some_and(|it| alike(it, full))
}

/// Evidence of the proxy's own 404 after a hand-off whose URI an internal location matches: the
/// proxy looked for the file in the wrong place.
fn inside_location(analysis: &Analysis<'_>) -> Option<String> {
    let full = analysis
        .failed_after_app()
        .filter(|_| hands_over_uri(analysis) && !for_its_ending(analysis))?;
    let server = analysis.file_not_found(full)?;
    let maps = matches!(server, Server::Nginx | Server::Caddy | Server::BuiltIn);
    let open = analysis.probe(ProbeId::TargetOptions).is_some_and(|it| it.status == 405);
    let name = server.name();
    (maps && !open).then(|| match analysis.direct_right() {
        true => format!(
            "{name} does not find the file after the hand-off, but the direct location returns it"
        ),
        false => format!("{name} does not find the file after the hand-off"),
    })
}

/// Whether the fixture's probe without an extension gets its file while the download fails.
fn for_its_ending(analysis: &Analysis<'_>) -> bool {
    analysis.returns_dummy(ProbeId::NoExtension) && !analysis.passed_on()
}

/// The key of the twin that only `root` instead of `alias` leads to, if the client got it.
fn twin(analysis: &Analysis<'_>, full: &Response) -> Option<String> {
    let BodyClass::OtherDummy(line) = body_class(analysis.evidence, full) else { return None };
    let (_, value) = analysis.handoff()?;
    let key = dialect::decoded(&line.key);
    dialect::decoded(value).ends_with(&format!("/{key}")).then_some(key)
}

/// Whether the fixture's probe with a double slash gets the file.
fn without_slash(analysis: &Analysis<'_>) -> bool {
    analysis.returns_dummy(ProbeId::DoubleSlash)
}

/// On nginx, a wrong `root` and a wrong `alias` look the same and are equally likely.
fn ranked(analysis: &Analysis<'_>, because: String) -> Match {
    let nginx = analysis.server == Some(Server::Nginx);
    if nginx { Match::likely(because) } else { Match::possible(because) }
}

fn hands_over_uri(analysis: &Analysis<'_>) -> bool {
    analysis.handoff().is_some_and(|(name, _)| {
        dialect::header_named(name).is_none_or(|it| it.names == ValueKind::Uri)
    })
}

fn authority(url: &str) -> &str {
    url.split("://").nth(1).and_then(|it| it.split('/').next()).unwrap_or(url)
}
