//! What browsers do and this program's plain request does not: they ask for the head alone, and
//! accept compression.

use super::{
    super::{Culprit, Match, Reading, Remedy, Rule, Severity, app::signature::for_get},
    stale,
};
use sendfile_evidence::{End, ProbeId, Response, Sha256, dialect, media_type};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.head-has-body",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "HEAD gets a body",
        meaning: "HEAD asks for the head of the answer alone, and the file follows it. On a connection \
                  that is kept open a client takes the file for its next answer. h2o 2.2.5 makes a GET \
                  of it, Caddy 2.6.2 does with `method GET` inside handle_response (measured).",
        remedy: Remedy {
            caddy: Some(
                "write `@other not method GET HEAD` and `method @other GET` instead of `method GET`",
            ),
            ..Remedy::any("let the proxy keep HEAD when it takes the hand-off up")
        },
        matches: |r| {
            let head = r.repeated(ProbeId::Head).filter(|it| it.status < 300)?;
            let more = head.body.size + head.body.beyond;
            let because = format!("{more} bytes follow the head");
            (more > 0).then(|| Match::sure(because).shown_by(ProbeId::Head))
        },
    },
    Rule {
        id: "handoff.head-differs",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "HEAD tells of the file something else than GET",
        meaning: "The app hands over for HEAD as it does for GET, and the site's answers differ in \
                  status, length or type. Download managers and players ask so first. A link to a \
                  store that is signed for GET fails like this too, where the store cannot be asked.",
        remedy: Remedy {
            nginx: Some(
                "proxy_method GET; in the internal location, where a store serves the file",
            ),
            ..Remedy::any("let HEAD take the same way as GET")
        },
        matches: |r| {
            let (head, difference) = head_differs(r)?;
            let handed_over = |it: &&Response| {
                dialect::handoff_of(it, r.evidence.intent.header.as_deref()).is_some()
            };
            let app = r.probe(ProbeId::AppHead).filter(handed_over)?;
            let because = format!("HEAD gives {}: {difference}; the app hands over", head.status);
            let obeyed = app.status == 200 || head.status == app.status;
            (obeyed && for_get(r).is_none()).then(|| Match::sure(because).shown_by(ProbeId::Head))
        },
    },
    Rule {
        id: "handoff.bytes-differ-for-browsers",
        culprit: Culprit::Handoff,
        severity: Severity::Broken,
        summary: "who accepts compression gets another file",
        meaning: "Asked with `Accept-Encoding: gzip`, as every browser asks, the site gives something \
                  that does not unpack to the file, while the plain request gets it right: another .gz \
                  beside the file (gzip_static, precompressed), or a cache that keeps the two apart.",
        remedy: Remedy {
            nginx: Some(
                "gzip_static off; in the internal location, or renew the .gz with the file",
            ),
            caddy: Some("leave `precompressed` out of file_server, or renew the .gz with the file"),
            ..Remedy::any("remove the compressed copy beside the file, or renew it with the file")
        },
        matches: |r| {
            let dummy = r.evidence.dummy.as_ref()?;
            let answer = r.repeated(ProbeId::Gzip).filter(|it| it.status == 200)?;
            // What says that it is compressed and comes to everybody is another matter.
            let same = answer.body.sha256 == dummy.sha256;
            let wrong = !same && unpacked(answer).is_some_and(|it| it != dummy.sha256);
            let because = match answer.header("content-encoding") {
                Some(coding) => format!(
                    "with Accept-Encoding: gzip comes {coding}, which unpacks to other bytes than \
                     the file's"
                ),
                None => format!("with Accept-Encoding: gzip comes {}", r.describe(answer)),
            };
            let older = stale::for_browsers(r).is_some();
            (wrong && !older).then(|| Match::sure(because).shown_by(ProbeId::Gzip))
        },
    },
    Rule {
        id: "handoff.html-changed",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "files of the type text/html do not arrive as they are",
        meaning: "The download is right, and the same with the type text/html and a name that ends in \
                  .html is not: a filter that is meant for pages (sub_filter, ssi, charset, \
                  addition) works on files too, or another location takes their names.",
        remedy: Remedy {
            nginx: Some(
                "switch sub_filter, ssi, charset and addition off in the internal location, and let \
                 its prefix begin with ^~",
            ),
            apache: Some("take output filters (SUBSTITUTE, INCLUDES, proxy-html) off the download"),
            caddy: Some("take replace and templates off the download"),
            ..Remedy::any("take filters and rules for .html off the download")
        },
        matches: |r| {
            let wants = r.evidence.probes.iter().find(|it| it.id == ProbeId::Html)?.wants?;
            let answer = r.repeated(ProbeId::Html).filter(|_| r.delivered)?;
            // A login or a limit of requests changes nothing.
            let taken = matches!(answer.status, 403 | 404);
            let changed = answer.status == 200 && unpacked(answer).is_some_and(|it| it != wants);
            let came = match answer.status {
                200 => format!("changed, {} bytes", answer.body.size),
                _ => r.describe(answer),
            };
            let because = format!("of the dummy of the type text/html comes {came}");
            (changed || taken).then(|| Match::sure(because).shown_by(ProbeId::Html))
        },
    },
    Rule {
        id: "handoff.compressed-binary",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "a file of a type that is packed already is compressed on its way",
        meaning: "Browsers, which accept compression, get the file compressed on the fly: without its \
                  length, without ranges, so that nothing shows how much is left and a download that \
                  breaks off begins anew.",
        remedy: Remedy {
            nginx: Some("keep gzip_types to text, or gzip off; in the internal location"),
            apache: Some("keep AddOutputFilterByType DEFLATE to text"),
            lighttpd: Some("keep deflate.mimetypes to text"),
            caddy: Some("keep `encode` to text, or off the download"),
            ..Remedy::any("compress only text on the fly")
        },
        matches: |r| {
            let answer = r.repeated(ProbeId::Gzip).filter(|it| it.status == 200)?;
            let encoding = answer.header("content-encoding").filter(|it| *it != "identity")?;
            let kind = answer.media_type()?;
            let dummy = r.evidence.dummy.as_ref()?;
            let right = unpacked(answer).is_none_or(|it| it == dummy.sha256);
            let on_the_fly = r.evidence.full.answer()?.header("content-encoding").is_none();
            let lost = answer.header("accept-ranges").is_none() && right && on_the_fly;
            let because = format!("{kind} comes with Content-Encoding: {encoding}, without ranges");
            (lost && is_packed(&kind)).then(|| Match::sure(because).shown_by(ProbeId::Gzip))
        },
    },
];

