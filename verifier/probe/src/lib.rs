//! Plans and sends the requests that show where a handed-off download breaks. All input and output
//! is in this crate.
//!
//! `config` has targets with no option left open, `plan` says what to request (pure), `prober`
//! sends the requests and records what it observes.

pub mod config;
pub mod plan;
pub mod prober;
pub mod url;
