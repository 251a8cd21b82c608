//! Rules whose culprit is the app: if requested directly, with the headers that the proxy is
//! expected to send, it does not return the intended response.

use sendfile_evidence::{
    Response, Server,
    dialect::{self, ValueFault},
};

use crate::{
    analysis::Analysis,
    app::manner::DUPLICATE_HEADER,
    rule::{Confidence, Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) mod length;
pub(crate) mod manner;
pub(crate) mod signature;

pub(crate) const RULES: &[&Rule] = &[
    &UNREACHABLE,
    &WRONG_DIALECT,
    &HEADER_MISSPELT,
    &FILESYSTEM_PATH_AS_URI,
    &RELATIVE_PATH,
    &URI_NOT_ENCODED,
    &URI_WRONGLY_ENCODED,
    &URI_TRUNCATED,
    &WRONG_VALUE,
    &WRONG_STATUS,
    &CANNOT_BUILD_HEADER,
    &LOOKS_IN_WRONG_STORAGE,
    &REFUSES,
    &HANDOFF_MISSING,
];

pub(crate) static UNREACHABLE: Rule = Rule {
    id: "app.unreachable",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The app does not respond",
    meaning: "The check connected directly to the app's port or socket, without the proxy, and \
              received no response. The proxy connects to the same address, so it gets no response \
              either.",
    remedy: Remedy::any(
        "Start the app. If it is running, compare its listen address with --app and with the \
         proxy's upstream address",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let failure = analysis.evidence.app.outcome.failure()?;
        if analysis.delivered || analysis.storage_is_culprit() {
            return None;
        }
        // A proxy that cannot reach its app returns a gateway error; any other response comes from
        // elsewhere.
        if let Some(full) = analysis.evidence.full.response()
            && !matches!(full.status, 502..=504)
        {
            return None;
        }
        Some(Match::sure(format!("The app does not respond: {}", failure.chain)))
    },
};

pub(crate) static WRONG_DIALECT: Rule = Rule {
    id: "app.wrong-dialect",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The app sends a hand-off header for a different server",
    meaning: "Each server acts on its own header: nginx on X-Accel-Redirect, Apache's \
              mod_xsendfile and lighttpd on X-Sendfile. A server passes any other header on to the \
              client or drops it, so the client gets an empty body.",
    remedy: Remedy::any(
        "Select the hand-off header for this proxy in the app's settings, or with the fixture's \
         --dialect",
    ),
    config: None,
    precedence: Precedence::Before(&[&DUPLICATE_HEADER]),
    matches: |analysis| {
        at_fault(analysis)?;
        let (name, _) = analysis.handoff()?;
        let expected = expected_header(analysis, name)?;
        if name.eq_ignore_ascii_case(expected) {
            return None;
        }
        let servers = match dialect::header_named(name) {
            Some(header) => header.servers,
            None => "another server",
        };
        let name = dialect::spelling(name);
        Some(Match::sure(format!(
            "The app sends {name}, which is for {servers}; expected {expected}"
        )))
    },
};

pub(crate) static HEADER_MISSPELT: Rule = Rule {
    id: "app.header-misspelt",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The name of the hand-off header is misspelled",
    meaning: "The app sends a header that no server recognises. Its name differs from a known one \
              by punctuation or one or two letters, or it shares a word with the declared header \
              and carries the declared value or the file's name. The proxy passes it on to the \
              client, which gets an empty body.",
    remedy: Remedy::any("Spell the header name exactly as in the proxy's manual, with hyphens"),
    config: None,
    precedence: Precedence::Replaces(&[&HANDOFF_MISSING]),
    matches: |analysis| {
        let app = without_handoff(analysis)?;
        let (name, intended) = misspelt(analysis, app)?;
        Some(Match::sure(format!("The app sends `{name}`; expected `{intended}`")))
    },
};

pub(crate) static FILESYSTEM_PATH_AS_URI: Rule = Rule {
    id: "app.filesystem-path-as-uri",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The header contains a filesystem path, but the proxy expects a URI",
    meaning: "X-Accel-Redirect takes a URI that a location of the proxy maps to a directory. The \
              app sends the file's path on disk, alone or after the prefix, and no file exists at \
              that URI. Typical cause: the mapping does not cover this file, so the framework \
              sends the path unchanged.",
    remedy: Remedy {
        any: "In the app, send the URI that the proxy maps to the directory, not the file's path \
              on disk",
        servers: &[(
            Server::Nginx,
            "In the app, send the URI of the internal location. With Rack or Symfony, add the \
             directory to the mapping: `proxy_set_header X-Accel-Mapping /DIRECTORY/=/PREFIX/;`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        wrong_value(analysis, ValueFault::FilesystemPath, "the value is a filesystem path")
    },
};

pub(crate) static RELATIVE_PATH: Rule = Rule {
    id: "app.relative-path",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The header contains a relative path, but an absolute one is required",
    meaning: "The proxy resolves a relative value against a base that the app does not know, such \
              as the path of the request.",
    remedy: Remedy::any("In the app, send the absolute path, or the URI with its leading slash"),
    config: None,
    precedence: Precedence::Before(&[&DUPLICATE_HEADER]),
    matches: |analysis| {
        wrong_value(analysis, ValueFault::Relative, "the value does not begin with a slash")
    },
};

pub(crate) static URI_NOT_ENCODED: Rule = Rule {
    id: "app.uri-not-encoded",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The header value is not percent-encoded, or must be encoded once more",
    meaning: "nginx since 1.5.9 and lighttpd decode the value. A raw % or ? in a file name is then \
              misinterpreted. If the stored file name itself contains percent signs, it must be \
              encoded once more.",
    remedy: Remedy::any("Percent-encode each path segment when building the header"),
    config: None,
    precedence: Precedence::Before(&[&DUPLICATE_HEADER]),
    matches: |analysis| {
        wrong_value(
            analysis,
            ValueFault::NotEncoded,
            "after decoding, the value names a different file",
        )
    },
};

pub(crate) static URI_WRONGLY_ENCODED: Rule = Rule {
    id: "app.uri-wrongly-encoded",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The header value is encoded in a way that the server does not decode",
    meaning: "mod_xsendfile 0.12 uses the value unchanged, and Caddy's rewrite takes the \
              placeholder's text as a decoded path. Percent signs then become part of the file \
              name. No server decodes the `+` that forms use for a space, HTML's `&amp;`, or \
              percent-encoded Latin-1 when the stored name is in UTF-8.",
    remedy: Remedy {
        any: "In the app, send the raw path, without percent-encoding",
        servers: &[(
            Server::Apache,
            "In the app, send the raw path; mod_xsendfile decodes the value only since 1.0",
        )],
    },
    config: None,
    precedence: Precedence::Before(&[&DUPLICATE_HEADER]),
    matches: |analysis| {
        if let Some(found) = wrong_value(
            analysis,
            ValueFault::EncodedOtherwise,
            "the value is encoded as form data, as HTML or in Latin-1, not as a UTF-8 path",
        ) {
            return Some(Match { fix: Some(AS_PATH.to_owned()), ..found });
        }
        wrong_value(
            analysis,
            ValueFault::WronglyEncoded,
            "the value is encoded once too often for this proxy",
        )
    },
};

pub(crate) static URI_TRUNCATED: Rule = Rule {
    id: "app.uri-truncated",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "Part of the file name was lost when the app built the header value",
    meaning: "The value is the beginning or the end of the intended one, or its last segment lacks \
              letters. Typical causes: a URL parser that cuts at # or ?, code that keeps only the \
              last path segment, or a basename function without a locale, such as PHP's, which \
              drops non-ASCII letters.",
    remedy: Remedy::any(
        "Encode # and ? before building the URL, and keep the directories of the path",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| wrong_value(analysis, ValueFault::Truncated, "part of the name is missing"),
};

pub(crate) static WRONG_VALUE: Rule = Rule {
    id: "app.wrong-value",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The hand-off names a different file than the declared one",
    meaning: "The app sends the right hand-off header, but its value differs from the declared one \
              in a way that no common mistake explains.",
    remedy: Remedy::any(
        "Compare the app's prefix or directory for hand-offs with the proxy's configuration",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let found =
            wrong_value(analysis, ValueFault::Other, "the value differs from the declared one")?;
        Some(Match { confidence: Confidence::Likely, ..found })
    },
};

pub(crate) static WRONG_STATUS: Rule = Rule {
    id: "app.wrong-status",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The app sends its hand-off with a status that the proxy does not act on",
    meaning: "mod_xsendfile acts only on 200: with 201, 206 or 404 the client gets the app's own \
              response, including the header. lighttpd sends the file and keeps the status \
              (measured with 0.12 and 1.4.69). nginx acts on any status, but with \
              proxy_intercept_errors it sends its own error page instead. Typical cause: a \
              framework that handles Range requests itself.",
    remedy: Remedy::any("In the app, return 200 with the hand-off, and leave Range to the proxy"),
    config: None,
    precedence: Precedence::Before(&[&DUPLICATE_HEADER]),
    matches: |analysis| {
        let app = at_fault(analysis)?;
        analysis.intended_handoff()?;
        if app.status == 200 || analysis.value_fault().is_some() {
            return None;
        }
        let because = format!("The app returns {} with its hand-off", app.status);
        match analysis.server {
            Some(Server::Apache | Server::Lighttpd) => Some(Match::sure(because)),
            // nginx may intercept the app's errors.
            Some(Server::Nginx) if app.status >= 300 => Some(Match::likely(because)),
            _ => None,
        }
    },
};

pub(crate) static CANNOT_BUILD_HEADER: Rule = Rule {
    id: "app.cannot-build-header",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The app fails while it builds the response",
    meaning: "Requested directly, the app returns a server error. Frameworks most often fail to \
              build the header because of non-ASCII names, control characters or dates.",
    remedy: Remedy::any("Check the app's log, and encode the value before setting the header"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = without_handoff(analysis)?;
        if app.status < 500 {
            return None;
        }
        Some(Match::likely(format!("The app returns {}", analysis.describe(app))))
    },
};

pub(crate) static LOOKS_IN_WRONG_STORAGE: Rule = Rule {
    id: "app.looks-in-wrong-storage",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The storage has the file, but the app does not find it and sends no hand-off",
    meaning: "The storage has the file, but the app reports that it does not exist. Either the app \
              looks in a different directory or bucket, or the URL does not belong to this \
              download.",
    remedy: Remedy::any(
        "Compare the app's storage setting with --storage, and the URL with the app's routes",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = without_handoff(analysis)?;
        if !matches!(app.status, 404 | 410) {
            return None;
        }
        let because = format!("The app returns {}", analysis.describe(app));
        let stored = analysis.evidence.storage.response().is_some();
        Some(if stored { Match::likely(because) } else { Match::possible(because) })
    },
};

pub(crate) static REFUSES: Rule = Rule {
    id: "app.refuses",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The app denies access or requires a login",
    meaning: "Requested directly, the app returns 401 or 403, or redirects. Either the check does \
              not send the client's credentials, or the app's permissions do not cover this \
              download.",
    remedy: Remedy::any(
        "Pass the credentials of an authorized client with --app-header and --full-header, then \
         check the app's permissions",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = without_handoff(analysis)?;
        if !matches!(app.status, 300..=399 | 401 | 403) {
            return None;
        }
        Some(Match::likely(format!("The app returns {}", analysis.describe(app))))
    },
};

pub(crate) static HANDOFF_MISSING: Rule = Rule {
    id: "app.handoff-missing",
    culprit: Culprit::App,
    severity: Severity::Broken,
    check: None,
    summary: "The app responds without a hand-off header",
    meaning: "The app returns a success status for the download, but sends neither a hand-off \
              header nor the file.",
    remedy: Remedy::any(
        "Enable X-Accel-Redirect or X-Sendfile in the app, and check that its rules cover this \
         file",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let app = without_handoff(analysis)?;
        let success = (200..300).contains(&app.status);
        if !success || analysis.evidence.is_dummy(&app.body) {
            return None;
        }
        Some(Match::sure(format!("The app returns {}", analysis.describe(app))))
    },
};

/// The remedy for a value that is encoded in another format than the server expects.
const AS_PATH: &str = "Percent-encode each path segment as UTF-8, write a space as %20, and do not \
                       escape the value for HTML";

/// The app's response, if the download fails and the app is the layer to examine: the app is wrong,
/// and the storage is right.
fn at_fault<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let app = analysis.app()?;
    if analysis.delivered || analysis.storage_is_culprit() || analysis.app_right() {
        return None;
    }
    Some(app)
}

/// The app's wrong response, under the conditions of `at_fault`, if the app sends no hand-off.
fn without_handoff<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let app = at_fault(analysis)?;
    if analysis.handoff().is_none() { Some(app) } else { None }
}

/// The header that the app should send: the declared one, or that of a server that passes the app's
/// header on to the client.
fn expected_header<'a>(analysis: &Analysis<'a>, sent: &str) -> Option<&'a str> {
    if let Some(declared) = &analysis.evidence.intent.header
        && !analysis.by_contract()
    {
        return Some(declared);
    }
    let server = analysis.server?;
    if analysis.passed_on() && !server.acts_on(sent) { server.header() } else { None }
}

