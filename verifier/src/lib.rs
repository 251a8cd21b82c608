//! Finds the broken component of a handed-off download: the storage, the app, the proxy, or the
//! hand-off between them.

pub mod args;
pub mod check;
pub mod config;
pub mod curl;
pub mod demo;
pub mod diagnosis;
pub mod dialect;
pub mod dummy_line;
pub mod evidence;
pub mod explain;
pub mod local;
pub mod manual;
mod partial;
pub mod plan;
pub mod probe;
pub mod program;
pub mod report;
mod secret;
pub mod snippet;
pub mod url;
