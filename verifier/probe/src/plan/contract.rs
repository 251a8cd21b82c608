//! The contract of a fixture: its description of itself, as far as the verifier needs it. Knows the
//! format only, not which requests follow from it.

use sendfile_evidence::ProbeId;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// The fixture's contract: the parts that the verifier needs.
#[derive(Debug, Deserialize)]
pub struct Contract {
    /// The version of the format.
    pub version: u32,
    /// The running instance.
    pub instance: String,
    /// The base path of the fixture's URLs.
    pub base: String,
    /// The dialect of the hand-off.
    pub handoff: ContractHandoff,
    /// The dummies that the fixture placed.
    pub dummies: Vec<ContractDummy>,
    /// The probes that the fixture offers.
    pub probes: Vec<ContractProbe>,
}

/// A view with a different value, which tests one setting in isolation.
#[derive(Debug, Deserialize)]
pub struct ContractProbe {
    /// The id of the probe; `None` if this version of the verifier does not know it.
    #[serde(deserialize_with = "probe_id")]
    pub id: Option<ProbeId>,
    /// The path at the fixture, including the base path.
    pub path: String,
    /// The SHA-256 of the dummy that a client gets if the proxy is configured correctly; `None` if
    /// the client should get no dummy.
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
    /// The id of the dummy.
    pub id: DummyId,
    /// The file name below the dummies' directory.
    pub name: String,
    /// The key below the storage's root.
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

/// The dummies that the verifier distinguishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DummyId {
    /// The download.
    Main,
    /// The decoy, which is where `root` instead of `alias` would lead.
    #[serde(rename = "root-twin")]
    RootDecoy,
    /// Any other.
    #[serde(other)]
    Other,
}

/// The content before the last rotation.
#[derive(Debug, Deserialize)]
pub struct ContractPrevious {
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Reads the id of a probe. A fixture of another version may offer probes that are unknown here.
fn probe_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ProbeId>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(name.parse().ok())
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

#[cfg(test)]
mod tests {
    use sendfile_evidence::OddName;

    use super::*;

    #[test]
    fn unknown_ids_are_accepted() {
        let ids: Vec<DummyId> =
            serde_json::from_str(r#"["main", "root-twin", "html", "new"]"#).expect("ids");
        assert_eq!(ids, [DummyId::Main, DummyId::RootDecoy, DummyId::Other, DummyId::Other]);
        let probes: Vec<ContractProbe> = serde_json::from_str(
            r#"[{"id": "name-space", "path": "/a"}, {"id": "new", "path": "/b"}]"#,
        )
        .expect("probes");
        let ids: Vec<_> = probes.iter().map(|probe| probe.id).collect();
        assert_eq!(ids, [Some(ProbeId::Name(OddName::Space)), None]);
    }
}
