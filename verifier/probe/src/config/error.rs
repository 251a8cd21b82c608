//! What can be wrong with a configuration.

use std::path::PathBuf;

use thiserror::Error;

use crate::url::UrlError;

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("`{}` is no configuration: {problem}", path.display())]
    NotUnderstood {
        /// Which file.
        path: PathBuf,
        /// The parser's words, and a suggestion.
        problem: String,
    },
    /// A target lacks something, or has too much.
    #[error("target `{target}`: {problem}\nhint: {hint}")]
    Target {
        /// Which target.
        target: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// A URL cannot be asked.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header line is none.
    #[error("`{line}` is no header line: {problem}\nhint: write it as `Name: value`")]
    Header {
        /// The line's name, without its value.
        line: String,
        /// What is wrong.
        problem: String,
    },
    /// A storage is of no kind that can be read.
    #[error("the storage `{url}` cannot be read: {problem}\nhint: {hint}")]
    Storage {
        /// The URL.
        url: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// There is nothing to check.
    #[error(
        "there is nothing to check\nhint: give --fixture and --site, or --full, or --config FILE"
    )]
    Nothing,
    /// A rule that does not exist.
    #[error("there is no rule `{rule}`{suggestion}\nhint: `sendfile-check rules` lists them")]
    Rule {
        /// The id as it was given.
        rule: String,
        /// `; did you mean …?`, or nothing.
        suggestion: String,
    },
}

/// The name in a list that is nearest to a misspelt one, if it is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |it: &str| sendfile_evidence::dialect::edit_distance(it, wrong);
    known
        .into_iter()
        .map(|it| (distance(it), it))
        .min()
        .filter(|(far, it)| *far <= it.len() / 3 + 1)
        .map(|(_, it)| it)
}
