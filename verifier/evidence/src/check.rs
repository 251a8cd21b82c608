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
}

const CHECKS: [Row; 15] = [
    Row {
        check: Check::Exposure,
        name: "exposure",
        question: "the file is not available without the app",
    },
    Row {
        check: Check::Refusal,
        name: "refusal",
        question: "clients without permission are refused",
    },
    Row {
        check: Check::Spoofing,
        name: "spoofing",
        question: "request headers of a client do not choose the hand-off",
    },
    Row {
        check: Check::Freshness,
        name: "freshness",
        question: "clients receive the current content of the file, not an earlier one",
    },
    Row {
        check: Check::HandoffUsed,
        name: "handoff-used",
        question: "the proxy serves the file itself, not through the app",
    },
    Row {
        check: Check::Headers,
        name: "headers",
        question: "the app's headers reach the client, once each",
    },
    Row {
        check: Check::Leak,
        name: "leak",
        question: "no hand-off header, store link or server path reaches the client",
    },
    Row {
        check: Check::Wire,
        name: "wire",
        question: "the response has one announced length, and nothing follows it",
    },
    Row {
        check: Check::Ranges,
        name: "ranges",
        question: "range requests return the requested bytes",
    },
    Row {
        check: Check::Conditions,
        name: "conditions",
        question: "conditional requests return 304 for an unchanged file, and only then",
    },
    Row { check: Check::Head, name: "head", question: "HEAD returns the same headers as GET" },
    Row {
        check: Check::Encoding,
        name: "encoding",
        question: "clients that accept compression receive the expected content; HTML is unchanged",
    },
    Row {
        check: Check::Names,
        name: "names",
        question: "files with special characters in their names are served",
    },
    Row {
        check: Check::Tls,
        name: "tls",
        question: "the site's TLS certificate is valid for more than --cert-days",
    },
    Row {
        check: Check::Protocol,
        name: "protocol",
        question: "HTTP/2 and HTTP/1.1 return the same response",
    },
];

impl Check {
    /// All checks, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        CHECKS.iter().map(|it| it.check)
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
