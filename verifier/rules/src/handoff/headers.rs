//! What the app says about the file does not reach the visitor, and what is not for the visitor does.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use sendfile_evidence::{
    Probed, Response,
    dialect::{self, Names, Product, signed_link},
    media_type,
};

pub(super) const RULES: &[Rule] = &[
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
                 $upstream_http_NAME; keep the app's Cache-Control with expires off;",
            ),
            caddy: Some("name the header in copy_response_headers inside handle_response"),
            ..Remedy::any("let the proxy pass the header on, or set it where the file is served")
        },
        matches: |r| {
            let (app, full) = handed_over(r)?;
            let lost = |(name, value): &&(String, String)| {
                same_in(app, name, value) && !same_in(full, name, value)
            };
            let declared = r.evidence.intent.expect.iter().find(lost);
            let declared = declared.map(|(name, value)| (name.as_str(), value.as_str()));
            let disposition = || {
                let sent = app.header("content-disposition")?;
                let came = full.header("content-disposition");
                came.is_none().then_some(("content-disposition", sent))
            };
            let privacy = || Some(("cache-control", privacy_lost(app, full)?));
            let (name, value) = declared.or_else(disposition).or_else(privacy)?;
            let came = full.header(name).unwrap_or("none");
            let found =
                Match::sure(format!("the app sends {name}: {value}; the visitor gets {came}"));
            let known = known_to_drop(r.server, name);
            Some(known.into_iter().fold(found, Match::also))
        },
    },
    Rule {
        id: "handoff.headers-doubled",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "a header that the app sends once reaches the visitor twice",
        meaning: "The app's Content-Disposition or Content-Type arrives beside another one, of the proxy \
                  or of the store behind it. Chrome refuses a download with two Content-Disposition, \
                  other browsers choose.",
        remedy: Remedy {
            nginx: Some(
                "proxy_hide_header the store's own header in the internal location, or take the \
                 add_header away that repeats the app's",
            ),
            ..Remedy::any("let only one part set the header")
        },
        matches: |r| {
            let (app, full) = handed_over(r)?;
            let doubled = |name: &&str| full.all(name).count() > 1 && app.all(name).count() < 2;
            let name = ["content-disposition", "content-type"].into_iter().find(doubled)?;
            let values: Vec<_> = full.all(name).collect();
            Some(Match::sure(format!("the visitor gets {name}: {}", values.join(" and "))))
        },
    },
    Rule {
        id: "handoff.cookie-dropped",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "the app's cookie does not reach the visitor",
        meaning: "The app sets a cookie beside its hand-off, such as the renewed session, and the visitor \
                  does not get it. nginx keeps Set-Cookie, Caddy only what copy_response_headers \
                  names, h2o nothing.",
        remedy: Remedy {
            caddy: Some("name Set-Cookie in copy_response_headers inside handle_response"),
            ..Remedy::any("let the proxy pass Set-Cookie on, if downloads are to renew sessions")
        },
        matches: |r| {
            let (app, full) = handed_over(r)?;
            let lost = app.header("set-cookie").is_some() && full.header("set-cookie").is_none();
            // Who brings a cookie may need no other.
            let brings = |it: &Probed<Response>| it.asked.headers.iter().any(|it| it.0 == "cookie");
            let alike = brings(&r.evidence.app) == brings(&r.evidence.full);
            (lost && alike).then(|| Match::sure("the app sends Set-Cookie; the visitor gets none"))
        },
    },
    Rule {
        id: "handoff.path-leaks",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "a path of the server reaches the visitor",
        meaning: "The download works, and some answer to a visitor names where files lie on the server: \
                  in the hand-off header that the proxy should have taken away, in another header, or \
                  in an error page. It helps whoever looks for a way in. mod_xsendfile takes the \
                  header away only from answers with the status 200.",
        remedy: Remedy {
            apache: Some(
                "Header always unset X-Sendfile, and let the app answer 200 whenever it hands over",
            ),
            ..Remedy::any("let the proxy take the header away from every answer of the app")
        },
        matches: |r| {
            let named = |it: &Response| {
                let handoff = leaked(it).filter(|(name, value)| is_path(r, name, value));
                let (name, value) = handoff.or_else(|| naming(r, it))?;
                Some(format!("{name}: {value}"))
            };
            let in_page = |it: &Response| {
                let folder = folder(r).filter(|_| it.status >= 400)?;
                let page = String::from_utf8_lossy(&it.body.head);
                page.contains(&folder).then(|| format!("its page names {folder}"))
            };
            told(r, |it| named(it).or_else(|| in_page(it)))
        },
    },
    Rule {
        id: "handoff.link-leaks",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "the signed link to the store reaches the visitor",
        meaning: "The download works, and the visitor sees the link that is meant for the proxy alone, \
                  in the app's own header or in a copy. Whoever has it has the file until the link \
                  expires, without asking the app, and knows the store, the bucket and the key.",
        remedy: Remedy {
            nginx: Some(
                "proxy_hide_header NAME; where the app is asked, and no add_header with \
                 $upstream_http_NAME where the file is served",
            ),
            caddy: Some(
                "leave the header out of copy_response_headers, or header -NAME in the site",
            ),
            ..Remedy::any("take the header with the link away from all that goes to visitors")
        },
        matches: |r| {
            let app = r.app()?;
            let links = app.headers.iter().filter_map(|(_, value)| signed_link(value));
            let links: Vec<_> = links.collect();
            told(r, |it| {
                let ours = |value: &str| signed_link(value).is_some_and(|it| links.contains(&it));
                let (name, value) = it.headers.iter().find(|(_, value)| ours(value))?;
                Some(format!("{name}: {value}"))
            })
        },
    },
    Rule {
        id: "handoff.header-leaks",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "a hand-off header reaches the visitor",
        meaning: "The download works, and the visitor sees the URI that the app hands over to. That does \
                  no harm while the URI is internal, and shows that something between app and visitor \
                  does not take the header away.",
        remedy: Remedy {
            caddy: Some("header -X-Accel-Redirect in the site, or leave it out of what is copied"),
            ..Remedy::any("take the header away where the file is served")
        },
        matches: |r| {
            told(r, |it| {
                let plain = |value: &str| signed_link(value).is_none();
                let (name, value) =
                    leaked(it).filter(|(name, value)| !is_path(r, name, value) && plain(value))?;
                Some(format!("{name}: {value}"))
            })
        },
    },
];

