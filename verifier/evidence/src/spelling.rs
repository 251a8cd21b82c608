//! Other spellings of a path, which some servers treat as equal and others do not.

/// How a path is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

const SPELLINGS: [(Spelling, &str); 7] = [
    (Spelling::TwoSlashes, "two-slashes"),
    (Spelling::Letter, "letter"),
    (Spelling::Dots, "dots"),
    (Spelling::Semicolon, "semicolon"),
    (Spelling::Case, "case"),
    (Spelling::LastDot, "last-dot"),
    (Spelling::Slash, "slash"),
];

impl Spelling {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        SPELLINGS.iter().map(|(it, _)| *it)
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        SPELLINGS.iter().find(|(_, it)| *it == name).map(|(it, _)| *it)
    }

    /// Its name within the probe's name.
    pub fn name(self) -> &'static str {
        SPELLINGS.iter().find(|(it, _)| *it == self).map_or("?", |(_, name)| name)
    }
}