/// In what the answer to HEAD differs from that to GET, if in anything.
fn head_differs<'a>(r: &Reading<'a>) -> Option<(&'a Response, String)> {
    let full = r.evidence.full.answer().filter(|_| r.delivered)?;
    let head = r.repeated(ProbeId::Head)?;
    let differs = |name: &str, read: fn(&str) -> String| {
        let (of_head, of_get) = (head.header(name)?, full.header(name)?);
        let differ = read(of_head) != read(of_get);
        differ.then(|| format!("{name}: {of_head}, and with GET {of_get}"))
    };
    let status = || {
        let text = format!("GET gives {}", full.status);
        (head.status != full.status).then_some(text)
    };
    let length = || differs("content-length", str::to_owned);
    let difference = status().or_else(length);
    Some((head, difference.or_else(|| differs("content-type", media_type))?))
}

/// The SHA-256 of what a browser makes of a body; nothing where that is not known.
fn unpacked(answer: &Response) -> Option<Sha256> {
    let body = &answer.body;
    match (answer.header("content-encoding"), &body.end, &body.gunzipped) {
        (None | Some("identity"), End::Whole, _) => Some(body.sha256),
        (Some("gzip" | "x-gzip"), End::Whole, Some(it)) => Some(it.sha256),
        // It says gzip and is not.
        (Some("gzip" | "x-gzip"), End::Whole, None) if !body.head.starts_with(&[0x1f, 0x8b]) => {
            Some(body.sha256)
        }
        _ => None,
    }
}

/// Types that compression makes no smaller, and whose length people want to know.
fn is_packed(kind: &str) -> bool {
    let (family, name) = kind.split_once('/').unwrap_or((kind, ""));
    match family {
        "audio" | "video" => true,
        "image" => !matches!(name, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        _ => matches!(name, "octet-stream" | "pdf" | "zip" | "gzip" | "x-7z-compressed"),
    }
}
