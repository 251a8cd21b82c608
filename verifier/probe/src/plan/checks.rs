//! Plans the checks beyond the four layers, or says why one cannot be made. No request changes
//! anything: the download is repeated with GET and HEAD only. Pure.

use std::ops::RangeInclusive;

use http::{
    HeaderName, HeaderValue, Method,
    header::{ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE},
};
use sendfile_evidence::{Access, Check, Checked, Made, ProbeId, Response, Sha256, dialect};

use super::{
    layers::{FixtureProbe, LayerPlan},
    progress::Progress,
    request::{BEGINNING, ExtraRequest, ProbeRequest},
};

/// The requests of a check, or the reason why it cannot be made.
type CheckRequests = Result<Vec<ExtraRequest>, String>;

/// Removes the requests that no selected check needs, if the download is correct. To explain a
/// failed download, all of them are needed.
pub(super) fn remove_unselected(progress: &Progress<'_>, requests: &mut Vec<ExtraRequest>) {
    if progress.evidence.delivered() {
        requests.retain(|request| match check_of(request.id) {
            Some(check) => progress.selected(check),
            None => true,
        });
    }
}

/// Plans all checks. Adds those of their requests that are not planned yet, and records which checks
/// are made.
pub(super) fn plan_checks(
    progress: &Progress<'_>,
    requests: &mut Vec<ExtraRequest>,
) -> Vec<Checked> {
    let mut checked = Vec::new();
    for check in Check::all() {
        let made = plan_check(progress, check, requests);
        checked.push(Checked { check, made });
    }
    checked
}

fn plan_check(progress: &Progress<'_>, check: Check, requests: &mut Vec<ExtraRequest>) -> Made {
    if !progress.selected(check) {
        return Made::Skipped("excluded by the selection of rules".to_owned());
    }
    let own = match requests_of(progress, check, requests) {
        Ok(own) => own,
        Err(reason) => return Made::Skipped(reason),
    };
    // Planned after all checks, because it is sent over HTTP/2.
    if check == Check::Protocol {
        return Made::By(vec![ProbeId::Http2]);
    }
    let mut ids = Vec::new();
    for request in own {
        ids.push(request.id);
        if !requests.iter().any(|planned| planned.id == request.id) {
            requests.push(request);
        }
    }
    Made::By(ids)
}

/// The requests of a check, some of which may be in `planned` already.
fn requests_of(progress: &Progress<'_>, check: Check, planned: &[ExtraRequest]) -> CheckRequests {
    match check {
        Check::Exposure => exposure(progress, planned),
        Check::Refusal => refusal(progress, planned),
        Check::Spoofing => spoofing(progress, planned),
        Check::Freshness => freshness(progress),
        Check::HandoffUsed | Check::Headers => by_app(progress),
        Check::Leak => leak(progress),
        Check::Wire => wire(progress),
        Check::Ranges => ranges(progress),
        Check::Conditions => conditions(progress),
        Check::Head => head(progress),
        Check::Encoding => encoding(progress),
        Check::Names => names(progress),
        Check::Tls => tls(progress),
        Check::Protocol => protocol(progress),
    }
}

/// The check for which a probe for exposure is sent, whatever the layers return.
fn check_of(id: ProbeId) -> Option<Check> {
    match id {
        // The response must not be the dummy.
        ProbeId::TargetOutside
        | ProbeId::TargetOtherHost
        | ProbeId::Spelled(_)
        | ProbeId::RelayOutside
        | ProbeId::Refused(_)
        | ProbeId::StoragePublic
        | ProbeId::DirectUp => Some(Check::Exposure),
        // The client is anonymous.
        ProbeId::Anonymous | ProbeId::AppAnonymous => Some(Check::Refusal),
        // The client chooses the hand-off.
        ProbeId::Spoofed | ProbeId::AppSpoofed => Some(Check::Spoofing),
        _ => None,
    }
}

/// Those of the planned requests that belong to a check.
fn planned_for(check: Check, planned: &[ExtraRequest]) -> Vec<ExtraRequest> {
    planned.iter().filter(|request| check_of(request.id) == Some(check)).cloned().collect()
}

/// Why a check cannot be made without a reference copy.
const NO_REFERENCE: &str = "no reference copy";

