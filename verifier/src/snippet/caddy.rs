//! The snippets for Caddy.

use sendfile_evidence::Server;

use super::{APP, AppAddress, Remote, Replacement, Snippet};

pub(super) const SNIPPET: Snippet = Snippet {
    server: Server::Caddy,
    description: "Caddy",
    file: "caddy/healthcheck.caddy",
    text: include_str!("../../../caddy/healthcheck.caddy"),
    remote,
    app,
};

fn remote(form: Remote) -> Result<&'static str, &'static str> {
    match form {
        Remote::Signed => Ok(include_str!("../../../caddy/remote.caddy")),
        Remote::SignedHeader => Err("use nginx, or `--remote signed`, which supports Caddy"),
    }
}

fn app(address: &AppAddress<'_>) -> Option<Vec<Replacement>> {
    let new = match address {
        AppAddress::Tcp { host, port } => format!("{host}:{port}"),
        AppAddress::Unix { path } => format!("unix/{path}"),
    };
    Some(vec![(APP.to_owned(), new)])
}