/// A misspelled hand-off header, recognised by its name or its value, and the name that was
/// intended.
fn misspelt<'a>(analysis: &Analysis<'a>, app: &'a Response) -> Option<(&'a str, &'a str)> {
    for (name, value) in &app.headers {
        if let Some(header) = dialect::header_meant(name) {
            return Some((name, header.name));
        }
        if let Some(declared) = meant_by_value(analysis, name, value) {
            return Some((name, declared));
        }
    }
    None
}

/// The declared header, if an unknown one shares a word with it and names the file.
fn meant_by_value<'a>(analysis: &Analysis<'a>, name: &str, value: &str) -> Option<&'a str> {
    let declared = analysis.evidence.intent.header.as_deref()?;
    let unknown = dialect::header_named(name).is_none();
    if unknown && dialect::shares_word(name, declared) && names_file(analysis, value) {
        return Some(declared);
    }
    None
}

/// Whether a header's value is the declared one or, if none is declared, a path to the file.
fn names_file(analysis: &Analysis<'_>, value: &str) -> bool {
    if let Some(declared) = &analysis.evidence.intent.value {
        return value == declared;
    }
    let Some(stored) = analysis.stored_at() else { return false };
    let name = stored.rsplit('/').next().unwrap_or(stored);
    value.starts_with('/') && dialect::decoded(value).ends_with(&format!("/{name}"))
}

/// A match if the value of the app's hand-off is wrong in this way.
fn wrong_value(analysis: &Analysis<'_>, fault: ValueFault, problem: &str) -> Option<Match> {
    at_fault(analysis)?;
    let (name, value) = analysis.intended_handoff()?;
    if analysis.value_fault() != Some(fault) {
        return None;
    }
    let expected = match &analysis.evidence.intent.value {
        Some(intended) => format!(", expected `{intended}`"),
        None => String::new(),
    };
    let name = dialect::spelling(name);
    Some(Match::sure(format!("The app sends {name}: `{value}`{expected} ({problem})")))
}
