//! Finds the broken component of a handed-off download: the storage, the app, the proxy, or the
//! hand-off between them.
//!
//! The program itself: its command line, its reports, and the demo, which alone uses the fixture (the
//! feature `demo`). Knows no rule and no configuration language.

pub mod args;
#[cfg(feature = "demo")]
pub mod demo;
pub mod explain;
mod manual;
pub mod program;
pub mod report;
pub mod snippet;
