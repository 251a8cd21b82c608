//! App headers that do not reach the client, and internal headers that do.

use sendfile_evidence::{
    Check, Probe, Response, Server,
    dialect::{self, ValueKind, signed_link},
    fact::FactKind,
    media_type,
};

use crate::{
    analysis::Analysis,
    config_evidence::ConfigEvidence,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] =
    &[&HEADERS_DROPPED, &HEADERS_DOUBLED, &COOKIE_DROPPED, &PATH_LEAKS, &LINK_LEAKS, &HEADER_LEAKS];

pub(crate) static HEADERS_DROPPED: Rule = Rule {
    id: "handoff.headers-dropped",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Headers),
    summary: "Headers that the app sends are dropped or changed",
    meaning: "The file arrives, but a header that the app sent with it is missing or changed. \
              nginx keeps Content-Type, Content-Disposition, Cache-Control, Expires and Set-Cookie \
              and drops the rest; h2o drops all; Caddy passes only the headers named in \
              `copy_response_headers`.",
    remedy: Remedy {
        any: "Pass the header on in the proxy, or set it where the file is served",
        servers: &[
            (
                Server::Nginx,
                "Set the header in the internal location, e.g. `add_header NAME \
                 $upstream_http_NAME;`. Keep the app's Cache-Control with `expires off;`",
            ),
            (Server::Caddy, "Name the header in `copy_response_headers` inside `handle_response`"),
        ],
    },
    config: ConfigEvidence::confirms(|_, fact| fact.kind == FactKind::HeadersDropped),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = handed_over(analysis)?;
        let lost = |(name, value): &&(String, String)| {
            same_in(app, name, value) && !same_in(full, name, value)
        };
        let declared = analysis.evidence.intent.expect.iter().find(lost);
        let declared = declared.map(|(name, value)| (name.as_str(), value.as_str()));
        let disposition = || {
            let sent = app.header("content-disposition")?;
            let came = full.header("content-disposition");
            came.is_none().then_some(("content-disposition", sent))
        };
        let privacy = || Some(("cache-control", privacy_lost(app, full)?));
        let (name, value) = declared.or_else(disposition).or_else(privacy)?;
        let came = full.header(name).unwrap_or("none");
        let found = Match::sure(format!("The app sends {name}: {value}; the client gets {came}"));
        let known = known_to_drop(analysis.server, name);
        Some(known.into_iter().fold(found, Match::also))
    },
};

