//! The further probes by name.

use std::fmt;

use super::{OddName, Part, Spelling};

/// The further probes. Numbers count from 1 where there can be several of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeId {
    /// The hand-off URI, requested by a client: an internal location refuses it.
    TargetOutside,
    /// The same with OPTIONS: only a location that is not internal looks at the method.
    TargetOptions,
    /// A neighbour of the hand-off URI without a file extension: a rule for extensions does not
    /// match it.
    TargetBare,
    /// The hand-off URI, requested from the app: shows what clients get if a hand-off falls
    /// through.
    AppTarget,
    /// A neighbour of the download URL that surely does not exist, requested from the site.
    Neighbour,
    /// The same neighbour, requested from the app.
    AppNeighbour,
    /// A path at the root of the site that surely does not exist.
    Elsewhere,
    /// The same path, requested from the app.
    AppElsewhere,
    /// The app without the headers that the proxy should send.
    AppBare,
    /// The app with the request headers that enable the hand-off of Rack, Symfony and similar
    /// frameworks.
    AppEngaged,
    /// The app, requested by an anonymous client.
    AppAnonymous,
    /// The site, requested by an anonymous client.
    Anonymous,
    /// The site without the client's Authorization header.
    WithoutAuthorization,
    /// The site with a unique query, which bypasses any cache.
    FreshQuery,
    /// The fixture's download without the query that makes it unique, as clients request it.
    WithoutQuery,
    /// The identical request, repeated.
    Again,
    /// The site under a host name that it surely does not have.
    OtherHost,
    /// The download over HTTP/2, if the site supports it.
    Http2,
    /// The site with GET, if the download uses another method.
    FullGet,
    /// The fixture's probe that returns its own body and no hand-off.
    Plain,
    /// The fixture's probe whose hand-off points to the direct location.
    DirectUri,
    /// The fixture's probe with a second slash after the path prefix.
    DoubleSlash,
    /// The fixture's probe for a dummy without a file extension.
    NoExtension,
    /// The fixture's probe for a file that surely does not exist.
    Missing,
    /// The fixture's probe for a prefix that surely has no location.
    Nowhere,
    /// The fixture's probe for a file with an odd name.
    Name(OddName),
    /// The fixture's probe for a dummy of type text/html, requested as a browser does.
    Html,
    /// The fixture's probe for the empty dummy, if it is not the download.
    Empty,
    /// A range from the middle of the download.
    Range,
    /// Its last bytes.
    RangeSuffix,
    /// Everything from an offset on.
    RangeOpen,
    /// A range beyond its end.
    RangeBeyond,
    /// Two ranges at once.
    RangeSeveral,
    /// A range, if the ETag still matches.
    RangeIfSame,
    /// A range, if another ETag matches, which it never does.
    RangeIfOther,
    /// The download, unless it has the ETag already received.
    NotModified,
    /// The download, unless it has an ETag that it never had.
    OtherEtag,
    /// The download, if it was modified since a date long ago.
    ModifiedSince,
    /// The download with HEAD.
    Head,
    /// The same, requested from the app.
    AppHead,
    /// The download, requested as by a browser that accepts gzip.
    Gzip,
    /// The hand-off URI in another spelling, requested by a client.
    Spelled(Spelling),
    /// The hand-off URI, requested from whichever server handles an unknown host name.
    TargetOtherHost,
    /// The file in the storage directory, under the URL at which sites usually publish it.
    StoragePublic,
    /// The direct location, with a path that leaves it for its parent directory.
    DirectUp,
    /// The fixture's probe whose path leaves the storage and returns to it.
    Parent,
    /// The fixture's probe whose link points to another host than the store.
    Relay,
    /// The hand-off URI with the fixture's address instead of the store's, requested by a client.
    RelayOutside,
    /// The fixture's page that refuses access.
    Denied,
    /// The download, requested by a client that sends the headers which choose a hand-off.
    Spoofed,
    /// The same, requested from the app.
    AppSpoofed,
    /// The direct location, with the signature of the app's hand-off.
    DirectAsApp,
    /// The store itself, with the signature of the app's hand-off; with the one for HEAD if HEAD
    /// fails.
    StoreAsApp,
    /// The same with HEAD.
    StoreAsAppHead,
    /// A range from the direct location.
    DirectRange,
    /// A range from the store itself.
    AtStore(Part),
    /// An inner proxy.
    Inner(u8),
    /// A URL that must not return the dummy.
    Refused(u8),
}

impl ProbeId {
    /// Whether it repeats the download in another way and should succeed.
    pub fn repeats_download(self) -> bool {
        matches!(
            self,
            Self::Range
                | Self::RangeSuffix
                | Self::RangeOpen
                | Self::RangeSeveral
                | Self::RangeIfSame
                | Self::RangeIfOther
                | Self::NotModified
                | Self::OtherEtag
                | Self::ModifiedSince
                | Self::Head
                | Self::Gzip
                | Self::Http2
                | Self::Spoofed
                | Self::WithoutQuery
        )
    }

