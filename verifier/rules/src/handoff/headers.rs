//! Rules about headers of the app that do not reach the client, and internal headers that do.

use sendfile_evidence::{
    Check, Probe, Response, Server,
    dialect::{self, ValueKind, signed_link},
    fact::FactKind,
    media_type,
};

use crate::{
    analysis::Analysis,
    config_evidence::ConfigEvidence,
    handoff::browser::{HEAD_DIFFERS, HEAD_HAS_BODY},
    handoff::names::NAME_NOT_SERVED,
    handoff::parts::ETAG_OF_ANOTHER_FILE,
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
        any: "Configure the proxy to pass the header on, or set it in the location that serves the \
              file",
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
    precedence: Precedence::Before(&[&ETAG_OF_ANOTHER_FILE, &HEAD_DIFFERS, &HEAD_HAS_BODY]),
    matches: |analysis| {
        let (app, full) = handed_over(analysis)?;
        let (name, value) = dropped(analysis, app, full)?;
        let got = full.header(name).unwrap_or("none");
        let found = Match::sure(format!("The app sends {name}: {value}; the client gets {got}"));
        Some(match known_to_drop(analysis.server, name) {
            Some(note) => found.also(note),
            None => found,
        })
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
        for name in ["content-disposition", "content-type"] {
            let values: Vec<_> = full.all(name).collect();
            if values.len() > 1 && app.all(name).count() < 2 {
                let values = values.join(" and ");
                return Some(Match::sure(format!("The client gets {name}: {values}")));
            }
        }
        None
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
        any: "If downloads must renew sessions, configure the proxy to pass Set-Cookie on",
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
        // A client that sends a cookie may not need a new one.
        let evidence = analysis.evidence;
        let alike = sends_cookie(&evidence.app) == sends_cookie(&evidence.full);
        if !lost || !alike {
            return None;
        }
        Some(Match::sure("The app sends Set-Cookie; the client gets none"))
    },
};

pub(crate) static PATH_LEAKS: Rule = Rule {
    id: "handoff.path-leaks",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Leak),
    summary: "A response exposes a path on the server",
    meaning: "The download works, but a response to a client reveals where files are stored on the \
              server. The path is in the hand-off header that the proxy must remove, in another \
              header, or in an error page. Such paths help attackers. mod_xsendfile removes the \
              header only from responses with status 200.",
    remedy: Remedy {
        any: "Remove the header from every app response in the proxy",
        servers: &[(
            Server::Apache,
            "Add `Header always unset X-Sendfile`, and respond with status 200 from the app \
             whenever it hands off",
        )],
    },
    config: None,
    precedence: Precedence::Before(&[&NAME_NOT_SERVED]),
    matches: |analysis| {
        first_leak(analysis, |response| {
            if let Some((name, value)) = path_in_header(analysis, response) {
                return Some(format!("{name}: {value}"));
            }
            let directory = long_directory(analysis)?;
            let page = String::from_utf8_lossy(&response.body.head);
            if response.status < 400 || !page.contains(&directory) {
                return None;
            }
            Some(format!("a page that names {directory}"))
        })
    },
};

