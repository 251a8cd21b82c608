//! Plans the checks beyond the four layers, or says why one cannot be made. No request changes
//! anything: the download is repeated with GET and HEAD only.

use std::ops::RangeInclusive;

use http::{HeaderName, HeaderValue, Method, header};

use super::{ExtraRequest, Plan};
use crate::{config::Depth, plan::ProbeRequest};
use sendfile_evidence::{
    Access, Check, Checked, End, Evidence, Made, ProbeId, Response, Same, Sha256, dialect,
};

/// The results of the four layers, from which the checks are planned.
pub struct CheckContext<'a> {
    /// The requests to the layers.
    pub plan: &'a Plan,
    /// The responses.
    pub evidence: &'a Evidence,
    /// Whether to send all requests, or only the most important ones.
    pub depth: Depth,
    /// The selected rules.
    pub checks: &'a [Check],
    /// The SHA-256 of a range of the download, if its content is known.
    pub part: &'a (dyn Fn(RangeInclusive<u64>) -> Option<Sha256> + Sync),
}

/// The requests of a check, or why it cannot be made.
type Asks = Result<Vec<ExtraRequest>, String>;

/// Records which checks are made and adds their requests; removes from `asks` those that no check
/// needs.
pub fn checks(scene: &CheckContext<'_>, asks: &mut Vec<ExtraRequest>) -> Vec<Checked> {
    if scene.evidence.delivered() {
        asks.retain(|it| !exposes(it.id) || scene.checks.contains(&Check::Exposure));
        asks.retain(|it| !refuses(it.id) || scene.checks.contains(&Check::Refusal));
        asks.retain(|it| !spoofs(it.id) || scene.checks.contains(&Check::Spoofing));
    }
    let checked = |check| Checked { check, made: scene.check(check, asks) };
    Check::all().map(checked).collect()
}

/// Whether the response must not be the dummy.
fn exposes(id: ProbeId) -> bool {
    let by_path =
        matches!(id, ProbeId::TargetOutside | ProbeId::TargetOtherHost | ProbeId::Spelled(_));
    by_path
        || matches!(id, ProbeId::RelayOutside)
        || matches!(id, ProbeId::Refused(_) | ProbeId::StoragePublic | ProbeId::DirectUp)
}

/// Whether it is sent by an anonymous client.
fn refuses(id: ProbeId) -> bool {
    matches!(id, ProbeId::Anonymous | ProbeId::AppAnonymous)
}

/// Whether it is sent by a client that chooses the hand-off.
fn spoofs(id: ProbeId) -> bool {
    matches!(id, ProbeId::Spoofed | ProbeId::AppSpoofed)
}

/// Narrows down the causes if a check failed: whether the download can be requested twice at all,
/// and whether the app responds to HEAD.
pub fn follow_ups(scene: &CheckContext<'_>) -> Vec<ExtraRequest> {
    let evidence = scene.evidence;
    let mut repeats = evidence.probes.iter().filter(|it| it.id.repeats_download());
    let mut asks = Vec::new();
    if repeats.any(|it| it.probed.response().is_some_and(|answer| is_odd(evidence, it.id, answer)))
    {
        let again = ExtraRequest::new(ProbeId::Again, scene.plan.full.clone());
        asks.push(ExtraRequest { most: Some(ENOUGH), ..again });
    }
    let head = evidence.probe(ProbeId::Head).zip(evidence.full.response());
    let differs = |(head, full): (&Response, &Response)| {
        let length = |it: &Response| it.header("content-length").map(str::to_owned);
        head.status != full.status || length(head) != length(full)
    };
    if head.is_some_and(differs) {
        let app = scene.plan.app.clone().ok();
        asks.extend(app.map(|app| {
            ExtraRequest::new(ProbeId::AppHead, ProbeRequest { method: Method::HEAD, ..app })
        }));
    }
    asks
}

/// Why a check cannot be made without a reference copy.
const UNTOLD: &str = "no reference copy";

/// Why a check is not made by default.
const ONLY_THOROUGH: &str = "only with --thorough";

