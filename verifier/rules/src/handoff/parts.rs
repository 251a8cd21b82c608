//! Rules about range requests and conditional requests that are ignored or get a wrong response.

use sendfile_evidence::{
    Check, End, Part, ProbeId, Response, Same, Server, Sha256,
    dialect::store_status,
    partial::{self, ContentRange},
};

use crate::{
    analysis::Analysis,
    handoff::browser::HTML_CHANGED,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
};

pub(crate) const RULES: &[&Rule] = &[
    &RANGES_LOST,
    &NO_RANGES,
    &WRONG_RANGE,
    &ETAG_OF_ANOTHER_FILE,
    &ETAG_CONSTANT,
    &CONDITIONS_IGNORED,
];

pub(crate) static RANGES_LOST: Rule = Rule {
    id: "handoff.ranges-lost",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Ranges),
    summary: "The download cannot be resumed: range requests return the whole file",
    meaning: "A range request returns the whole file, although the server supports ranges for \
              other files or says that it does. Interrupted downloads start over, and media \
              players cannot seek. A filter that could change the length turns ranges off, even if \
              it changes nothing.",
    remedy: Remedy {
        any: "Forward the Range header to the server that sends the file, and remove filters from \
              the response",
        servers: &[
            (
                Server::Nginx,
                "Remove `max_ranges 0` and filters (`sub_filter`, `ssi`, addition, `gunzip`) from \
                 the internal location. If a store or a cache serves the file, set \
                 `proxy_force_ranges on`; in front of lighttpd, which has no ranges in HTTP/1.0, \
                 set `proxy_http_version 1.1`",
            ),
            (
                Server::Apache,
                "Remove `MaxRanges none`, output filters and `RequestHeader unset Range` from the \
                 download",
            ),
            (Server::Lighttpd, "Set `server.range-requests = \"enable\"` for the download"),
        ],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let whole = range_ignored(analysis)?;
        if !supports_ranges(analysis) || ignored_before(analysis) {
            return None;
        }
        let because = format!("A range request returns {}", analysis.describe(whole));
        Some(Match::sure(because).shown_by(ProbeId::Range))
    },
};

pub(crate) static NO_RANGES: Rule = Rule {
    id: "handoff.no-ranges",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Ranges),
    summary: "The download does not support range requests",
    meaning: "A range request returns the whole file, which HTTP allows: an app that sends the \
              file itself, a store or a cache may not support ranges. Interrupted downloads start \
              over, and media players cannot seek.",
    remedy: Remedy::any("Serve the file from a server that supports the Range header"),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let optional = !supports_ranges(analysis) || ignored_before(analysis);
        if let Some(whole) = range_ignored(analysis)
            && optional
            && !store_ignores(analysis, Part::Middle)
        {
            let because = format!("A range request returns {}", analysis.describe(whole));
            return Some(Match::sure(because).shown_by(ProbeId::Range));
        }
        let unchanged = analysis.repeated(ProbeId::RangeIfSame)?;
        let plain = analysis.repeated(ProbeId::Range)?;
        if !is_whole(analysis, unchanged)
            || plain.status != 206
            || store_ignores(analysis, Part::IfSame)
        {
            return None;
        }
        let because = "A plain range request works. With If-Range and the file's own ETag, which \
                       browsers send to resume a download, the whole file is returned";
        Some(Match::sure(because).shown_by(ProbeId::RangeIfSame))
    },
};

pub(crate) static WRONG_RANGE: Rule = Rule {
    id: "handoff.wrong-range",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Ranges),
    summary: "A range request returns the wrong response",
    meaning: "The whole file is correct, but a range of it is not. The response contains different \
              bytes from those that Content-Range declares, or is an error, or a client that has \
              the beginning of a different file gets a range of this file. Resumed downloads fail \
              or are corrupt. Typical cause: an app or a cache processes Range, and so does a \
              server in front of it or behind it.",
    remedy: Remedy::any(
        "Process Range only in the server that sends the file. In the app, respond with status 200 \
         and the hand-off",
    ),
    config: None,
    precedence: Precedence::Before(&[&HTML_CHANGED]),
    matches: |analysis| {
        for part in Part::all() {
            if let Some(flaw) = wrong_part(analysis, part)
                && !by_store(analysis, part)
            {
                return Some(Match::sure(flaw).shown_by(part.of_site()));
            }
        }
        None
    },
};

