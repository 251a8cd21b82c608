//! Other spellings of a path, which some servers treat as equal and others do not.

use strum::{Display, EnumString, VariantArray};

/// How a path is spelled. The text form is part of the probe's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Spelling {
    /// `//p/a`
    TwoSlashes,
    /// `/%70/a`
    Letter,
    /// `/x/%2e%2e/p/a`
    Dots,
    /// `/x/..;/p/a`, which Java servers normalise like `..`
    Semicolon,
    /// `/P/a`
    Case,
    /// `/p/a.`
    LastDot,
    /// `/p%2fa`
    Slash,
}

impl Spelling {
    /// All spellings.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }
}
