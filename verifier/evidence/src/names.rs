//! The odd file names that a fixture's dummies can have: each is mangled in a different way between
//! an app and its proxy.

/// The suffixes of the probes' names after `name-`, and what is odd about the file name.
const ODD_NAMES: [(&str, &str); 14] = [
    ("space", "a space"),
    ("percent", "a percent sign"),
    ("escape", "a literal `%20`"),
    ("question", "a question mark"),
    ("hash", "a hash sign"),
    ("plus", "a plus sign"),
    ("semicolon", "a semicolon"),
    ("ampersand", "`&` and `=`"),
    ("quotes", "quotes"),
    ("nfc", "an `é` as one code point"),
    ("nfd", "an `é` as two code points"),
    ("dot", "a leading dot"),
    ("deep", "seven parent directories"),
    ("long", "a length of 200 bytes"),
];

/// What is odd about a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddName(&'static (&'static str, &'static str));

impl OddName {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ODD_NAMES.iter().map(Self)
    }

    /// The one with this suffix in a probe's name.
    pub fn named(id: &str) -> Option<Self> {
        Self::all().find(|it| it.id() == id)
    }

    /// Its suffix in the probe's name.
    pub fn id(self) -> &'static str {
        self.0.0
    }

    /// What is odd, as a text.
    pub fn what(self) -> &'static str {
        self.0.1
    }
}
