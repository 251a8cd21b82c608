//! What a rule is: data, and one pure function that says whether the measurements show it.
//!
//! Everything that belongs to a rule stands in its literal. Knows no particular rule.

use std::fmt;

use sendfile_evidence::{Check, ProbeId, Server};

use crate::{analysis::Analysis, config_evidence::ConfigEvidence};

/// A known problem. Its id is permanent: it is used in scripts, JSON and the docs.
pub struct Rule {
    /// `<culprit>.<cause>`.
    pub id: &'static str,
    /// The culprit of a finding of this rule.
    pub culprit: Culprit,
    /// The severity if the file arrives; otherwise it is always [`Severity::Broken`].
    pub severity: Severity,
    /// The check that fails if this rule matches; none if the four layers show the problem.
    pub check: Option<Check>,
    /// The problem, in one line.
    pub summary: &'static str,
    /// What the rule means and how it was detected, for `explain`.
    pub meaning: &'static str,
    /// The remedy.
    pub remedy: Remedy,
    /// The facts from a configuration or a log that confirm or exclude this rule.
    pub config: Option<ConfigEvidence>,
    /// Which findings of other rules a finding of this rule replaces or precedes.
    pub precedence: Precedence,
    /// Whether the measurements show it.
    pub matches: fn(&Analysis<'_>) -> Option<Match>,
}

/// Which findings of other rules a finding replaces or precedes.
#[derive(Clone, Copy)]
pub enum Precedence {
    /// No precedence: among findings of equal severity, confidence and basis, findings are sorted
    /// by culprit and id.
    Usual,
    /// The finding precedes those of these rules, if severity, confidence and basis are equal.
    Before(&'static [&'static Rule]),
    /// The finding explains the condition by which these rules match, so it replaces their
    /// findings.
    Replaces(&'static [&'static Rule]),
    /// The finding names only the culprit, so any finding that names a cause replaces it.
    Last,
}

impl Rule {
    /// Whether a finding of this rule precedes one of another rule, all else being equal.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        match self.precedence {
            Precedence::Before(rules) => rules.iter().any(|rule| rule.id == other.id),
            Precedence::Usual | Precedence::Replaces(_) | Precedence::Last => false,
        }
    }

    /// Whether a finding of this rule replaces one of another rule.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        match self.precedence {
            Precedence::Replaces(rules) => rules.iter().any(|rule| rule.id == other.id),
            Precedence::Usual | Precedence::Before(_) | Precedence::Last => false,
        }
    }
}

/// The remedy, for any server and in the terms of particular ones.
pub struct Remedy {
    /// For any server.
    pub any: &'static str,
    /// The remedies in the terms of these servers.
    pub servers: &'static [(Server, &'static str)],
}

impl Remedy {
    /// The same remedy for every server.
    pub const fn any(any: &'static str) -> Self {
        Self { any, servers: &[] }
    }

    /// The remedy in the terms of a server, if it has its own remedy.
    pub fn of(&self, server: Server) -> Option<&'static str> {
        let (_, remedy) = self.servers.iter().find(|(own, _)| *own == server)?;
        Some(remedy)
    }
}

/// The culprit: the layer in which a single change fixes the problem. Equally good explanations are
/// listed in this order: a single component comes before the connection of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Culprit {
    /// The app does not return the intended response.
    App,
    /// The file cannot be read from storage.
    Storage,
    /// The proxy cannot read the file.
    Proxy,
    /// The request does not reach the app, or its response does not reach the serving proxy.
    Frontend,
    /// The app and the proxy are each right, but do not fit together.
    Handoff,
}

/// The effect on downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The client receives no file, or a wrong one.
    Broken,
    /// Clients without permission can download the file.
    Exposed,
    /// The file arrives, but not in the intended way.
    Degraded,
    /// No effect on the download itself, and none on the verdict.
    Warning,
}

/// How certain a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Nothing else explains the evidence.
    Sure,
    /// The best explanation among several.
    Likely,
    /// One explanation among several.
    Possible,
}

/// What the confidence of a finding is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// A measurement.
    Measured,
    /// A measurement, confirmed by a configuration or an error log.
    Both,
    /// A configuration or an error log that explains a measured symptom.
    Config,
}

impl Basis {
    /// The rank among findings of equal confidence. Among certain findings, a measurement comes
    /// before a fact that was only read; among guesses, a fact that was read comes first.
    pub(crate) fn rank(self, confidence: Confidence) -> u8 {
        match (self, confidence) {
            (Self::Both, _) => 0,
            (Self::Measured, Confidence::Sure) => 1,
            (Self::Config, _) => 2,
            (Self::Measured, _) => 3,
        }
    }
}

/// A match of a rule: its confidence and its evidence.
pub struct Match {
    pub(crate) confidence: Confidence,
    pub(crate) because: Vec<String>,
    /// The request that shows the problem, if it is not the request to the culprit's layer.
    pub(crate) shown_by: Option<ProbeId>,
    /// What the confidence is based on.
    pub(crate) basis: Basis,
    /// The change that fixes the problem, if a configuration shows it.
    pub(crate) fix: Option<String>,
}

impl Match {
    pub(crate) fn sure(because: impl Into<String>) -> Self {
        Self::of(Confidence::Sure, because.into())
    }

    pub(crate) fn shown_by(self, id: ProbeId) -> Self {
        Self { shown_by: Some(id), ..self }
    }

    pub(crate) fn also(mut self, because: impl Into<String>) -> Self {
        self.because.push(because.into());
        self
    }

    pub(crate) fn likely(because: impl Into<String>) -> Self {
        Self::of(Confidence::Likely, because.into())
    }

    pub(crate) fn possible(because: impl Into<String>) -> Self {
        Self::of(Confidence::Possible, because.into())
    }

    fn of(confidence: Confidence, because: String) -> Self {
        let because = vec![because];
        Self { confidence, because, shown_by: None, basis: Basis::Measured, fix: None }
    }

    /// Adds the lines of a configuration or a log, which raise the confidence to at least this one,
    /// and the change that fixes the problem.
    pub(crate) fn with_config(
        self,
        sure: Confidence,
        lines: Vec<String>,
        fix: Option<String>,
    ) -> Self {
        let basis = if sure < self.confidence { Basis::Config } else { Basis::Both };
        let because = self.because.into_iter().chain(lines).collect();
        Self { confidence: self.confidence.min(sure), because, basis, fix, ..self }
    }
}

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
