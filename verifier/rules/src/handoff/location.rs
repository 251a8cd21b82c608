//! The hand-off's URI leads to a wrong place: no location, another one, or a wrong folder.

use super::super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    handoff::swallowed,
    instead::{Instead, alike, instead},
    reached::Reached,
};
use sendfile_evidence::{
    ProbeId, Response,
    dialect::{self, Names, Product},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.mapping-wrong",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "X-Accel-Mapping does not match the app's path",
        meaning: "With the mapping given in --app-header the app hands over the right URI, and \
                  the proxy has a location for it. Through the site the app was asked again with \
                  another URI: the mapping that the proxy really sends does not match the path, \
                  and frameworks then send the path unmapped.",
        remedy: Remedy {
            nginx: Some(
                "correct the mapping that nginx sends: proxy_set_header X-Accel-Mapping \
                 /FOLDER/=/PREFIX/; with the folder as the app sees it, symlinks resolved",
            ),
            ..Remedy::any(
                "correct the mapping that the proxy sends to the app: the folder as the app sees \
                 it, symlinks resolved",
            )
        },
        matches: |r| {
            let full = r.lost_after_app().filter(|it| fell_through(r, it))?;
            let located =
                r.probe(ProbeId::TargetOutside).is_some_and(|it| r.own_page(it).is_some());
            (mapped(r) && located).then(|| {
                Match::sure(format!(
                    "the right URI has a location, and the visitor gets {}",
                    r.describe(full)
                ))
            })
        },
    },
    Rule {
        id: "handoff.back-to-app",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the hand-off's location asks the app again, instead of giving the file",
        meaning: "A location takes the hand-off's URI, since visitors are refused there, and after \
                  the hand-off the app is asked for that URI: the location passes it on \
                  (proxy_pass), or does so where it finds no file (try_files, error_page).",
        remedy: Remedy {
            nginx: Some(
                "let the internal location open the file: location ^~ /PREFIX/ { internal; alias \
                 /FOLDER/; } without proxy_pass, and without a try_files that ends at the app",
            ),
            ..Remedy::any("let the internal location open the file instead of asking the app")
        },
        matches: |r| {
            let full = back_to_app(r)?;
            let because =
                "from outside the proxy itself refuses the hand-off's URI, so a location takes it";
            let after = format!("after the hand-off the app is asked for it: {}", r.describe(full));
            Some(Match::likely(because).also(after))
        },
    },
    Rule {
        id: "handoff.uri-matches-no-location",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "no location matches the hand-off's URI; it falls through to a catch-all",
        meaning: "After the hand-off the proxy looks for a location for the new URI and finds \
                  only the general one, which asks the app again, or looks in the site's own \
                  folder. The prefix in the app's setting and that of the internal location \
                  differ: another name, a missing slash, another case, or a location with `=` or \
                  `@`.",
        remedy: Remedy {
            nginx: Some(
                "give the internal location the prefix that the app sends: location ^~ /PREFIX/ \
                 { internal; alias /FOLDER/; }",
            ),
            ..Remedy::any("give the internal location the prefix that the app sends")
        },
        matches: |r| {
            let full =
                r.lost_after_app().filter(|_| hands_over_uri(r) && back_to_app(r).is_none())?;
            if full.status == 502 && full.body.head.starts_with(UNHANDLED) {
                return Some(Match::sure(
                    "the snippet for Caddy answers that no rule handles this value",
                ));
            }
            if fell_through(r, full) {
                let because = match &r.reached {
                    Reached::AppTwice(how) => (*how).to_owned(),
                    _ => "the visitor gets what the app answers for the hand-off's URI".to_owned(),
                };
                return Some(Match::likely(because));
            }
            let general = r.probe(ProbeId::Elsewhere).filter(|it| alike(it, full))?;
            let by_proxy =
                r.own_page(full).is_some() || matches!(instead(r.evidence, full), Instead::Other);
            by_proxy.then(|| {
                Match::likely(format!(
                    "any other path of the site gets the same: {}",
                    r.describe(general)
                ))
            })
        },
    },
    Rule {
        id: "handoff.wrong-server-block",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the internal location is in another virtual server",
        meaning: "A hand-off stays in the virtual server that took the request. If the internal \
                  location stands in another `server` block, the URI falls through as if there \
                  were none.",
        remedy: Remedy {
            nginx: Some(
                "put the internal location into the server block that answers this host, or \
                 include it in both",
            ),
            ..Remedy::any(
                "put the internal location into the virtual server that answers this host",
            )
        },
        matches: |r| {
            let fallen = |it: &&Response| fell_through(r, it) && back_to_app(r).is_none();
            let full = r.lost_after_app().filter(|it| hands_over_uri(r) && fallen(it))?;
            let other_host = r.direct_right()
                && authority(&r.evidence.direct.asked.url) != authority(&r.evidence.full.asked.url);
            let because = format!(
                "the hand-off's URI falls through: {}; another server block may have its location",
                r.describe(full)
            );
            Some(if other_host { Match::likely(because) } else { Match::possible(because) })
        },
    },
    Rule {
        id: "handoff.capture-wrong",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "a regex location captures too much or too little of the path",
        meaning: "nginx answers the hand-off with a redirect to the same URI and a slash, which \
                  it does for folders: the location's capture or alias leads to a folder instead \
                  of the file.",
        remedy: Remedy {
            nginx: Some(
                "location ^~ /PREFIX/ { internal; alias /FOLDER/; } or a regex whose capture has \
                 the whole name",
            ),
            ..Remedy::any("let the capture have the whole of the file's name")
        },
        matches: |r| {
            let redirect =
                |it: &&Response| (300..=399).contains(&it.status) && !fell_through(r, it);
            if let Some(full) = r.lost_after_app().filter(redirect) {
                let value = r.value().filter(|it| it.starts_with('/'))?;
                let folder = format!("{}/", value.split('?').next().unwrap_or(value));
                let location = full
                    .header("location")
                    .filter(|it| it.split('?').next().is_some_and(|it| it.ends_with(&folder)))?;
                return Some(Match::sure(format!("the proxy redirects to a folder: {location}")));
            }
            inside_location(r).filter(|_| r.server == Some(Product::Nginx)).map(Match::possible)
        },
    },
    Rule {
        id: "handoff.location-shadows-redirect",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "another location takes the hand-off's URI",
        meaning: "nginx itself answers the hand-off with 404, and the hand-off's URI, asked from \
                  outside with OPTIONS, gets 405: a location that is not internal looks at the \
                  method. Or visitors get under the hand-off's URI what came instead of the file, \
                  and nginx's own 404 beside it, under a name without an ending. So another \
                  location, often a regex for file endings, takes the URI before the internal one.",
        remedy: Remedy {
            nginx: Some(
                "write ^~ before the internal location's prefix, so that no regex location is \
                 tried: location ^~ /PREFIX/ { internal; … }",
            ),
            ..Remedy::any("let the internal location come before the one that takes its URI")
        },
        matches: |r| {
            // What the file held before, or its beginning, comes of the right place.
            let of_file = |it: &Response| {
                let held = instead(r.evidence, it);
                matches!(held, Instead::Older(_) | Instead::OtherInstance(_) | Instead::Truncated)
            };
            let full = r.lost_after_app().filter(|it| hands_over_uri(r) && !of_file(it))?;
            if for_its_ending(r) {
                return Some(Match::sure(
                    "with a name without an ending the hand-off works: a rule for endings comes first",
                ));
            }
            if taken_for_its_ending(r, full) {
                let because =
                    format!("from outside too the hand-off's URI gets {}", r.describe(full));
                return Some(Match::likely(because).also(
                    "beside it, a name without an ending gets nginx's own 404: an internal location \
                     takes that, and a rule for endings the hand-off's",
                ));
            }
            let own = r.own_page(full) == Some(Product::Nginx);
            let open = r.probe(ProbeId::TargetOptions).filter(|it| own && it.status == 405)?;
            let general = r.probe(ProbeId::Elsewhere).is_some_and(|it| alike(it, full));
            let because = format!(
                "the hand-off's URI, asked from outside with OPTIONS, gets {}",
                open.status
            );
            Some(if general { Match::possible(because) } else { Match::likely(because) })
        },
    },
    Rule {
        id: "handoff.root-for-alias",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "`root` where `alias` is meant: the prefix stays in the path",
        meaning: "The internal location matches, and nginx looks for the file in the wrong \
                  place. With `root` the location's own prefix is part of the path below the \
                  folder; with `alias` it is replaced by the folder. So it is in front of a store: a \
                  proxy_pass without a path leaves the prefix in the key.",
        remedy: Remedy {
            nginx: Some(
                "alias /FOLDER/; instead of root, with a slash at the end of both the location \
                 and the alias",
            ),
            ..Remedy::any("strip the prefix before the file is looked up")
        },
        matches: |r| {
            if let Some(key) = r.lost_after_app().and_then(|it| twin(r, it)) {
                return Some(Match::sure(format!(
                    "a visitor gets the twin placed as {key}, where `root` leads"
                )));
            }
            // Where the fixture has placed that twin, and it did not come, `root` is not it.
            let excluded = without_slash(r) || r.evidence.dummy.as_ref().is_some_and(|it| it.twin);
            inside_location(r).filter(|_| !excluded).map(|because| ranked(r, because))
        },
    },
    Rule {
        id: "handoff.alias-wrong-directory",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the location matches, and its folder is not the storage",
        meaning: "The internal location matches, and its alias leads elsewhere: a lost slash at \
                  its end (folder and file name then run together), another folder, or a folder \
                  that was moved.",
        remedy: Remedy {
            nginx: Some(
                "let `alias` name the storage's folder, with a slash at its end if the \
                 location's prefix has one: location ^~ /PREFIX/ { internal; alias /FOLDER/; }",
            ),
            ..Remedy::any("let the folder behind the prefix be the storage's")
        },
        matches: |r| {
            if back_to_app(r).is_some() {
                let because = "a location takes the hand-off's URI; it may look in another folder, and \
                               ask the app for what it does not find";
                return Some(Match::possible(because));
            }
            let because = inside_location(r)?;
            if without_slash(r) {
                return Some(Match::sure(
                    "with a second slash behind the prefix the file arrives: the alias lacks its \
                     slash",
                ));
            }
            Some(ranked(r, because))
        },
    },
    Rule {
        id: "handoff.value-not-read",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the proxy's rule reads the wrong variable",
        meaning: "The proxy acts on the header by a rule of its own, and builds the path from a \
                  placeholder that does not hold the header's value: a misspelt one is empty.",
        remedy: Remedy {
            caddy: Some(
                "rewrite * {rp.header.X-Accel-Redirect} with the very header that the app sends, \
                 inside handle_response",
            ),
            ..Remedy::any("build the path from the header that the app sends")
        },
        matches: |r| {
            let full = r.lost_after_app().filter(|it| it.status == 404)?;
            let caddy = r.own_page(full) == Some(Product::Caddy);
            let because = || format!("Caddy takes the hand-off, and gives {}", r.describe(full));
            caddy.then(|| Match::possible(because()))
        },
    },
    Rule {
        id: "handoff.path-variable-wrong",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the path is built from a variable that holds something else",
        meaning: "The internal location matches, and its path is built from a variable, such as \
                  a header of the app or a capture, that does not hold what was meant.",
        remedy: Remedy::any(
            "log the variable (nginx: log_format with $request_filename) and correct it, or \
             write the folder out",
        ),
        matches: |r| inside_location(r).map(Match::possible),
    },
];

