//! The checks beyond the four layers: a download with the expected content can still be public, lack
//! range support, or have the wrong file name. Each check has its own rules.
//!
//! Knows only their names: `plan` lists the requests of each check, `diagnosis` judges the responses.

use std::fmt;

/// A check beyond the four layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The file is not available without the app.
    Exposure,
    /// Clients without permission are refused.
    Refusal,
    /// Clients cannot choose the hand-off.
    Spoofing,
    /// No cache serves earlier content of the file.
    Freshness,
    /// The proxy serves the file itself, not through the app.
    HandoffUsed,
    /// The app's headers reach the client.
    Headers,
    /// No hand-off header and no server path reaches the client.
    Leak,
    /// The response has one announced length, and nothing follows it.
    Wire,
    /// Range requests work.
    Ranges,
    /// Conditional requests work: 304 for an unchanged file, and only then.
    Conditions,
    /// HEAD returns the same headers as GET.
    Head,
    /// Clients that accept compression receive the expected content.
    Encoding,
    /// Files with special characters in their names are served.
    Names,
    /// The site's TLS certificate does not expire soon.
    Tls,
    /// HTTP/2 and HTTP/1.1 return the same response.
    Protocol,
}

/// The name of a check, its requirement, and its rules.
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
        question: "the file is not available without the app",
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
        question: "clients without permission are refused",
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
        question: "request headers of a client do not choose the hand-off",
        rules: &["frontend.visitor-chooses", "frontend.spoofable"],
    },
    Row {
        check: Check::Freshness,
        name: "freshness",
        question: "clients receive the current content of the file, not an earlier one",
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
        question: "the proxy serves the file itself, not through the app",
        rules: &["handoff.not-engaged", "app.setting-unknown", "app.length-without-body"],
    },
    Row {
        check: Check::Headers,
        name: "headers",
        question: "the app's headers reach the client, once each",
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
        question: "no hand-off header, store link or server path reaches the client",
        rules: &["handoff.path-leaks", "handoff.link-leaks", "handoff.header-leaks"],
    },
    Row {
        check: Check::Wire,
        name: "wire",
        question: "the response has one announced length, and nothing follows it",
        rules: &[
            "app.body-beside-handoff",
            "app.contradictory-lengths",
            "frontend.contradictory-lengths",
        ],
    },
    Row {
        check: Check::Ranges,
        name: "ranges",
        question: "range requests return the requested bytes",
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
        question: "conditional requests return 304 for an unchanged file, and only then",
        rules: &[
            "handoff.etag-of-another-file",
            "handoff.etag-constant",
            "handoff.conditions-ignored",
        ],
    },
    Row {
        check: Check::Head,
        name: "head",
        question: "HEAD returns the same headers as GET",
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
        question: "clients that accept compression receive the expected content; HTML is unchanged",
        rules: &[
            "handoff.bytes-differ-for-browsers",
            "handoff.html-changed",
            "handoff.compressed-binary",
        ],
    },
    Row {
        check: Check::Names,
        name: "names",
        question: "files with special characters in their names are served",
        rules: &["handoff.name-not-served", "handoff.name-limits"],
    },
    Row {
        check: Check::Tls,
        name: "tls",
        question: "the site's TLS certificate is valid for more than --cert-days",
        rules: &["frontend.certificate-ends-soon"],
    },
    Row {
        check: Check::Protocol,
        name: "protocol",
        question: "HTTP/2 and HTTP/1.1 return the same response",
        rules: &["frontend.protocols-differ", "app.length-breaks-http2"],
    },
];

impl Check {
    /// All checks, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKS.iter().map(|it| it.check)
    }

    /// The ids of its rules: the check fails if one of them matches.
    pub fn rules(self) -> &'static [&'static str] {
        self.row().rules
    }

    /// Its requirement, in one line.
    pub fn question(self) -> &'static str {
        self.row().question
    }

    fn row(self) -> &'static Row {
        // Each variant has a row: see the test `every_check_has_its_row`.
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

/// Which rules apply.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Only these rules; all if empty.
    pub only: Vec<String>,
    /// Not these rules.
    pub skip: Vec<String>,
}

impl Choice {
    /// Whether the rule with this id applies.
    pub fn tries(&self, rule: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|id| id == rule);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }

    /// Whether any rule of a check applies; if none does, its probes are not needed.
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
    fn check_without_rules_is_not_wanted() {
        let skip = Check::Ranges.rules().iter().map(|it| (*it).to_owned()).collect();
        let choice = Choice { skip, ..Choice::default() };
        assert!(!choice.wants(Check::Ranges) && choice.wants(Check::Head));
        let only = Choice { only: vec!["handoff.no-ranges".to_owned()], ..Choice::default() };
        assert!(only.wants(Check::Ranges) && !only.wants(Check::Head));
    }
}
