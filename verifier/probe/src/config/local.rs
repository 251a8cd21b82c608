//! Local files that may be read in addition to the probes.

use std::path::PathBuf;

use sendfile_evidence::Server;

/// Parses `KIND:PATH`, such as `nginx:/etc/nginx/nginx.conf`.
///
/// # Errors
///
/// The reason, with a valid example.
pub fn proxy_config(text: &str) -> Result<(Server, PathBuf), String> {
    let readable: Vec<_> = Server::ALL.into_iter().filter(|server| server.has_reader()).collect();
    let known = readable.iter().map(|server| server.id()).collect::<Vec<_>>().join(", ");
    let Some((id, path)) = text.split_once(':').filter(|(_, path)| !path.is_empty()) else {
        return Err(format!(
            "expected KIND:PATH, e.g. nginx:/etc/nginx/nginx.conf; KIND is one of {known}"
        ));
    };
    for server in readable {
        if server.id() == id {
            return Ok((server, PathBuf::from(path)));
        }
    }
    Err(format!("unknown kind `{id}`, expected one of {known}"))
}
