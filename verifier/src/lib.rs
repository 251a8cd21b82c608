//! Tells which part of a handed-off download is broken: storage, app, proxy, or the hand-off
//! between them.

pub mod args;
pub mod demo;
pub mod explain;
pub mod manual;
pub mod program;
pub mod report;
pub mod snippet;