/// The app's answer and the visitor's, where the bytes arrive by a hand-off.
fn handed_over<'a>(r: &Reading<'a>) -> Option<(&'a Response, &'a Response)> {
    let full = r.evidence.full.answer().filter(|_| r.delivered)?;
    r.app().filter(|_| r.handoff().is_some()).map(|app| (app, full))
}

fn same_in(response: &Response, name: &str, value: &str) -> bool {
    match name {
        "content-type" => response.media_type() == Some(media_type(value)),
        _ => response.all(name).any(|it| it == value),
    }
}

/// That only this visitor may keep the answer, or nobody, where the app says so and the visitor is
/// not told.
fn privacy_lost<'a>(app: &'a Response, full: &Response) -> Option<&'a str> {
    let closed = |it: &Response| {
        let mut values = it.all("cache-control").flat_map(|it| it.split(','));
        values.any(|it| matches!(it.trim(), "private" | "no-store" | "no-cache"))
    };
    app.header("cache-control").filter(|_| closed(app) && !closed(full))
}

/// Whether a proxy is known to drop a header of the app, whatever its configuration says of the
/// hand-off.
fn known_to_drop(server: Option<Product>, name: &str) -> Option<&'static str> {
    const KEPT_BY_NGINX: [&str; 5] =
        ["content-type", "content-disposition", "cache-control", "expires", "set-cookie"];
    match server? {
        Product::Nginx if !KEPT_BY_NGINX.contains(&name) => Some(
            "nginx is known for it: of the app's headers a hand-off keeps Content-Type, \
             Content-Disposition, Cache-Control, Expires and Set-Cookie",
        ),
        Product::Caddy => Some(
            "Caddy is known for it: handle_response passes on what copy_response_headers names",
        ),
        Product::H2o => Some("h2o is known for it: a hand-off drops all headers of the app"),
        _ => None,
    }
}

/// The first answer to a visitor of which something can be told.
fn told(r: &Reading<'_>, what: impl Fn(&Response) -> Option<String>) -> Option<Match> {
    let full = r.evidence.full.answer().filter(|_| r.delivered)?;
    if let Some(text) = what(full) {
        return Some(Match::sure(format!("the visitor gets {text}")));
    }
    let mut probes = r.evidence.probes.iter().filter(|it| it.id.at_site());
    let (id, status, text) = probes.find_map(|it| {
        let answer = it.probed.answer()?;
        Some((it.id, answer.status, what(answer)?))
    })?;
    Some(Match::sure(format!("asked for `{id}`, the visitor gets {status}, {text}")).shown_by(id))
}

/// A hand-off header, by its usual spelling, and its value.
fn leaked(response: &Response) -> Option<(&'static str, &str)> {
    dialect::HEADERS.iter().find_map(|it| Some((it.name, response.header(it.name)?)))
}

fn is_path(r: &Reading<'_>, name: &str, value: &str) -> bool {
    let names_path = dialect::header_named(name).is_some_and(|it| it.names == Names::Path);
    value.starts_with('/') && (names_path || folder(r).is_some_and(|it| value.starts_with(&it)))
}

/// Any header that names the storage's folder.
fn naming<'a>(r: &Reading<'_>, response: &'a Response) -> Option<(&'a str, &'a str)> {
    let folder = folder(r)?;
    let names = |(_, value): &&(String, String)| value.contains(&folder);
    response.headers.iter().find(names).map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The storage's folder, if its name is long enough to mean something in a text.
fn folder(r: &Reading<'_>) -> Option<String> {
    r.folder().filter(|it| it.matches('/').count() > 2)
}
