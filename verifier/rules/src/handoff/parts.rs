//! The download cannot be had in parts, or visitors are told that they have what they have not.

use super::super::{Culprit, Match, Reading, Remedy, Rule, Severity};
use sendfile_evidence::{
    End, Part, ProbeId, Response, Same,
    dialect::{Product, store_status},
    partial::{self, ContentRange},
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "handoff.ranges-lost",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "the download cannot be resumed: parts of it are not given",
        meaning: "A request for a part of the file gets the whole, though the server gives parts of its \
                  files elsewhere or says that it does. Downloads that break off begin anew, and \
                  players cannot seek. A filter that could change the length switches ranges off, \
                  even where it changes nothing.",
        remedy: Remedy {
            nginx: Some(
                "take max_ranges 0 and filters (sub_filter, ssi, addition, gunzip) out of the \
                 internal location; where a store or a cache serves the file, proxy_force_ranges \
                 on; in front of lighttpd, which knows no ranges in HTTP/1.0, proxy_http_version \
                 1.1",
            ),
            apache: Some(
                "take MaxRanges none, output filters and `RequestHeader unset Range` off the \
                 download",
            ),
            lighttpd: Some("server.range-requests = \"enable\" for the download"),
            ..Remedy::any("let Range reach the server of the file, and take filters off its stream")
        },
        matches: |r| {
            let whole = range_ignored(r).filter(|_| gives_parts(r) && !ignored_before(r))?;
            let because = format!("asked for a part, the site gives {}", r.describe(whole));
            Some(Match::sure(because).shown_by(ProbeId::Range))
        },
    },
    Rule {
        id: "handoff.no-ranges",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "parts of the download are not given",
        meaning: "A request for a part of the file gets the whole, which HTTP allows: an app that sends \
                  the bytes itself, a store or a cache may not know better. Downloads that break off \
                  begin anew, and players cannot seek.",
        remedy: Remedy::any("let a server that knows Range send the file"),
        matches: |r| {
            let told = !store_ignores(r, Part::Middle) && (!gives_parts(r) || ignored_before(r));
            if let Some(whole) = range_ignored(r).filter(|_| told) {
                let because = format!("asked for a part, the site gives {}", r.describe(whole));
                return Some(Match::sure(because).shown_by(ProbeId::Range));
            }
            let unmoved = r.repeated(ProbeId::RangeIfSame).filter(|it| is_whole(r, it))?;
            let unmoved = Some(unmoved).filter(|_| !store_ignores(r, Part::IfSame))?;
            let part = r.repeated(ProbeId::Range).is_some_and(|it| it.status == 206);
            let because = "a part alone is given; with If-Range and the file's own ETag, as browsers \
                           resume, the whole comes";
            let found = || Match::sure(because).shown_by(ProbeId::RangeIfSame);
            (part && unmoved.status == 200).then(found)
        },
    },
    Rule {
        id: "handoff.wrong-range",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "a request for a part of the file gets a wrong answer",
        meaning: "The whole file is right, and a part of it is not: other bytes than Content-Range says, \
                  an error, or a part of this file for someone who has the beginning of another. \
                  Resumed downloads are corrupt or fail. Apps and caches that answer Range \
                  themselves, in front of or behind a server that does it too, are the usual cause.",
        remedy: Remedy::any(
            "let only one server act on Range: the one that sends the file; the app answers 200 and \
             hands over",
        ),
        matches: |r| {
            let flaw =
                |it: Part| wrong_part(r, it).filter(|_| !by_store(r, it)).map(|flaw| (it, flaw));
            let (part, flaw) = Part::all().find_map(flaw)?;
            Some(Match::sure(flaw).shown_by(part.of_site()))
        },
    },
    Rule {
        id: "handoff.etag-of-another-file",
        culprit: Culprit::Handoff,
        severity: Severity::Degraded,
        summary: "a visitor who has another file is told to keep it",
        meaning: "Asked with the ETag of another file, or with a time long ago, the site answers 304 Not \
                  Modified. After a file has changed, whoever had it gets the old one for ever. Behind \
                  mod_proxy, mod_xsendfile 0.12 and 1.0 give every file the ETag \"0\" (measured).",
        remedy: Remedy {
            apache: Some(
                "FileETag None for the location of the app: `Header unset ETag` does not help",
            ),
            ..Remedy::any("let the server of the file make its ETag of the file's time and size")
        },
        matches: |r| {
            let kept = |id: &&(ProbeId, &str)| r.repeated(id.0).is_some_and(|it| it.status == 304);
            let (id, because) = OTHER_FILES.iter().find(kept)?;
            Some(Match::sure(*because).shown_by(*id))
        },
    },
    Rule {
        id: "handoff.etag-constant",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "the ETag looks like one that all files have",
        meaning: "Behind mod_proxy, mod_xsendfile gives every file the ETag \"0\". A visitor who has an \
                  old content of the file, and asks whether it is still good, is told that it is. With \
                  the fixture this is proved by a second file.",
        remedy: Remedy::any(
            "FileETag None for the location of the app: `Header unset ETag` does not help",
        ),
        matches: |r| {
            let full = r.evidence.full.answer().filter(|_| r.delivered)?;
            let proved = r.probe(ProbeId::Empty).is_some();
            let own = r.app().and_then(|it| it.header("etag")) == full.header("etag");
            let constant = full.header("etag") == Some("\"0\"") && !own && !proved;
            constant.then(|| Match::likely("the download's ETag is \"0\", and not the app's"))
        },
    },
    Rule {
        id: "handoff.conditions-ignored",
        culprit: Culprit::Handoff,
        severity: Severity::Warning,
        summary: "who has the file already gets it once more",
        meaning: "The answer carries an ETag or Last-Modified, and a request with it gets the whole file \
                  again instead of 304 Not Modified. Nothing is wrong but the waste.",
        remedy: Remedy::any("let If-None-Match and If-Modified-Since reach the server of the file"),
        matches: |r| {
            let again = given_again(r)?;
            let because = format!("asked again with its own ETag or time: {}", r.describe(again));
            Some(Match::sure(because).shown_by(ProbeId::NotModified))
        },
    },
];

