//! A request and its outcome.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256,
    outcome::Outcome,
    probe_id::ProbeId,
    record::{LoggedRequest, RequestRecord},
    response::Response,
};

/// A request and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "Outcome<T>: Serialize", deserialize = "Outcome<T>: Deserialize<'de>"))]
pub struct Probe<T> {
    /// The request.
    #[serde(flatten)]
    pub request: RequestRecord,
    /// How long the request took.
    #[serde(rename = "took_ms", with = "milliseconds")]
    pub took: Duration,
    /// The outcome of the request.
    #[serde(flatten)]
    pub outcome: Outcome<T>,
}

impl<T> Probe<T> {
    /// A probe that was not run.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self {
            request: RequestRecord::default(),
            took: Duration::ZERO,
            outcome: Outcome::Skipped(reason.into()),
        }
    }

    /// The response, if there is one.
    pub fn response(&self) -> Option<&T> {
        self.outcome.response()
    }
}

/// A further probe in addition to the four layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExtraProbe {
    /// The id of the probe.
    pub id: ProbeId,
    /// The SHA-256 of the expected content, if it is not the dummy's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wants: Option<Sha256>,
    /// The fixture's log entries for this request; `None` if the log was not read.
    #[serde(rename = "journal", skip_serializing_if = "Option::is_none", default)]
    pub request_log: Option<Vec<LoggedRequest>>,
    /// The outcome of the probe.
    #[serde(flatten)]
    pub probed: Probe<Response>,
}

/// A time that is saved in milliseconds, with three decimal places.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let microseconds = (time.as_secs_f64() * 1e6).round();
        serializer.serialize_f64(microseconds / 1e3)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let milliseconds = f64::deserialize(deserializer)?;
        match Duration::try_from_secs_f64(milliseconds / 1e3) {
            Ok(time) => Ok(time),
            Err(_) => Err(D::Error::custom(format!("`took_ms`: {milliseconds} is out of range"))),
        }
    }
}
