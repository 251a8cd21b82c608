//! Finds the broken component of a handed-off download: the storage, the app, the proxy, or the
//! hand-off between them.

pub mod args;
pub mod demo;
pub mod explain;
pub mod manual;
pub mod program;
pub mod report;
pub mod snippet;