/// Why a check is not made by default.
const ONLY_THOROUGH: &str = "only with --thorough";

/// A file up to this size is downloaded completely a second time.
const SMALL: u64 = 4 << 20;

/// The download, if it is correct; the layers already explain an incorrect one.
fn correct_download<'a>(progress: &Progress<'a>) -> Result<&'a Response, String> {
    let evidence = progress.evidence;
    if let Some(full) = evidence.full.response()
        && evidence.delivered()
    {
        return Ok(full);
    }
    let reason = if evidence.dummy.is_some() { "the download failed" } else { NO_REFERENCE };
    Err(reason.to_owned())
}

/// The download, if it may be repeated.
fn repeatable_download<'a>(progress: &Progress<'a>) -> Result<&'a Response, String> {
    let full = correct_download(progress)?;
    let method = &progress.plan.full.method;
    if *method == Method::GET { Ok(full) } else { Err(format!("the download uses {method}")) }
}

/// The download with additional headers, which replace the client's own headers of the same name.
fn download_with(
    progress: &Progress<'_>,
    headers: &[(HeaderName, &str)],
) -> Result<ProbeRequest, String> {
    repeatable_download(progress)?;
    let mut request = progress.plan.full.clone();
    for (name, value) in headers {
        let value = match HeaderValue::from_str(value) {
            Ok(value) => value,
            Err(error) => return Err(format!("`{name}`: {error}")),
        };
        request.headers.retain(|(given, _)| given != name);
        request.headers.push((name.clone(), value));
    }
    Ok(request)
}

/// An ETag that no file has.
fn other_etag(progress: &Progress<'_>) -> String {
    format!("\"sendfile-check-{}\"", progress.plan.nonce)
}

fn exposure(progress: &Progress<'_>, planned: &[ExtraRequest]) -> CheckRequests {
    let mut requests = planned_for(Check::Exposure, planned);
    if progress.thorough() {
        let probes = [ProbeId::Parent, ProbeId::Relay].map(|id| progress.check_probe(id));
        requests.extend(probes.into_iter().flatten().map(ExtraRequest::from));
    }
    if requests.is_empty() {
        return Err("the hand-off names no URL, and no --refused was given".to_owned());
    }
    Ok(requests)
}

fn refusal(progress: &Progress<'_>, planned: &[ExtraRequest]) -> CheckRequests {
    let mut requests = planned_for(Check::Refusal, planned);
    if correct_download(progress).is_ok() {
        requests.extend(progress.check_probe(ProbeId::Denied).map(ExtraRequest::from));
    }
    if !requests.is_empty() {
        return Ok(requests);
    }
    let reason = match progress.plan.expectations.intent.access {
        Access::Private => "no --full-header, so the download is anonymous already",
        Access::Unsaid => "no --private",
    };
    Err(reason.to_owned())
}

fn spoofing(progress: &Progress<'_>, planned: &[ExtraRequest]) -> CheckRequests {
    if !progress.thorough() {
        return Err(ONLY_THOROUGH.to_owned());
    }
    repeatable_download(progress)?;
    let requests = planned_for(Check::Spoofing, planned);
    // Planned for every correct download whose URL can be repeated.
    if requests.is_empty() { Err(String::new()) } else { Ok(requests) }
}

/// The requests without the unique query, because a cache in front stores what clients request; and
/// one that accepts compression, because only such clients get a compressed copy.
fn freshness(progress: &Progress<'_>) -> CheckRequests {
    if !progress.evidence.has_reference() {
        return Err(NO_REFERENCE.to_owned());
    }
    let mut requests = vec![gzip(progress)?];
    // A real app's URL is requested unchanged, as clients request it.
    if progress.plan.fixture.is_some() {
        let full = progress.plan.full.clone();
        let url = full.url.with_target(full.url.path()).map_err(|error| error.to_string())?;
        let request = ProbeRequest { url, ..full };
        requests.push(ExtraRequest::new(ProbeId::WithoutQuery, request));
    }
    Ok(requests)
}

