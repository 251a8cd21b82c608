//! Requests that browsers make and this program's plain request does not: HEAD, and requests that
//! accept compression.

use sendfile_evidence::{Check, End, ProbeId, Response, Server, Sha256, dialect, media_type};

use crate::{
    analysis::Analysis,
    app::signature::for_get,
    handoff::stale::for_browsers,
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
              keep-alive connection, the client takes the file for its next response. h2o 2.2.5 \
              turns HEAD into GET, and so does Caddy 2.6.2 with `method GET` inside \
              `handle_response` (measured).",
    remedy: Remedy {
        any: "Configure the proxy to keep the HEAD method when it acts on the hand-off",
        servers: &[(
            Server::Caddy,
            "Replace `method GET` with `@other not method GET HEAD` and `method @other GET`",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let head = analysis.repeated(ProbeId::Head).filter(|it| it.status < 300)?;
        let more = head.body.size + head.body.beyond;
        let because = format!("{more} bytes follow the headers of the HEAD response");
        (more > 0).then(|| Match::sure(because).shown_by(ProbeId::Head))
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
        let handed_over = |it: &&Response| {
            dialect::handoff_of(it, analysis.evidence.intent.header.as_deref()).is_some()
        };
        let app = analysis.probe(ProbeId::AppHead).filter(handed_over)?;
        let because =
            format!("HEAD returns {}, but {difference}; the app hands off for HEAD", head.status);
        let obeyed = app.status == 200 || head.status == app.status;
        (obeyed && for_get(analysis).is_none())
            .then(|| Match::sure(because).shown_by(ProbeId::Head))
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
              causes: another .gz beside the file (`gzip_static`, `precompressed`), or a cache \
              that stores the two variants separately.",
    remedy: Remedy {
        any: "Remove the compressed copy beside the file, or regenerate it whenever the file \
              changes",
        servers: &[
            (
                Server::Nginx,
                "Set `gzip_static off;` in the internal location, or regenerate the .gz whenever \
                 the file changes",
            ),
            (
                Server::Caddy,
                "Remove `precompressed` from `file_server`, or regenerate the .gz whenever the \
                 file changes",
            ),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let dummy = analysis.evidence.dummy.as_ref()?;
        let answer = analysis.repeated(ProbeId::Gzip).filter(|it| it.status == 200)?;
        // A wrong Content-Encoding that every client gets belongs to another rule.
        let same = answer.body.sha256 == dummy.sha256;
        let wrong = !same && unpacked(answer).is_some_and(|it| it != dummy.sha256);
        let because = match answer.header("content-encoding") {
            Some(coding) => format!(
                "With Accept-Encoding: gzip, the site returns {coding} that does not decode to the \
                 file"
            ),
            None => {
                format!(
                    "With Accept-Encoding: gzip, the site returns {}",
                    analysis.describe(answer)
                )
            }
        };
        let older = for_browsers(analysis).is_some();
        (wrong && !older).then(|| Match::sure(because).shown_by(ProbeId::Gzip))
    },
};

pub(crate) static HTML_CHANGED: Rule = Rule {
    id: "handoff.html-changed",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Encoding),
    summary: "Files of type text/html do not arrive unchanged",
    meaning: "The download is correct, but the same with type text/html and a name ending in .html \
              is not. Typical causes: a filter meant for pages (`sub_filter`, `ssi`, `charset`, \
              addition) also acts on files, or another location matches their names.",
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
        let wants = analysis.evidence.probes.iter().find(|it| it.id == ProbeId::Html)?.wants?;
        let answer = analysis.repeated(ProbeId::Html).filter(|_| analysis.delivered)?;
        // A login page or a rate limit does not mean that the file is changed.
        let taken = matches!(answer.status, 403 | 404);
        let changed = answer.status == 200 && unpacked(answer).is_some_and(|it| it != wants);
        let came = match answer.status {
            200 => format!("a changed body of {} bytes", answer.body.size),
            _ => analysis.describe(answer),
        };
        let because = format!("For the dummy of type text/html, the site returns {came}");
        (changed || taken).then(|| Match::sure(because).shown_by(ProbeId::Html))
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
        let answer = analysis.repeated(ProbeId::Gzip).filter(|it| it.status == 200)?;
        let encoding = answer.header("content-encoding").filter(|it| *it != "identity")?;
        let kind = answer.media_type()?;
        let dummy = analysis.evidence.dummy.as_ref()?;
        let right = unpacked(answer).is_none_or(|it| it == dummy.sha256);
        let on_the_fly = analysis.evidence.full.response()?.header("content-encoding").is_none();
        let lost = answer.header("accept-ranges").is_none() && right && on_the_fly;
        let because = format!(
            "The file ({kind}) arrives with Content-Encoding: {encoding} and without range support"
        );
        (lost && is_packed(&kind)).then(|| Match::sure(because).shown_by(ProbeId::Gzip))
    },
};

/// How the response to HEAD differs from the response to GET, if it does.
fn head_differs<'a>(analysis: &Analysis<'a>) -> Option<(&'a Response, String)> {
    let full = analysis.evidence.full.response().filter(|_| analysis.delivered)?;
    let head = analysis.repeated(ProbeId::Head)?;
    let differs = |name: &str, read: fn(&str) -> String| {
        let (of_head, of_get) = (head.header(name)?, full.header(name)?);
        let differ = read(of_head) != read(of_get);
        differ.then(|| format!("{name} is {of_head} (GET: {of_get})"))
    };
    let status = || {
        let text = format!("GET returns {}", full.status);
        (head.status != full.status).then_some(text)
    };
    let length = || differs("content-length", str::to_owned);
    let difference = status().or_else(length);
    Some((head, difference.or_else(|| differs("content-type", media_type))?))
}

/// The SHA-256 of a body as a browser decodes it; `None` if that is unknown.
fn unpacked(answer: &Response) -> Option<Sha256> {
    let body = &answer.body;
    match (answer.header("content-encoding"), &body.end, &body.gunzipped) {
        (None | Some("identity"), End::Whole, _) => Some(body.sha256),
        (Some("gzip" | "x-gzip"), End::Whole, Some(it)) => Some(it.sha256),
        // It declares gzip but is not compressed.
        (Some("gzip" | "x-gzip"), End::Whole, None) if !body.head.starts_with(&[0x1f, 0x8b]) => {
            Some(body.sha256)
        }
        _ => None,
    }
}

/// Media types that compression does not shrink and whose length matters to users.
fn is_packed(kind: &str) -> bool {
    let (family, name) = kind.split_once('/').unwrap_or((kind, ""));
    match family {
        "audio" | "video" => true,
        "image" => !matches!(name, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        _ => matches!(name, "octet-stream" | "pdf" | "zip" | "gzip" | "x-7z-compressed"),
    }
}
