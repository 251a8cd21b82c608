//! The words for verdicts, culprits and confidence, as used in reports and scripts.

use std::fmt;

use super::{Confidence, Culprit, Severity, Verdict};

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "storage",
            Self::App => "app",
            Self::Proxy => "proxy",
            Self::Handoff => "handoff",
            Self::Frontend => "frontend",
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "broken",
            Self::Exposed => "exposed",
            Self::Degraded => "degraded",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Possible => "possible",
        })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Broken => "broken",
            Self::Degraded => "degraded",
            Self::Exposed => "exposed",
            Self::Inconclusive(_) => "inconclusive",
        })
    }
}
