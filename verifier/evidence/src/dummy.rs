//! The content that every layer should return.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256;

/// The content that every layer should return.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dummy {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Sha256,
    /// Where it is known from.
    pub source: Source,
    /// The nonce of its content, if the fixture placed it.
    pub nonce: Option<String>,
    /// The fixture's instance, if the fixture placed it.
    pub instance: Option<String>,
    /// Its key in the storage, if the fixture placed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// Whether a decoy was placed where `root` instead of `alias` would lead.
    #[serde(rename = "twin", default)]
    pub decoy: bool,
    /// The SHA-256 of the content before the last rotation.
    pub previous: Option<Sha256>,
}

/// Where the expected content is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The fixture that placed it.
    Contract,
    /// The storage.
    Storage,
    /// The direct location, because the storage could not be read.
    Direct,
    /// No reference copy: it is the downloaded content, which serves only to compare the site's
    /// other responses with.
    #[serde(rename = "visitor")]
    Client,
}