pub(crate) static ETAG_OF_ANOTHER_FILE: Rule = Rule {
    id: "handoff.etag-of-another-file",
    culprit: Culprit::Handoff,
    severity: Severity::Degraded,
    check: Some(Check::Conditions),
    summary: "Conditional requests with the validator of a different file return 304 Not Modified",
    meaning: "With the ETag of a different file, or with a date long ago, the site returns 304 Not \
              Modified. After a file changes, clients keep the old version forever. Behind \
              mod_proxy, mod_xsendfile 0.12 and 1.0 give every file the ETag \"0\" (measured).",
    remedy: Remedy {
        any: "Derive the ETag from the file's time and size in the server that sends the file",
        servers: &[(
            Server::Apache,
            "Set `FileETag None` for the app's location (`Header unset ETag` does not help)",
        )],
    },
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        for (id, because) in OTHER_FILES {
            if analysis.repeated(id).is_some_and(|response| response.status == 304) {
                return Some(Match::sure(because).shown_by(id));
            }
        }
        None
    },
};

pub(crate) static ETAG_CONSTANT: Rule = Rule {
    id: "handoff.etag-constant",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Conditions),
    summary: "The ETag seems to be the same for all files",
    meaning: "Behind mod_proxy, mod_xsendfile gives every file the ETag \"0\". A client that \
              revalidates an old version of the file gets 304, and keeps it. With the fixture, a \
              request for a second file confirms this.",
    remedy: Remedy::any(
        "Set `FileETag None` for the app's location (`Header unset ETag` does not help)",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let full = analysis.evidence.full.response()?;
        let tag = full.header("etag")?;
        let by_app = analysis.app().and_then(|app| app.header("etag")) == Some(tag);
        let proved = analysis.probe(ProbeId::Empty).is_some();
        if !analysis.delivered || tag != "\"0\"" || by_app || proved {
            return None;
        }
        Some(Match::likely("The download's ETag is \"0\", and the app did not send it"))
    },
};

pub(crate) static CONDITIONS_IGNORED: Rule = Rule {
    id: "handoff.conditions-ignored",
    culprit: Culprit::Handoff,
    severity: Severity::Warning,
    check: Some(Check::Conditions),
    summary: "Conditional requests are ignored: clients with a cached copy download the file again",
    meaning: "The response has an ETag or Last-Modified, but a conditional request with it returns \
              the whole file instead of 304 Not Modified. The only harm is the wasted transfer.",
    remedy: Remedy::any(
        "Forward If-None-Match and If-Modified-Since to the server that sends the file",
    ),
    config: None,
    precedence: Precedence::Usual,
    matches: |analysis| {
        let again = given_again(analysis)?;
        let because = format!(
            "A conditional request with the download's own ETag or time returns {}",
            analysis.describe(again)
        );
        Some(Match::sure(because).shown_by(ProbeId::NotModified))
    },
};

/// The conditional requests of a client that has another file, and the meaning of a 304 response to
/// each.
const OTHER_FILES: [(ProbeId, &str); 3] = [
    (ProbeId::Empty, "With the download's ETag, another file returns 304 Not Modified"),
    (ProbeId::OtherEtag, "With an ETag that no file has, the site returns 304 Not Modified"),
    (ProbeId::ModifiedSince, "If-Modified-Since with a date in 1970 returns 304 Not Modified"),
];

/// The response to a range request, if it is the whole file.
fn range_ignored<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let response = analysis.repeated(ProbeId::Range)?;
    if is_whole(analysis, response) { Some(response) } else { None }
}

/// The response to a client that has the file and may cache it, if it is the whole file again.
fn given_again<'a>(analysis: &Analysis<'a>) -> Option<&'a Response> {
    let full = analysis.evidence.full.response()?;
    let response = analysis.repeated(ProbeId::NotModified)?;
    let may_cache = full.all("cache-control").all(|value| !value.contains("no-store"));
    if may_cache && is_whole(analysis, response) { Some(response) } else { None }
}

/// How the download differs from a file that the proxy sends itself, if the download lacks that
/// file's ETag. The missing ETag alone proves nothing, because a location may send none.
pub(crate) fn unlike_a_file(analysis: &Analysis<'_>) -> Option<String> {
    if !analysis.delivered || !analysis.evidence.lacks_etag() {
        return None;
    }
    let whole = if range_ignored(analysis).is_some() {
        "range requests return the whole file"
    } else if given_again(analysis).is_some() {
        "conditional requests return the whole file"
    } else {
        return None;
    };
    Some(format!("The file arrives without the ETag of the proxy's own files, and {whole}"))
}

