//! Rules whose culprit is the hand-off: storage, app and proxy are right by themselves, and do not
//! fit together.

use super::{
    Confidence, Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, alike, instead},
    reading::Reached,
};
use crate::{
    dialect::{self, Names, Product, spelling, store_error},
    evidence::{ProbeId, Response},
    plan,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.feature-off",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the proxy does not act on the hand-off header",
        meaning: "The app hands over as it should, and the visitor gets an empty body: the proxy \
                  passed the answer on. In nginx the header is ignored by proxy_ignore_headers; \
                  in Apache XSendFile is off, or set where it does not apply; in lighttpd \
                  x-sendfile is off; Caddy does nothing without a handle_response.",
        remedy: Remedy {
            any: "switch the hand-off on in the proxy",
            nginx: Some(
                "remove X-Accel-Redirect from proxy_ignore_headers (or fastcgi_ignore_headers, \
                 uwsgi_ignore_headers)",
            ),
            apache: Some(
                "enable mod_xsendfile (a2enmod xsendfile) and set `XSendFile On` in the virtual \
                 host or the <Location> of the app, not in a <Directory>",
            ),
            lighttpd: Some(
                "set \"x-sendfile\" => \"enable\" and \"x-sendfile-docroot\" for this host in \
                 proxy.server",
            ),
            caddy: Some(
                "add to reverse_proxy: @sendfile header X-Sendfile *; handle_response @sendfile \
                 { root * /; rewrite * {rp.header.X-Sendfile}; file_server } (see \
                 `sendfile-check snippet caddy`)",
            ),
        },
        matches: |r| {
            let full = r
                .lost_after_app()
                .filter(|it| it.body.size == 0 && (200..300).contains(&it.status))?;
            let (name, _) = r.handoff()?;
            match full.header(name) {
                Some(_) if !serves_elsewhere(r) => Some(Match::sure(format!(
                    "the visitor gets an empty body, and the header {}",
                    spelling(name)
                ))),
                Some(_) => None,
                None => Some(Match::likely(
                    "the visitor gets an empty body, and no hand-off header".to_owned(),
                )),
            }
        },
    },
    Rule {
        id: "handoff.not-engaged",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "the proxy does not tell the app to hand over; the app sends the bytes",
        meaning: "Rack, Symfony and their kin hand over only if the proxy's request says so \
                  (X-Sendfile-Type, and X-Accel-Mapping for nginx). With those headers the app \
                  hands over; through the site the bytes come without the time of the file that \
                  the proxy's own answers have, so the app has sent them, at the cost of a \
                  worker for each download.",
        remedy: Remedy {
            any: "let the proxy send the app the request headers that switch the hand-off on",
            nginx: Some(
                "proxy_set_header X-Sendfile-Type X-Accel-Redirect; proxy_set_header \
                 X-Accel-Mapping /FOLDER/=/PREFIX/;",
            ),
            apache: Some("RequestHeader set X-Sendfile-Type X-Sendfile (with mod_headers)"),
            lighttpd: None,
            caddy: Some(
                "in reverse_proxy: header_up X-Sendfile-Type x-accel-redirect, and header_up \
                 X-Accel-Mapping /FOLDER/=/PREFIX/",
            ),
        },
        matches: |r| {
            let stamped =
                |it: &Response| it.header("last-modified").is_some() || it.header("etag").is_some();
            let streamed = r.delivered
                && plan::streamed(r.evidence)
                && r.handoff().is_some()
                && r.direct().is_none_or(stamped);
            let bare = r.gives_dummy(ProbeId::AppBare);
            let because =
                "the file came without the ETag and Last-Modified of the proxy's own files";
            match (streamed, bare, r.direct_right()) {
                (true, true, _) => Some(Match::sure(format!(
                    "{because}, and the app, asked without --app-header, sends the bytes itself"
                ))),
                (true, false, true) => Some(Match::likely(because)),
                _ => None,
            }
        },
    },
    Rule {
        id: "handoff.swallowed-between",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "a proxy between the app and the serving proxy acts on the header",
        meaning: "An inner proxy, asked by itself, gives neither the file nor the app's hand-off \
                  header: it took the header for its own, and the serving proxy never sees it.",
        remedy: Remedy {
            nginx: Some(
                "in the inner nginx: proxy_ignore_headers X-Accel-Redirect; proxy_pass_header \
                 X-Accel-Redirect;",
            ),
            ..Remedy::any("let the inner proxy pass the hand-off header on without acting on it")
        },
        matches: |r| {
            let (name, _) = r.lost_after_app().and(r.handoff())?;
            let eats =
                |(id, it): &(ProbeId, &Response)| it.header(name).is_none() && !r.gives_dummy(*id);
            let (id, it) = r.inner().find(eats)?;
            Some(Match::sure(format!(
                "asked by itself, {id} gives {}, without {name}",
                r.describe(it)
            )))
        },
    },
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
            let mapped = r
                .evidence
                .app
                .asked
                .headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("x-accel-mapping"));
            let located =
                r.probe(ProbeId::TargetOutside).is_some_and(|it| r.own_page(it).is_some());
            (mapped && located).then(|| {
                Match::sure(format!(
                    "the right URI has a location, and the visitor gets {}",
                    r.describe(full)
                ))
            })
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
            let full = r.lost_after_app().filter(|_| hands_over_uri(r))?;
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
            let full = r.lost_after_app().filter(|it| hands_over_uri(r) && fell_through(r, it))?;
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
            let because = || {
                format!(
                    "{} refuses the file that the direct location gives",
                    r.server.map_or("the server", Product::name)
                )
            };
            match (r.own_page(full)?, full.status) {
                (Product::Lighttpd, 403) => Some(Match::sure(because())),
                (Product::Apache, 404) => Some(Match::likely(because())),
                _ => None,
            }
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
            if let Some(full) = r.lost_after_app().filter(|it| (300..=399).contains(&it.status)) {
                let (_, value) = r.handoff().filter(|(_, value)| value.starts_with('/'))?;
                let folder = format!("{}/", value.split('?').next().unwrap_or(value));
                let location = full
                    .header("location")
                    .filter(|it| it.split('?').next().is_some_and(|it| it.ends_with(&folder)))?;
                return Some(Match::sure(format!("the proxy redirects to a folder: {location}")));
            }
            inside_location(r).map(Match::possible)
        },
    },
    Rule {
        id: "handoff.location-shadows-redirect",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "another location takes the hand-off's URI",
        meaning: "nginx itself answers the hand-off with 404, and the hand-off's URI, asked from \
                  outside with OPTIONS, gets 405: a location that is not internal looks at the \
                  method. So a static location, often a regex for file endings, takes the URI \
                  before the internal one.",
        remedy: Remedy {
            nginx: Some(
                "write ^~ before the internal location's prefix, so that no regex location is \
                 tried: location ^~ /PREFIX/ { internal; … }",
            ),
            ..Remedy::any("let the internal location come before the one that takes its URI")
        },
        matches: |r| {
            let full = r
                .lost_after_app()
                .filter(|it| r.own_page(it) == Some(Product::Nginx) && hands_over_uri(r))?;
            let open = r.probe(ProbeId::TargetOptions).filter(|it| it.status == 405)?;
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
                  folder; with `alias` it is replaced by the folder.",
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
            let because = inside_location(r).filter(|_| !without_slash(r))?;
            // The fixture has a twin where `root` would lead, and it did not come.
            Some(if r.by_contract() { Match::possible(because) } else { ranked(r, &because) })
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
            let because = inside_location(r)?;
            if without_slash(r) {
                return Some(Match::sure(
                    "with a second slash behind the prefix the file arrives: the alias lacks its \
                     slash",
                ));
            }
            Some(if r.by_contract() { Match::likely(because) } else { ranked(r, &because) })
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
            let full = r.lost_after_app().filter(|it| r.own_page(it) == Some(Product::Caddy))?;
            Some(Match::possible(format!(
                "Caddy takes the hand-off, and gives {}",
                r.describe(full)
            )))
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
    Rule {
        id: "handoff.client-auth-forwarded",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the visitor's Authorization header travels on to the store beside the signed \
                  query",
        meaning: "Stores accept one way of proving a right. With a signed query and an \
                  Authorization header S3 answers 400 InvalidArgument (\"Only one auth mechanism \
                  allowed\").",
        remedy: Remedy {
            nginx: Some(
                "proxy_set_header Authorization \"\"; proxy_set_header Cookie \"\"; in the \
                 internal location",
            ),
            caddy: Some(
                "header_up -Authorization and header_up -Cookie in the reverse_proxy to the store",
            ),
            ..Remedy::any("drop Authorization and Cookie from the request to the store")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let visitor = r
                .evidence
                .full
                .asked
                .headers
                .iter()
                .any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            if visitor && r.gives_dummy(ProbeId::WithoutAuthorization) {
                return Some(Match::sure(
                    "without the visitor's Authorization header the file arrives",
                ));
            }
            let code = store_error(&full.body)?;
            let one_mechanism = String::from_utf8_lossy(&full.body.head).contains("auth mechanism");
            let because = format!(
                "the store answers {} {code} to a visitor with an Authorization header",
                full.status
            );
            (visitor && (one_mechanism || full.status == 400)).then(|| Match::sure(because))
        },
    },
    Rule {
        id: "handoff.decoded-for-upstream",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the path reaches the store decoded",
        meaning: "The hand-off's path has percent-escapes. A proxy_pass with variables sends the \
                  decoded path, raw spaces and all, and the store finds no such key, or no \
                  request that it understands.",
        remedy: Remedy {
            nginx: Some(
                "proxy_pass http://STORE/BUCKET/; without variables: nginx then encodes the path \
                 again",
            ),
            ..Remedy::any("encode the path again before it goes to the store")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let (_, value) = r.handoff()?;
            let escaped = value.split('?').next().is_some_and(|path| path.contains('%'));
            let code = store_error(&full.body).or_else(|| {
                (full.status == 400 && r.own_page(full).is_none()).then(|| "Bad Request".to_owned())
            })?;
            let plain = matches!(code.as_str(), "AccessDenied" | "InvalidArgument");
            (escaped && !plain).then(|| {
                Match::likely(format!(
                    "the hand-off's path is encoded, and the store answers {} {code}",
                    full.status
                ))
            })
        },
    },
    Rule {
        id: "handoff.upstream-host-wrong",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the proxy sends the store another Host than the one that was signed",
        meaning: "The Host header is part of what a signed link signs. The store calculates \
                  another signature (SignatureDoesNotMatch) when the proxy passes the site's own \
                  Host on.",
        remedy: Remedy {
            nginx: Some("proxy_set_header Host $proxy_host; in the internal location"),
            caddy: Some("header_up Host {upstream_hostport} in the reverse_proxy to the store"),
            ..Remedy::any("send the store the Host that the link was signed for")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let code = store_error(&full.body).filter(|it| it == "SignatureDoesNotMatch")?;
            Some(Match::likely(format!("the store answers {} {code}", full.status)))
        },
    },
    Rule {
        id: "handoff.query-dropped",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the signed query does not reach the store",
        meaning: "The app hands over with a signed query, and the store answers as to somebody \
                  without one (AccessDenied).",
        remedy: Remedy {
            nginx: Some(
                "end the proxy_pass with $is_args$args if it has variables; without variables \
                 nginx keeps the query",
            ),
            caddy: Some(
                "rewrite * {rp.header.X-Accel-Redirect}? with a question mark at its end, which \
                 keeps the query",
            ),
            ..Remedy::any("pass the query on to the store")
        },
        matches: |r| {
            let full = r.lost_after_app()?;
            let code = store_error(&full.body).filter(|it| it == "AccessDenied")?;
            let expired = String::from_utf8_lossy(&full.body.head).contains("expired");
            let signed = r.handoff().is_some_and(|(_, value)| value.contains('?'));
            (signed && !expired)
                .then(|| Match::likely(format!("the store answers {} {code}", full.status)))
        },
    },
    Rule {
        id: "handoff.store-refuses",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "the store refuses the request that the hand-off makes",
        meaning: "The store answers the hand-off's request with an error, and answers the direct \
                  location's with the file.",
        remedy: Remedy::any(
            "compare the two requests at the store's log: Host, path, query, method, Authorization",
        ),
        matches: |r| {
            let full = r.lost_after_app()?;
            let code = store_error(&full.body)?;
            Some(Match::possible(format!("the store answers {} {code}", full.status)))
        },
    },
    Rule {
        id: "handoff.headers-dropped",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "headers of the app that must survive do not",
        meaning: "The file arrives, and a header that the app sent with it does not, or changed. \
                  nginx keeps Content-Type, Content-Disposition, Cache-Control, Expires and \
                  Set-Cookie and drops the rest; h2o drops all; Caddy passes only what \
                  copy_response_headers names.",
        remedy: Remedy {
            nginx: Some(
                "set the header in the internal location, e.g. add_header NAME \
                 $upstream_http_NAME;",
            ),
            caddy: Some("name the header in copy_response_headers inside handle_response"),
            ..Remedy::any("let the proxy pass the header on, or set it where the file is served")
        },
        matches: |r| {
            let full = r.evidence.full.answer().filter(|_| r.delivered)?;
            let app = r.app().filter(|_| r.handoff().is_some())?;
            let lost = |(name, value): &&(String, String)| {
                same_in(app, name, value) && !same_in(full, name, value)
            };
            let declared = r.evidence.intent.expect.iter().find(lost);
            if let Some((name, value)) = declared {
                let came = full.header(name).unwrap_or("none");
                return Some(Match::sure(format!(
                    "the app sends {name}: {value}; the visitor gets {came}"
                )));
            }
            let disposition = app
                .header("content-disposition")
                .filter(|_| full.header("content-disposition").is_none())?;
            Some(Match::sure(format!(
                "the app sends content-disposition: {disposition}; the visitor gets none"
            )))
        },
    },
    Rule {
        id: "handoff.not-internal",
        culprit: Culprit::Handoff,
        severity: Severity::Exposed,
        summary: "the hand-off's target can be fetched without the app",
        meaning: "The URI to which the app hands over, or another one that should refuse, gives \
                  the file's own bytes to anybody who asks: no permission is checked. The bytes \
                  were compared, not only the status.",
        remedy: Remedy {
            nginx: Some("add `internal;` to the location of the hand-off's target"),
            apache: Some(
                "keep the folder out of DocumentRoot and of every Alias, or set `Require all \
                 denied` for it",
            ),
            lighttpd: Some(
                "keep the folder out of server.document-root and alias.url, or deny it with \
                 url.access-deny",
            ),
            caddy: Some("serve the folder only inside handle_response"),
            ..Remedy::any("let only hand-offs reach the location of the target")
        },
        matches: |r| {
            let probes = r
                .evidence
                .probes
                .iter()
                .filter(|it| matches!(it.id, ProbeId::TargetOutside | ProbeId::Refused(_)));
            let open = probes
                .filter(|it| r.gives_dummy(it.id))
                .map(|it| it.probed.asked.url.clone())
                .next()?;
            Some(Match::sure(format!("anybody gets the file at {open}")))
        },
    },
    Rule {
        id: "handoff.does-not-fit",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "storage, app and proxy are right, and do not fit together",
        meaning: "Each layer is right by itself, the request came to the app, and the visitor \
                  gets something else, which no known cause explains.",
        remedy: Remedy::any(
            "see the proxy's error log for the download's request: it names the path or the reason",
        ),
        matches: |r| {
            let full = r
                .lost_after_app()
                .filter(|_| matches!(r.reached, Reached::App(_) | Reached::AppTwice(_)))?;
            let asked = r.direct_right() && r.app().is_some();
            asked.then(|| Match {
                confidence: Confidence::Possible,
                because: vec![format!("a visitor gets {}", r.describe(full))],
            })
        },
    },
];

/// What the shipped snippet for Caddy answers for a hand-off that none of its rules takes.
const UNHANDLED: &[u8] = b"unhandled X-Accel-Redirect";

/// Whether the visitor got what the app answers when it is asked for the hand-off's own URI.
fn fell_through(r: &Reading<'_>, full: &Response) -> bool {
    let page = r.probe(ProbeId::AppTarget).is_some_and(|it| alike(it, full));
    matches!(r.reached, Reached::AppTwice(_)) || page && full.body.size > 0
}

/// nginx's own 404 or 403 after a hand-off whose URI an internal location takes: the file was
/// looked for in a wrong place.
fn inside_location(r: &Reading<'_>) -> Option<String> {
    let full =
        r.lost_after_app().filter(|_| hands_over_uri(r) || r.server == Some(Product::Caddy))?;
    let server = r
        .own_page(full)
        .filter(|it| matches!(it, Product::Nginx | Product::Caddy | Product::BuiltIn))?;
    let open = r.probe(ProbeId::TargetOptions).is_some_and(|it| it.status == 405);
    let missing = matches!(full.status, 403 | 404);
    (missing && !open).then(|| {
        format!(
            "{} takes the hand-off and does not find the file that the direct location gives",
            server.name()
        )
    })
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
fn ranked(r: &Reading<'_>, because: &str) -> Match {
    let nginx = r.server == Some(Product::Nginx);
    if nginx { Match::likely(because) } else { Match::possible(because) }
}

fn hands_over_uri(r: &Reading<'_>) -> bool {
    r.handoff().is_some_and(|(name, _)| {
        dialect::header_named(name).is_none_or(|it| it.names == Names::Uri)
    })
}

/// Whether another proxy than the one that answers the visitor serves the file.
fn serves_elsewhere(r: &Reading<'_>) -> bool {
    let full = r.evidence.full.answer().and_then(Product::of);
    let by_inner = r.inner().any(|(id, _)| r.gives_dummy(id));
    let by_direct = r.direct_right() && full.is_some() && r.server != full;
    by_inner || by_direct || r.direct_by_app()
}

fn same_in(response: &Response, name: &str, value: &str) -> bool {
    match name {
        "content-type" => response.media_type() == Some(crate::evidence::media_type(value)),
        _ => response.all(name).any(|it| it == value),
    }
}

fn authority(url: &str) -> &str {
    url.split("://").nth(1).and_then(|it| it.split('/').next()).unwrap_or(url)
}
