//! The tests of the whole: one binary, so that everything is linked once.

mod cli;
mod contract;
mod faults;
mod judge;
mod readme;
mod scenarios;
mod tidy;
