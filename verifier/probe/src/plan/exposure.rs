//! Plans the probes for exposure: the hand-off target requested directly, under its own name or
//! another spelling, on another server of the same port, or in the storage directory; clients
//! without access rights; and clients that choose the hand-off themselves.
//!
//! Every probe requests the download's own file.

use http::{HeaderName, HeaderValue, header};
use percent_encoding::utf8_percent_encode;

use super::{PARAMETER, Plan, UNSAFE, encoded};
use crate::{
    config::{Depth, StorageAt},
    plan::{ProbeRequest, StoragePlan},
    url::Url,
};
use sendfile_evidence::{
    Access, Evidence, ProbeId, Spelling,
    dialect::{self, ValueKind},
};

/// Request headers by which Rack, Symfony and similar frameworks accept a hand-off chosen by the
/// proxy, and those that name a file themselves.
pub(crate) const SPOOFED: [HeaderName; 4] = [
    HeaderName::from_static("x-sendfile-type"),
    HeaderName::from_static("x-accel-mapping"),
    HeaderName::from_static("x-accel-redirect"),
    HeaderName::from_static("x-sendfile"),
];

/// The probes that are always sent, whatever the layers return, and those that a thorough run adds.
pub(super) fn exposure(
    plan: &Plan,
    evidence: &Evidence,
    depth: Depth,
) -> Vec<(ProbeId, ProbeRequest)> {
    let refused = plan.expectations.refused.iter().zip(1..);
    let mut asks: Vec<_> =
        refused.map(|(url, n)| (ProbeId::Refused(n), ProbeRequest::get(url.clone()))).collect();
    let outside = target(plan, evidence, &plan.full.url);
    asks.extend(outside.clone().map(|url| (ProbeId::TargetOutside, plan.by_visitor(url))));
    // Without headers of its own, the client is already anonymous.
    let rights = !plan.expectations.full_headers.is_empty();
    let private = rights && plan.expectations.intent.access == Access::Private;
    if private {
        let stranger = ProbeRequest { headers: Vec::new(), ..plan.full.clone() };
        asks.push((ProbeId::Anonymous, stranger));
    }
    // If the download fails, the credentials may have been lost on the way.
    if private || rights && !evidence.delivered() {
        asks.extend(plan.app.clone().map(|app| {
            (ProbeId::AppAnonymous, ProbeRequest { headers: stranger_to_app(plan), ..app })
        }));
    }
    if depth == Depth::Thorough && evidence.delivered() {
        asks.extend(outside.iter().flat_map(|url| spelled(url, plan)));
        let relay = outside.iter().filter_map(|url| relayed(plan, url));
        asks.extend(relay.map(|url| (ProbeId::RelayOutside, plan.by_visitor(url))));
        asks.extend(public(plan).map(|url| (ProbeId::StoragePublic, ProbeRequest::get(url))));
        asks.extend(up(plan).map(|url| (ProbeId::DirectUp, plan.by_visitor(url))));
        asks.extend(spoofed(plan));
    }
    asks
}

/// The target in other spellings, and on whichever server handles an unknown host name.
fn spelled(url: &Url, plan: &Plan) -> Vec<(ProbeId, ProbeRequest)> {
    let path = url.path();
    let spellings = Spelling::all().filter_map(|it| Some((it, respelled(it, path)?)));
    let mut asks: Vec<_> = spellings
        .filter_map(|(it, path)| {
            Some((ProbeId::Spelled(it), plan.by_visitor(url.with_target(&path).ok()?)))
        })
        .collect();
    let nobody = HeaderValue::from_str(&format!("{}.invalid", plan.nonce)).ok();
    asks.extend(nobody.map(|name| {
        let mut ask = plan.by_visitor(url.clone());
        ask.headers.retain(|(name, _)| *name != header::HOST);
        ask.headers.push((header::HOST, name));
        (ProbeId::TargetOtherHost, ask)
    }));
    asks
}