/// What the shipped snippet for Caddy answers for a hand-off that none of its rules takes.
const UNHANDLED: &[u8] = b"unhandled X-Accel-Redirect";

/// Whether the app is told how paths become URIs.
fn mapped(r: &Reading<'_>) -> bool {
    let asked = &r.evidence.app.asked.headers;
    asked.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-accel-mapping"))
}

/// The app's page for the hand-off's URI, where an internal location takes that: a visitor who asks
/// for it gets the proxy's own 404, and for other paths a page of the app.
fn back_to_app<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    let full = r.lost_after_app().filter(|it| hands_over_uri(r) && fell_through(r, it))?;
    let outside = r.probe(ProbeId::TargetOutside)?;
    let (site, app) = r.probe(ProbeId::Elsewhere).zip(r.probe(ProbeId::AppElsewhere))?;
    let refused = outside.status == 404 && r.own_page(outside).is_some();
    let general = alike(site, app) && r.own_page(site).is_none();
    (refused && general && !mapped(r)).then_some(full)
}

/// Whether the visitor got what the app answers when it is asked for the hand-off's own URI.
fn fell_through(r: &Reading<'_>, full: &Response) -> bool {
    let redirect = full.header("location").is_some();
    let same = |it: &&Response| alike(it, full) && it.header("location") == full.header("location");
    let page = r.probe(ProbeId::AppTarget).filter(same).is_some();
    let fallen = matches!(r.reached, Reached::AppTwice(_));
    let fallen = fallen || page && (full.body.size > 0 || redirect);
    fallen && !swallowed(r) && !taken_for_its_ending(r, full)
}

