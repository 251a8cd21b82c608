//! How the network is reached, and how long and how much at most. curl's words mean what they mean
//! in curl.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

/// How to connect to hosts.
#[derive(Clone, Debug)]
pub struct Network {
    /// Addresses that replace name resolution, like curl's `--resolve`.
    pub resolve: Vec<Resolve>,
    /// Hosts to connect to instead, like curl's `--connect-to`.
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
    pub(crate) fn told_to(&self, host: &str, port: u16) -> Option<&ConnectTo> {
        self.connect_to.iter().find(|it| {
            it.from.0.as_deref().is_none_or(|from| from.eq_ignore_ascii_case(host))
                && it.from.1.is_none_or(|from| from == port)
        })
    }

    pub(crate) fn told_of(&self, host: &str, port: u16) -> Option<&Resolve> {
        self.resolve.iter().find(|it| it.host.eq_ignore_ascii_case(host) && it.port == port)
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

/// One `HOST1:PORT1:HOST2:PORT2`; an empty part means any, or unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    /// The host and port, as in the URL.
    pub from: (Option<String>, Option<u16>),
    /// The host and port to connect to.
    pub to: (Option<String>, Option<u16>),
}

impl fmt::Display for Resolve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, address } = self;
        match address {
            IpAddr::V4(it) => write!(f, "{host}:{port}:{it}"),
            IpAddr::V6(it) => write!(f, "{host}:{port}:[{it}]"),
        }
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(host, port): &(Option<String>, Option<u16>)| {
            let host = host.as_deref().unwrap_or_default();
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            format!("{host}:{}", port.map_or_else(String::new, |it| it.to_string()))
        };
        write!(f, "{}:{}", part(&self.from), part(&self.to))
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
    /// Maximum time to wait for a response, and for each pause within one.
    pub timeout: Duration,
    /// Maximum size of a body; if unset, derived from the file's size.
    pub max_bytes: Option<u64>,
}

/// A body slower than this many bytes per second is abandoned once the time limit has passed.
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
        let sensible = size.map_or(UNKNOWN_SIZE, |it| it.saturating_mul(2).saturating_add(1 << 20));
        self.max_bytes.unwrap_or(sensible)
    }

    /// The additional time that this many bytes may take beyond the limit.
    pub(crate) fn pace(&self, bytes: u64) -> Duration {
        Duration::from_secs(bytes / SLOWEST)
    }
}
