//! A request and the address that it is sent to, in the terms of configurations.

use std::fmt;

use http::Uri;

use crate::record::RequestRecord;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The request method.
    pub method: String,
    /// The address that it is sent to.
    pub address: Address,
    /// Whether TLS is used.
    pub https: bool,
    /// The path, as sent.
    pub path: String,
    /// The query, without the question mark.
    pub query: Option<String>,
    /// The headers, except for those that every request has.
    pub headers: Vec<(String, String)>,
}

/// The address of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// A host name, or an IP address without brackets; for a Unix socket, its path.
    pub host: String,
    /// The port; 0 for a Unix socket.
    pub port: u16,
}

impl Address {
    /// An address of the form `HOST`, `HOST:PORT`, `[::1]:PORT` or `unix:PATH`.
    pub fn of(text: &str, default_port: u16) -> Self {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.trim_start_matches("//");
            return Self::unix(path.strip_suffix(':').unwrap_or(path));
        }
        let (host, port) = split_port(text);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = match port {
            Some(digits) => digits.parse().unwrap_or(default_port),
            None => default_port,
        };
        Self { host, port }
    }

    /// The address of a Unix socket.
    pub fn unix(path: &str) -> Self {
        Self { host: path.to_owned(), port: 0 }
    }

    /// Whether two addresses are the same; all names of this host count as equal.
    pub fn is(&self, other: &Self) -> bool {
        let same_host = self.host == other.host || self.is_this_host() && other.is_this_host();
        self.port == other.port && same_host
    }

    fn is_this_host(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "::1" | "") || self.host.starts_with("127.")
    }

    /// Whether the host is an IP address and not a name.
    pub fn is_number(&self) -> bool {
        self.port == 0 || self.host.parse::<std::net::IpAddr>().is_ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            0 => write!(f, "unix:{}", self.host),
            port if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            port => write!(f, "{}:{port}", self.host),
        }
    }
}

/// `HOST:PORT` in two parts; the colons of an IPv6 address in brackets are not separators.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let after_brackets = match text.rfind(']') {
        Some(bracket) => bracket + 1,
        None => 0,
    };
    match text[after_brackets..].find(':') {
        Some(at) => {
            let colon = after_brackets + at;
            (&text[..colon], Some(&text[colon + 1..]))
        }
        None => (text, None),
    }
}

impl Request {
    /// A request to an absolute URL, whose path and query stay as written.
    pub fn get(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let https = uri.scheme_str()?.eq_ignore_ascii_case("https");
        let authority = uri.authority()?.as_str();
        let host_and_port = match authority.rsplit_once('@') {
            Some((_login, host_and_port)) => host_and_port,
            None => authority,
        };
        Some(Self {
            method: "GET".to_owned(),
            address: Address::of(host_and_port, default_port(https)),
            https,
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            headers: Vec::new(),
        })
    }

    /// A request as it was made.
    pub fn of(record: &RequestRecord) -> Option<Self> {
        let mut request = Self::get(&record.url)?;
        request.method.clone_from(&record.method);
        request.headers.clone_from(&record.headers);
        if let Some(path) = &record.unix_socket {
            request.address = Address::unix(path);
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
        let text = self.address.to_string();
        match text.strip_suffix(&format!(":{}", default_port(self.https))) {
            Some(host) => host.to_owned(),
            None => text,
        }
    }

    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        for (own_name, value) in &self.headers {
            if own_name.eq_ignore_ascii_case(name) {
                return Some(value);
            }
        }
        None
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
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
        let url = Request::get("HTTP://[::1]:8000?b").expect("a URL");
        assert_eq!((url.host().as_str(), url.target().as_str()), ("[::1]:8000", "/?b"));
        let url = Request::get("http://h/a//%2e./é|\"").expect("a URL");
        assert_eq!(url.target(), "/a//%2e./é|\"", "as written");
        assert_eq!(Request::get("/a"), None);
    }
}
