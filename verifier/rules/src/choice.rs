//! Which rules are tried, and which of them belong to a check.

use sendfile_evidence::Check;

/// The ids of a check's own rules: if one of them matches, the check fails.
pub fn rules_of(check: Check) -> &'static [&'static str] {
    match check {
        Check::Exposure => &[
            "handoff.not-internal",
            "proxy.storage-public",
            "proxy.alias-traversal",
            "handoff.alias-traversal",
            "handoff.open-relay",
            "handoff.relay-for-anybody",
        ],
        Check::Refusal => &[
            "app.open-to-anybody",
            "frontend.cached-private",
            "handoff.refusal-ignored",
            "frontend.refusal-masked",
        ],
        Check::Spoofing => &["frontend.visitor-chooses", "frontend.spoofable"],
        Check::Freshness => &[
            "frontend.cached-stale",
            "handoff.target-stale",
            "handoff.stale-for-browsers",
            "proxy.keeps-old-file",
        ],
        Check::HandoffUsed => {
            &["handoff.not-engaged", "app.setting-unknown", "app.length-without-body"]
        }
        Check::Headers => &[
            "app.wrong-content-type",
            "app.wrong-header",
            "app.duplicate-header",
            "app.wrong-content-encoding",
            "handoff.wrong-content-encoding",
            "handoff.headers-dropped",
            "handoff.headers-doubled",
            "handoff.cookie-dropped",
        ],
        Check::Leak => &["handoff.path-leaks", "handoff.link-leaks", "handoff.header-leaks"],
        Check::Wire => &[
            "app.body-beside-handoff",
            "app.contradictory-lengths",
            "frontend.contradictory-lengths",
        ],
        Check::Ranges => &[
            "handoff.ranges-lost",
            "handoff.no-ranges",
            "handoff.wrong-range",
            "storage.wrong-range",
            "storage.range-unknown",
        ],
        Check::Conditions => {
            &["handoff.etag-of-another-file", "handoff.etag-constant", "handoff.conditions-ignored"]
        }
        Check::Head => &[
            "handoff.head-has-body",
            "handoff.head-differs",
            "app.head-refused",
            "app.signed-for-other-method",
        ],
        Check::Encoding => &[
            "handoff.bytes-differ-for-browsers",
            "handoff.html-changed",
            "handoff.compressed-binary",
        ],
        Check::Names => &["handoff.name-not-served", "handoff.name-limits"],
        Check::Tls => &["frontend.certificate-ends-soon"],
        Check::Protocol => &["frontend.protocols-differ", "app.length-breaks-http2"],
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
        rules_of(check).iter().any(|id| self.tries(id))
    }
}
