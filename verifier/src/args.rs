//! The command line, as clap parses it. `config` turns it into targets, because URLs and headers may
//! carry secrets, which clap would repeat in its errors.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::{report::Format, snippet::Proxy};
use sendfile_evidence::{CERT_DAYS, Server};
use sendfile_probe::config::{CONCURRENCY, ConnectTo, Resolve, proxy_config};

mod config;
mod snippet;

pub use config::{choice_of, config_of};
pub use snippet::Snippet;

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
        #[arg(long, value_enum, requires = "rule")]
        proxy: Option<Proxy>,
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
    Demo(Demo),
    /// Output for packages: the manual page and shell completions
    #[command(flatten)]
    Manual(Manual),
}

/// The output for packages.
#[derive(Debug, Subcommand)]
pub enum Manual {
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete commands and options in
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// The arguments of `verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// Path to a TOML file with targets
    #[arg(short, long, value_name = "FILE", help_heading = "Targets")]
    #[arg(conflicts_with_all = [
        "fixture", "site", "storage", "storage_option", "storage_metadata", "app", "direct", "full", "inner", "unix_socket", "handoff",
        "app_header", "full_header", "full_method", "expect_header", "private", "refused",
    ])]
    pub config: Option<PathBuf>,
    /// Check only this target of the --config file (repeatable)
    #[arg(short, long, value_name = "NAME", help_heading = "Targets", requires = "config")]
    pub target: Vec<String>,
    /// URL of the fixture on its own port, or unix:PATH; its contract describes the layers
    #[arg(
        long,
        value_name = "URL",
        help_heading = "Targets",
        requires = "site",
        conflicts_with = "full"
    )]
    pub fixture: Option<String>,
    /// URL of the public site in front of the fixture
    #[arg(long, value_name = "URL", help_heading = "Targets", requires = "fixture")]
    pub site: Option<String>,
    /// URL of the storage root with --fixture, otherwise of the file; file:///PATH, s3://BUCKET/KEY,
    /// az://CONTAINER/KEY, gs://BUCKET/KEY or http(s)://…
    #[arg(long, value_name = "URL", help_heading = "Targets")]
    pub storage: Option<String>,
    /// Option of the storage, e.g. region=eu-west-1; overrides the environment variables AWS_*,
    /// AZURE_* and GOOGLE_*, which you should use for secrets (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Targets", requires = "storage")]
    #[arg(value_parser = storage_option)]
    pub storage_option: Vec<(String, String)>,
    /// Get missing storage credentials from this machine's metadata service
    #[arg(long, help_heading = "Targets", requires = "storage")]
    pub storage_metadata: bool,
    /// URL of the download on the app's own port
    #[arg(long, value_name = "URL", help_heading = "Targets", conflicts_with = "fixture")]
    pub app: Option<String>,
    /// URL of the same file, served by the proxy without the app
    #[arg(long, value_name = "URL", help_heading = "Targets", conflicts_with = "fixture")]
    pub direct: Option<String>,
    /// URL of the download, as clients request it
    #[arg(long, value_name = "URL", help_heading = "Targets")]
    pub full: Option<String>,
    /// URL of the download on an inner proxy, if proxies are chained (repeatable)
    #[arg(long, value_name = "URL", help_heading = "Targets")]
    pub inner: Vec<String>,
    /// Connect to the app through this Unix socket
    #[arg(long, value_name = "PATH", help_heading = "Targets")]
    pub unix_socket: Option<PathBuf>,

    /// Hand-off header that the app should send, e.g. 'X-Accel-Redirect: /protected/a.bin'
    #[arg(long, value_name = "HEADER: VALUE", help_heading = "Expectations")]
    #[arg(conflicts_with = "fixture")]
    pub handoff: Option<String>,
    /// Request header that the proxy should send to the app (repeatable)
    #[arg(long, value_name = "N: V", help_heading = "Expectations")]
    pub app_header: Vec<String>,
    /// Request header of a client that may download (repeatable)
    #[arg(long, value_name = "N: V", help_heading = "Expectations")]
    pub full_header: Vec<String>,
    /// Request method of the client
    #[arg(long, value_name = "METHOD", help_heading = "Expectations", default_value = "GET")]
    pub full_method: http::Method,
    /// Response header that must reach the client (repeatable)
    #[arg(long, value_name = "N: V", help_heading = "Expectations")]
    pub expect_header: Vec<String>,
    /// Require that clients without the --full-header lines are refused
    #[arg(long, help_heading = "Expectations")]
    pub private: bool,
    /// URL that must not serve the file to any client (repeatable)
    #[arg(long, value_name = "URL", help_heading = "Expectations")]
    pub refused: Vec<String>,
    /// Warn if the site's TLS certificate expires within N days
    #[arg(long, value_name = "N", default_value_t = CERT_DAYS, help_heading = "Expectations")]
    pub cert_days: u32,

    /// Path to a proxy's configuration, to name the file and line to change (repeatable); KIND is
    /// nginx, apache, lighttpd or caddy
    #[arg(long, value_name = "KIND:PATH", help_heading = "Configuration and logs", value_parser = proxy_config)]
    pub proxy_config: Vec<(Server, PathBuf)>,
    /// Path to a proxy's error log; only lines added during the check are used (repeatable)
    #[arg(long, value_name = "PATH", help_heading = "Configuration and logs")]
    pub error_log: Vec<PathBuf>,

    /// The network options
    #[command(flatten)]
    pub limits: Limits,
    /// Run all checks: at most 34 requests beyond the four layers, instead of 8
    #[arg(long, help_heading = "Rules")]
    pub thorough: bool,
    /// Apply only this rule (repeatable)
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    pub only: Vec<String>,
    /// Skip this rule (repeatable)
    #[arg(long, value_name = "RULE", help_heading = "Rules")]
    pub skip: Vec<String>,
    /// The output options
    #[command(flatten)]
    pub output: Output,
}

