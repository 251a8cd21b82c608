//! The odd names that a fixture's dummies can have: each is lost in another way between an app and
//! its proxy.

/// The probes' names behind `name-`, and what is odd about the file's name.
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
    ("nfc", "an `é` of one character"),
    ("nfd", "an `é` of two characters"),
    ("dot", "a dot at its beginning"),
    ("deep", "seven folders above it"),
    ("long", "200 bytes"),
];

/// What is odd about a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OddName(&'static (&'static str, &'static str));

impl OddName {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ODD_NAMES.iter().map(Self)
    }

    /// The one that a probe's name stands for.
    pub fn named(id: &str) -> Option<Self> {
        Self::all().find(|it| it.id() == id)
    }

    /// Its name in that of the probe.
    pub fn id(self) -> &'static str {
        self.0.0
    }

    /// What is odd, for people.
    pub fn what(self) -> &'static str {
        self.0.1
    }
}
