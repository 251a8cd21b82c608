//! Reads the proxies' own configuration for one download: which rule matches a URL, what it does
//! with the hand-off, which file it would open, and which line to change.
//!
//! Pure: texts in, facts out. Everything on disk is accessed through [`Disk`]; `probe::local` reads
//! it. A fact describes what the configuration says, never what the running server does:
//! measurements take precedence over configuration.

mod apache;
mod caddy;
mod chain;
mod directive;
mod disk;
mod files;
mod lighttpd;
pub mod log;
mod nginx;
mod opened;
#[cfg(test)]
mod paper;
mod pattern;
mod proxy_config;
mod question;
mod reader;
#[cfg(test)]
mod tests;
mod uri;

pub use chain::facts;
pub use disk::{Access, Disk, Look, Text, Worker};
pub use pattern::glob;
pub use proxy_config::ProxyConfig;
pub use question::Query;
