//! The checks beyond the four layers: a download with the expected content can still be public, lack
//! range support, or have the wrong file name. Each check has its own rules.
//!
//! Knows only their names: `plan` lists the requests of each check, `diagnosis` judges the responses.

use strum::{Display, EnumString, VariantArray};

use crate::as_text::saved_as_text;

/// A check beyond the four layers. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString, VariantArray)]
#[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = unknown_check)]
pub enum Check {
    /// The file is not available without the app.
    Exposure,
    /// Clients without permission are refused.
    Refusal,
    /// Clients cannot choose the hand-off.
    Spoofing,
    /// No cache serves earlier content of the file.
    Freshness,
    /// The proxy serves the file itself, not through the app.
    HandoffUsed,
    /// The app's headers reach the client.
    Headers,
    /// No hand-off header and no server path reaches the client.
    Leak,
    /// The response has one announced length, and nothing follows it.
    Wire,
    /// Range requests work.
    Ranges,
    /// Conditional requests work: 304 for an unchanged file, and only then.
    Conditions,
    /// HEAD returns the same headers as GET.
    Head,
    /// Clients that accept compression receive the expected content.
    Encoding,
    /// Files with special characters in their names are served.
    Names,
    /// The site's TLS certificate does not expire soon.
    Tls,
    /// HTTP/2 and HTTP/1.1 return the same response.
    Protocol,
}

saved_as_text!(Check);

impl Check {
    /// All checks, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VARIANTS.iter().copied()
    }

    /// The requirement that the check tests, in one line.
    pub fn question(self) -> &'static str {
        match self {
            Self::Exposure => "the file is not available without the app",
            Self::Refusal => "clients without permission are refused",
            Self::Spoofing => "request headers of a client do not choose the hand-off",
            Self::Freshness => {
                "clients receive the current content of the file, not an earlier one"
            }
            Self::HandoffUsed => "the proxy serves the file itself, not through the app",
            Self::Headers => "the app's headers reach the client, once each",
            Self::Leak => "no hand-off header, store link or server path reaches the client",
            Self::Wire => "the response has one announced length, and nothing follows it",
            Self::Ranges => "range requests return the requested bytes",
            Self::Conditions => {
                "conditional requests return 304 for an unchanged file, and only then"
            }
            Self::Head => "HEAD returns the same headers as GET",
            Self::Encoding => {
                "clients that accept compression receive the expected content; HTML is unchanged"
            }
            Self::Names => "files with special characters in their names are served",
            Self::Tls => "the site's TLS certificate is valid for more than --cert-days",
            Self::Protocol => "HTTP/2 and HTTP/1.1 return the same response",
        }
    }
}

fn unknown_check(name: &str) -> String {
    format!("unknown check `{name}`")
}
