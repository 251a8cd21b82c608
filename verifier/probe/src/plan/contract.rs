//! The contract of a fixture: what it says about itself, as far as the verifier needs it.

use serde::Deserialize;
use thiserror::Error;

/// The fixture's contract: the parts that the verifier needs.
#[derive(Debug, Deserialize)]
pub struct Contract {
    /// The version of the format.
    pub version: u32,
    /// The running instance.
    pub instance: String,
    /// The base path of its URLs.
    pub base: String,
    /// Its dialect.
    pub handoff: ContractHandoff,
    /// The dummies that it placed.
    pub dummies: Vec<ContractDummy>,
    /// Its probes.
    pub probes: Vec<ContractProbe>,
}

/// A view with a different value, which tests one setting in isolation.
#[derive(Debug, Deserialize)]
pub struct ContractProbe {
    /// Its id: `double-slash` …
    pub id: String,
    /// Its path at the fixture, including the base path.
    pub path: String,
    /// The SHA-256 of what a client gets if the proxy is configured correctly, if that is a dummy.
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
    /// Its role: `main`, `html` …
    pub id: String,
    /// Its name below the dummies' directory.
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
    /// The signed query that a private bucket requires, if the dummy is in one.
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

/// Why the fixture's contract could not be read.
#[derive(Debug, Error)]
pub enum ContractError {
    /// The fixture cannot be reached.
    #[error("cannot reach the fixture at `{url}`: {chain}\nhint: {hint}")]
    Unreachable {
        /// The URL that was requested.
        url: String,
        /// The causes.
        chain: String,
        /// What to do.
        hint: &'static str,
    },
    /// The response is not a contract.
    #[error(
        "`{url}` is not the contract of a sendfile-fixture: {problem}\nhint: --fixture expects the \
         fixture's own address, not the site's"
    )]
    NotAContract {
        /// The URL that was requested.
        url: String,
        /// What is wrong.
        problem: String,
    },
}
