//! The errors in a configuration.

use std::path::PathBuf;

use thiserror::Error;

use crate::url::UrlError;

/// An error in the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("`{}`: cannot read the configuration", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("`{}`: invalid configuration: {problem}", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// The message of the parser, and a suggestion.
        problem: String,
    },
    /// A target is incomplete or contradictory.
    #[error("target `{target}`: {problem}\nhint: {hint}")]
    Target {
        /// The name of the target.
        target: String,
        /// The reason.
        problem: String,
        /// The hint.
        hint: &'static str,
    },
    /// A URL is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header line is invalid.
    #[error(
        "`{line}`: not a valid header line: {problem}\nhint: write `Name: value`, e.g. `Cookie: id=1`"
    )]
    Header {
        /// The name of the header, without its value.
        line: String,
        /// The reason.
        problem: String,
    },
    /// A storage URL or one of its options is not supported.
    #[error("storage `{url}`: {problem}\nhint: {hint}")]
    Storage {
        /// The URL.
        url: String,
        /// The reason.
        problem: String,
        /// The hint.
        hint: String,
    },
    /// No target was given.
    #[error(
        "nothing to check\nhint: add --fixture URL and --site URL, or --full URL, or --config FILE"
    )]
    Nothing,
    /// The rule does not exist.
    #[error("{rule}: unknown rule{suggestion}\nhint: list all rules with `sendfile-check rules`")]
    Rule {
        /// The id, after the flag or command that it was given to.
        rule: String,
        /// Suggested rules, or an empty text.
        suggestion: String,
    },
}

/// The name in a list that is most similar to a misspelt one, if it is similar enough.
pub fn nearest<'a>(misspelt: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut nearest: Option<(usize, &str)> = None;
    for name in known {
        let candidate = (strsim::levenshtein(name, misspelt), name);
        if nearest.is_none_or(|best| candidate < best) {
            nearest = Some(candidate);
        }
    }
    let (distance, name) = nearest?;
    if distance <= name.len() / 3 + 1 { Some(name) } else { None }
}
