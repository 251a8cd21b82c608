//! The TLS certificate of a site.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The certificate that a site presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The end of its validity.
    #[serde(with = "unix_time")]
    pub until: SystemTime,
    /// Whole days until the end of the validity, counted at the time of the probe; negative if the
    /// certificate has expired.
    pub days_left: i64,
}

/// A time that is saved in seconds since 1970.
mod unix_time {
    use std::time::{Duration, SystemTime};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // A time before 1970 is saved as 1970.
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        serializer.serialize_u64(since.as_secs())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let seconds = u64::deserialize(deserializer)?;
        match SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
            Some(time) => Ok(time),
            None => Err(D::Error::custom(format!("`until`: {seconds} is out of range"))),
        }
    }
}