/// The probes of a visitor who has something else, and what a 304 to them means.
const OTHER_FILES: [(ProbeId, &str); 3] = [
    (ProbeId::Empty, "with the download's ETag, another file gives 304 Not Modified"),
    (ProbeId::OtherEtag, "an ETag that no file has gives 304 Not Modified"),
    (ProbeId::ModifiedSince, "If-Modified-Since with a time in 1970 gives 304 Not Modified"),
];

/// The whole file, where a part was asked for.
fn range_ignored<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    r.repeated(ProbeId::Range).filter(|it| is_whole(r, it))
}

/// The whole file, where who asked has it already and may keep it.
fn given_again<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    let full = r.evidence.full.answer()?;
    let kept = full.all("cache-control").all(|it| !it.contains("no-store"));
    r.repeated(ProbeId::NotModified).filter(|it| kept && is_whole(r, it))
}

/// In what the download is unlike a file that the proxy sends itself, if it has no ETag as that has.
/// The ETag alone tells nothing: a location may have none.
pub(super) fn unlike_a_file(r: &Reading<'_>) -> Option<String> {
    let whole = match (range_ignored(r), given_again(r)) {
        _ if !r.delivered || !r.evidence.lacks_etag() => return None,
        (Some(_), _) => "the whole file where a part was asked for",
        (None, Some(_)) => "once more to who has it",
        (None, None) => return None,
    };
    Some(format!("the file came without the ETag of the proxy's own files, and {whole}"))
}

/// Whether a response is the whole file, or its beginning where no more was read.
fn is_whole(r: &Reading<'_>, response: &Response) -> bool {
    let body = &response.body;
    let (Some(Same::Exactly(same) | Same::AtLeast(same)), End::TooLong) = (body.same, &body.end)
    else {
        return response.status == 200 && r.evidence.is_dummy(body);
    };
    response.status == 200 && same > 0 && same >= body.size / 2
}

