//! The command line, as clap reads it. Turning it into targets is the business of `config`: URLs and
//! headers may carry secrets, which clap would repeat in its errors.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::report::Format;
use sendfile_evidence::{CERT_DAYS, fact::Kind};
use sendfile_probe::config::{CONCURRENCY, ConnectTo, Resolve, proxy_config};

mod config;
mod snippet;

pub use config::{choice_of, config_of};
pub use snippet::Snippet;

/// Tells which part of a handed-off download is broken
///
/// Asks four layers for the same bytes, compares their SHA-256, and names the
/// guilty part with evidence and remedy.
#[derive(Debug, Parser)]
#[command(name = "sendfile-check", version, after_help = EXAMPLE, arg_required_else_help = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// Colour the output; `auto` looks at the terminal, NO_COLOR and CLICOLOR_FORCE
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

const EXAMPLE: &str = "\
Beside a running sendfile-fixture:

  sendfile-check verify --fixture http://127.0.0.1:8000 \\
      --site https://example.org --storage file:///srv/media";

const STATUS: &str = "\
Exit status: 0 healthy, 1 broken, degraded or exposed, 2 usage or configuration,
3 inconclusive; the same in every format.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check downloads, and name the guilty part
    #[command(after_help = STATUS)]
    Verify(Box<Verify>),
    /// Explain a rule: what it means, how it is known, what to do
    Explain {
        /// The rule's id, such as handoff.root-for-alias; without it, all rules are listed
        rule: Option<String>,
    },
    /// List all rules, a line each
    Rules,
    /// Judge a saved JSON report again, from its evidence alone
    Judge {
        /// The report, as `verify -o json` wrote it; `-` for standard input
        report: PathBuf,
        /// The output
        #[command(flatten)]
        output: Output,
    },
    /// Print the snippet for a proxy, with your values filled in
    Snippet(Snippet),
    /// Show the whole at work on this machine, on temporary files
    Demo(Demo),
    /// What packages ship beside the program
    #[command(flatten)]
    Manual(Manual),
}

/// What can be printed for a package.
#[derive(Debug, Subcommand)]
pub enum Manual {
    /// Print what a shell needs to complete commands and options
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// The arguments of `verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Read targets from a TOML file
    #[arg(short, long, value_name = "FILE", help_heading = "Targets")]
    #[arg(conflicts_with_all = [
        "fixture", "site", "storage", "storage_option", "storage_metadata", "app", "direct", "full", "inner", "unix_socket", "handoff",
        "app_header", "full_header", "full_method", "expect_header", "private", "refused",
    ])]
    pub config: Option<PathBuf>,
    /// Check only this target of the file (repeatable)
    #[arg(short, long, value_name = "NAME", help_heading = "Targets", requires = "config")]
    pub target: Vec<String>,
    /// The fixture, on its own port or as unix:PATH; its contract tells all else
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Targets",
        requires = "site",
        conflicts_with = "full"
    )]
    pub fixture: Option<String>,
    /// The public site in front of the fixture
    #[arg(long, value_name = "URL", help_heading = "Targets", requires = "fixture")]
    pub site: Option<String>,
    /// The storage: with --fixture its root, otherwise the very file; file:///PATH, s3://BUCKET/KEY,
    /// az://CONTAINER/KEY, gs://BUCKET/KEY or http(s)://…
    #[arg(long, value_name = "URL", help_heading = "Targets")]
    pub storage: Option<String>,
    /// An option of the storage, such as region=eu-west-1; counts before AWS_…, AZURE_… and GOOGLE_…
    /// of the environment, where secrets should be (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Targets", requires = "storage")]
    #[arg(value_parser = storage_option)]
    pub storage_option: Vec<(String, String)>,
    /// Ask this machine's metadata service where there are no credentials for the storage
    #[arg(long, help_heading = "Targets", requires = "storage")]
    pub storage_metadata: bool,
    /// The download, asked at the app's own port
    #[arg(long, value_name = "URL", help_heading = "Targets", conflicts_with = "fixture")]
    pub app: Option<String>,
    /// The same file, served by the proxy without the app
    #[arg(long, value_name = "URL", help_heading = "Targets", conflicts_with = "fixture")]
    pub direct: Option<String>,
    /// The download, as a visitor asks for it
    #[arg(long, value_name = "URL", help_heading = "Targets")]
    pub full: Option<String>,
    /// The download at an inner proxy, where several stand in a row (repeatable)
    #[arg(long, value_name = "URL", help_heading = "Targets")]
    pub inner: Vec<String>,
    /// Connect to the app through this Unix socket
    #[arg(long, value_name = "PATH", help_heading = "Targets")]
    pub unix_socket: Option<PathBuf>,

    /// The hand-off that the app is meant to send
    #[arg(long, value_name = "HEADER: VALUE", help_heading = "Intention")]
    #[arg(conflicts_with = "fixture")]
    pub handoff: Option<String>,
    /// A header that the proxy is meant to send to the app (repeatable)
    #[arg(long, value_name = "N: V", help_heading = "Intention")]
    pub app_header: Vec<String>,
    /// A header of a visitor who may download (repeatable)
    #[arg(long, value_name = "N: V", help_heading = "Intention")]
    pub full_header: Vec<String>,
    /// The visitor's method
    #[arg(long, value_name = "METHOD", help_heading = "Intention", default_value = "GET")]
    pub full_method: http::Method,
    /// A header that must reach the visitor (repeatable)
    #[arg(long, value_name = "N: V", help_heading = "Intention")]
    pub expect_header: Vec<String>,
    /// A visitor without the --full-header lines must be refused
    #[arg(long, help_heading = "Intention")]
    pub private: bool,
    /// A URL that must not give the file to anybody (repeatable)
    #[arg(long, value_name = "URL", help_heading = "Intention")]
    pub refused: Vec<String>,
    /// Warn if the site's certificate is over within so many days
    #[arg(long, value_name = "N", default_value_t = CERT_DAYS, help_heading = "Intention")]
    pub cert_days: u32,

    /// A proxy's configuration, if it may be read, so that the file and line to change can be named;
    /// KIND is nginx, apache, lighttpd or caddy (repeatable)
    #[arg(long, value_name = "KIND:PATH", help_heading = "Local evidence", value_parser = proxy_config)]
    pub proxy_config: Vec<(Kind, PathBuf)>,
    /// A proxy's error log, if it may be read; only what it gains meanwhile is looked at (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Local evidence")]
    pub error_log: Vec<PathBuf>,

    /// How the network is reached, and how long and how much at most
    #[command(flatten)]
    pub limits: Limits,
    /// Make all checks: at most 34 requests beyond the four layers, instead of 8
    #[arg(long, help_heading = "Rules")]
    pub thorough: bool,
    /// Try only this rule (repeatable)
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    pub only: Vec<String>,
    /// Leave out this rule (repeatable)
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    pub skip: Vec<String>,
    /// The output
    #[command(flatten)]
    pub output: Output,
}

