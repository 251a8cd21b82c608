//! The command line, and the fixture that it describes.

use std::time::Duration;

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::{FalseyValueParser, RangedU64ValueParser},
    error::ErrorKind,
};
use sendfile_fixture::{
    Accel, Address, Buffering, Dialect, Escape, Expires, Fixture, Header, Limits, Socket,
};
use sendfile_manual::Shell;

use crate::sockets::{Listen, passed};

mod value;

use self::value::{duration, expires, link_expiry, link_header, pair, reachable, size};

const AFTER_SERVE: &str = "\
Each option can also be set by an environment variable: SENDFILE_FIXTURE_LARGE_SIZE
sets --large-size. When the fixture is ready, it prints its addresses to stdout. All
other output is printed to stderr.

Exit status: 0 stopped as requested, 1 could not clean up, 2 could not start.";

const AFTER_READY: &str = "\
Exit status: 0 ready, 1 not ready or no response, 2 invalid usage. Suitable as the
healthcheck of a container, because it needs neither a shell nor curl.";

const EXAMPLE: &str = "\
Example for an app whose nginx has `location /protected/ { internal; alias /srv/media/; }`:

  sendfile-fixture serve --storage file:///srv/media --map /protected/";

/// Test fixture for downloads that a web app hands off to its reverse proxy
///
/// The fixture runs next to a web app and responds to a download view as the app would. It
/// places dummy files with known checksums on the app's storage and hands them off to the
/// reverse proxy with X-Accel-Redirect or X-Sendfile. Then `sendfile-check` can test whether
/// clients get these files and, if not, which component is broken. The fixture overwrites
/// no files of others and removes its dummies when it stops.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Place the dummies and serve requests until SIGTERM or Ctrl-C
    ///
    /// The dummies are placed in the directory healthcheck/ of the storage. For some dialects, a
    /// decoy is placed in a directory with the name of the path prefix (--map). The fixture does not
    /// start if another program's file has the name of a dummy. It removes the dummies of a run that
    /// was killed, so run only one fixture per storage.
    #[command(after_help = AFTER_SERVE)]
    Serve(Box<Serve>),
    /// Check whether a running fixture is ready
    #[command(after_help = AFTER_READY)]
    Ready(Ready),
    /// Print a script with the completions for a shell
    Completions {
        /// Name of the shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// URL of the app's storage: file:///PATH, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX,
    /// gs://BUCKET/PREFIX, or https://… for WebDAV
    #[arg(long, value_name = "URL")]
    storage: String,

    /// Address to listen on: IP:PORT, unix:PATH, or systemd for the sockets of the systemd unit; may
    /// be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_delimiter = ',')]
    listen: Vec<Listen>,

    /// Base path of all URLs
    #[arg(long, value_name = "PATH", default_value = "/healthcheck-utils")]
    base: String,

    /// Option of the storage, e.g. region=eu-west-1; may be repeated. Overrides the environment
    /// variables AWS_…, AZURE_… and GOOGLE_…, which are the right place for secrets
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Storage")]
    storage_option: Vec<(String, String)>,

    /// Request credentials from the host's metadata service if none are given
    #[arg(long, value_parser = FalseyValueParser::new(), help_heading = "Storage")]
    storage_metadata: bool,

    /// Maximum time to wait for a response of the storage
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    #[arg(help_heading = "Storage")]
    storage_timeout: Duration,

    /// Hand-off that the proxy expects
    #[arg(long, value_enum, default_value = "x-accel-redirect", help_heading = "Hand-off")]
    dialect: DialectName,

    /// Path prefix under which the proxy finds the storage: a URI such as /protected/ (the default),
    /// or for dialects with paths a directory on the proxy's host (default: that of --storage)
    #[arg(long, value_name = "PREFIX", help_heading = "Hand-off")]
    map: Option<String>,

    /// Name of the hand-off header [caddy and custom only; default for caddy: X-Accel-Redirect]
    #[arg(long, value_name = "NAME", help_heading = "Hand-off")]
    header: Option<Header>,

    /// Encoding of file names: raw or percent-encoded [custom only]
    #[arg(long, value_name = "raw|percent", value_enum, hide_possible_values = true)]
    #[arg(help_heading = "Hand-off")]
    escape: Option<EscapeName>,

    /// Hand off signed links to a private bucket: their query in the value (signed), or the complete
    /// link in a header of its own (signed-header)
    #[arg(long, value_name = "signed|signed-header", value_enum, hide_possible_values = true)]
    #[arg(help_heading = "Hand-off")]
    remote: Option<RemoteName>,

    /// Name of the header for the complete link [signed-header only; default: X-Storage-Url]
    #[arg(long, value_name = "NAME", value_parser = link_header, help_heading = "Hand-off")]
    remote_header: Option<Header>,

    /// Time after which signed links expire, from 2s to 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = link_expiry)]
    #[arg(help_heading = "Hand-off")]
    remote_expiry: Duration,

    /// Value of X-Accel-Buffering [nginx only, like the next three options]
    #[arg(long, value_name = "yes|no", value_enum, hide_possible_values = true)]
    #[arg(help_heading = "Hand-off")]
    accel_buffering: Option<BufferingName>,

    /// Value of X-Accel-Limit-Rate, in bytes per second
    #[arg(long, value_name = "BYTES", value_parser = size, help_heading = "Hand-off")]
    accel_limit_rate: Option<u64>,

    /// Value of X-Accel-Expires: seconds, or off
    #[arg(long, value_name = "SECONDS", value_parser = expires, help_heading = "Hand-off")]
    accel_expires: Option<Expires>,

    /// Value of X-Accel-Charset
    #[arg(long, value_name = "NAME", help_heading = "Hand-off")]
    accel_charset: Option<String>,

    /// File name of the download
    #[arg(long, default_value = "dummy.bin", help_heading = "Dummies")]
    name: String,

    /// Size of the download, e.g. 4096 or 10GiB
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = size)]
    #[arg(help_heading = "Dummies")]
    size: u64,

    /// Size of the large dummy; 0 for none
    #[arg(long, value_name = "BYTES", default_value = "3MiB", value_parser = size)]
    #[arg(help_heading = "Dummies")]
    large_size: u64,

    /// Do not place the decoy that nginx serves if `root` is used instead of `alias`
    #[arg(long, value_parser = FalseyValueParser::new(), help_heading = "Dummies")]
    no_root_twin: bool,

    /// Also place dummies with odd names, for `sendfile-check verify --thorough`
    #[arg(long, value_parser = FalseyValueParser::new(), help_heading = "Dummies")]
    odd_names: bool,

    /// Period after which the dummies get new content, e.g. 10m
    #[arg(long, value_name = "PERIOD", value_parser = duration, help_heading = "Dummies")]
    rotate: Option<Duration>,

    /// Maximum number of open connections; further clients wait
    #[arg(long, value_name = "N", default_value = "512", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    max_connections: usize,

    /// Maximum time to receive the head of a request
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Limits")]
    header_timeout: Duration,

    /// Time after which idle connections are closed
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    #[arg(help_heading = "Limits")]
    keep_alive: Duration,

    /// Maximum time to wait for requests in progress when the fixture stops
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Limits")]
    shutdown_timeout: Duration,

    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ready {
    /// Address of the fixture; from a list, the first address is used
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    #[arg(value_parser = reachable)]
    pub(crate) listen: Address,

    /// Maximum time to wait for a response
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// The options of the log.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// Log more than warnings; -vv also logs each request
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    pub(crate) verbose: u8,

    /// Format of the log
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    #[arg(help_heading = "Logging")]
    pub(crate) log_format: LogFormat,
}

