//! The snippets for nginx.

use sendfile_evidence::Server;

use super::{APP, AppAddress, Remote, Replacement, Snippet};

pub(super) const SNIPPET: Snippet = Snippet {
    server: Server::Nginx,
    description: "nginx",
    file: "nginx/healthcheck.conf",
    text: include_str!("../../../nginx/healthcheck.conf"),
    remote,
    app,
};

fn remote(form: Remote) -> Result<&'static str, &'static str> {
    match form {
        Remote::Signed => Ok(include_str!("../../../nginx/remote.conf")),
        Remote::SignedHeader => Ok(include_str!("../../../nginx/remote-header.conf")),
    }
}

fn app(address: &AppAddress<'_>) -> Option<Vec<Replacement>> {
    let new = match address {
        AppAddress::Tcp { host, port } => format!("{host}:{port}"),
        AppAddress::Unix { path } => format!("unix:{path}"),
    };
    Some(vec![(APP.to_owned(), new)])
}
