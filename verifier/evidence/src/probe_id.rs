//! The further probes by name.

use std::fmt;

use super::{OddName, Part, Spelling};

/// The further probes; the numbers count from 1 where several of a kind can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeId {
    /// The hand-off's URI asked by a visitor: an internal location refuses.
    TargetOutside,
    /// The same with OPTIONS: only a location that is not internal looks at the method.
    TargetOptions,
    /// A neighbour of the hand-off's URI, without an ending: a rule for endings does not take it.
    TargetBare,
    /// The hand-off's URI asked at the app: what the visitor sees if a hand-off falls through.
    AppTarget,
    /// A neighbour of the download's URL that surely does not exist, asked at the site.
    Neighbour,
    /// The same neighbour asked at the app.
    AppNeighbour,
    /// A path at the root of the site that surely does not exist.
    Elsewhere,
    /// The same path asked at the app.
    AppElsewhere,
    /// The app without the headers that the proxy is meant to send.
    AppBare,
    /// The app, told to hand over by the request headers of Rack, Symfony and their kin.
    AppEngaged,
    /// The app as a visitor without rights asks it.
    AppAnonymous,
    /// The site as a visitor without rights.
    Anonymous,
    /// The site without the visitor's Authorization header.
    WithoutAuthorization,
    /// The site with a fresh query, past any cache.
    FreshQuery,
    /// The fixture's download without the query that makes it fresh, as visitors ask for it.
    WithoutQuery,
    /// The very same request once more.
    Again,
    /// The site under a name that it surely does not have.
    OtherHost,
    /// The download over HTTP/2, where the site speaks it.
    Http2,
    /// The site with GET, where the download uses another method.
    FullGet,
    /// The fixture's probe that answers with a body of its own and no hand-off.
    Plain,
    /// The fixture's probe that hands over to the direct location.
    DirectUri,
    /// The fixture's probe with a second slash behind the map.
    DoubleSlash,
    /// The fixture's probe for a dummy without an ending.
    NoExtension,
    /// The fixture's probe for a file that is surely not there.
    Missing,
    /// The fixture's probe for a prefix that surely has no location.
    Nowhere,
    /// The fixture's probe for a file with an odd name.
    Name(OddName),
    /// The fixture's probe for a dummy of type text/html, asked as a browser does.
    Html,
    /// The fixture's probe for a dummy without bytes, if it is another than the download.
    Empty,
    /// A part from the middle of the download.
    Range,
    /// Its last bytes.
    RangeSuffix,
    /// All from a byte on.
    RangeOpen,
    /// A part behind its end.
    RangeBeyond,
    /// Two parts at once.
    RangeSeveral,
    /// A part, if the file is still the one of its ETag.
    RangeIfSame,
    /// A part, if the file is still one that it never was.
    RangeIfOther,
    /// The download, if it is another than the one that came.
    NotModified,
    /// The download, if it is another than one that it never was.
    OtherEtag,
    /// The download, if it changed since long ago.
    ModifiedSince,
    /// The head of the download alone.
    Head,
    /// The same at the app.
    AppHead,
    /// The download, as a browser asks that accepts gzip.
    Gzip,
    /// The hand-off's URI in another spelling, asked by a visitor.
    Spelled(Spelling),
    /// The hand-off's URI at whatever server answers for a name that nobody has.
    TargetOtherHost,
    /// The file in the storage's folder, as sites publish one.
    StoragePublic,
    /// The direct location, left for the folder above it.
    DirectUp,
    /// The fixture's probe that leaves the storage and comes back.
    Parent,
    /// The fixture's probe whose link leads away from the store.
    Relay,
    /// The hand-off's URI with the fixture's address in the place of the store's, asked by a visitor.
    RelayOutside,
    /// The fixture's page that refuses.
    Denied,
    /// The download, for a visitor who sends the headers that choose a hand-off.
    Spoofed,
    /// The same at the app.
    AppSpoofed,
    /// The direct location, with the signature of the app's hand-off.
    DirectAsApp,
    /// The store itself, with the signature of the app's hand-off; of that for HEAD, where HEAD fails.
    StoreAsApp,
    /// The same with HEAD.
    StoreAsAppHead,
    /// The direct location, for a part of the file.
    DirectRange,
    /// The store itself, for a part of the file.
    AtStore(Part),
    /// An inner proxy.
    Inner(u8),
    /// A URL that must not give the dummy.
    Refused(u8),
}

impl ProbeId {
    /// Whether it asks for the download once more, in another way, and should get it.
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

    /// Whether a visitor could ask so: at the site, not at the app or behind the front.
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
