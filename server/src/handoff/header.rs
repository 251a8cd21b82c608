//! The name of a header, as it was spelled.

use std::{fmt, str::FromStr};

use http::HeaderName;

use super::HandoffError;

/// The name of a header, as it was spelled.
#[derive(Clone, Debug)]
pub struct Header {
    spelling: String,
    pub(super) name: HeaderName,
}

impl Header {
    /// The header of nginx, which Caddy's documentation uses too.
    pub fn accel() -> Self {
        let name = HeaderName::from_static("x-accel-redirect");
        Self { spelling: "X-Accel-Redirect".into(), name }
    }

    /// The header for a whole link, where the site has no name of its own for it.
    pub fn link() -> Self {
        let name = HeaderName::from_static("x-storage-url");
        Self { spelling: "X-Storage-Url".into(), name }
    }

    pub(super) fn x_sendfile() -> Self {
        Self { spelling: "X-Sendfile".into(), name: HeaderName::from_static("x-sendfile") }
    }
}

impl FromStr for Header {
    type Err = HandoffError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.parse().map_err(|_| HandoffError::Name(text.into()))?;
        Ok(Self { spelling: text.into(), name })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}
