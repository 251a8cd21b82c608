//! Reads the proxies' own configuration for one download: which rule matches a URL, what it does
//! with the hand-off, which file it would open, and which line to change.
//!
//! Pure: texts in, facts out. Everything on disk is accessed through [`Disk`]; `probe::local` reads
//! it. A fact describes what the configuration says, never what the running server does:
//! measurements take precedence over configuration.

mod apache;
mod caddy;
mod directive;
mod disk;
mod files;
mod hops;
#[cfg(test)]
mod in_memory_disk;
mod lighttpd;
pub mod log;
mod nginx;
mod opened;
mod pattern;
mod proxy_config;
mod query;
mod reader;
#[cfg(test)]
mod tests;
mod uri;

pub use disk::{Access, Disk, Look, Text, Worker};
pub use hops::facts;
pub use pattern::glob;
pub use proxy_config::ProxyConfig;
pub use query::Query;
