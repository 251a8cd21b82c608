//! Rules about requests that browsers send and this program's plain request does not cover: HEAD,
//! and requests that accept compression.

use sendfile_evidence::{Check, End, ProbeId, Response, Server, Sha256, dialect, media_type};

use crate::{
    analysis::Analysis,
    app::signature::for_get,
    handoff::stale::{COMPRESSED_COPY, for_browsers},
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] =
    &[&HEAD_HAS_BODY, &HEAD_DIFFERS, &BYTES_DIFFER_FOR_BROWSERS, &HTML_CHANGED, &COMPRESSED_BINARY];

pub(crate) static HEAD_HAS_BODY: Rule = Rule {
    id: "handoff.head-has-body",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Head),
    summary: "The response to HEAD has a body",
    meaning: "A response to HEAD must end after its headers, but the file follows them. On a \
              keep-alive connection, the client interprets the file as its next response. h2o \
              2.2.5 turns HEAD into GET, and so does Caddy 2.6.2 with `method GET` inside \
              `handle_response` (measured).",
    remedy: Remedy {
        any: "Configure the proxy to keep the HEAD method when it acts on the hand-off",
        servers: &[(
            Server::Caddy,
            "Replace `method GET` with `@other not method GET HEAD` and `method @other GET`",
        )],
    },
    config: None,
    precedence: Precedence::Before(&[&HEAD_DIFFERS]),
    matches: |analysis| {
        let head = analysis.repeated(ProbeId::Head)?;
        let more = head.body.size + head.body.beyond;
        if head.status >= 300 || more == 0 {
            return None;
        }
        let because = format!("{more} bytes follow the headers of the HEAD response");
        Some(Match::sure(because).shown_by(ProbeId::Head))
    },
};

pub(crate) static HEAD_DIFFERS: Rule = Rule {
    id: "handoff.head-differs",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Head),
    summary: "HEAD returns a different status, length or type than GET",
    meaning: "The app hands off for HEAD as it does for GET, but the site's responses differ in \
              status, length or type. Download managers and media players send HEAD first. A store \
              link that is signed for GET fails in the same way, if the store itself cannot be \
              probed.",
    remedy: Remedy {
        any: "Route HEAD requests in the same way as GET requests",
        servers: &[(
            Server::Nginx,
            "If a store serves the file, add `proxy_method GET;` to the internal location",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let (head, difference) = head_differs(analysis)?;
        let app = analysis.probe(ProbeId::AppHead)?;
        dialect::handoff_of(app, analysis.evidence.intent.header.as_deref())?;
        let obeyed = app.status == 200 || head.status == app.status;
        if !obeyed || for_get(analysis).is_some() {
            return None;
        }
        let because = format!(
            "HEAD returns {}, but {difference}, although the app also sends the hand-off for HEAD",
            head.status
        );
        Some(Match::sure(because).shown_by(ProbeId::Head))
    },
};

pub(crate) static BYTES_DIFFER_FOR_BROWSERS: Rule = Rule {
    id: "handoff.bytes-differ-for-browsers",
    culprit: Culprit::Handoff,
    severity: Severity::Broken,
    check: Some(Check::Encoding),
    summary: "Clients that accept compression get a different file",
    meaning: "With `Accept-Encoding: gzip`, as browsers send it, the site returns a body that does \
              not decompress to the file, while the plain request returns the file. Typical \
              causes: a .gz beside the file that does not match it (`gzip_static`, \
              `precompressed`), or a cache that stores the two variants separately.",
    remedy: COMPRESSED_COPY,
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let dummy = analysis.evidence.dummy.as_ref()?;
        let response = analysis.repeated(ProbeId::Gzip)?;
        let decoded = decoded_content(response)?;
        // A wrong Content-Encoding that every client gets belongs to another rule.
        let encoding_alone = response.body.sha256 == dummy.sha256;
        if response.status != 200
            || decoded == dummy.sha256
            || encoding_alone
            || for_browsers(analysis).is_some()
        {
            return None;
        }
        let got = match response.header("content-encoding") {
            Some(coding) => format!("{coding} that does not decode to the file"),
            None => analysis.describe(response),
        };
        let because = format!("With Accept-Encoding: gzip, the site returns {got}");
        Some(Match::sure(because).shown_by(ProbeId::Gzip))
    },
};

