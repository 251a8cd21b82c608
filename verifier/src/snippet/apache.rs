//! The snippet for Apache.

use sendfile_evidence::Server;

use super::{APP, AppAddress, Replacement, Snippet, store};

pub(super) const SNIPPET: Snippet = Snippet {
    server: Server::Apache,
    description: "Apache httpd with mod_xsendfile",
    file: "apache/healthcheck.conf",
    text: include_str!("../../../apache/healthcheck.conf"),
    remote: |_| Err(store::ONLY_LOCAL_FILES),
    app,
};

fn app(address: &AppAddress<'_>) -> Option<Vec<Replacement>> {
    match address {
        AppAddress::Tcp { host, port } => Some(vec![(APP.to_owned(), format!("{host}:{port}"))]),
        AppAddress::Unix { .. } => None,
    }
}
