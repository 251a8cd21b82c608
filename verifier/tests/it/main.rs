//! The tests of the whole: one binary, so that everything is linked once.

mod apps;
mod buckets;
mod checks;
mod ci_page;
mod cli;
mod containers;
mod contract;
mod corpus;
mod faults;
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
mod scenarios;
#[expect(dead_code, reason = "the tests of the fixture need more of it")]
#[path = "../../../server/tests/it/stores.rs"]
mod stores;
mod tidy;
mod tls;
mod units;

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_sendfile-check");

/// Says that a test was not made, where it is seen: on a laptop without all the proxies.
#[expect(clippy::print_stderr, reason = "a skipped test must not be silent")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}
