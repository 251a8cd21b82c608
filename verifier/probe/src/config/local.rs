//! What may be read on this machine beside the probes.

use std::path::PathBuf;

use sendfile_evidence::fact::{KINDS, Kind};

/// `nginx:/etc/nginx/nginx.conf`.
pub fn proxy_config(text: &str) -> Result<(Kind, PathBuf), String> {
    let known = KINDS.map(|(name, _)| name).join(", ");
    let (kind, path) =
        text.split_once(':').filter(|(_, path)| !path.is_empty()).ok_or_else(|| {
            format!("expected KIND:PATH, e.g. nginx:/etc/nginx/nginx.conf; KIND is one of {known}")
        })?;
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, kind) =
        found.ok_or_else(|| format!("unknown kind `{kind}`, expected one of {known}"))?;
    Ok((*kind, PathBuf::from(path)))
}
