//! Plans the requests that show where a handed-off download breaks, and makes them: all the input
//! and output there is.
//!
//! `config` has targets with no option left open, `plan` says what to request (pure), `prober` makes
//! the requests and records what was observed.

pub mod config;
pub mod plan;
pub mod prober;
pub mod url;