/// Whether a response is the whole file, or its beginning if no more was read.
fn is_whole(analysis: &Analysis<'_>, response: &Response) -> bool {
    let body = &response.body;
    let same = match (body.same, &body.end) {
        (Some(Same::Exactly(same) | Same::AtLeast(same)), End::TooLong) => {
            same > 0 && same >= body.size / 2
        }
        _ => analysis.evidence.is_dummy(body),
    };
    response.status == 200 && same
}

/// Whether the server is known to support ranges: the response has `Accept-Ranges`, or the server
/// supports them by default and the file came from disk by a hand-off.
fn supports_ranges(analysis: &Analysis<'_>) -> bool {
    let direct = if analysis.handoff().is_some() { analysis.direct() } else { None };
    for response in [analysis.evidence.full.response(), direct].into_iter().flatten() {
        if response.all("accept-ranges").any(|value| value.eq_ignore_ascii_case("bytes")) {
            return true;
        }
    }
    of_disk(analysis)
}

/// Whether a known server sends the file from disk, by a hand-off.
fn of_disk(analysis: &Analysis<'_>) -> bool {
    let by_handoff = analysis.handoff().is_some() && !analysis.evidence.streamed();
    let known = matches!(
        analysis.server,
        Some(Server::Nginx | Server::Apache | Server::Lighttpd | Server::Caddy)
    );
    by_handoff && known && analysis.stored_at().is_some()
}

/// Whether ranges are already ignored before the hand-off: by the store itself or, if that is
/// unknown, by the direct location. A file server supports ranges unless configured otherwise.
fn ignored_before(analysis: &Analysis<'_>) -> bool {
    match analysis.probe(ProbeId::AtStore(Part::Middle)) {
        Some(store) if store.status < 400 => is_whole(analysis, store),
        _ => match analysis.probe(ProbeId::DirectRange) {
            Some(direct) => is_whole(analysis, direct) && !of_disk(analysis),
            None => false,
        },
    }
}

/// The form of Range that the store itself, probed without the proxy, does not support. Support is
/// optional in HTTP (RFC 9110 §14.2).
pub(crate) fn unknown_to_store(analysis: &Analysis<'_>) -> Option<(Part, String)> {
    for part in Part::all() {
        let Some(site) = analysis.repeated(part.of_site()) else { continue };
        let because = match part {
            Part::Middle if is_whole(analysis, site) && store_ignores(analysis, part) => {
                "The store itself returns the whole file for a range request"
            }
            Part::IfSame if is_whole(analysis, site) && store_ignores(analysis, part) => {
                "The store itself returns the whole file for a range request with If-Range and the \
                 file's own ETag"
            }
            Part::IfOther if by_store(analysis, part) => {
                "The store ignores If-Range: it returns the range although the ETag belongs to a \
                 different file"
            }
            Part::Suffix if refused(site) && by_store(analysis, part) => {
                "The store itself refuses a range that is counted from the end"
            }
            _ => continue,
        };
        return Some((part, because.to_owned()));
    }
    None
}

/// An incorrect response of the store itself, probed without the proxy, to a range request: the
/// range, and what is wrong.
pub(crate) fn flaw_of_store(analysis: &Analysis<'_>) -> Option<(Part, String)> {
    for part in Part::all() {
        let optional = match part {
            Part::IfOther => true,
            Part::Suffix => analysis.probe(part.of_site()).is_some_and(refused),
            _ => false,
        };
        if !optional
            && let Some(flaw) = wrong_part(analysis, part)
            && by_store(analysis, part)
        {
            return Some((part, flaw));
        }
    }
    None
}

/// Whether a range request is refused, by any server.
fn refused(response: &Response) -> bool {
    response.status >= 400
}

/// Whether a range request is refused, but not with a server error. A proxy may replace the store's
/// error with its own.
fn not_understood(response: &Response) -> bool {
    (400..500).contains(&store_status(response).unwrap_or(response.status))
}

/// Whether the store itself returns the whole file for a range request.
fn store_ignores(analysis: &Analysis<'_>, part: Part) -> bool {
    let store = analysis.probe(ProbeId::AtStore(part));
    store.is_some_and(|response| is_whole(analysis, response))
}

