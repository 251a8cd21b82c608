//! The arguments of `demo`.

use clap::Args;
use sendfile_evidence::Server;

use super::{output::Output, server::with_demo};

/// The arguments of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Proxy to run; all except built-in must be installed
    #[arg(long, value_parser = with_demo(), default_value_t = Server::BuiltIn)]
    pub proxy: Server,
    /// Inject a fault; `list` prints the ids
    #[arg(long, value_name = "ID")]
    pub fault: Option<String>,
    /// Run all checks
    #[arg(long)]
    pub thorough: bool,
    /// The output options
    #[command(flatten)]
    pub output: Output,
}