pub(crate) static LINK_LEAKS: Rule = Rule {
    id: "handoff.link-leaks",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Leak),
    summary: "The signed link to the store reaches the client",
    meaning: "The download works, but the client gets the link that only the proxy needs, in the \
              app's own header or in a copy of it. Until the link expires, anyone who has it can \
              fetch the file without the app. The link also reveals the store, the bucket and the \
              key.",
    remedy: Remedy {
        any: "Remove the header with the link from all responses to clients",
        servers: &[
            (
                Server::Nginx,
                "Add `proxy_hide_header NAME;` to the location that forwards to the app, and \
                 remove `add_header` with `$upstream_http_NAME` from the location that serves the \
                 file",
            ),
            (
                Server::Caddy,
                "Remove the header from `copy_response_headers`, or add `header -NAME` to the site",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Before(&[&HEAD_DIFFERS]),
    matches: |analysis| {
        let app = analysis.app()?;
        let sent: Vec<_> = app.headers.iter().filter_map(|(_, value)| signed_link(value)).collect();
        first_leak(analysis, |response| {
            for (name, value) in &response.headers {
                if let Some(link) = signed_link(value)
                    && sent.contains(&link)
                {
                    return Some(format!("{name}: {value}"));
                }
            }
            None
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
        any: "Remove the header in the location that serves the file",
        servers: &[(
            Server::Caddy,
            "Add `header -X-Accel-Redirect` to the site, or do not copy the header",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        first_leak(analysis, |response| {
            let (name, value) = handoff_header(response)?;
            if is_path(analysis, name, value) || signed_link(value).is_some() {
                return None;
            }
            Some(format!("{name}: {value}"))
        })
    },
};

/// The app's response and the client's, if the file arrives by a hand-off.
fn handed_over<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, &'a Response)> {
    let full = analysis.evidence.full.response()?;
    let app = analysis.app()?;
    if analysis.delivered && analysis.handoff().is_some() { Some((app, full)) } else { None }
}

/// A header of the app that does not reach the client: one that the operator requires, or one that
/// matters to every download.
fn dropped<'a>(
    analysis: &Analysis<'a>,
    app: &'a Response,
    full: &Response,
) -> Option<(&'a str, &'a str)> {
    for (name, value) in &analysis.evidence.intent.expect {
        if has_header(app, name, value) && !has_header(full, name, value) {
            return Some((name, value));
        }
    }
    if let Some(sent) = app.header("content-disposition")
        && full.header("content-disposition").is_none()
    {
        return Some(("content-disposition", sent));
    }
    let sent = app.header("cache-control")?;
    if restricts_caching(app) && !restricts_caching(full) {
        return Some(("cache-control", sent));
    }
    None
}

fn has_header(response: &Response, name: &str, value: &str) -> bool {
    match name {
        "content-type" => response.media_type() == Some(media_type(value)),
        _ => response.all(name).any(|sent| sent == value),
    }
}

fn restricts_caching(response: &Response) -> bool {
    for value in response.all("cache-control") {
        for directive in value.split(',') {
            if matches!(directive.trim(), "private" | "no-store" | "no-cache") {
                return true;
            }
        }
    }
    false
}

fn sends_cookie(probe: &Probe<Response>) -> bool {
    probe.request.headers.iter().any(|(name, _)| name == "cookie")
}

/// A note if the proxy is known to drop this header of the app, however its configuration handles
/// the hand-off.
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

/// A match for the first response to a client that leaks something; `leak` describes what.
fn first_leak(
    analysis: &Analysis<'_>,
    leak: impl Fn(&Response) -> Option<String>,
) -> Option<Match> {
    let full = analysis.evidence.full.response()?;
    if !analysis.delivered {
        return None;
    }
    if let Some(leaked) = leak(full) {
        return Some(Match::sure(format!("The client gets {leaked}")));
    }
    for extra in &analysis.evidence.probes {
        if extra.id.at_site()
            && let Some(response) = extra.probed.response()
            && let Some(leaked) = leak(response)
        {
            let (id, status) = (extra.id, response.status);
            let because = format!("For `{id}`, the client gets {status}, {leaked}");
            return Some(Match::sure(because).shown_by(id));
        }
    }
    None
}

/// A header that contains a path on the server: the hand-off header, or any other.
fn path_in_header<'a>(
    analysis: &Analysis<'_>,
    response: &'a Response,
) -> Option<(&'a str, &'a str)> {
    if let Some((name, value)) = handoff_header(response)
        && is_path(analysis, name, value)
    {
        return Some((name, value));
    }
    let directory = long_directory(analysis)?;
    let (name, value) = response.headers.iter().find(|(_, value)| value.contains(&directory))?;
    Some((name, value))
}

/// A hand-off header in its usual spelling, and its value.
fn handoff_header(response: &Response) -> Option<(&'static str, &str)> {
    for header in &dialect::HEADERS {
        if let Some(value) = response.header(header.name) {
            return Some((header.name, value));
        }
    }
    None
}

fn is_path(analysis: &Analysis<'_>, name: &str, value: &str) -> bool {
    let names_path =
        dialect::header_named(name).is_some_and(|header| header.names == ValueKind::Path);
    let below_storage =
        long_directory(analysis).is_some_and(|directory| value.starts_with(&directory));
    value.starts_with('/') && (names_path || below_storage)
}

/// The storage directory, if its path is long enough to be significant in a text.
fn long_directory(analysis: &Analysis<'_>) -> Option<String> {
    let directory = analysis.directory()?;
    if directory.matches('/').count() > 2 { Some(directory) } else { None }
}
