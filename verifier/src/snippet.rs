//! The configuration snippets for proxies, as shipped or with the operator's values.
//!
//! A server is one file below `snippet/` and one row of [`of`]. Knows the texts at the top of the shipped
//! files that the values replace, but no other directive.

use sendfile_evidence::Server;

mod apache;
mod caddy;
mod error;
mod lighttpd;
mod nginx;
mod remote;
mod store;
mod value;

pub use self::{error::ValueError, remote::Remote};

use self::value::{AppAddress, Replacement};

/// The placeholders of the shipped files, except for those of a store.
const STORAGE: &str = "/srv/media";
const APP: &str = "127.0.0.1:8000";
const MAP: &str = "/protected/";

/// The snippets that are shipped for a server.
#[derive(Debug)]
pub struct Snippet {
    /// The server.
    pub server: Server,
    /// The server, as `--help` describes it.
    pub description: &'static str,
    /// The path of the file for a storage directory, in the repository.
    pub file: &'static str,
    /// The file for a storage directory.
    pub text: &'static str,
    /// The file for a private bucket, or a hint if there is none.
    remote: fn(Remote) -> Result<&'static str, &'static str>,
    /// The placeholders of the fixture's address and their replacements, if the snippet supports the
    /// address.
    app: fn(&AppAddress<'_>) -> Option<Vec<Replacement>>,
}

/// The snippets of a server.
///
/// # Errors
///
/// [`ValueError`], if none is shipped for it.
pub fn of(server: Server) -> Result<&'static Snippet, ValueError> {
    match server {
        Server::Nginx => Ok(&nginx::SNIPPET),
        Server::Apache => Ok(&apache::SNIPPET),
        Server::Lighttpd => Ok(&lighttpd::SNIPPET),
        Server::Caddy => Ok(&caddy::SNIPPET),
        Server::H2o | Server::BuiltIn => Err(ValueError::new(
            "snippet",
            server.id(),
            "no snippet for this server",
            "use nginx, apache, lighttpd or caddy",
        )),
    }
}

/// All servers with a snippet.
pub fn all() -> Vec<&'static Snippet> {
    Server::ALL.into_iter().flat_map(of).collect()
}

/// The values at the top of a snippet. If a value is absent, the shipped one stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Values<'a> {
    /// The storage directory of the app and the proxy; with `remote` the URL prefix of the links.
    pub storage: Option<&'a str>,
    /// The address of the fixture, as HOST:PORT.
    pub app: Option<&'a str>,
    /// The prefix of the internal location.
    pub map: Option<&'a str>,
    /// How the app passes signed links to the proxy, if the files are in an object store.
    pub remote: Option<Remote>,
    /// The header that carries the signed link.
    pub link_header: Option<&'a str>,
}

impl Snippet {
    /// The file for a private bucket.
    ///
    /// # Errors
    ///
    /// [`ValueError`], if none is shipped for this server.
    pub fn remote_text(&self, remote: Remote) -> Result<&'static str, ValueError> {
        match (self.remote)(remote) {
            Ok(text) => Ok(text),
            Err(hint) => {
                let problem = format!("no snippet for {}", self.server);
                Err(ValueError::new("--remote", &remote.id(), &problem, hint))
            }
        }
    }

    /// One of the files with these values in place of the shipped ones.
    ///
    /// # Errors
    ///
    /// [`ValueError`], if a value is not valid in the file.
    pub fn filled(&self, text: &str, values: Values<'_>) -> Result<String, ValueError> {
        let mut replacements = Vec::new();
        match (values.storage, values.remote) {
            (Some(url), Some(_)) => replacements.extend(store::url_replacements(url)?),
            (Some(directory), None) => {
                let directory = value::directory(directory)?;
                replacements.push((STORAGE.to_owned(), directory.to_owned()));
            }
            (None, _) => {}
        }
        if let Some(header) = values.link_header {
            replacements.extend(store::header_replacements(header, values.remote)?);
        }
        if let Some(prefix) = values.map {
            replacements.push((MAP.to_owned(), value::prefix(prefix)?.to_owned()));
        }
        if let Some(address) = values.app {
            replacements.extend(self.app_replacements(address)?);
        }
        Ok(replaced(text, &replacements))
    }

    fn app_replacements(&self, address: &str) -> Result<Vec<Replacement>, ValueError> {
        let app = AppAddress::parse(address)?;
        match (self.app)(&app) {
            Some(replacements) => Ok(replacements),
            None => Err(value::unsupported_address(
                address,
                "start the fixture with a TCP port too, e.g. `--listen 127.0.0.1:8000`",
            )),
        }
    }
}

/// Replaces all placeholders in one pass, so that a replacement is not replaced again.
fn replaced(text: &str, replacements: &[Replacement]) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    loop {
        let mut first = None;
        for (from, to) in replacements {
            let Some(at) = rest.find(from) else { continue };
            let found = (at, from, to);
            if first.is_none_or(|first| found < first) {
                first = Some(found);
            }
        }
        let Some((at, from, to)) = first else { return replaced + rest };
        replaced.push_str(&rest[..at]);
        replaced.push_str(to);
        rest = &rest[at + from.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nginx(values: Values<'_>) -> Result<String, ValueError> {
        let snippet = of(Server::Nginx).expect("a shipped snippet");
        snippet.filled(snippet.text, values)
    }

    #[test]
    fn every_value_is_replaced() {
        let values = Values {
            storage: Some("file:///data/files/"),
            app: Some("10.0.0.5:9000"),
            map: Some("/held/"),
            ..Values::default()
        };
        for snippet in all() {
            let text = snippet.filled(snippet.text, values).expect("good values");
            for new in ["/data/files", "10.0.0.5", "9000"] {
                assert!(text.contains(new), "{}: {new}", snippet.server);
            }
            for old in [STORAGE, "127.0.0.1", MAP] {
                assert!(!text.contains(old), "{}: {old}", snippet.server);
            }
        }
    }

    #[test]
    fn replacement_is_not_replaced() {
        let values =
            Values { storage: Some("/data/protected/x"), map: Some("/held/"), ..Values::default() };
        let text = nginx(values).expect("good values");
        assert!(text.contains("alias /data/protected/x/;"), "{text}");
    }

    #[test]
    fn unix_sockets_are_supported_where_the_server_does() {
        let values = Values { app: Some("unix:/run/f.sock"), ..Values::default() };
        let text = nginx(values).expect("a socket");
        assert!(text.contains("proxy_pass http://unix:/run/f.sock;"));
        for server in [Server::Apache, Server::Lighttpd] {
            let snippet = of(server).expect("a shipped snippet");
            assert!(snippet.filled(snippet.text, values).is_err(), "{server}");
        }
    }

    #[test]
    fn values_with_special_meaning_are_refused() {
        assert!(nginx(Values { storage: Some("/srv/a b"), ..Values::default() }).is_err());
        assert!(nginx(Values { map: Some("held"), ..Values::default() }).is_err());
    }
}