/// The network and its limits. curl's words mean what they mean in curl.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct Limits {
    /// Longest wait for an answer, and for each pause in one
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Longest wait for a connection
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// Repeat until healthy, at most for this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Connect to ADDRESS where a URL says HOST:PORT (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = resolve)]
    pub resolve: Vec<Resolve>,
    /// Connect to HOST2:PORT2 where a URL says HOST1:PORT1 (repeatable)
    #[arg(long, value_name = "H1:P1:H2:P2", value_parser = connect_to)]
    pub connect_to: Vec<ConnectTo>,
    /// Trust the certificates of this PEM file
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Trust any certificate
    #[arg(short = 'k', long)]
    pub insecure: bool,
    /// At most so many requests at the same time
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Read at most so many bytes of a body [default: twice the file's size, or 1 GiB if that is
    /// not known beforehand]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
}

/// What is printed.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// The format
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
    /// Print the verdict only
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print all evidence, also of what passed
    #[arg(short, long)]
    pub verbose: bool,
}

/// The arguments of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// The proxy; all but built-in must be installed
    #[arg(long, value_enum, default_value_t = DemoProxy::BuiltIn)]
    pub proxy: DemoProxy,
    /// Break it in a named way; `list` shows the names
    #[arg(long, value_name = "ID")]
    pub fault: Option<String>,
    /// Make all checks
    #[arg(long)]
    pub thorough: bool,
    /// The output
    #[command(flatten)]
    pub output: Output,
}

/// The proxies of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoProxy {
    /// The one in the fixture
    BuiltIn,
    /// nginx
    Nginx,
    /// Apache httpd with mod_xsendfile
    Apache,
    /// lighttpd
    Lighttpd,
    /// Caddy
    Caddy,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// `500ms`, `10s`, `2m`; a bare number is refused, because nobody can know its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as `500ms`, `10s` or `2m`"))?;
    if parsed.is_zero() {
        Err("it must be longer than nothing".to_owned())
    } else if parsed > YEAR {
        Err("it must be shorter than a year".to_owned())
    } else {
        Ok(parsed)
    }
}

/// `region=eu-west-1`.
fn storage_option(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn resolve(text: &str) -> Result<Resolve, String> {
    let wrong = || "write it as HOST:PORT:ADDRESS, as for curl".to_owned();
    let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (port, address) = rest.split_once(':').ok_or_else(wrong)?;
    let address: IpAddr =
        address.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wrong())?;
    Ok(Resolve { host: host.to_owned(), port: port.parse().map_err(|_| wrong())?, address })
}

fn connect_to(text: &str) -> Result<ConnectTo, String> {
    let wrong =
        || "write it as HOST1:PORT1:HOST2:PORT2, as for curl; a part may be empty".to_owned();
    let parts = split_outside_brackets(text);
    let [host1, port1, host2, port2] = parts.as_slice() else { return Err(wrong()) };
    let host = |text: &str| {
        (!text.is_empty()).then(|| text.trim_start_matches('[').trim_end_matches(']').to_owned())
    };
    let port = |text: &str| {
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| wrong()) }
    };
    Ok(ConnectTo { from: (host(host1), port(port1)?), to: (host(host2), port(port2)?) })
}

/// Splits at colons, but not at those of an IPv6 address in brackets.
fn split_outside_brackets(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ':' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn curl_words_are_read_as_curl_reads_them() {
        let it = resolve("example.org:443:127.0.0.1").expect("as for curl");
        assert_eq!((it.host.as_str(), it.port), ("example.org", 443));
        assert!(resolve("example.org:443:[::1]").expect("as for curl").address.is_ipv6());
        let it = connect_to("::[::1]:8080").expect("any host and port");
        assert_eq!(it, ConnectTo { from: (None, None), to: (Some("::1".to_owned()), Some(8080)) });
        assert!(connect_to("a:b").is_err());
        for words in ["example.org:443:[::1]", "h:80:127.0.0.1"] {
            assert_eq!(resolve(words).expect("as for curl").to_string(), words);
        }
        for words in ["::[::1]:8080", "example.org:443:127.0.0.1:", ":::"] {
            assert_eq!(connect_to(words).expect("as for curl").to_string(), words);
        }
    }
}
