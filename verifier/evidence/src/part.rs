//! The range requests, by name.

use super::ProbeId;

/// A range request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A range from the middle.
    Middle,
    /// The last bytes.
    Suffix,
    /// Everything from an offset on.
    Open,
    /// A range beyond the end.
    Beyond,
    /// Two ranges at once.
    Several,
    /// A range, if the ETag still matches.
    IfSame,
    /// A range, if another ETag matches, which it never does.
    IfOther,
}

const PARTS: [(Part, ProbeId); 7] = [
    (Part::Middle, ProbeId::Range),
    (Part::Suffix, ProbeId::RangeSuffix),
    (Part::Open, ProbeId::RangeOpen),
    (Part::Beyond, ProbeId::RangeBeyond),
    (Part::Several, ProbeId::RangeSeveral),
    (Part::IfSame, ProbeId::RangeIfSame),
    (Part::IfOther, ProbeId::RangeIfOther),
];

impl Part {
    /// All of them, in the order in which they are requested.
    pub fn all() -> impl Iterator<Item = Self> {
        PARTS.into_iter().map(|(part, _)| part)
    }

    /// The probe that requests it from the site.
    pub fn of_site(self) -> ProbeId {
        PARTS.iter().find(|(part, _)| *part == self).map_or(ProbeId::Range, |(_, id)| *id)
    }

    /// The range that a probe of the site requests.
    pub fn asked_by(id: ProbeId) -> Option<Self> {
        PARTS.iter().find(|(_, of_site)| *of_site == id).map(|(part, _)| *part)
    }
}
