//! The integration tests, in one binary, so that everything is linked once.

mod apps;
mod buckets;
mod checks;
mod ci_page;
mod cli;
mod containers;
mod contract;
mod corpus;
mod faults;
mod golden;
mod judge;
mod kubernetes;
#[path = "../../../server/tests/it/manual.rs"]
mod manual;
mod matrix;
mod names;
mod page;
mod readme;
mod remote;
mod remote_header;
mod remote_tls;
#[expect(dead_code, reason = "only the tests of the fixture use all of it")]
#[path = "../../../server/tests/it/stores.rs"]
mod stores;
mod tidy;
mod tls;
mod units;

/// The path of the program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sendfile-check");

/// Prints that a test was skipped, e.g. on a laptop without all proxies.
#[expect(clippy::print_stderr, reason = "a skipped test must be visible")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
