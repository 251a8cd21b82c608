//! Parsers of the values of options. None of these values can hold a secret, because clap repeats a value
//! in its errors.

use std::{net::IpAddr, time::Duration};

use sendfile_probe::config::{ConnectTo, Resolve};

/// The longest duration that an option accepts.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Parses `500ms`, `10s` or `2m`; a bare number is refused, because its unit is ambiguous.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = match humantime::parse_duration(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            return Err(format!("expected a time, e.g. `500ms`, `10s` or `2m` ({error})"));
        }
    };
    if parsed.is_zero() {
        Err("expected a time greater than zero, e.g. `10s`".to_owned())
    } else if parsed > YEAR {
        Err("expected at most one year, e.g. `10s`".to_owned())
    } else {
        Ok(parsed)
    }
}

/// Parses `region=eu-west-1`.
pub(super) fn storage_option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("expected NAME=VALUE, e.g. region=eu-west-1".to_owned()),
    }
}

/// Parses `HOST:PORT:ADDRESS` as curl does.
pub(super) fn resolve(text: &str) -> Result<Resolve, &'static str> {
    if let Some((host, rest)) = text.split_once(':')
        && let Some((port, address)) = rest.split_once(':')
        && let Ok(address) = without_brackets(address).parse::<IpAddr>()
        && let Ok(port) = port.parse()
    {
        return Ok(Resolve { host: host.to_owned(), port, address });
    }
    Err("expected HOST:PORT:ADDRESS, e.g. example.org:443:127.0.0.1")
}

/// Parses `H1:P1:H2:P2` as curl does. An empty H1 or P1 matches any host or port; an empty H2 or P2
/// leaves the host or port unchanged.
pub(super) fn connect_to(text: &str) -> Result<ConnectTo, &'static str> {
    if let [host1, port1, host2, port2] = split_outside_brackets(text).as_slice()
        && let Ok(port1) = optional_port(port1)
        && let Ok(port2) = optional_port(port2)
    {
        let from = (optional_host(host1), port1);
        let to = (optional_host(host2), port2);
        return Ok(ConnectTo { from, to });
    }
    Err("expected H1:P1:H2:P2, e.g. example.org:443:127.0.0.1:8443")
}

fn optional_host(text: &str) -> Option<String> {
    if text.is_empty() { None } else { Some(without_brackets(text).to_owned()) }
}

fn optional_port(text: &str) -> Result<Option<u16>, std::num::ParseIntError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

fn without_brackets(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Splits at colons, except inside the brackets of an IPv6 address.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            ':' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolve_is_parsed_as_curl_does() {
        let resolved = resolve("example.org:443:127.0.0.1").expect("the syntax of curl");
        assert_eq!((resolved.host.as_str(), resolved.port), ("example.org", 443));
        assert!(resolve("example.org:443:[::1]").expect("the syntax of curl").address.is_ipv6());
        for text in ["example.org:443:[::1]", "h:80:127.0.0.1"] {
            assert_eq!(resolve(text).expect("the syntax of curl").to_string(), text);
        }
        assert!(resolve("example.org:443").is_err());
    }

    #[test]
    fn connect_to_is_parsed_as_curl_does() {
        let to = (Some("::1".to_owned()), Some(8080));
        let parsed = connect_to("::[::1]:8080").expect("any host and port");
        assert_eq!(parsed, ConnectTo { from: (None, None), to });
        for text in ["::[::1]:8080", "example.org:443:127.0.0.1:", ":::"] {
            assert_eq!(connect_to(text).expect("the syntax of curl").to_string(), text);
        }
        assert!(connect_to("a:b").is_err());
    }
}