    /// Whether any client could send it: to the site, not to the app or an inner proxy.
    pub fn at_site(self) -> bool {
        !matches!(
            self,
            Self::AppTarget
                | Self::AppNeighbour
                | Self::AppElsewhere
                | Self::AppBare
                | Self::AppEngaged
                | Self::AppAnonymous
                | Self::AppHead
                | Self::AppSpoofed
                | Self::StoreAsApp
                | Self::StoreAsAppHead
                | Self::AtStore(_)
                | Self::Inner(_)
        )
    }
}

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Spelled(it) => return write!(f, "target-{}", it.name()),
            Self::Name(name) => return write!(f, "name-{}", name.id()),
            Self::AtStore(part) => return write!(f, "store-{}", part.of_site()),
            Self::Inner(n) => return write!(f, "inner-{n}"),
            Self::Refused(n) => return write!(f, "refused-{n}"),
            other => PROBE_NAMES.iter().find(|(id, _)| id == other).map_or("?", |(_, name)| name),
        };
        f.write_str(name)
    }
}

const PROBE_NAMES: [(ProbeId, &str); 53] = [
    (ProbeId::DirectAsApp, "direct-as-app"),
    (ProbeId::StoreAsApp, "store-as-app"),
    (ProbeId::StoreAsAppHead, "store-as-app-head"),
    (ProbeId::DirectRange, "direct-range"),
    (ProbeId::TargetOutside, "target-outside"),
    (ProbeId::TargetOptions, "target-options"),
    (ProbeId::TargetBare, "target-bare"),
    (ProbeId::AppTarget, "app-target"),
    (ProbeId::Neighbour, "neighbour"),
    (ProbeId::AppNeighbour, "app-neighbour"),
    (ProbeId::Elsewhere, "elsewhere"),
    (ProbeId::AppElsewhere, "app-elsewhere"),
    (ProbeId::AppBare, "app-bare"),
    (ProbeId::AppEngaged, "app-engaged"),
    (ProbeId::AppAnonymous, "app-anonymous"),
    (ProbeId::Anonymous, "anonymous"),
    (ProbeId::WithoutAuthorization, "without-authorization"),
    (ProbeId::FreshQuery, "fresh-query"),
    (ProbeId::WithoutQuery, "without-query"),
    (ProbeId::Again, "again"),
    (ProbeId::OtherHost, "other-host"),
    (ProbeId::Http2, "http2"),
    (ProbeId::FullGet, "full-get"),
    (ProbeId::Plain, "plain"),
    (ProbeId::DirectUri, "direct-uri"),
    (ProbeId::DoubleSlash, "double-slash"),
    (ProbeId::NoExtension, "no-extension"),
    (ProbeId::TargetOtherHost, "target-other-host"),
    (ProbeId::StoragePublic, "storage-public"),
    (ProbeId::DirectUp, "direct-up"),
    (ProbeId::Parent, "parent"),
    (ProbeId::Relay, "relay"),
    (ProbeId::RelayOutside, "relay-outside"),
    (ProbeId::Denied, "denied"),
    (ProbeId::Spoofed, "spoofed"),
    (ProbeId::AppSpoofed, "app-spoofed"),
    (ProbeId::Missing, "missing"),
    (ProbeId::Nowhere, "nowhere"),
    (ProbeId::Html, "html"),
    (ProbeId::Empty, "empty"),
    (ProbeId::Range, "range"),
    (ProbeId::RangeSuffix, "range-suffix"),
    (ProbeId::RangeOpen, "range-open"),
    (ProbeId::RangeBeyond, "range-beyond"),
    (ProbeId::RangeSeveral, "range-several"),
    (ProbeId::RangeIfSame, "range-if-same"),
    (ProbeId::RangeIfOther, "range-if-other"),
    (ProbeId::NotModified, "not-modified"),
    (ProbeId::OtherEtag, "other-etag"),
    (ProbeId::ModifiedSince, "modified-since"),
    (ProbeId::Head, "head"),
    (ProbeId::AppHead, "app-head"),
    (ProbeId::Gzip, "gzip"),
];

impl std::str::FromStr for ProbeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbered = |prefix: &str| text.strip_prefix(prefix).and_then(|n| n.parse().ok());
        if let Some(it) = text.strip_prefix("target-").and_then(Spelling::named) {
            return Ok(Self::Spelled(it));
        }
        if let Some(name) = text.strip_prefix("name-").and_then(OddName::named) {
            return Ok(Self::Name(name));
        }
        let part = text.strip_prefix("store-range").map(|it| format!("range{it}"));
        if let Some(part) = part.and_then(|it| Part::asked_by(it.parse().ok()?)) {
            return Ok(Self::AtStore(part));
        }
        if let Some(n) = numbered("inner-") {
            return Ok(Self::Inner(n));
        }
        if let Some(n) = numbered("refused-") {
            return Ok(Self::Refused(n));
        }
        PROBE_NAMES
            .iter()
            .find(|(_, name)| *name == text)
            .map(|(id, _)| *id)
            .ok_or_else(|| format!("unknown probe `{text}`"))
    }
}
