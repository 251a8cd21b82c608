//! A request and the address it goes to, in the terms of configurations.

use crate::RequestRecord;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// The address that it is sent to.
    pub address: Address,
    /// Whether TLS is used.
    pub https: bool,
    /// Its path, as sent.
    pub path: String,
    /// Its query, without the question mark.
    pub query: Option<String>,
    /// Its headers beyond those that every request has.
    pub headers: Vec<(String, String)>,
}

/// The address of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// A name, or an address without brackets; the path of a Unix socket.
    pub host: String,
    /// The port; 0 for a Unix socket.
    pub port: u16,
}

impl Address {
    /// An address of the form `HOST`, `HOST:PORT`, `[::1]:PORT` or `unix:PATH`.
    pub fn of(text: &str, default_port: u16) -> Self {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.trim_start_matches("//");
            let path = path.strip_suffix(':').unwrap_or(path);
            return Self { host: path.to_owned(), port: 0 };
        }
        let bracket = text.rfind(']').map_or(0, |it| it + 1);
        let (host, port) = match text.get(bracket..).and_then(|it| it.find(':')) {
            Some(at) => (&text[..bracket + at], text[bracket + at + 1..].parse().ok()),
            None => (text, None),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Self { host, port: port.unwrap_or(default_port) }
    }

    /// Whether both are the same address; names of this host count as equal.
    pub fn is(&self, other: &Self) -> bool {
        let local = |it: &str| matches!(it, "localhost" | "::1" | "") || it.starts_with("127.");
        self.port == other.port
            && (self.host == other.host || local(&self.host) && local(&other.host))
    }

    /// Whether it is a numeric address, not a name.
    pub fn is_number(&self) -> bool {
        self.port == 0 || self.host.parse::<std::net::IpAddr>().is_ok()
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            0 => write!(f, "unix:{}", self.host),
            port if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

impl Request {
    /// A request to a URL.
    pub fn get(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let https = scheme.eq_ignore_ascii_case("https");
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = rest[..end].rsplit('@').next().unwrap_or_default();
        let target = rest[end..].split('#').next().unwrap_or_default();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Some(Self {
            method: "GET".to_owned(),
            address: Address::of(authority, if https { 443 } else { 80 }),
            https,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query,
            headers: Vec::new(),
        })
    }

    /// A request as it was made.
    pub fn of(asked: &RequestRecord) -> Option<Self> {
        let mut request = Self::get(&asked.url)?;
        request.method.clone_from(&asked.method);
        request.headers.clone_from(&asked.headers);
        if let Some(path) = &asked.unix_socket {
            request.address = Address { host: path.clone(), port: 0 };
        }
        Some(request)
    }

    /// The path and the query.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The authority as a client writes it in Host: without the scheme's default port.
    pub fn host(&self) -> String {
        let usual = if self.https { 443 } else { 80 };
        let text = self.address.to_string();
        match text.strip_suffix(&format!(":{usual}")) {
            Some(host) => host.to_owned(),
            None => text,
        }
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |text| Address::of(text, 80).to_string();
        assert_eq!(of("Example.org"), "example.org:80");
        assert_eq!(of("[::1]:8080"), "[::1]:8080");
        assert_eq!(of("[::1]"), "[::1]:80");
        assert_eq!(of("unix:/run/app.sock"), "unix:/run/app.sock");
        assert!(Address::of("localhost:8000", 80).is(&Address::of("127.0.0.1:8000", 80)));
        assert!(!Address::of("web:8000", 80).is(&Address::of("127.0.0.1:8000", 80)));
        let url = Request::get("https://u:p@h/a?b=c#d").expect("a URL");
        assert_eq!((url.host().as_str(), url.target().as_str()), ("h", "/a?b=c"));
    }
}
