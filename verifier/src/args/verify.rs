//! The arguments of `verify`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use sendfile_evidence::{CERT_DAYS, Server};
use sendfile_probe::config::{CONCURRENCY, ConnectTo, Resolve, proxy_config};

use super::{
    output::Output,
    value::{connect_to, duration, resolve, storage_option},
};

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
