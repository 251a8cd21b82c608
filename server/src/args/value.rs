//! Parses the values of options.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use sendfile_fixture::{Address, Expires, Header, ListenError};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The shortest and the longest lifetime of a signed link.
const LINK_EXPIRY_MIN: Duration = Duration::from_secs(2);
const LINK_EXPIRY_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Headers that a response contains for other purposes.
const USED_HEADERS: [&str; 11] = [
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

pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
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
        unit => return Err(format!("unknown unit `{unit}` (expected B, KiB, MiB, GiB or TiB)")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{digits}` is not a whole number"))?;
    match number.checked_mul(unit) {
        Some(bytes) => Ok(bytes),
        None => Err("the size is too large".into()),
    }
}

pub(super) fn expires(text: &str) -> Result<Expires, String> {
    if text == "off" {
        return Ok(Expires::Off);
    }
    match text.parse() {
        Ok(seconds) => Ok(Expires::Seconds(seconds)),
        Err(_) => Err("expected a number of seconds or `off`".into()),
    }
}

/// Parses the name of a header for signed links.
pub(super) fn link_header(text: &str) -> Result<Header, String> {
    let header: Header = match text.parse() {
        Ok(header) => header,
        Err(error) => return Err(format!("{error}")),
    };
    if USED_HEADERS.contains(&&*text.to_ascii_lowercase()) {
        return Err(
            "this header has another meaning; use the one in which the app sends links, for \
                    example X-Storage-Url"
                .into(),
        );
    }
    Ok(header)
}

/// Parses the lifetime of a signed link.
pub(super) fn link_expiry(text: &str) -> Result<Duration, String> {
    let expiry = duration(text)?;
    if !(LINK_EXPIRY_MIN..=LINK_EXPIRY_MAX).contains(&expiry) {
        return Err("expected a time from 2s to 7d".into());
    }
    Ok(expiry)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("expected a time greater than zero, e.g. `10s`".into()),
        Ok(duration) if duration > YEAR => Err("expected at most one year, e.g. `10s`".into()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("expected a time, e.g. `500ms`, `10s` or `2m` ({error})")),
    }
}

/// Parses a list of addresses to listen on and returns one at which the server can be reached: for a
/// server on all interfaces, the loopback address.
pub(super) fn reachable(text: &str) -> Result<Address, ListenError> {
    // The address of a socket of systemd is unknown here.
    let first = text.split(',').find(|address| *address != "systemd").unwrap_or(text);
    let mut address = first.parse()?;
    if let Address::Tcp(tcp) = &mut address {
        match tcp.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => tcp.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => tcp.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
    }
    Ok(address)
}
