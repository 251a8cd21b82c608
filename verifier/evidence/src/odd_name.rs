//! The odd names of the fixture's dummies. Each kind of name may be altered in a different way
//! between an app and its proxy.

use std::fmt;

use strum::{EnumCount, EnumString, IntoStaticStr};

/// What is odd about a file's name. A kind is parsed from its id and displayed in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumCount, EnumString, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum OddName {
    /// `a b`
    Space,
    /// `a%b`
    Percent,
    /// `a%20b`
    Escape,
    /// `a?b`
    Question,
    /// `a#b`
    Hash,
    /// `a+b`
    Plus,
    /// `a;b`
    Semicolon,
    /// `a&b=c`
    Ampersand,
    /// `a"b'c`
    Quotes,
    /// `é` as one character
    Nfc,
    /// `é` as two characters
    Nfd,
    /// `.a`
    Dot,
    /// A file below seven directories
    Deep,
    /// 200 bytes
    Long,
}

impl OddName {
    /// All kinds.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Space,
        Self::Percent,
        Self::Escape,
        Self::Question,
        Self::Hash,
        Self::Plus,
        Self::Semicolon,
        Self::Ampersand,
        Self::Quotes,
        Self::Nfc,
        Self::Nfd,
        Self::Dot,
        Self::Deep,
        Self::Long,
    ];

    /// The id, which follows `name-` in the id of the probe.
    pub fn id(self) -> &'static str {
        self.into()
    }
}

/// What is odd about the name, in words.
impl fmt::Display for OddName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Space => "a space",
            Self::Percent => "a percent sign",
            Self::Escape => "a literal `%20`",
            Self::Question => "a question mark",
            Self::Hash => "a hash sign",
            Self::Plus => "a plus sign",
            Self::Semicolon => "a semicolon",
            Self::Ampersand => "`&` and `=`",
            Self::Quotes => "quotes",
            Self::Nfc => "an `é` as one code point",
            Self::Nfd => "an `é` as two code points",
            Self::Dot => "a leading dot",
            Self::Deep => "seven parent directories",
            Self::Long => "a length of 200 bytes",
        })
    }
}
