//! Requests as they were sent and as the fixture received them.

use serde::{Deserialize, Serialize};

/// A request as it was sent, with secrets redacted: with enough detail to repeat it by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// The method; empty if the storage is not an HTTP server.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Headers beyond those that every request has.
    pub headers: Vec<(String, String)>,
    /// The Unix socket that it was sent through, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unix_socket: Option<String>,
    /// The operator's connection options in the form of curl's: `--resolve`, `--cacert` …
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub through: Vec<String>,
    /// The HTTP URL of an object with a name such as `s3://bucket/key`, if known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub http: Option<String>,
}

/// A request that the fixture received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// The method.
    pub method: String,
    /// The request target, as received.
    pub target: String,
    /// The fixture's response: `view`, `probe`, `denied`, `fall-through` …
    pub answer: String,
}
