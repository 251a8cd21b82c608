//! The snippet for lighttpd.

use sendfile_evidence::Server;

use super::{AppAddress, Replacement, Snippet, store};

pub(super) const SNIPPET: Snippet = Snippet {
    server: Server::Lighttpd,
    description: "lighttpd",
    file: "lighttpd/healthcheck.conf",
    text: include_str!("../../../lighttpd/healthcheck.conf"),
    remote: |_| Err(store::ONLY_LOCAL_FILES),
    app,
};

/// lighttpd has separate settings for the host and the port.
fn app(address: &AppAddress<'_>) -> Option<Vec<Replacement>> {
    match address {
        AppAddress::Tcp { host, port } => Some(vec![
            ("\"127.0.0.1\"".to_owned(), format!("\"{host}\"")),
            ("= 8000".to_owned(), format!("= {port}")),
        ]),
        AppAddress::Unix { .. } => None,
    }
}