/// The result for checks that the layers decide, if the app was requested.
fn by_app(progress: &Progress<'_>) -> CheckRequests {
    correct_download(progress)?;
    if let LayerPlan::Skip(reason) = progress.plan.app {
        return Err(reason.to_owned());
    }
    let Some(app) = progress.evidence.app.response() else {
        return Err("the app does not respond".to_owned());
    };
    let intended = progress.plan.expectations.intent.header.as_deref();
    if dialect::handoff_of(app, intended).is_none() && app.status != 200 {
        return Err(format!("the app returns {} and no hand-off", app.status));
    }
    Ok(Vec::new())
}

fn leak(progress: &Progress<'_>) -> CheckRequests {
    correct_download(progress)?;
    let mut requests = Vec::new();
    if progress.thorough() {
        requests.extend(progress.check_probe(ProbeId::Missing).map(ExtraRequest::from));
    }
    Ok(requests)
}

fn wire(progress: &Progress<'_>) -> CheckRequests {
    correct_download(progress)?;
    Ok(Vec::new())
}

fn ranges(progress: &Progress<'_>) -> CheckRequests {
    let full = repeatable_download(progress)?;
    let size = progress.evidence.dummy.as_ref().map_or(0, |dummy| dummy.size);
    if size < 4 {
        return Err(format!("the file is only {size} bytes long"));
    }
    if full.header("accept-ranges").is_some_and(|value| value.eq_ignore_ascii_case("none")) {
        return Err("the response has `Accept-Ranges: none`".to_owned());
    }
    let middle = middle_range(size);
    let expected = (progress.part)(middle.clone());
    let middle = format!("bytes={}-{}", middle.start(), middle.end());
    let mut requests = vec![range(progress, ProbeId::Range, &middle, expected)?];
    if !progress.thorough() {
        return Ok(requests);
    }
    requests.extend(end_ranges(progress, size)?);
    if size >= SEVERAL_END {
        requests.push(range(progress, ProbeId::RangeSeveral, SEVERAL, None)?);
    }
    if let Some(etag) = strong_etag(full) {
        let headers = [(RANGE, middle.as_str()), (IF_RANGE, etag)];
        let request = download_with(progress, &headers)?;
        let same = ExtraRequest::of_beginning(ProbeId::RangeIfSame, request);
        requests.push(ExtraRequest { expected, ..same });
    }
    let headers = [(RANGE, middle.as_str()), (IF_RANGE, &other_etag(progress))];
    let request = download_with(progress, &headers)?;
    let other = ExtraRequest::of_beginning(ProbeId::RangeIfOther, request);
    requests.push(ExtraRequest { expected, ..other });
    Ok(requests)
}

/// The requests for ranges at the end of a file of this size, and for one beyond the end.
fn end_ranges(progress: &Progress<'_>, size: u64) -> CheckRequests {
    let length = (size / 4).min(1024);
    let first = size - length;
    let expected = (progress.part)(first..=size - 1);
    let suffix = format!("bytes=-{length}");
    let open = format!("bytes={first}-");
    let beyond = format!("bytes={size}-");
    Ok(vec![
        range(progress, ProbeId::RangeSuffix, &suffix, expected)?,
        range(progress, ProbeId::RangeOpen, &open, expected)?,
        range(progress, ProbeId::RangeBeyond, &beyond, None)?,
    ])
}

/// A range request for bytes with this SHA-256, if it is known.
fn range(
    progress: &Progress<'_>,
    id: ProbeId,
    value: &str,
    expected: Option<Sha256>,
) -> Result<ExtraRequest, String> {
    let request = download_with(progress, &[(RANGE, value)])?;
    Ok(ExtraRequest { expected, ..ExtraRequest::of_beginning(id, request) })
}

/// A range from the middle of a file of this size.
fn middle_range(size: u64) -> RangeInclusive<u64> {
    let first = (size / 4).min(16 * 1024);
    let length = (size / 4).min(4096);
    first..=first + length - 1
}

/// Two ranges within the part of a body that evidence stores; far enough apart that no server has
/// reason to merge them (lighttpd merges ranges less than 80 bytes apart).
const SEVERAL: &str = "bytes=0-15,200-215";

/// The size that a file needs for these ranges.
const SEVERAL_END: u64 = 216;

/// The ETag, if it is strong: only a strong one is valid in If-Range (RFC 9110 §13.1.5).
fn strong_etag(response: &Response) -> Option<&str> {
    response.header("etag").filter(|etag| etag.starts_with('"'))
}

