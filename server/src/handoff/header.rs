//! A header name that keeps its spelling.

use std::{fmt, str::FromStr};

use http::HeaderName;

use super::error::HandoffError;

/// A header name that keeps its spelling.
#[derive(Clone, Debug)]
pub struct Header {
    spelling: String,
    pub(super) name: HeaderName,
}

impl Header {
    /// `X-Accel-Redirect`: nginx's header, which Caddy's documentation uses too.
    pub fn accel() -> Self {
        let name = HeaderName::from_static("x-accel-redirect");
        Self { spelling: "X-Accel-Redirect".into(), name }
    }

    /// `X-Storage-Url`: the default header for a complete signed link.
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
        match text.parse() {
            Ok(name) => Ok(Self { spelling: text.into(), name }),
            Err(_) => Err(HandoffError::Name(text.into())),
        }
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}
