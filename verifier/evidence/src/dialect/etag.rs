//! What an ETag reveals about the file that a server opened.
//!
//! Measured with nginx 1.22.1, h2o 2.2.5, Caddy 2.6.2 and 2.11.7. Apache's and lighttpd's ETags are
//! hashes and reveal nothing.

use std::time::{Duration, SystemTime};

use crate::server::Server;

/// The state of a file when the server opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSeen {
    /// When the file was last modified.
    pub modified: SystemTime,
    /// The size in bytes.
    pub size: u64,
}

/// The end of the year 9999, because later dates do not fit four digits.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// The number of digits of the time in Caddy 2.6's ETag, until 2038.
const SECONDS_DIGITS: usize = 6;

/// Parses an ETag of a server whose ETags consist of time and size.
pub fn file_seen(server: Server, etag: &str) -> Option<FileSeen> {
    let text = etag.strip_prefix("W/").unwrap_or(etag).strip_prefix('"')?.strip_suffix('"')?;
    let (modified, size) = match server {
        Server::Nginx | Server::H2o => {
            let (modified, size) = text.split_once('-')?;
            (Duration::from_secs(number(modified, 16)?), number(size, 16)?)
        }
        Server::Caddy => match text.split_once('-') {
            Some((modified, size)) => {
                (Duration::from_nanos(number(modified, 36)?), number(size, 36)?)
            }
            None => {
                let (modified, size) = text.split_at_checked(SECONDS_DIGITS)?;
                (Duration::from_secs(number(modified, 36)?), number(size, 36)?)
            }
        },
        Server::Apache | Server::Lighttpd | Server::BuiltIn => return None,
    };
    if modified > LATEST {
        return None;
    }
    Some(FileSeen { modified: SystemTime::UNIX_EPOCH.checked_add(modified)?, size })
}

fn number(digits: &str, radix: u32) -> Option<u64> {
    // The standard library also accepts a plus sign.
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags() {
        let seen = |server, etag| {
            let seen = file_seen(server, etag)?;
            let since = seen.modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            Some((since.as_secs(), seen.size))
        };
        assert_eq!(seen(Server::Nginx, "\"6b03d64c-1000\""), Some((1_795_413_580, 4096)));
        assert_eq!(seen(Server::Nginx, "W/\"6b03d64c-1000\""), Some((1_795_413_580, 4096)));
        assert_eq!(seen(Server::Caddy, "\"toxxzg35s\""), Some((1_795_413_580, 4096)));
        assert_eq!(seen(Server::Caddy, "\"dn2czw4v318g-35s\""), Some((1_795_413_580, 4096)));
        assert_eq!(seen(Server::Apache, "\"0\""), None);
        assert_eq!(seen(Server::Nginx, "\"+1-1000\""), None);
        assert_eq!(seen(Server::Nginx, "\"ffffffffffffffff-1\""), None);
        assert_eq!(seen(Server::Nginx, "\"3afff44180-1\""), None, "the year 10000");
        assert_eq!(seen(Server::Nginx, "6b03d64c-1000"), None, "no quotes");
    }
}