fn conditions(progress: &Progress<'_>) -> CheckRequests {
    let full = repeatable_download(progress)?;
    let (name, value) = match (full.header("etag"), full.header("last-modified")) {
        (Some(etag), _) => (IF_NONE_MATCH, etag),
        (None, Some(time)) => (IF_MODIFIED_SINCE, time),
        (None, None) => return Err("the response has neither ETag nor Last-Modified".to_owned()),
    };
    let mut requests = Vec::new();
    requests.extend(another_file(progress, full).map(ExtraRequest::from));
    if requests.is_empty() || progress.thorough() {
        requests.push(conditional(progress, ProbeId::NotModified, (name, value))?);
    }
    if progress.thorough() {
        let etag = other_etag(progress);
        requests.push(conditional(progress, ProbeId::OtherEtag, (IF_NONE_MATCH, &etag))?);
        let since = (IF_MODIFIED_SINCE, LONG_AGO);
        requests.push(conditional(progress, ProbeId::ModifiedSince, since)?);
    }
    Ok(requests)
}

fn conditional(
    progress: &Progress<'_>,
    id: ProbeId,
    condition: (HeaderName, &str),
) -> Result<ExtraRequest, String> {
    let request = download_with(progress, &[condition])?;
    Ok(ExtraRequest::of_beginning(id, request))
}

/// A date before any file was modified.
const LONG_AGO: &str = "Thu, 01 Jan 1970 00:00:01 GMT";

/// The request for the empty dummy, if the download is another file. The sizes must differ: nginx
/// and Caddy give files with the same second and size the same ETag.
fn another_file(progress: &Progress<'_>, full: &Response) -> Option<FixtureProbe> {
    let etag = HeaderValue::from_str(full.header("etag")?).ok()?;
    let mut empty = progress.check_probe(ProbeId::Empty)?;
    empty.request.headers.push((IF_NONE_MATCH, etag));
    Some(empty)
}

fn head(progress: &Progress<'_>) -> CheckRequests {
    let request = ProbeRequest { method: Method::HEAD, ..download_with(progress, &[])? };
    Ok(vec![ExtraRequest::new(ProbeId::Head, request)])
}

fn encoding(progress: &Progress<'_>) -> CheckRequests {
    let mut requests = vec![gzip(progress)?];
    if let Some(mut html) = progress.check_probe(ProbeId::Html) {
        html.request.headers.push((ACCEPT_ENCODING, HeaderValue::from_static("gzip")));
        requests.push(html.into());
    }
    Ok(requests)
}

/// The download as requested by a browser that accepts gzip.
fn gzip(progress: &Progress<'_>) -> Result<ExtraRequest, String> {
    let request = download_with(progress, &[(ACCEPT_ENCODING, "gzip")])?;
    let gzip = ExtraRequest::new(ProbeId::Gzip, request);
    match &progress.evidence.dummy {
        Some(dummy) if dummy.size > SMALL => {
            Ok(ExtraRequest { max_bytes: Some(BEGINNING), ..gzip })
        }
        _ => Ok(gzip),
    }
}

/// The requests for files with odd names, one for each name. The limit on the other checks'
/// requests does not apply.
fn names(progress: &Progress<'_>) -> CheckRequests {
    correct_download(progress)?;
    let mut requests = Vec::new();
    for probe in &progress.plan.check_probes {
        if matches!(probe.id, ProbeId::Name(_)) {
            requests.push(ExtraRequest::from(probe.clone()));
        }
    }
    if requests.is_empty() {
        let has_fixture = progress.plan.fixture.is_some();
        let reason = if has_fixture { "the fixture offers none" } else { "no fixture" };
        return Err(reason.to_owned());
    }
    if !progress.thorough() {
        return Err(ONLY_THOROUGH.to_owned());
    }
    Ok(requests)
}

fn tls(progress: &Progress<'_>) -> CheckRequests {
    if progress.plan.full.url.is_https() {
        Ok(Vec::new())
    } else {
        Err("the site uses http".to_owned())
    }
}

fn protocol(progress: &Progress<'_>) -> CheckRequests {
    tls(progress)?;
    repeatable_download(progress)?;
    Ok(Vec::new())
}
