//! The requests for parts of a file, by name.

use super::ProbeId;

/// A request for a part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A part from the middle.
    Middle,
    /// The last bytes.
    Suffix,
    /// All from a byte on.
    Open,
    /// A part behind the end.
    Beyond,
    /// Two parts at once.
    Several,
    /// A part, if the file is still the one of its ETag.
    IfSame,
    /// A part, if the file is still one that it never was.
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
    /// All of them, in the order in which they are asked.
    pub fn all() -> impl Iterator<Item = Self> {
        PARTS.into_iter().map(|(part, _)| part)
    }

    /// The probe by which the site is asked for it.
    pub fn of_site(self) -> ProbeId {
        PARTS.iter().find(|(part, _)| *part == self).map_or(ProbeId::Range, |(_, id)| *id)
    }

    /// The part that a probe of the site asks for.
    pub fn asked_by(id: ProbeId) -> Option<Self> {
        PARTS.iter().find(|(_, of_site)| *of_site == id).map(|(part, _)| *part)
    }
}