/// Whether a location that anybody can ask takes the hand-off's URI, and an internal one what stands
/// beside it without an ending.
pub(super) fn taken_for_its_ending(r: &Reading<'_>, full: &Response) -> bool {
    let bare = r.probe(ProbeId::TargetBare).filter(|it| it.status == 404);
    let Some(bare) = bare.filter(|it| r.own_page(it) == Some(Product::Nginx)) else { return false };
    let general = r.probe(ProbeId::Elsewhere).is_none_or(|it| alike(it, bare));
    !general && r.probe(ProbeId::TargetOutside).is_some_and(|it| alike(it, full))
}

/// The proxy's own 404 after a hand-off whose URI an internal location takes: the file was looked
/// for in a wrong place.
fn inside_location(r: &Reading<'_>) -> Option<String> {
    let full = r.lost_after_app().filter(|_| hands_over_uri(r) && !for_its_ending(r))?;
    let server = r.file_not_found(full)?;
    let maps = matches!(server, Product::Nginx | Product::Caddy | Product::BuiltIn);
    let open = r.probe(ProbeId::TargetOptions).is_some_and(|it| it.status == 405);
    let name = server.name();
    (maps && !open).then(|| match r.direct_right() {
        true => format!(
            "{name} takes the hand-off, and does not find the file that the direct location gives"
        ),
        false => format!("{name} takes the hand-off, and does not find the file"),
    })
}