/// Whether the store itself returns the same incorrect response to a range request as the site.
fn by_store(analysis: &Analysis<'_>, part: Part) -> bool {
    let id = ProbeId::AtStore(part);
    let Some(site) = analysis.probe(part.of_site()) else { return false };
    let Some(store) = analysis.probe(id) else { return false };
    match store.status {
        // This program's own key may be refused.
        401 | 403 => false,
        400.. => store_status(site).unwrap_or(site.status) == store.status,
        _ => store.status == site.status && flaw(analysis, part, id).is_some(),
    }
}

/// What is wrong with the site's response to a range request, if anything is.
fn wrong_part(analysis: &Analysis<'_>, part: Part) -> Option<String> {
    analysis.repeated(part.of_site())?;
    flaw(analysis, part, part.of_site())
}

fn flaw(analysis: &Analysis<'_>, part: Part, id: ProbeId) -> Option<String> {
    let extra = analysis.evidence.probes.iter().find(|extra| extra.id == id)?;
    let response = extra.probed.response()?;
    let headers = &extra.probed.request.headers;
    let (_, range) = headers.iter().find(|(name, _)| name == "range")?;
    let flaw = match (response.status, part) {
        (206, Part::Beyond) => "206 for a range beyond the end of the file".to_owned(),
        (206, Part::IfOther) => "206 although If-Range contains a different file's ETag".to_owned(),
        (206, Part::Several) => wrong_parts(analysis, response)?,
        (206, _) => wrong_slice(analysis, response, range, extra.wants)?,
        (200, _) if !is_whole(analysis, response) && response.header("content-range").is_some() => {
            "the range arrives with status 200 instead of 206".to_owned()
        }
        // Few clients request several ranges at once, and a server need not support them.
        (400.., Part::Beyond | Part::Several) if not_understood(response) => return None,
        (400.., _) => format!("{}, although the whole file is served", response.status),
        _ => return None,
    };
    Some(format!("Range {range}: {flaw}"))
}

/// What is wrong with a single range, if anything is.
fn wrong_slice(
    analysis: &Analysis<'_>,
    response: &Response,
    requested: &str,
    expected: Option<Sha256>,
) -> Option<String> {
    if partial::boundary(response.header("content-type").unwrap_or_default()).is_some() {
        return None;
    }
    let Some(value) = response.header("content-range") else {
        return Some("206 without Content-Range".to_owned());
    };
    let size = analysis.evidence.dummy.as_ref()?.size;
    let (first, last) = partial::requested_range(requested, size)?;
    let Some(range) = ContentRange::read(value) else {
        return Some(format!("206 with an invalid Content-Range: {value}"));
    };
    let body = &response.body;
    // A server may return less than was requested, but a range of another file is an error.
    let fits = range.first == first && range.last <= last;
    if !fits || range.total.is_some_and(|total| total != size) {
        return Some(format!("Content-Range is {value}, for a file of {size} bytes"));
    }
    if body.end != End::Whole {
        return Some(analysis.describe(response));
    }
    if body.size != range.size() {
        return Some(format!("{} bytes arrived with Content-Range: {value}", body.size));
    }
    let differs = expected.is_some_and(|expected| expected != body.sha256);
    if range.last == last && differs {
        return Some(format!("the {} bytes that arrived differ from the file", body.size));
    }
    None
}

/// What is wrong with several ranges, as far as the evidence keeps their bytes.
fn wrong_parts(analysis: &Analysis<'_>, response: &Response) -> Option<String> {
    let file = &analysis.evidence.full.response()?.body.head;
    let head = &response.body.head;
    let boundary = partial::boundary(response.header("content-type").unwrap_or_default());
    let parts = if let Some(boundary) = boundary {
        let complete = response.body.size == head.len() as u64;
        if !complete {
            return None;
        }
        match partial::parts(head, boundary) {
            Some(parts) if !parts.is_empty() => parts,
            _ => return Some("206 with several parts that cannot be parsed".to_owned()),
        }
    } else if let Some(value) = response.header("content-range") {
        // A server may join ranges, or return one of them.
        vec![(ContentRange::read(value)?, &head[..])]
    } else {
        return Some("206 without Content-Range".to_owned());
    };
    for (range, part) in parts {
        let bytes = file.get(range.first as usize..=range.last as usize);
        if bytes.is_some_and(|bytes| bytes != part) {
            let (first, last) = (range.first, range.last);
            return Some(format!("the bytes {first}-{last} that arrived differ from the file"));
        }
    }
    None
}
