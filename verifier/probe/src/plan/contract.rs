//! The contract of a fixture: what it says about itself, as far as the verifier needs it.

use serde::Deserialize;
use thiserror::Error;

/// What the fixture says about itself: the part of it that the verifier needs.
#[derive(Debug, Deserialize)]
pub struct Contract {
    /// The version of this form.
    pub version: u32,
    /// The running instance.
    pub instance: String,
    /// The base path of its URLs.
    pub base: String,
    /// Its dialect.
    pub handoff: ContractHandoff,
    /// What it placed.
    pub dummies: Vec<ContractDummy>,
    /// Its probes.
    pub probes: Vec<ContractProbe>,
}

/// A view with another value, so that one wrong setting shows at a time.
#[derive(Debug, Deserialize)]
pub struct ContractProbe {
    /// Its id: `double-slash` …
    pub id: String,
    /// Its path at the fixture, base and all.
    pub path: String,
    /// The SHA-256 of what a visitor gets when the proxy is set up well, if that is a dummy.
    pub sha256: Option<String>,
}

/// The dialect.
#[derive(Debug, Deserialize)]
pub struct ContractHandoff {
    /// The header's name.
    pub header: String,
}

/// A dummy that was placed.
#[derive(Debug, Deserialize)]
pub struct ContractDummy {
    /// Its part: `main`, `html` …
    pub id: String,
    /// Its name below the folder of dummies.
    pub name: String,
    /// Its key below the storage's root.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// The nonce of its content.
    pub nonce: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// The Content-Type of the view.
    pub content_type: String,
    /// The Content-Disposition of the view.
    pub content_disposition: Option<String>,
    /// The hand-off's value.
    pub handoff: String,
    /// The signed query that a private bucket wants, if the dummy lies in one.
    #[serde(default)]
    pub query: Option<String>,
    /// The content before the last rotation.
    pub previous: Option<ContractPrevious>,
}

/// The content before the last rotation.
#[derive(Debug, Deserialize)]
pub struct ContractPrevious {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Why the fixture's word could not be had.
#[derive(Debug, Error)]
pub enum ContractError {
    /// It does not answer.
    #[error("the fixture does not answer at `{url}`: {chain}\nhint: {hint}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The causes.
        chain: String,
        /// What to do.
        hint: &'static str,
    },
    /// What answers is no fixture.
    #[error(
        "`{url}` is no contract of a sendfile-fixture: {problem}\nhint: --fixture takes the \
         fixture's own address, not the site's"
    )]
    NotAContract {
        /// What was asked.
        url: String,
        /// What is wrong.
        problem: String,
    },
}