/// Whether the response to a repeated download may be that of a site that serves it only once: an
/// error, a redirect, another page.
fn is_odd(evidence: &Evidence, id: ProbeId, answer: &Response) -> bool {
    let length = |it: &Response| it.header("content-length").map(str::to_owned);
    let body = &answer.body;
    let unpacked = body.gunzipped.as_ref().map(|it| it.sha256);
    match answer.status {
        200 if id == ProbeId::Head => length(answer) != evidence.full.response().and_then(length),
        200 if body.end == End::Whole => {
            let right = evidence.dummy.as_ref().map(|it| it.sha256);
            right != Some(body.sha256) && right != unpacked
        }
        200 => !matches!(body.same, Some(Same::AtLeast(_))),
        206 | 304 | 416 => false,
        _ => true,
    }
}

/// If only the beginning matters, no more than this is read.
pub(super) const ENOUGH: u64 = 128 * 1024;

/// A file up to this size is downloaded completely once more.
const SMALL: u64 = 4 << 20;

impl CheckContext<'_> {
    fn check(&self, check: Check, asks: &mut Vec<ExtraRequest>) -> Made {
        if !self.checks.contains(&check) {
            return Made::Skipped("excluded by the selection of rules".to_owned());
        }
        match self.asks(check, asks) {
            // Sent separately, over HTTP/2.
            Ok(_) if check == Check::Protocol => Made::By(vec![ProbeId::Http2]),
            Ok(own) => {
                let ids = own.iter().map(|it| it.id).collect();
                let known = |id| asks.iter().any(|it| it.id == id);
                let new: Vec<_> = own.into_iter().filter(|it| !known(it.id)).collect();
                asks.extend(new);
                Made::By(ids)
            }
            Err(reason) => Made::Skipped(reason),
        }
    }

    fn asks(&self, check: Check, asks: &[ExtraRequest]) -> Asks {
        let among = |wanted: fn(ProbeId) -> bool, reason: &str| {
            let asked: Vec<_> = asks.iter().filter(|it| wanted(it.id)).cloned().collect();
            if asked.is_empty() { Err(reason.to_owned()) } else { Ok(asked) }
        };
        match check {
            Check::Exposure => {
                let asked = among(exposes, "the hand-off names no URL, and no --refused was given");
                let beyond = [ProbeId::Parent, ProbeId::Relay].map(|it| self.of_fixture(it));
                let beyond: Vec<_> = beyond.into_iter().flatten().collect();
                match beyond.is_empty() || !self.thorough() {
                    true => asked,
                    false => Ok(asked.into_iter().flatten().chain(beyond).collect()),
                }
            }
            Check::Refusal => {
                let denied = self.right().ok().and(self.of_fixture(ProbeId::Denied));
                let private = self.plan.expectations.intent.access == Access::Private;
                let asked = among(
                    refuses,
                    if private {
                        "no --full-header, so the download is anonymous already"
                    } else {
                        "no --private"
                    },
                );
                match denied {
                    Some(denied) => Ok(asked.into_iter().flatten().chain([denied]).collect()),
                    None => asked,
                }
            }
            Check::Spoofing => match self.thorough() {
                true => self.repeatable().and_then(|_| among(spoofs, "")),
                false => Err(ONLY_THOROUGH.to_owned()),
            },
            Check::Freshness => self.freshness(),
            Check::HandoffUsed | Check::Headers => self.by_app(),
            Check::Leak => self.leak(),
            Check::Wire => self.right().map(|_| Vec::new()),
            Check::Ranges => self.ranges(),
            Check::Conditions => self.conditions(),
            Check::Head => Ok(vec![self.ask(ProbeId::Head, &[]).map(|ask| ExtraRequest {
                ask: ProbeRequest { method: Method::HEAD, ..ask.ask },
                ..ask
            })?]),
            Check::Encoding => self.encoding(),
            Check::Names => self.names(),
            Check::Tls | Check::Protocol => self.over_tls(check),
        }
    }

    /// The download, if it is correct: the layers explain an incorrect one.
    fn right(&self) -> Result<&Response, String> {
        let full = self.evidence.full.response().filter(|_| self.evidence.delivered());
        let reason = match self.evidence.dummy {
            Some(_) => "the download failed",
            None => UNTOLD,
        };
        full.ok_or_else(|| reason.to_owned())
    }

    /// The download, if it may be repeated.
    fn repeatable(&self) -> Result<&Response, String> {
        let method = &self.plan.full.method;
        let full = self.right()?;
        match *method == Method::GET {
            true => Ok(full),
            false => Err(format!("the download uses {method}")),
        }
    }

    /// A cache in front stores what clients request, not requests with a unique query; a compressed
    /// copy is returned only to clients that accept it.
    fn freshness(&self) -> Asks {
        if !self.evidence.has_reference() {
            return Err(UNTOLD.to_owned());
        }
        let mut asks = vec![self.gzip()?];
        let full = self.plan.full.clone();
        // A real app's URL is requested as given: that is what clients request.
        if self.plan.fixture.is_some() {
            let url = full.url.with_target(full.url.path()).map_err(|it| it.to_string())?;
            asks.push(ExtraRequest::new(ProbeId::WithoutQuery, ProbeRequest { url, ..full }));
        }
        Ok(asks)
    }

    /// For checks that the layers decide, if the app was requested.
    fn by_app(&self) -> Asks {
        self.right()?;
        match (&self.plan.app, self.evidence.app.response()) {
            (Err(reason), _) => Err((*reason).to_owned()),
            (Ok(_), None) => Err("the app does not respond".to_owned()),
            (Ok(_), Some(app)) => {
                let intended = self.plan.expectations.intent.header.as_deref();
                let tells = dialect::handoff_of(app, intended).is_some() || app.status == 200;
                match tells {
                    true => Ok(Vec::new()),
                    false => Err(format!("the app returns {} and no hand-off", app.status)),
                }
            }
        }
    }

    fn leak(&self) -> Asks {
        self.right()?;
        Ok(self.of_fixture(ProbeId::Missing).filter(|_| self.thorough()).into_iter().collect())
    }

    fn ranges(&self) -> Asks {
        let full = self.repeatable()?;
        let size = self.evidence.dummy.as_ref().map_or(0, |it| it.size);
        if size < 4 {
            return Err(format!("the file is only {size} bytes long"));
        }
        if full.header("accept-ranges").is_some_and(|it| it.eq_ignore_ascii_case("none")) {
            return Err("the response has `Accept-Ranges: none`".to_owned());
        }
        let first = (size / 4).min(16 * 1024);
        let middle = first..=first + (size / 4).min(4096) - 1;
        let whole = format!("bytes={}-{}", middle.start(), middle.end());
        let range = |id, value: &str, part: Option<RangeInclusive<u64>>, others: &[_]| {
            let mut headers = vec![(header::RANGE, value.to_owned())];
            headers.extend_from_slice(others);
            let ask = self.ask(id, &headers)?;
            let wants = part.and_then(|it| (self.part)(it));
            Ok::<_, String>(ExtraRequest { wants, most: Some(ENOUGH), ..ask })
        };
        let mut asks = vec![range(ProbeId::Range, &whole, Some(middle.clone()), &[])?];
        if !self.thorough() {
            return Ok(asks);
        }
        let rest = (size / 4).min(1024);
        let end = || Some(size - rest..=size - 1);
        asks.push(range(ProbeId::RangeSuffix, &format!("bytes=-{rest}"), end(), &[])?);
        asks.push(range(ProbeId::RangeOpen, &format!("bytes={}-", size - rest), end(), &[])?);
        asks.push(range(ProbeId::RangeBeyond, &format!("bytes={size}-"), None, &[])?);
        if size >= SEVERAL_END {
            asks.push(range(ProbeId::RangeSeveral, SEVERAL, None, &[])?);
        }
        if let Some(etag) = strong_etag(full) {
            let condition = [(header::IF_RANGE, etag.to_owned())];
            asks.push(range(ProbeId::RangeIfSame, &whole, Some(middle.clone()), &condition)?);
        }
        let other = [(header::IF_RANGE, self.other_etag())];
        asks.push(range(ProbeId::RangeIfOther, &whole, Some(middle), &other)?);
        Ok(asks)
    }

    fn conditions(&self) -> Asks {
        let full = self.repeatable()?;
        let (etag, time) = (full.header("etag"), full.header("last-modified"));
        let own = match (etag, time) {
            (Some(etag), _) => (header::IF_NONE_MATCH, etag),
            (None, Some(time)) => (header::IF_MODIFIED_SINCE, time),
            (None, None) => {
                return Err("the response has neither ETag nor Last-Modified".to_owned());
            }
        };
        let ask = |id, name: HeaderName, value: &str| {
            let ask = self.ask(id, &[(name, value.to_owned())])?;
            Ok::<_, String>(ExtraRequest { most: Some(ENOUGH), ..ask })
        };
        let mut asks: Vec<_> = self.another_file(full).into_iter().collect();
        if asks.is_empty() || self.thorough() {
            asks.push(ask(ProbeId::NotModified, own.0, own.1)?);
        }
        if self.thorough() {
            asks.push(ask(ProbeId::OtherEtag, header::IF_NONE_MATCH, &self.other_etag())?);
            asks.push(ask(ProbeId::ModifiedSince, header::IF_MODIFIED_SINCE, LONG_AGO)?);
        }
        Ok(asks)
    }

    fn encoding(&self) -> Asks {
        let gzip = self.gzip()?;
        let mut html = self.of_fixture(ProbeId::Html);
        if let Some(html) = &mut html {
            html.ask.headers.push((header::ACCEPT_ENCODING, HeaderValue::from_static("gzip")));
        }
        Ok([gzip].into_iter().chain(html).collect())
    }

    fn gzip(&self) -> Result<ExtraRequest, String> {
        let gzip = self.ask(ProbeId::Gzip, &[(header::ACCEPT_ENCODING, "gzip".to_owned())])?;
        let large = self.evidence.dummy.as_ref().is_some_and(|it| it.size > SMALL);
        Ok(ExtraRequest { most: large.then_some(ENOUGH), ..gzip })
    }

    /// Not subject to the limit on the other checks' requests: one request for each name.
    fn names(&self) -> Asks {
        self.right()?;
        let named = |it: &&ExtraRequest| matches!(it.id, ProbeId::Name(_));
        let asks: Vec<_> = self.plan.check_probes.iter().filter(named).cloned().collect();
        match (asks.is_empty(), self.thorough()) {
            (true, _) if self.plan.fixture.is_none() => Err("no fixture".to_owned()),
            (true, _) => Err("the fixture offers none".to_owned()),
            (false, false) => Err(ONLY_THOROUGH.to_owned()),
            (false, true) => Ok(asks),
        }
    }

    fn over_tls(&self, check: Check) -> Asks {
        match self.plan.full.url.is_https() {
            true if check == Check::Protocol => self.repeatable().map(|_| Vec::new()),
            true => Ok(Vec::new()),
            false => Err("the site uses http".to_owned()),
        }
    }

    /// The empty dummy, if it is not the download. Its size differs: nginx and Caddy give files of
    /// the same second and size the same ETag.
    fn another_file(&self, full: &Response) -> Option<ExtraRequest> {
        let etag = HeaderValue::from_str(full.header("etag")?).ok()?;
        let mut empty = self.of_fixture(ProbeId::Empty)?;
        empty.ask.headers.push((header::IF_NONE_MATCH, etag));
        Some(empty)
    }

    fn of_fixture(&self, id: ProbeId) -> Option<ExtraRequest> {
        self.plan.check_probes.iter().find(|it| it.id == id).cloned()
    }

    /// The download with additional headers, which replace the client's own headers of the same
    /// name.
    fn ask(&self, id: ProbeId, headers: &[(HeaderName, String)]) -> Result<ExtraRequest, String> {
        self.repeatable()?;
        let mut ask = self.plan.full.clone();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|it| format!("`{name}`: {it}"))?;
            ask.headers.retain(|(it, _)| it != name);
            ask.headers.push((name.clone(), value));
        }
        Ok(ExtraRequest::new(id, ask))
    }

    /// An ETag that no file has.
    fn other_etag(&self) -> String {
        format!("\"sendfile-check-{}\"", self.plan.nonce)
    }

    fn thorough(&self) -> bool {
        self.depth == Depth::Thorough
    }
}

/// Two ranges within the part of a body that evidence stores; far enough apart that no server has
/// reason to merge them (lighttpd merges ranges less than 80 bytes apart).
const SEVERAL: &str = "bytes=0-15,200-215";

/// The size that a file needs for these ranges.
const SEVERAL_END: u64 = 216;

/// A date before any file was modified.
const LONG_AGO: &str = "Thu, 01 Jan 1970 00:00:01 GMT";

/// An ETag with which ranges may be combined (RFC 9110 §13.1.5).
fn strong_etag(response: &Response) -> Option<&str> {
    response.header("etag").filter(|it| it.starts_with('"'))
}