/// Whether the server is known to give parts of its files: it says so, or it is one that does
/// unless told otherwise, and the file came from a disk, by a hand-off.
fn gives_parts(r: &Reading<'_>) -> bool {
    let says = |it: Option<&Response>| {
        let mut values = it.into_iter().flat_map(|it| it.all("accept-ranges"));
        values.any(|it| it.eq_ignore_ascii_case("bytes"))
    };
    says(r.evidence.full.answer())
        || says(r.direct().filter(|_| r.handoff().is_some()))
        || of_disk(r)
}

fn of_disk(r: &Reading<'_>) -> bool {
    let by_handoff = r.handoff().is_some() && !r.evidence.streamed();
    let known = matches!(
        r.server,
        Some(Product::Nginx | Product::Apache | Product::Lighttpd | Product::Caddy)
    );
    by_handoff && known && r.stored_at().is_some()
}

/// Whether it is not the hand-off that loses parts: the store itself does not give them or, where it
/// is not known what that does, the direct location. A server of files gives them until it is told
/// otherwise.
fn ignored_before(r: &Reading<'_>) -> bool {
    let store = r.probe(ProbeId::AtStore(Part::Middle)).filter(|it| it.status < 400);
    let by_direct = || {
        let whole = r.probe(ProbeId::DirectRange).is_some_and(|it| is_whole(r, it));
        whole && !of_disk(r)
    };
    store.map_or_else(by_direct, |it| is_whole(r, it))
}

/// What of this form of Range the store itself, asked past the proxy, does not know: HTTP leaves it
/// the choice (RFC 9110 §14.2).
pub(in super::super) fn unknown_to_store(r: &Reading<'_>) -> Option<(Part, String)> {
    Part::all().find_map(|part| {
        let site = r.repeated(part.of_site())?;
        let told = match part {
            Part::Middle if is_whole(r, site) && store_ignores(r, part) => {
                "asked for a part, the store itself gives the whole"
            }
            Part::IfSame if is_whole(r, site) && store_ignores(r, part) => {
                "asked for a part with If-Range and the file's own ETag, the store gives the whole"
            }
            Part::IfOther if by_store(r, part) => {
                "asked for a part with If-Range and another file's ETag, the store gives the part"
            }
            Part::Suffix if refused(site) && by_store(r, part) => {
                "the store itself refuses a part that is counted from the end"
            }
            _ => return None,
        };
        Some((part, told.to_owned()))
    })
}

/// A flaw of a part that the store itself gives, asked past the proxy: the part, and what is wrong.
pub(in super::super) fn flaw_of_store(r: &Reading<'_>) -> Option<(Part, String)> {
    let unknown = |part: Part| match part {
        Part::IfOther => true,
        Part::Suffix => r.probe(part.of_site()).is_some_and(refused),
        _ => false,
    };
    let flaw = |it: Part| wrong_part(r, it).filter(|_| by_store(r, it)).map(|flaw| (it, flaw));
    Part::all().filter(|it| !unknown(*it)).find_map(flaw)
}

/// Whether a part is refused, by whichever server.
fn refused(site: &Response) -> bool {
    site.status >= 400
}

/// Whether what was asked is refused, and no server has failed: a proxy may put its own error in the
/// place of the store's.
fn not_understood(response: &Response) -> bool {
    (400..500).contains(&store_status(response).unwrap_or(response.status))
}

/// Whether the store itself gives the whole for a part.
fn store_ignores(r: &Reading<'_>, part: Part) -> bool {
    r.probe(ProbeId::AtStore(part)).is_some_and(|it| is_whole(r, it))
}

/// Whether the store itself answers a request for a part as wrongly as the site.
fn by_store(r: &Reading<'_>, part: Part) -> bool {
    let id = ProbeId::AtStore(part);
    let Some((site, store)) = r.probe(part.of_site()).zip(r.probe(id)) else { return false };
    match store.status {
        // It may be this program's key that is refused.
        401 | 403 => false,
        400.. => store_status(site).unwrap_or(site.status) == store.status,
        _ => store.status == site.status && flaw(r, part, id).is_some(),
    }
}

