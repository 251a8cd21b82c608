//! What the operator expects.

use serde::{Deserialize, Serialize};

/// A certificate should be valid for more days than this, unless the operator sets another number.
pub const CERT_DAYS: u32 = 14;

/// What the operator expects, as far as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// The hand-off header's name.
    pub header: Option<String>,
    /// The hand-off header's value.
    pub value: Option<String>,
    /// Headers that must reach the client.
    pub expect: Vec<(String, String)>,
    /// Whether anonymous clients must be refused.
    #[serde(rename = "private")]
    pub access: Access,
    /// The site's certificate should be valid for more days than this.
    #[serde(default = "default_cert_days")]
    pub cert_days: u32,
}

/// Which clients may download. Saved as a statement whether the file is private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Access {
    /// The operator declares nothing about access.
    #[default]
    Unsaid,
    /// Only clients that send the declared headers may download.
    Private,
}

impl From<bool> for Access {
    fn from(private: bool) -> Self {
        if private { Self::Private } else { Self::Unsaid }
    }
}

impl From<Access> for bool {
    fn from(access: Access) -> Self {
        match access {
            Access::Unsaid => false,
            Access::Private => true,
        }
    }
}

/// Reports of earlier versions do not contain the number.
fn default_cert_days() -> u32 {
    CERT_DAYS
}
