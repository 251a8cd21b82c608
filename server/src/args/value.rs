//! What stands behind the options, as people write it.

use std::time::Duration;

use sendfile_fixture::{Expires, HandoffError, Header};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it has no `=`")?;
    Ok((name.into(), value.into()))
}

pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        unit => return Err(format!("`{unit}` is none of B, KiB, MiB, GiB, TiB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{digits}` is not a whole number"))?;
    number.checked_mul(unit).ok_or_else(|| "too large".into())
}

pub(super) fn expires(text: &str) -> Result<Expires, String> {
    match text {
        "off" => Ok(Expires::Off),
        _ => text.parse().map(Expires::Seconds).map_err(|_| "neither seconds nor `off`".into()),
    }
}

/// The name of a header beside those that an answer has anyway.
pub(super) fn link_header(text: &str) -> Result<Header, String> {
    const TAKEN: [&str; 11] = [
        "cache-control",
        "connection",
        "content-disposition",
        "content-length",
        "content-type",
        "date",
        "set-cookie",
        "transfer-encoding",
        "x-accel-redirect",
        "x-lighttpd-send-file",
        "x-sendfile",
    ];
    let header: Header = text.parse().map_err(|error: HandoffError| error.to_string())?;
    match TAKEN.iter().any(|it| text.eq_ignore_ascii_case(it)) {
        true => {
            Err("an answer has that header already; name the one in which the app sends links"
                .into())
        }
        false => Ok(header),
    }
}

/// How long stores let links be used.
pub(super) fn link_expiry(text: &str) -> Result<Duration, String> {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    match duration(text)? {
        time if (Duration::from_secs(2)..=WEEK).contains(&time) => Ok(time),
        _ => Err("a link can be used for 2s to 7d".into()),
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let said = |error| format!("{error}; write it as 30s, 5m or 1h");
    match humantime::parse_duration(text).map_err(said)? {
        Duration::ZERO => Err("must be more than nothing".into()),
        longer if longer > YEAR => Err("longer than a year".into()),
        duration => Ok(duration),
    }
}
