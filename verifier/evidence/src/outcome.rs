//! The outcome of a request, and its saved form: one of the keys `response` (`body` for the storage, which
//! may not be an HTTP server), `failure` and `skipped`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{body::Body, failure::Failure, response::Response};

/// The outcome of a probe. Like `Option`, but a missing response always has a reason.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// A response was received.
    Response(T),
    /// The request was sent, but no response was received.
    Failed(Failure),
    /// The request was not sent, for this reason.
    Skipped(String),
}

impl<T> Outcome<T> {
    /// The response, if there is one.
    pub fn response(&self) -> Option<&T> {
        match self {
            Self::Response(response) => Some(response),
            Self::Failed(_) | Self::Skipped(_) => None,
        }
    }

    /// The reason why no response was received, if a request was sent.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Response(_) | Self::Skipped(_) => None,
        }
    }
}

/// The saved form of the outcome of an HTTP request.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Outcome<Response>", rename = "outcome", rename_all = "kebab-case")]
enum OfServer {
    Response(Response),
    #[serde(rename = "failure")]
    Failed(Failure),
    Skipped(String),
}

/// The saved form of the outcome of reading the storage.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Outcome<Body>", rename = "outcome", rename_all = "kebab-case")]
enum OfStorage {
    #[serde(rename = "body")]
    Response(Body),
    #[serde(rename = "failure")]
    Failed(Failure),
    Skipped(String),
}

impl Serialize for Outcome<Response> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OfServer::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Outcome<Response> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OfServer::deserialize(deserializer)
    }
}

impl Serialize for Outcome<Body> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        OfStorage::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Outcome<Body> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        OfStorage::deserialize(deserializer)
    }
}
