//! Tests the fixture as a program, over sockets and on a real file system.

#![expect(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod broken;
mod cli;
mod client;
mod killed;
mod lifecycle;
mod limits;
mod manual;
mod placing;
mod process;
mod proxy;
mod ready;
mod sockets;
mod storage;
#[expect(dead_code, reason = "the tests of the verifier use more of it")]
mod stores;
mod view;

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sendfile-fixture");
