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
    /// A range, if the ETag still matches.
    IfSame,
    /// A range, if another ETag matches, which it never does.
    IfOther,
}

impl Part {
    /// All of them, in the order in which they are requested.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }
}
