//! The range requests, by name.

use strum::VariantArray;

/// A range request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
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
    /// A range, requested on condition that the file's own ETag still matches.
    IfSame,
    /// A range, requested on condition that another ETag matches, which is never the case.
    IfOther,
}

impl Part {
    /// All range requests, in the order in which they are sent.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }
}