/// The forms of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DialectName {
    /// nginx: a URI, percent-encoded
    XAccelRedirect,
    /// Apache with mod_xsendfile: a path, not encoded
    XSendfile,
    /// lighttpd: a path, percent-encoded
    XSendfileLighttpd,
    /// Caddy with handle_response: a URI, not encoded
    Caddy,
    /// Any other proxy that maps a path prefix; requires --header and --escape
    Custom,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RemoteName {
    Signed,
    SignedHeader,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EscapeName {
    Raw,
    Percent,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BufferingName {
    Yes,
    No,
}

impl Args {
    /// Parses the arguments of the program and its environment.
    pub(crate) fn from_program() -> Result<Self, clap::Error> {
        let command = Self::command()
            .mut_subcommand("serve", with_environment)
            .mut_subcommand("ready", with_environment);
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

fn with_environment(subcommand: clap::Command) -> clap::Command {
    subcommand.mut_args(|arg| {
        let Some(long) = arg.get_long() else { return arg };
        let name = long.replace('-', "_").to_uppercase();
        let name: &'static str = format!("SENDFILE_FIXTURE_{name}").leak();
        arg.env(name).hide_env(true)
    })
}

impl Serve {
    /// Builds the fixture.
    pub(crate) fn fixture(&self) -> Result<Fixture, clap::Error> {
        let mut fixture = Fixture::builder()
            .storage(&self.storage)
            .storage_timeout(self.storage_timeout)
            .dialect(self.dialect()?)
            .base(&self.base)
            .name(&self.name)
            .size(self.size)
            .large_size(self.large_size)
            .limits(Limits {
                max_connections: self.max_connections,
                header_timeout: self.header_timeout,
                keep_alive: self.keep_alive,
                shutdown_timeout: self.shutdown_timeout,
            });
        if let Some(path_prefix) = &self.map {
            fixture = fixture.path_prefix(path_prefix);
        }
        fixture = self.with_signed_links(fixture)?;
        if let Some(period) = self.rotate {
            fixture = fixture.rotate_every(period);
        }
        if self.no_root_twin {
            fixture = fixture.without_root_decoy();
        }
        if self.odd_names {
            fixture = fixture.odd_names();
        }
        if self.storage_metadata {
            fixture = fixture.storage_metadata();
        }
        for (name, value) in &self.storage_option {
            fixture = fixture.storage_option(name, value);
        }
        for listen in &self.listen {
            if let Listen::At(address) = listen {
                fixture = fixture.listen(address.clone());
            }
        }
        Ok(fixture)
    }

    /// Takes the sockets that systemd has opened, if `--listen systemd` is given.
    pub(crate) fn sockets(&self) -> Result<Vec<Socket>, clap::Error> {
        if !self.listen.iter().any(|listen| matches!(listen, Listen::Systemd)) {
            return Ok(Vec::new());
        }
        match passed() {
            Ok(sockets) if !sockets.is_empty() => Ok(sockets),
            Ok(_) => Err(conflict("`--listen systemd` requires a systemd unit of type .socket")),
            Err(error) => {
                Err(conflict(&format!("cannot listen on the sockets of systemd: {error}")))
            }
        }
    }

    fn with_signed_links(&self, fixture: Fixture) -> Result<Fixture, clap::Error> {
        match (self.remote, self.remote_header.clone()) {
            (Some(RemoteName::SignedHeader), header) => {
                Ok(fixture.signed_links_in(header.unwrap_or_else(Header::link), self.remote_expiry))
            }
            (_, Some(_)) => Err(conflict("`--remote-header` requires `--remote signed-header`")),
            (Some(RemoteName::Signed), None) => Ok(fixture.signed_links(self.remote_expiry)),
            (None, None) => Ok(fixture),
        }
    }

    fn dialect(&self) -> Result<Dialect, clap::Error> {
        self.refuse_unused_options()?;
        match (self.dialect, self.header.clone(), self.escape) {
            (DialectName::XAccelRedirect, ..) => Ok(Dialect::XAccelRedirect(self.accel())),
            (DialectName::XSendfile, ..) => Ok(Dialect::XSendfile),
            (DialectName::XSendfileLighttpd, ..) => Ok(Dialect::XSendfileLighttpd),
            (DialectName::Caddy, header, _) => {
                Ok(Dialect::Caddy(header.unwrap_or_else(Header::accel)))
            }
            (DialectName::Custom, _, None) => {
                Err(conflict("`--dialect custom` requires `--escape`"))
            }
            (DialectName::Custom, None, _) => {
                Err(conflict("`--dialect custom` requires `--header`"))
            }
            (DialectName::Custom, Some(header), Some(EscapeName::Raw)) => {
                Ok(Dialect::Custom(header, Escape::Raw))
            }
            (DialectName::Custom, Some(header), Some(EscapeName::Percent)) => {
                Ok(Dialect::Custom(header, Escape::Percent))
            }
        }
    }

    fn accel(&self) -> Accel {
        let buffering = match self.accel_buffering {
            Some(BufferingName::Yes) => Some(Buffering::Yes),
            Some(BufferingName::No) => Some(Buffering::No),
            None => None,
        };
        Accel {
            buffering,
            limit_rate: self.accel_limit_rate,
            expires: self.accel_expires,
            charset: self.accel_charset.clone(),
        }
    }

    /// Refuses options without an effect, which a user would expect to work.
    fn refuse_unused_options(&self) -> Result<(), clap::Error> {
        use DialectName::{Caddy, Custom, XAccelRedirect};
        let nginx = &[XAccelRedirect][..];
        let table = [
            ("--header", self.header.is_some(), &[Caddy, Custom][..]),
            ("--escape", self.escape.is_some(), &[Custom]),
            ("--accel-buffering", self.accel_buffering.is_some(), nginx),
            ("--accel-limit-rate", self.accel_limit_rate.is_some(), nginx),
            ("--accel-expires", self.accel_expires.is_some(), nginx),
            ("--accel-charset", self.accel_charset.is_some(), nginx),
        ];
        for (option, is_given, dialects) in table {
            if is_given && !dialects.contains(&self.dialect) {
                let dialect = self.dialect.name();
                let message = format!("`{option}` has no effect with `--dialect {dialect}`");
                return Err(conflict(&message));
            }
        }
        Ok(())
    }
}

impl DialectName {
    fn name(self) -> String {
        match self.to_possible_value() {
            Some(value) => value.get_name().to_owned(),
            None => String::new(),
        }
    }
}

fn conflict(message: &str) -> clap::Error {
    let mut command = Args::command();
    command.build();
    match command.find_subcommand_mut("serve") {
        Some(serve) => serve.error(ErrorKind::ArgumentConflict, message),
        None => command.error(ErrorKind::ArgumentConflict, message),
    }
}
