//! How to connect to hosts, and the limits on time and size. Names taken from curl mean the same as
//! in curl.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

/// How to connect to hosts.
#[derive(Clone, Debug)]
pub struct Network {
    /// Addresses that replace name resolution, like curl's `--resolve`.
    pub resolve: Vec<Resolve>,
    /// Hosts and ports to connect to in place of those in the URL, like curl's `--connect-to`.
    pub connect_to: Vec<ConnectTo>,
    /// Which certificates are trusted.
    pub trust: Trust,
    /// Maximum time for name resolution, TCP connect and TLS handshake together.
    pub connect_timeout: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            resolve: Vec::new(),
            connect_to: Vec::new(),
            trust: Trust::System,
            connect_timeout: Duration::from_secs(2),
        }
    }
}

impl Network {
    /// The first rule of `--connect-to` that applies to a host and port.
    pub(crate) fn told_to(&self, host: &str, port: u16) -> Option<&ConnectTo> {
        self.connect_to.iter().find(|rule| rule.applies_to(host, port))
    }

    /// The first rule of `--resolve` that applies to a host and port.
    pub(crate) fn told_of(&self, host: &str, port: u16) -> Option<&Resolve> {
        let mut rules = self.resolve.iter();
        rules.find(|rule| rule.host.eq_ignore_ascii_case(host) && rule.port == port)
    }
}

/// One `HOST:PORT:ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolve {
    /// The host, as in the URL.
    pub host: String,
    /// The port, as in the URL.
    pub port: u16,
    /// The address to connect to.
    pub address: IpAddr,
}

/// One `HOST1:PORT1:HOST2:PORT2`. An empty part before the second colon matches any value; one
/// after it leaves the value unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The host and port, as in the URL.
    pub from: (Option<String>, Option<u16>),
    /// The host and port to connect to.
    pub to: (Option<String>, Option<u16>),
}

impl ConnectTo {
    fn applies_to(&self, host: &str, port: u16) -> bool {
        let (from_host, from_port) = &self.from;
        let same_host = match from_host {
            Some(from) => from.eq_ignore_ascii_case(host),
            None => true,
        };
        let same_port = from_port.is_none() || *from_port == Some(port);
        same_host && same_port
    }
}

impl fmt::Display for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, address } = self;
        match address {
            IpAddr::V4(address) => write!(f, "{host}:{port}:{address}"),
            IpAddr::V6(address) => write!(f, "{host}:{port}:[{address}]"),
        }
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_host_and_port(f, &self.from)?;
        f.write_str(":")?;
        write_host_and_port(f, &self.to)
    }
}

/// Writes `HOST:PORT`, where an absent part is empty.
fn write_host_and_port(
    f: &mut fmt::Formatter<'_>,
    (host, port): &(Option<String>, Option<u16>),
) -> fmt::Result {
    match host {
        Some(address) if address.contains(':') => write!(f, "[{address}]")?,
        Some(name) => f.write_str(name)?,
        None => {}
    }
    f.write_str(":")?;
    match port {
        Some(port) => write!(f, "{port}"),
        None => Ok(()),
    }
}

/// Which certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The system's root certificates.
    System,
    /// The certificates of this PEM file.
    File(PathBuf),
    /// Any certificate.
    Anything,
}

/// Limits on time and size.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum time to wait for a response, and for each pause while it is received.
    pub timeout: Duration,
    /// Maximum size of a body; if unset, derived from the file's size.
    pub max_bytes: Option<u64>,
}

/// The minimum speed in bytes per second: once the time limit has passed, a slower body is
/// abandoned.
const SLOWEST: u64 = 100 * 1024;

/// Maximum number of bytes to read if the file's size is unknown.
const UNKNOWN_SIZE: u64 = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), max_bytes: None }
    }
}

impl Limits {
    /// How many bytes of a body to read if a file of this size is expected.
    pub(crate) fn cap(&self, size: Option<u64>) -> u64 {
        if let Some(max_bytes) = self.max_bytes {
            return max_bytes;
        }
        match size {
            Some(size) => size.saturating_mul(2).saturating_add(1 << 20),
            None => UNKNOWN_SIZE,
        }
    }

    /// The additional time that this many bytes may take beyond the limit.
    pub(crate) fn pace(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / SLOWEST)
    }
}