/// The network and its limits. Options with the names of curl's options have curl's meaning.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Network")]
pub struct Limits {
    /// Maximum time to wait for a response, and for each pause within one
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,
    /// Maximum time to wait for a connection
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub connect_timeout: Duration,
    /// Repeat until healthy, for at most this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub wait: Option<Duration>,
    /// Connect to ADDRESS for URLs with HOST:PORT (repeatable)
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = resolve)]
    pub resolve: Vec<Resolve>,
    /// Connect to H2:P2 for URLs with host H1 and port P1 (repeatable)
    #[arg(long, value_name = "H1:P1:H2:P2", value_parser = connect_to)]
    pub connect_to: Vec<ConnectTo>,
    /// Path to a PEM file of trusted certificates
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Accept any TLS certificate
    #[arg(short = 'k', long)]
    pub insecure: bool,
    /// Maximum number of concurrent requests
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// Maximum number of bytes to read from a body [default: twice the file's size, or 1 GiB if the
    /// size is unknown]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_bytes: Option<u64>,
}

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

/// The arguments of `demo`.
#[derive(Args, Debug)]
pub struct Demo {
    /// Proxy to run; all except built-in must be installed
    #[arg(long, value_enum, default_value_t = DemoProxy::BuiltIn)]
    pub proxy: DemoProxy,
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

/// The proxies of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoProxy {
    /// Proxy built into the fixture
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

/// `500ms`, `10s`, `2m`; a bare number is refused, because its unit is ambiguous.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text)
        .map_err(|error| format!("expected a time, e.g. `500ms`, `10s` or `2m` ({error})"))?;
    if parsed.is_zero() {
        Err("expected a time greater than zero, e.g. `10s`".to_owned())
    } else if parsed > YEAR {
        Err("expected at most one year, e.g. `10s`".to_owned())
    } else {
        Ok(parsed)
    }
}

/// `region=eu-west-1`.
fn storage_option(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, e.g. region=eu-west-1")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn resolve(text: &str) -> Result<Resolve, String> {
    let wrong = || "expected HOST:PORT:ADDRESS, e.g. example.org:443:127.0.0.1".to_owned();
    let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (port, address) = rest.split_once(':').ok_or_else(wrong)?;
    let address: IpAddr =
        address.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wrong())?;
    Ok(Resolve { host: host.to_owned(), port: port.parse().map_err(|_| wrong())?, address })
}

fn connect_to(text: &str) -> Result<ConnectTo, String> {
    let wrong = || "expected H1:P1:H2:P2, e.g. example.org:443:127.0.0.1:8443".to_owned();
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

/// Splits at colons, except inside the brackets of an IPv6 address.
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
    fn curl_options_are_parsed_as_curl_does() {
        let it = resolve("example.org:443:127.0.0.1").expect("the syntax of curl");
        assert_eq!((it.host.as_str(), it.port), ("example.org", 443));
        assert!(resolve("example.org:443:[::1]").expect("the syntax of curl").address.is_ipv6());
        let it = connect_to("::[::1]:8080").expect("any host and port");
        assert_eq!(it, ConnectTo { from: (None, None), to: (Some("::1".to_owned()), Some(8080)) });
        assert!(connect_to("a:b").is_err());
        for words in ["example.org:443:[::1]", "h:80:127.0.0.1"] {
            assert_eq!(resolve(words).expect("the syntax of curl").to_string(), words);
        }
        for words in ["::[::1]:8080", "example.org:443:127.0.0.1:", ":::"] {
            assert_eq!(connect_to(words).expect("the syntax of curl").to_string(), words);
        }
    }
}
