//! The ids of the further probes.

use std::{fmt, str::FromStr};

use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use crate::{as_text::saved_as_text, odd_name::OddName, part::Part, spelling::Spelling};

/// The further probes. Numbers count from 1 where there can be several of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum ProbeId {
    /// The hand-off URI, requested by a client: an internal location refuses it.
    TargetOutside,
    /// The hand-off URI, requested by a client with OPTIONS: only a location that is not internal
    /// evaluates the method.
    TargetOptions,
    /// A sibling of the hand-off URI without a file extension: a rule for extensions does not match
    /// it.
    TargetBare,
    /// The hand-off URI, requested from the app. The response shows what clients get if a hand-off
    /// falls through.
    AppTarget,
    /// A sibling of the download URL that surely does not exist, requested from the site.
    Neighbour,
    /// The same sibling, requested from the app.
    AppNeighbour,
    /// A path at the root of the site that surely does not exist.
    Elsewhere,
    /// The same path at the root, requested from the app.
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
    #[strum(disabled)]
    Name(OddName),
    /// The fixture's probe for a dummy of type text/html, requested as a browser does.
    Html,
    /// The fixture's probe for the empty dummy, if it is not the download.
    Empty,
    /// A range from the middle of the download.
    Range,
    /// The last bytes of the download.
    RangeSuffix,
    /// Everything from an offset of the download on.
    RangeOpen,
    /// A range beyond the end of the download.
    RangeBeyond,
    /// Two ranges of the download at once.
    RangeSeveral,
    /// A range, requested on condition that the download's own ETag still matches.
    RangeIfSame,
    /// A range, requested on condition that another ETag matches, which is never the case.
    RangeIfOther,
    /// The download, requested on condition that it no longer has the ETag received before.
    NotModified,
    /// The download, requested on condition that it does not have an ETag that it never had.
    OtherEtag,
    /// The download, requested on condition that it was modified since a date long ago.
    ModifiedSince,
    /// The download with HEAD.
    Head,
    /// The download with HEAD, requested from the app.
    AppHead,
    /// The download, requested as by a browser that accepts gzip.
    Gzip,
    /// The hand-off URI in another spelling, requested by a client.
    #[strum(disabled)]
    Spelled(Spelling),
    /// The hand-off URI, requested from whichever server handles an unknown host name.
    TargetOtherHost,
    /// The file in the storage directory, under the URL at which sites usually publish it.
    StoragePublic,
    /// The direct location, with a path that leaves it for its parent directory.
    DirectUp,
    /// The fixture's probe whose path leaves the storage and returns to it.
    Parent,
    /// The fixture's probe whose link points to another host than the store's.
    Relay,
    /// The hand-off URI with the fixture's address instead of the store's, requested by a client.
    RelayOutside,
    /// The fixture's page that refuses access.
    Denied,
    /// The download, requested by a client that sends the headers which choose a hand-off.
    Spoofed,
    /// The download, requested from the app by a client that sends the headers which choose a
    /// hand-off.
    AppSpoofed,
    /// The direct location, with the signature of the app's hand-off.
    DirectAsApp,
    /// The store itself, with the signature of the app's hand-off. If HEAD fails, the signature is
    /// that for HEAD.
    StoreAsApp,
    /// The store itself, requested with HEAD and the signature of the app's hand-off.
    StoreAsAppHead,
    /// A range from the direct location.
    DirectRange,
    /// A range from the store itself.
    #[strum(disabled)]
    AtStore(Part),
    /// An inner proxy.
    #[strum(disabled)]
    Inner(u8),
    /// A URL that must not return the dummy.
    #[strum(disabled)]
    Refused(u8),
}

saved_as_text!(ProbeId);

impl ProbeId {
    /// Whether the probe repeats the download in another way and should succeed.
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

    /// Whether any client could send the probe: to the site, not to the app or an inner proxy.
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
        match self {
            Self::Spelled(spelling) => write!(f, "target-{spelling}"),
            Self::Name(name) => write!(f, "name-{}", name.id()),
            Self::AtStore(part) => write!(f, "store-{}", part.of_site()),
            Self::Inner(number) => write!(f, "inner-{number}"),
            Self::Refused(number) => write!(f, "refused-{number}"),
            without_parameter => f.write_str(without_parameter.into()),
        }
    }
}

impl FromStr for ProbeId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the probes without a parameter: the iterator omits the others.
        for probe in Self::iter() {
            if text == <&str>::from(probe) {
                return Ok(probe);
            }
        }
        with_parameter(text).ok_or_else(|| format!("unknown probe `{text}`"))
    }
}

fn with_parameter(text: &str) -> Option<ProbeId> {
    let (kind, parameter) = text.split_once('-')?;
    match kind {
        "target" => Some(ProbeId::Spelled(parameter.parse().ok()?)),
        "name" => Some(ProbeId::Name(parameter.parse().ok()?)),
        "store" => Some(ProbeId::AtStore(part_named(parameter)?)),
        "inner" => Some(ProbeId::Inner(parameter.parse().ok()?)),
        "refused" => Some(ProbeId::Refused(parameter.parse().ok()?)),
        _ => None,
    }
}

/// The range that the site's probe with this name requests.
fn part_named(name: &str) -> Option<Part> {
    Part::all().find(|part| <&str>::from(part.of_site()) == name)
}

impl Part {
    /// The probe that requests this range from the site.
    pub fn of_site(self) -> ProbeId {
        match self {
            Self::Middle => ProbeId::Range,
            Self::Suffix => ProbeId::RangeSuffix,
            Self::Open => ProbeId::RangeOpen,
            Self::Beyond => ProbeId::RangeBeyond,
            Self::Several => ProbeId::RangeSeveral,
            Self::IfSame => ProbeId::RangeIfSame,
            Self::IfOther => ProbeId::RangeIfOther,
        }
    }
}
