//! The command line, as clap parses it. `config` turns it into targets, because URLs and headers may
//! carry secrets, which clap would repeat in its errors.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use sendfile_evidence::Server;
use sendfile_manual::Shell;

mod config;
#[cfg(feature = "demo")]
mod demo;
mod output;
mod server;
mod snippet;
mod value;
mod verify;

#[cfg(feature = "demo")]
pub use self::demo::Demo;
pub use self::{
    config::{ArgsError, choice_of, config_of},
    output::Output,
    snippet::Snippet,
    verify::{Limits, Verify},
};

use self::server::with_snippet;

/// Find the broken component of a handed-off download
///
/// An app hands off a download by responding with a header such as X-Accel-Redirect or X-Sendfile;
/// the proxy then serves the file. This program requests the file from four layers, compares the
/// SHA-256 checksums, and names the broken component, with evidence and a remedy.
#[derive(Debug, Parser)]
#[command(name = "sendfile-check", version, after_help = EXAMPLE, arg_required_else_help = true)]
pub struct Cli {
    /// The subcommand
    #[command(subcommand)]
    pub command: Command,
    /// When to colour the output; `auto` depends on the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
}

/// When to colour the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// Only if the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

const EXAMPLE: &str = "\
With a running sendfile-fixture:

  sendfile-check verify --fixture http://127.0.0.1:8000 \\
      --site https://example.org --storage file:///srv/media

With your own app:

  sendfile-check verify --full https://example.org/download/7 \\
      --storage file:///srv/media/7.bin";

const STATUS: &str = "\
Exit status: 0 healthy; 1 broken, degraded or exposed; 2 usage or configuration
error; 3 inconclusive. The same in every output format.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check downloads and name the broken component
    #[command(after_help = STATUS)]
    Verify(Box<Verify>),
    /// Explain a rule: its meaning, remedies and examples
    Explain {
        /// Id of the rule, e.g. handoff.root-for-alias [default: list all rules]
        rule: Option<String>,
        /// Show only the remedy and the examples for this proxy, if there are any
        #[arg(long, value_parser = with_snippet(), requires = "rule")]
        proxy: Option<Server>,
    },
    /// List all rules, one per line
    Rules,
    /// Judge a saved JSON report again, based only on its evidence
    Judge {
        /// Path to a report of `verify -o json`, or `-` for standard input
        report: PathBuf,
        /// The output options
        #[command(flatten)]
        output: Output,
    },
    /// Print the configuration snippet for a proxy, with your values
    Snippet(Snippet),
    /// Run a self-contained demo with temporary files
    #[cfg(feature = "demo")]
    Demo(Demo),
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete commands and options in
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