/// A path that some servers treat as equal to this one, and others do not.
fn respelled(spelling: Spelling, path: &str) -> Option<String> {
    let inner = path.strip_prefix('/')?;
    let first = inner.chars().next().filter(char::is_ascii_alphanumeric)?;
    Some(match spelling {
        Spelling::TwoSlashes => format!("//{inner}"),
        Spelling::Letter => format!("/%{:02x}{}", u32::from(first), &inner[1..]),
        Spelling::Dots => format!("/sendfile-check/%2e%2e/{inner}"),
        Spelling::Semicolon => format!("/sendfile-check/..;/{inner}"),
        Spelling::Case => {
            let (prefix, rest) = inner.split_once('/')?;
            let other = match prefix.chars().any(|it| it.is_ascii_lowercase()) {
                true => prefix.to_ascii_uppercase(),
                false => prefix.to_ascii_lowercase(),
            };
            (other != prefix).then(|| format!("/{other}/{rest}"))?
        }
        Spelling::LastDot => format!("{path}."),
        Spelling::Slash => format!("/{}", inner.replacen('/', "%2f", 1)),
    })
}

/// The target with the fixture's address in place of a server's within the path, as in
/// `/fetch/http/10.0.0.7:9000/bucket/a.bin`: no other host is contacted.
fn relayed(plan: &Plan, url: &Url) -> Option<Url> {
    let fixture = plan.fixture.as_ref().filter(|it| it.unix_socket.is_none())?;
    let authority = fixture.url.uri().authority()?;
    let segments: Vec<&str> = url.path().split('/').collect();
    let (last, folders) = segments.split_last()?;
    let scheme = |it: &str| matches!(it.trim_end_matches(':'), "http" | "https");
    let server = folders.iter().enumerate().position(|(n, it)| {
        let port = it
            .split_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        let behind_scheme = folders[..n].iter().rev().find(|it| !it.is_empty());
        port || !it.is_empty() && behind_scheme.is_some_and(|it| scheme(it))
    })?;
    let before = folders[..server].join("/");
    (!last.is_empty())
        .then(|| url.with_target(&format!("{before}/{authority}{}/astray", fixture.url.path())))?
        .ok()
}

/// The file in the storage directory, under the URL at which sites usually publish it:
/// `/media/a.bin` for `/srv/media/a.bin`.
///
/// An app may serve that path itself to authorised clients. Only an anonymous request is proof, and
/// only if the download is not anonymous.
fn public(plan: &Plan) -> Option<Url> {
    if plan.fixture.is_none() && plan.expectations.full_headers.is_empty() {
        return None;
    }
    let StoragePlan::Read(StorageAt::File(path)) = &plan.storage else { return None };
    let key = plan.dummy.as_ref().and_then(|it| it.key.as_deref());
    let root = match key {
        Some(key) => path.strip_suffix(key)?.trim_end_matches('/'),
        None => path.rsplit_once('/')?.0,
    };
    let folder = root.rsplit('/').next().filter(|it| !it.is_empty())?;
    let below = path.strip_prefix(root)?;
    let url = plan.full.url.with_target(&format!("/{}{}", encoded(folder), encoded(below))).ok()?;
    let own = dialect::decoded(url.path()) == dialect::decoded(plan.full.url.path());
    (!own && !declared(plan, &url)).then_some(url)
}

/// A path that leaves the direct location: `/direct../healthcheck/a.bin`, which an alias in a
/// location without a trailing slash maps to a sibling directory.
fn up(plan: &Plan) -> Option<Url> {
    let direct = &plan.direct.as_ref().ok()?.url;
    let StoragePlan::Read(StorageAt::File(path)) = &plan.storage else { return None };
    let folder = path.rsplit('/').nth(1).filter(|it| !it.is_empty())?;
    let (location, name) = direct.path().rsplit_once('/')?;
    let target = format!("{location}../{}/{name}", encoded(folder));
    (!location.is_empty()).then(|| direct.with_target(&target).ok())?
}

