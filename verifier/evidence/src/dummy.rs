//! The reference content and its origin.
//!
//! Knows nothing of how the content is generated or placed.

use serde::{Deserialize, Serialize};

use crate::{body::Body, digest::Sha256};

/// The content that every layer should return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dummy {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Sha256,
    /// How the content is known.
    pub source: Source,
    /// The nonce of the content, if the fixture placed the dummy.
    pub nonce: Option<String>,
    /// The fixture's instance, if the fixture placed the dummy.
    pub instance: Option<String>,
    /// The key in the storage, if the fixture placed the dummy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// Whether a decoy was placed where `root` instead of `alias` would lead.
    #[serde(rename = "twin", default)]
    pub decoy: bool,
    /// The SHA-256 of the content before the last rotation.
    pub previous: Option<Sha256>,
}

impl Dummy {
    /// The content of a body, of which nothing else is known.
    pub fn of(body: &Body, source: Source) -> Self {
        Self {
            size: body.size,
            sha256: body.sha256,
            source,
            nonce: None,
            instance: None,
            key: None,
            decoy: false,
            previous: None,
        }
    }
}

/// How the expected content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The fixture that placed the dummy describes it in its contract.
    Contract,
    /// The storage contains it.
    Storage,
    /// The direct location returns it. This is used only if the storage could not be read.
    Direct,
    /// There is no reference copy: the content is that of the download, with which only the site's
    /// other responses can be compared.
    #[serde(rename = "visitor")]
    Client,
}
