//! The output options, which several commands have.

use clap::Args;

use crate::report::Format;

/// The output options.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// Print only the verdict
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print all evidence, including that of passed layers and checks
    #[arg(short, long)]
    pub verbose: bool,
}