pub(crate) static HEADERS_DOUBLED: Rule = Rule {
    id: "handoff.headers-doubled",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Headers),
    summary: "A header that the app sends once reaches the client twice",
    meaning: "The app's Content-Disposition or Content-Type arrives together with a second one, \
              from the proxy or from the store behind it. Chrome refuses a download with two \
              Content-Disposition headers; other browsers choose one.",
    remedy: Remedy {
        any: "Set the header in one component only",
        servers: &[(
            Server::Nginx,
            "Hide the store's own header with `proxy_hide_header` in the internal location, or \
             remove the `add_header` that repeats the app's",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = handed_over(analysis)?;
        let doubled = |name: &&str| full.all(name).count() > 1 && app.all(name).count() < 2;
        let name = ["content-disposition", "content-type"].into_iter().find(doubled)?;
        let values: Vec<_> = full.all(name).collect();
        Some(Match::sure(format!("The client gets {name}: {}", values.join(" and "))))
    },
};

pub(crate) static COOKIE_DROPPED: Rule = Rule {
    id: "handoff.cookie-dropped",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Headers),
    summary: "The app's cookie does not reach the client",
    meaning: "The app sets a cookie with its hand-off, such as a renewed session, but the client \
              does not get it. nginx keeps Set-Cookie, Caddy passes only the headers named in \
              `copy_response_headers`, h2o passes none.",
    remedy: Remedy {
        any: "Pass Set-Cookie on in the proxy, if downloads are to renew sessions",
        servers: &[(
            Server::Caddy,
            "Name Set-Cookie in `copy_response_headers` inside `handle_response`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (app, full) = handed_over(analysis)?;
        let lost = app.header("set-cookie").is_some() && full.header("set-cookie").is_none();
        // A client that sends a cookie may not need another one.
        let brings = |it: &Probe<Response>| it.request.headers.iter().any(|it| it.0 == "cookie");
        let alike = brings(&analysis.evidence.app) == brings(&analysis.evidence.full);
        (lost && alike).then(|| Match::sure("The app sends Set-Cookie; the client gets none"))
    },
};

pub(crate) static PATH_LEAKS: Rule = Rule {
    id: "handoff.path-leaks",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Leak),
    summary: "A response exposes a path on the server",
    meaning: "The download works, but a response to a client names where files are stored on the \
              server: in the hand-off header that the proxy must remove, in another header, or in \
              an error page. Such paths help attackers. mod_xsendfile removes the header only from \
              responses with status 200.",
    remedy: Remedy {
        any: "Remove the header from every app response in the proxy",
        servers: &[(
            Server::Apache,
            "Add `Header always unset X-Sendfile`, and respond with status 200 from the app \
             whenever it hands off",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let named = |it: &Response| {
            let handoff = leaked(it).filter(|(name, value)| is_path(analysis, name, value));
            let (name, value) = handoff.or_else(|| naming(analysis, it))?;
            Some(format!("{name}: {value}"))
        };
        let in_page = |it: &Response| {
            let folder = folder(analysis).filter(|_| it.status >= 400)?;
            let page = String::from_utf8_lossy(&it.body.head);
            page.contains(&folder).then(|| format!("a page that names {folder}"))
        };
        told(analysis, |it| named(it).or_else(|| in_page(it)))
    },
};

pub(crate) static LINK_LEAKS: Rule = Rule {
    id: "handoff.link-leaks",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Leak),
    summary: "The signed link to the store reaches the client",
    meaning: "The download works, but the client gets the link that is meant for the proxy alone, \
              in the app's own header or in a copy. Until the link expires, anyone who has it can \
              fetch the file without the app. The link also reveals the store, the bucket and the \
              key.",
    remedy: Remedy {
        any: "Remove the header with the link from all responses to clients",
        servers: &[
            (
                Server::Nginx,
                "Add `proxy_hide_header NAME;` where the app is the upstream, and remove \
                 `add_header` with `$upstream_http_NAME` where the file is served",
            ),
            (
                Server::Caddy,
                "Remove the header from `copy_response_headers`, or add `header -NAME` to the site",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = analysis.app()?;
        let links = app.headers.iter().filter_map(|(_, value)| signed_link(value));
        let links: Vec<_> = links.collect();
        told(analysis, |it| {
            let ours = |value: &str| signed_link(value).is_some_and(|it| links.contains(&it));
            let (name, value) = it.headers.iter().find(|(_, value)| ours(value))?;
            Some(format!("{name}: {value}"))
        })
    },
};

pub(crate) static HEADER_LEAKS: Rule = Rule {
    id: "handoff.header-leaks",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Leak),
    summary: "A hand-off header reaches the client",
    meaning: "The download works, but the client gets the URI that the app hands off to. This is \
              harmless while the URI is internal. It shows that no component between app and \
              client removes the header.",
    remedy: Remedy {
        any: "Remove the header where the file is served",
        servers: &[(
            Server::Caddy,
            "Add `header -X-Accel-Redirect` to the site, or do not copy the header",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        told(analysis, |it| {
            let plain = |value: &str| signed_link(value).is_none();
            let (name, value) = leaked(it)
                .filter(|(name, value)| !is_path(analysis, name, value) && plain(value))?;
            Some(format!("{name}: {value}"))
        })
    },
};

/// The app's response and the client's, if the file arrives by a hand-off.
fn handed_over<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, &'a Response)> {
    let full = analysis.evidence.full.response().filter(|_| analysis.delivered)?;
    analysis.app().filter(|_| analysis.handoff().is_some()).map(|app| (app, full))
}

fn same_in(response: &Response, name: &str, value: &str) -> bool {
    match name {
        "content-type" => response.media_type() == Some(media_type(value)),
        _ => response.all(name).any(|it| it == value),
    }
}

/// The app's Cache-Control, if it restricts caching and the client's does not.
fn privacy_lost<'a>(app: &'a Response, full: &Response) -> Option<&'a str> {
    let closed = |it: &Response| {
        let mut values = it.all("cache-control").flat_map(|it| it.split(','));
        values.any(|it| matches!(it.trim(), "private" | "no-store" | "no-cache"))
    };
    app.header("cache-control").filter(|_| closed(app) && !closed(full))
}

/// A note if the proxy is known to drop this app header, whatever its configuration says about the
/// hand-off.
fn known_to_drop(server: Option<Server>, name: &str) -> Option<&'static str> {
    const KEPT_BY_NGINX: [&str; 5] =
        ["content-type", "content-disposition", "cache-control", "expires", "set-cookie"];
    match server? {
        Server::Nginx if !KEPT_BY_NGINX.contains(&name) => Some(
            "nginx is known for this: after a hand-off it keeps only Content-Type, \
             Content-Disposition, Cache-Control, Expires and Set-Cookie of the app's headers",
        ),
        Server::Caddy => Some(
            "Caddy is known for this: `handle_response` passes only the headers named in \
             `copy_response_headers`",
        ),
        Server::H2o => Some("h2o is known for this: after a hand-off it drops all app headers"),
        _ => None,
    }
}

/// A match for the first response to a client for which `what` returns a text.
fn told(analysis: &Analysis<'_>, what: impl Fn(&Response) -> Option<String>) -> Option<Match> {
    let full = analysis.evidence.full.response().filter(|_| analysis.delivered)?;
    if let Some(text) = what(full) {
        return Some(Match::sure(format!("The client gets {text}")));
    }
    let mut probes = analysis.evidence.probes.iter().filter(|it| it.id.at_site());
    let (id, status, text) = probes.find_map(|it| {
        let answer = it.probed.response()?;
        Some((it.id, answer.status, what(answer)?))
    })?;
    Some(Match::sure(format!("For `{id}`, the client gets {status}, {text}")).shown_by(id))
}

/// A hand-off header in its usual spelling, and its value.
fn leaked(response: &Response) -> Option<(&'static str, &str)> {
    dialect::HEADERS.iter().find_map(|it| Some((it.name, response.header(it.name)?)))
}

fn is_path(analysis: &Analysis<'_>, name: &str, value: &str) -> bool {
    let names_path = dialect::header_named(name).is_some_and(|it| it.names == ValueKind::Path);
    value.starts_with('/')
        && (names_path || folder(analysis).is_some_and(|it| value.starts_with(&it)))
}

/// Any header that names the storage directory.
fn naming<'a>(analysis: &Analysis<'_>, response: &'a Response) -> Option<(&'a str, &'a str)> {
    let folder = folder(analysis)?;
    let names = |(_, value): &&(String, String)| value.contains(&folder);
    response.headers.iter().find(names).map(|(name, value)| (name.as_str(), value.as_str()))
}

/// The storage directory, if its path is long enough to be significant in a text.
fn folder(analysis: &Analysis<'_>) -> Option<String> {
    analysis.directory().filter(|it| it.matches('/').count() > 2)
}