pub(crate) static HTML_CHANGED: Rule = Rule {
    id: "handoff.html-changed",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Encoding),
    summary: "Files of type text/html are modified or not served",
    meaning: "The download is correct, but a test file of type text/html with a name that ends \
              in .html is modified or not served. Typical causes: a filter meant for pages \
              (`sub_filter`, `ssi`, `charset`, addition) also acts on files, or another location \
              matches their names.",
    remedy: Remedy {
        any: "Exclude the download from filters and from rules for .html",
        servers: &[
            (
                Server::Nginx,
                "Turn off `sub_filter`, `ssi`, `charset` and addition in the internal location, \
                 and write `^~` before its prefix",
            ),
            (
                Server::Apache,
                "Exclude the download from output filters (SUBSTITUTE, INCLUDES, proxy-html)",
            ),
            (Server::Caddy, "Exclude the download from `replace` and `templates`"),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let extra = analysis.evidence.probes.iter().find(|extra| extra.id == ProbeId::Html)?;
        let expected = extra.wants?;
        let response = analysis.repeated(ProbeId::Html)?;
        let got = match response.status {
            200 if decoded_content(response)? != expected => {
                format!("a changed body of {} bytes", response.body.size)
            }
            // A login page or a rate limit does not mean that the file is altered.
            403 | 404 => analysis.describe(response),
            _ => return None,
        };
        let because = format!("For the dummy of type text/html, the site returns {got}");
        Some(Match::sure(because).shown_by(ProbeId::Html))
    },
};

pub(crate) static COMPRESSED_BINARY: Rule = Rule {
    id: "handoff.compressed-binary",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Encoding),
    summary: "A file in an already compressed format is compressed again on the fly",
    meaning: "Clients that accept compression, such as browsers, get the file compressed on the \
              fly, without its length and without range support. They cannot show progress, and an \
              interrupted download starts over.",
    remedy: Remedy {
        any: "Compress only text types on the fly",
        servers: &[
            (
                Server::Nginx,
                "Restrict `gzip_types` to text types, or set `gzip off;` in the internal location",
            ),
            (Server::Apache, "Restrict `AddOutputFilterByType DEFLATE` to text types"),
            (Server::Lighttpd, "Restrict `deflate.mimetypes` to text types"),
            (Server::Caddy, "Restrict `encode` to text types, or exclude the download from it"),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let response = analysis.repeated(ProbeId::Gzip)?;
        let encoding = response.header("content-encoding")?;
        let kind = response.media_type()?;
        let dummy = analysis.evidence.dummy.as_ref()?;
        let full = analysis.evidence.full.response()?;
        let right = decoded_content(response).is_none_or(|content| content == dummy.sha256);
        let on_the_fly = full.header("content-encoding").is_none();
        if response.status != 200
            || encoding == "identity"
            || !right
            || !on_the_fly
            || response.header("accept-ranges").is_some()
            || !is_incompressible(&kind)
        {
            return None;
        }
        let because = format!(
            "The file ({kind}) arrives with Content-Encoding: {encoding} and without range support"
        );
        Some(Match::sure(because).shown_by(ProbeId::Gzip))
    },
};

/// How the response to HEAD differs from the response to GET, if it does.
fn head_differs<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, String)> {
    let full = analysis.evidence.full.response()?;
    let head = analysis.repeated(ProbeId::Head)?;
    if head.status != full.status {
        return Some((head, format!("GET returns {}", full.status)));
    }
    for name in ["content-length", "content-type"] {
        let (Some(of_head), Some(of_get)) = (head.header(name), full.header(name)) else {
            continue;
        };
        let differ = match name {
            "content-type" => media_type(of_head) != media_type(of_get),
            _ => of_head != of_get,
        };
        if differ {
            return Some((head, format!("{name} is {of_head} (GET: {of_get})")));
        }
    }
    None
}

/// The SHA-256 of a body as a browser decodes it; `None` if that is unknown.
fn decoded_content(response: &Response) -> Option<Sha256> {
    let body = &response.body;
    if body.end != End::Whole {
        return None;
    }
    match (response.header("content-encoding"), &body.gunzipped) {
        (None | Some("identity"), _) => Some(body.sha256),
        (Some("gzip" | "x-gzip"), Some(content)) => Some(content.sha256),
        // The response declares gzip but is not compressed.
        (Some("gzip" | "x-gzip"), None) if !body.head.starts_with(&[0x1f, 0x8b]) => {
            Some(body.sha256)
        }
        _ => None,
    }
}

/// Whether compression does not shrink files of this media type, although users need their length.
fn is_incompressible(kind: &str) -> bool {
    let (family, name) = kind.split_once('/').unwrap_or((kind, ""));
    match family {
        "audio" | "video" => true,
        "image" => !matches!(name, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        _ => matches!(name, "octet-stream" | "pdf" | "zip" | "gzip" | "x-7z-compressed"),
    }
}
