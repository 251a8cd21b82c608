//! The checks beyond the four layers: right bytes can still be open to everybody, without ranges, or
//! under a wrong name. Each check has rules that are its own.
//!
//! Knows their names only: `plan` says what each one asks, `diagnosis` what the answers come to.

use std::fmt;

/// A check beyond the four layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nobody gets the file without the app.
    Exposure,
    /// A visitor without rights is refused.
    Refusal,
    /// A visitor cannot choose the hand-off.
    Spoofing,
    /// Nobody keeps a content that the file had before.
    Freshness,
    /// The bytes come from the proxy, not through the app.
    HandoffUsed,
    /// The headers that must survive do.
    Headers,
    /// Nothing of the hand-off, and no path of the server, reaches the visitor.
    Leak,
    /// Nothing follows the announced end, and only one end is announced.
    Wire,
    /// Any part of the file can be had.
    Ranges,
    /// What a visitor has already is not sent again, and only that is not.
    Conditions,
    /// HEAD tells of the file what GET does.
    Head,
    /// What browsers get, who accept compression, is the file too.
    Encoding,
    /// Files with odd names arrive too.
    Names,
    /// The site's certificate stays good for a while.
    Tls,
    /// HTTP/2 gives what HTTP/1.1 does.
    Protocol,
}

/// What a check is called, and what it asks.
struct Row {
    check: Check,
    name: &'static str,
    question: &'static str,
}

const CHECKS: [Row; 15] = [
    Row {
        check: Check::Exposure,
        name: "exposure",
        question: "nobody gets the file without the app",
    },
    Row { check: Check::Refusal, name: "refusal", question: "a visitor without rights is refused" },
    Row {
        check: Check::Spoofing,
        name: "spoofing",
        question: "a visitor's own headers do not choose the hand-off",
    },
    Row {
        check: Check::Freshness,
        name: "freshness",
        question: "what comes is what the file holds now, not what it held before",
    },
    Row {
        check: Check::HandoffUsed,
        name: "handoff-used",
        question: "the bytes come from the proxy, not through the app",
    },
    Row {
        check: Check::Headers,
        name: "headers",
        question: "the headers that must survive do, once",
    },
    Row {
        check: Check::Leak,
        name: "leak",
        question: "no hand-off header, no link to a store and no path of the server reaches the visitor",
    },
    Row {
        check: Check::Wire,
        name: "wire",
        question: "the answer has one end, and nothing follows it",
    },
    Row {
        check: Check::Ranges,
        name: "ranges",
        question: "any part of the file can be had, and is right",
    },
    Row {
        check: Check::Conditions,
        name: "conditions",
        question: "who has the file is told so, and nobody else is",
    },
    Row { check: Check::Head, name: "head", question: "HEAD tells of the file what GET does" },
    Row {
        check: Check::Encoding,
        name: "encoding",
        question: "browsers, which accept compression, get the file too; HTML files come unchanged",
    },
    Row { check: Check::Names, name: "names", question: "files with odd names arrive too" },
    Row {
        check: Check::Tls,
        name: "tls",
        question: "the site's certificate stays good for more than --cert-days",
    },
    Row { check: Check::Protocol, name: "protocol", question: "HTTP/2 gives what HTTP/1.1 does" },
];

impl Check {
    /// All of them, in the order in which they are told.
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKS.iter().map(|it| it.check)
    }

    /// What it asks, in a line.
    pub fn question(self) -> &'static str {
        self.row().question
    }

    fn row(self) -> &'static Row {
        // Each variant has its row: `every_check_has_its_row` sees to it.
        CHECKS.iter().find(|it| it.check == self).unwrap_or(&CHECKS[0])
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().name)
    }
}

impl std::str::FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let row = CHECKS.iter().find(|it| it.name == text);
        row.map(|it| it.check).ok_or_else(|| format!("unknown check `{text}`"))
    }
}
