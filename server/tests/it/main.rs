//! The fixture from outside: as a program, over sockets, on a real file system.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cli;
mod client;
mod lifecycle;
mod limits;
mod process;
mod proxy;
mod storage;
mod stores;
mod view;