/// Whether the fixture's probe for a name without an ending gets its file, and the download not.
fn for_its_ending(r: &Reading<'_>) -> bool {
    r.gives_dummy(ProbeId::NoExtension) && !r.passed_on()
}

/// The key of the twin that only a `root` instead of an `alias` leads to, if that is what came.
fn twin(r: &Reading<'_>, full: &Response) -> Option<String> {
    let Instead::OtherDummy(line) = instead(r.evidence, full) else { return None };
    let (_, value) = r.handoff()?;
    let key = dialect::decoded(&line.key);
    dialect::decoded(value).ends_with(&format!("/{key}")).then_some(key)
}

/// Whether the fixture's probe with a second slash gets the file.
fn without_slash(r: &Reading<'_>) -> bool {
    r.gives_dummy(ProbeId::DoubleSlash)
}

/// Where nobody can tell a wrong root from a wrong alias, both are equally likely.
fn ranked(r: &Reading<'_>, because: String) -> Match {
    let nginx = r.server == Some(Product::Nginx);
    if nginx { Match::likely(because) } else { Match::possible(because) }
}

fn hands_over_uri(r: &Reading<'_>) -> bool {
    r.handoff().is_some_and(|(name, _)| {
        dialect::header_named(name).is_none_or(|it| it.names == Names::Uri)
    })
}

fn authority(url: &str) -> &str {
    url.split("://").nth(1).and_then(|it| it.split('/').next()).unwrap_or(url)
}
