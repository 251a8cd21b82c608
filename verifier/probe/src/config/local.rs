//! The value of the flag and key for a proxy's configuration. The file itself is read by `prober`.

use std::path::PathBuf;

use sendfile_evidence::Server;

/// Parses `KIND:PATH`, such as `nginx:/etc/nginx/nginx.conf`.
///
/// # Errors
///
/// The reason, with a valid example.
pub fn proxy_config(text: &str) -> Result<(Server, PathBuf), String> {
    let Some((kind, path)) = text.split_once(':') else { return Err(missing_path()) };
    if path.is_empty() {
        return Err(missing_path());
    }
    for server in readable() {
        if server.id() == kind {
            return Ok((server, PathBuf::from(path)));
        }
    }
    Err(format!("unknown kind `{kind}`, expected one of {}", kinds()))
}

fn missing_path() -> String {
    format!("expected KIND:PATH, e.g. nginx:/etc/nginx/nginx.conf; KIND is one of {}", kinds())
}

/// The servers whose configurations can be read.
fn readable() -> impl Iterator<Item = Server> {
    Server::ALL.into_iter().filter(|server| server.has_reader())
}

fn kinds() -> String {
    let ids: Vec<&str> = readable().map(Server::id).collect();
    ids.join(", ")
}
