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

/// What a check is called, what it asks, and the rules that are its own.
struct Row {
    check: Check,
    name: &'static str,
    question: &'static str,
    rules: &'static [&'static str],
}

const CHECKS: [Row; 15] = [
    Row {
        check: Check::Exposure,
        name: "exposure",
        question: "nobody gets the file without the app",
        rules: &[
            "handoff.not-internal",
            "proxy.storage-public",
            "proxy.alias-traversal",
            "handoff.alias-traversal",
            "handoff.open-relay",
            "handoff.relay-for-anybody",
        ],
    },
    Row {
        check: Check::Refusal,
        name: "refusal",
        question: "a visitor without rights is refused",
        rules: &[
            "app.open-to-anybody",
            "frontend.cached-private",
            "handoff.refusal-ignored",
            "frontend.refusal-masked",
        ],
    },
    Row {
        check: Check::Spoofing,
        name: "spoofing",
        question: "a visitor's own headers do not choose the hand-off",
        rules: &["frontend.visitor-chooses", "frontend.spoofable"],
    },
    Row {
        check: Check::Freshness,
        name: "freshness",
        question: "what comes is what the file holds now, not what it held before",
        rules: &[
            "frontend.cached-stale",
            "handoff.target-stale",
            "handoff.stale-for-browsers",
            "proxy.keeps-old-file",
        ],
    },
    Row {
        check: Check::HandoffUsed,
        name: "handoff-used",
        question: "the bytes come from the proxy, not through the app",
        rules: &["handoff.not-engaged", "app.setting-unknown", "app.length-without-body"],
    },
    Row {
        check: Check::Headers,
        name: "headers",
        question: "the headers that must survive do, once",
        rules: &[
            "app.wrong-content-type",
            "app.wrong-header",
            "app.duplicate-header",
            "app.wrong-content-encoding",
            "handoff.wrong-content-encoding",
            "handoff.headers-dropped",
            "handoff.headers-doubled",
            "handoff.cookie-dropped",
        ],
    },
    Row {
        check: Check::Leak,
        name: "leak",
        question: "no hand-off header, no link to a store and no path of the server reaches the visitor",
        rules: &["handoff.path-leaks", "handoff.link-leaks", "handoff.header-leaks"],
    },
    Row {
        check: Check::Wire,
        name: "wire",
        question: "the answer has one end, and nothing follows it",
        rules: &[
            "app.body-beside-handoff",
            "app.contradictory-lengths",
            "frontend.contradictory-lengths",
        ],
    },
    Row {
        check: Check::Ranges,
        name: "ranges",
        question: "any part of the file can be had, and is right",
        rules: &[
            "handoff.ranges-lost",
            "handoff.no-ranges",
            "handoff.wrong-range",
            "storage.wrong-range",
            "storage.range-unknown",
        ],
    },
    Row {
        check: Check::Conditions,
        name: "conditions",
        question: "who has the file is told so, and nobody else is",
        rules: &[
            "handoff.etag-of-another-file",
            "handoff.etag-constant",
            "handoff.conditions-ignored",
        ],
    },
    Row {
        check: Check::Head,
        name: "head",
        question: "HEAD tells of the file what GET does",
        rules: &[
            "handoff.head-has-body",
            "handoff.head-differs",
            "app.head-refused",
            "app.signed-for-other-method",
        ],
    },
    Row {
        check: Check::Encoding,
        name: "encoding",
        question: "browsers, which accept compression, get the file too; HTML files come unchanged",
        rules: &[
            "handoff.bytes-differ-for-browsers",
            "handoff.html-changed",
            "handoff.compressed-binary",
        ],
    },
    Row {
        check: Check::Names,
        name: "names",
        question: "files with odd names arrive too",
        rules: &["handoff.name-not-served", "handoff.name-limits"],
    },
    Row {
        check: Check::Tls,
        name: "tls",
        question: "the site's certificate stays good for more than --cert-days",
        rules: &["frontend.certificate-ends-soon"],
    },
    Row {
        check: Check::Protocol,
        name: "protocol",
        question: "HTTP/2 gives what HTTP/1.1 does",
        rules: &["frontend.protocols-differ", "app.length-breaks-http2"],
    },
];

impl Check {
    /// All of them, in the order in which they are told.
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKS.iter().map(|it| it.check)
    }

    /// The ids of its own rules: if one of them matches, the check fails.
    pub fn rules(self) -> &'static [&'static str] {
        self.row().rules
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

/// Which rules are tried.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only these, if there are any.
    pub only: Vec<String>,
    /// None of these.
    pub skip: Vec<String>,
}

impl Choice {
    /// Whether the rule of this id is tried.
    pub fn tries(&self, rule: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|id| id == rule);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }

    /// Whether any rule of a check is tried; if none is, nobody needs its probes.
    pub fn wants(&self, check: Check) -> bool {
        check.rules().iter().any(|id| self.tries(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::rule;

    #[test]
    fn every_check_has_its_row() {
        for (n, row) in CHECKS.iter().enumerate() {
            assert_eq!(row.check as usize, n, "in the order of the variants");
            assert_eq!(row.name.parse(), Ok(row.check));
            let unknown: Vec<_> = row.rules.iter().filter(|id| rule(id).is_none()).collect();
            assert!(unknown.is_empty() && !row.rules.is_empty(), "{}: {unknown:?}", row.name);
        }
    }

    #[test]
    fn a_check_whose_rules_are_all_left_out_is_not_wanted() {
        let skip = Check::Ranges.rules().iter().map(|it| (*it).to_owned()).collect();
        let choice = Choice { skip, ..Choice::default() };
        assert!(!choice.wants(Check::Ranges) && choice.wants(Check::Head));
        let only = Choice { only: vec!["handoff.no-ranges".to_owned()], ..Choice::default() };
        assert!(only.wants(Check::Ranges) && !only.wants(Check::Head));
    }
}
