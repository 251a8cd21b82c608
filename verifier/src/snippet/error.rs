//! The errors in the values of a snippet.

use thiserror::Error;

/// A value that is not valid in a snippet.
#[derive(Debug, Error)]
#[error("{flag} `{value}`: {problem}\nhint: {hint}")]
pub struct ValueError {
    flag: &'static str,
    value: String,
    problem: String,
    hint: &'static str,
}

impl ValueError {
    pub(super) fn new(flag: &'static str, value: &str, problem: &str, hint: &'static str) -> Self {
        Self { flag, value: value.to_owned(), problem: problem.to_owned(), hint }
    }
}
