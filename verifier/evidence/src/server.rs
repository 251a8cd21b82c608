//! The servers that are distinguished, and how they differ in responses and on command lines. A
//! server is one file below `server/` and one row of [`Server::traits`].
//!
//! Knows no configuration: the readers have a module for each server.

use std::{fmt, str::FromStr};

use strum::EnumCount;

use crate::{odd_name::OddName, response::Response};

mod apache;
mod built_in;
mod caddy;
mod h2o;
mod lighttpd;
mod nginx;
mod traits;

use traits::{ActsOn, EmptyError, Traits, ValueEncoding};

/// A server that is distinguished from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumCount)]
pub enum Server {
    /// nginx and its forks.
    Nginx,
    /// Apache httpd.
    Apache,
    /// lighttpd.
    Lighttpd,
    /// Caddy.
    Caddy,
    /// H2O.
    H2o,
    /// The proxy built into the fixture.
    BuiltIn,
}

impl Server {
    /// All servers.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Nginx, Self::Apache, Self::Lighttpd, Self::Caddy, Self::H2o, Self::BuiltIn];

    fn traits(self) -> &'static Traits {
        match self {
            Self::Nginx => &nginx::TRAITS,
            Self::Apache => &apache::TRAITS,
            Self::Lighttpd => &lighttpd::TRAITS,
            Self::Caddy => &caddy::TRAITS,
            Self::H2o => &h2o::TRAITS,
            Self::BuiltIn => &built_in::TRAITS,
        }
    }

    /// The value of flags such as `--proxy-config`.
    pub fn id(self) -> &'static str {
        self.traits().id
    }

    /// The name by which its users know the server.
    pub fn name(self) -> &'static str {
        self.traits().name
    }

    /// Whether there is a reader for the server's configuration.
    pub fn has_reader(self) -> bool {
        self.local_flags().is_some()
    }

    /// The flags that make the server's configuration and log available, if there is a reader for
    /// them.
    pub fn local_flags(self) -> Option<&'static str> {
        self.traits().local_flags
    }

    /// A hint how to see the server's handling of a request without access to its host.
    pub fn remote_hint(self) -> Option<&'static str> {
        self.traits().remote_hint
    }

    /// Whether the server percent-decodes the value of its hand-off header.
    pub fn decodes(self) -> bool {
        self.traits().value == ValueEncoding::Decoded
    }

    /// Whether a file name of this kind is known to be mangled by some version, whatever its
    /// configuration.
    pub fn mangles(self, name: OddName) -> bool {
        self.traits().mangles.contains(&name)
    }

    /// Whether the server acts on this hand-off header. For some servers this depends on the
    /// configuration.
    pub fn acts_on(self, header: &str) -> bool {
        match self.traits().acts_on {
            ActsOn::Headers(names) => names.iter().any(|name| name.eq_ignore_ascii_case(header)),
            ActsOn::Configured => true,
        }
    }

    /// The header that the server's users send, if it acts on one by default.
    pub fn header(self) -> Option<&'static str> {
        match self.traits().acts_on {
            ActsOn::Headers(names) => names.first().copied(),
            ActsOn::Configured => None,
        }
    }

    /// The server that sent a response: by its `Server` header, or else by its own error page.
    pub fn of(response: &Response) -> Option<Self> {
        if let Some(value) = response.header("server")
            && let Some(server) = Self::by_server_header(value)
        {
            return Some(server);
        }
        Self::by_error_page(response)
    }

    fn by_server_header(value: &str) -> Option<Self> {
        let value = value.to_ascii_lowercase();
        Self::ALL.into_iter().find(|server| server.is_named_by(&value))
    }

    fn is_named_by(self, server_header: &str) -> bool {
        self.traits().server_headers.iter().any(|name| server_header.starts_with(name))
    }

    /// The server that wrote this error page, if a proxy wrote it and not the app.
    pub fn by_error_page(response: &Response) -> Option<Self> {
        if response.status < 300 {
            return None;
        }
        Self::ALL.into_iter().find(|server| server.wrote_error_page(response))
    }

    fn wrote_error_page(self, response: &Response) -> bool {
        if self.sent_empty_error(response) {
            return true;
        }
        let page = String::from_utf8_lossy(&response.body.head);
        self.traits().error_pages.iter().any(|mark| page.contains(mark))
    }

    /// Whether an error response has neither body nor content type, and is this server's own.
    fn sent_empty_error(self, response: &Response) -> bool {
        let is_empty = response.body.size == 0 && response.header("content-type").is_none();
        if !is_empty || self.traits().empty_error != EmptyError::Own {
            return false;
        }
        response.header("server").is_some_and(|name| name.eq_ignore_ascii_case(self.id()))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        for server in Self::ALL {
            if server.id() == id {
                return Ok(server);
            }
        }
        Err(format!("unknown server `{id}`"))
    }
}