/// A client that chooses the hand-off itself. Its value has a distinct mark, and the request has
/// its own nonce in the fixture's request log.
fn spoofed(plan: &Plan) -> Vec<(ProbeId, ProbeRequest)> {
    let nonce = spoofing_nonce(plan);
    let mark = format!("/sendfile-check-{}", plan.nonce);
    let values = ["X-Accel-Redirect".to_owned(), format!("/={mark}/"), mark.clone(), mark];
    let chosen = SPOOFED.into_iter().zip(values);
    let chosen: Vec<_> = chosen
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?)))
        .collect();
    let others = |ask: &ProbeRequest| {
        let kept = ask.headers.iter().filter(|(name, _)| !SPOOFED.contains(name)).cloned();
        kept.chain(chosen.iter().cloned()).collect::<Vec<_>>()
    };
    let full = &plan.full;
    let own = format!("{PARAMETER}={}", plan.nonce);
    let target = full.url.uri().path_and_query().map_or("/", |it| it.as_str());
    let url = full.url.with_target(&target.replace(&own, &format!("{PARAMETER}={nonce}")));
    let journalled = HeaderValue::from_str(&nonce).ok().map(|it| (NONCE, it));
    let site = url.ok().map(|url| {
        let headers = others(full).into_iter().chain(journalled).collect();
        (ProbeId::Spoofed, ProbeRequest { url, headers, ..full.clone() })
    });
    let app = plan.app.clone().ok().map(|app| {
        let headers = others(&app);
        (ProbeId::AppSpoofed, ProbeRequest { headers, ..app })
    });
    site.into_iter().chain(app).collect()
}

const NONCE: HeaderName = HeaderName::from_static("x-sendfile-check");

/// The nonce of the client that chooses the hand-off, in the fixture's request log.
pub(crate) fn spoofing_nonce(plan: &Plan) -> String {
    format!("{}-spoofed", plan.nonce)
}

/// The headers that the proxy sends to the app for an anonymous client: those that no client
/// provides.
fn stranger_to_app(plan: &Plan) -> Vec<(HeaderName, http::HeaderValue)> {
    let visitor =
        |name: &HeaderName| plan.expectations.full_headers.iter().any(|(it, _)| it == name);
    plan.expectations.app_headers.iter().filter(|(name, _)| !visitor(name)).cloned().collect()
}

/// The hand-off URI on another origin, if the hand-off contains a URI at all.
pub(super) fn target(plan: &Plan, evidence: &Evidence, origin: &Url) -> Option<Url> {
    let intended =
        plan.expectations.intent.header.as_deref().zip(plan.expectations.intent.value.as_deref());
    let sent = evidence
        .app
        .response()
        .and_then(|it| dialect::handoff_of(it, plan.expectations.intent.header.as_deref()));
    let (name, value) = intended.or(sent)?;
    let names_uri = dialect::header_named(name).is_none_or(|it| it.names == ValueKind::Uri);
    let url = (names_uri && value.starts_with('/'))
        .then(|| origin.with_target(&as_target(value)))?
        .ok()?;
    (!declared(plan, &url)).then_some(url)
}

/// Whether a URL belongs to the direct location, which is declared public.
fn declared(plan: &Plan, url: &Url) -> bool {
    let same = |it: &ProbeRequest| it.url.path() == url.path() && it.url.origin() == url.origin();
    plan.direct.as_ref().is_ok_and(same)
}

/// A hand-off's value as a request target: characters that a request line cannot contain are
/// encoded, and nothing is encoded twice.
fn as_target(value: &str) -> String {
    let mut target = String::new();
    for (n, part) in value.split('%').enumerate() {
        if n > 0 {
            let escape =
                part.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
            target.push_str(if escape { "%" } else { "%25" });
        }
        target.extend(utf8_percent_encode(part, UNSAFE));
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(as_target("/p/a b%20c%.pdf#1"), "/p/a%20b%20c%25.pdf%231");
        assert_eq!(as_target("/p/ü?x=1&y=%2F"), "/p/%C3%BC?x=1&y=%2F");
    }

    #[test]
    fn spellings() {
        let all = |path| Spelling::all().filter_map(|it| respelled(it, path)).collect::<Vec<_>>();
        let expected = [
            "//p/a.bin",
            "/%70/a.bin",
            "/sendfile-check/%2e%2e/p/a.bin",
            "/sendfile-check/..;/p/a.bin",
            "/P/a.bin",
            "/p/a.bin.",
            "/p%2fa.bin",
        ];
        assert_eq!(all("/p/a.bin"), expected);
        assert!(all("/").is_empty());
    }
}