/// What is wrong with the site's answer to a request for a part, if anything is.
fn wrong_part(r: &Reading<'_>, part: Part) -> Option<String> {
    r.repeated(part.of_site())?;
    flaw(r, part, part.of_site())
}

fn flaw(r: &Reading<'_>, part: Part, id: ProbeId) -> Option<String> {
    let response = r.probe(id)?;
    let further = r.evidence.probes.iter().find(|it| it.id == id)?;
    let range = further.probed.asked.headers.iter().find(|(name, _)| name == "range")?;
    let wrong = |what: &str| Some(format!("{}: {what}", range.1));
    match (response.status, part) {
        (206, Part::Beyond) => wrong("206 for what lies behind the end"),
        (206, Part::IfOther) => wrong("206 although If-Range names the ETag of another file"),
        (206, Part::Several) => wrong(&wrong_parts(r, response)?),
        (206, _) => wrong(&wrong_slice(r, response, &range.1, further.wants)?),
        (200, _) if !is_whole(r, response) && response.header("content-range").is_some() => {
            wrong("a part comes with 200, as if it were the whole, and not with 206")
        }
        // Few clients ask for several parts at once, and a server need not give them.
        (400.., Part::Beyond | Part::Several) if not_understood(response) => None,
        (400.., _) => wrong(&format!("{}, and the whole file is given", response.status)),
        _ => None,
    }
}

/// What is wrong with one part, if anything is.
fn wrong_slice(
    r: &Reading<'_>,
    response: &Response,
    range: &str,
    wants: Option<sendfile_evidence::Sha256>,
) -> Option<String> {
    if partial::boundary(response.header("content-type").unwrap_or_default()).is_some() {
        return None;
    }
    let Some(value) = response.header("content-range") else {
        return Some("206 without Content-Range".to_owned());
    };
    let size = r.evidence.dummy.as_ref()?.size;
    let (first, last) = partial::asked(range, size)?;
    let Some(said) = ContentRange::read(value) else {
        return Some(format!("206 with Content-Range: {value}"));
    };
    let body = &response.body;
    // A server may give less than was asked for; that of another file is another matter.
    let fits = said.first == first && said.last <= last && said.total.is_none_or(|it| it == size);
    match () {
        () if !fits => Some(format!("the answer is {value}, of {size} bytes")),
        () if body.end == End::Whole && body.size != said.size() => {
            Some(format!("{} bytes came with Content-Range: {value}", body.size))
        }
        () if body.end != End::Whole => Some(r.describe(response)),
        () if said.last == last && wants.is_some_and(|it| it != body.sha256) => {
            Some(format!("the {} bytes that came are not those of the file", body.size))
        }
        () => None,
    }
}

/// What is wrong with several parts, as far as the evidence remembers their bytes.
fn wrong_parts(r: &Reading<'_>, response: &Response) -> Option<String> {
    let whole = &r.evidence.full.answer()?.body.head;
    let head = &response.body.head;
    let kind = response.header("content-type").unwrap_or_default();
    let all = response.body.size == head.len() as u64;
    let parts = match (partial::boundary(kind), response.header("content-range")) {
        (Some(_), _) if !all => return None,
        (Some(boundary), _) => match partial::parts(head, boundary) {
            Some(parts) if !parts.is_empty() => parts,
            _ => return Some("206 of several parts that cannot be read".to_owned()),
        },
        // A server may join parts, or give one of them.
        (None, Some(value)) => vec![(ContentRange::read(value)?, &head[..])],
        (None, None) => return Some("206 without Content-Range".to_owned()),
    };
    let wrong = parts.into_iter().find(|(range, part)| {
        let (first, last) = (range.first as usize, range.last as usize);
        whole.get(first..=last).is_some_and(|it| it != *part)
    });
    wrong.map(|(it, _)| {
        format!("bytes {}-{} that came are not those of the file", it.first, it.last)
    })
}
