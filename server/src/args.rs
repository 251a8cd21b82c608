//! The command line, and the fixture that it describes.

use std::time::Duration;

use clap::{
    CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    builder::{FalseyValueParser, RangedU64ValueParser},
    error::ErrorKind,
};
use sendfile_fixture::{
    Accel, Buffering, Dialect, Escape, Expires, Fixture, Header, Limits, Socket,
};

use crate::{
    manual::Manual,
    ready::Ready,
    sockets::{Listen, passed},
};

pub(crate) mod value;

use self::value::{duration, expires, link_expiry, link_header, pair, size};

const AFTER: &str = "\
Every option can be set in the environment too: --large-size is
SENDFILE_FIXTURE_LARGE_SIZE. The addresses are printed on stdout as soon as they
answer, all else on stderr.

Exit status: 0 stopped as asked, 1 could not clean up, 2 could not start.";

const AFTER_READY: &str = "\
Exit status: 0 ready, 1 not ready or no answer, 2 usage. It needs no shell and no curl,
so it is the healthcheck of a container.";

const EXAMPLE: &str = "\
Example: an app whose nginx has `location /protected/ { internal; alias /srv/media/; }`

  sendfile-fixture serve --storage file:///srv/media --map /protected/";

/// Stands beside a web app and answers a download view as the app would
///
/// It places checksummed dummy files on the app's storage and hands them off to the
/// reverse proxy, with X-Accel-Redirect or X-Sendfile. Then `sendfile-check` can tell
/// whether visitors get them, and if not, whose fault it is. It overwrites nothing,
/// and removes its dummies when it stops.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLE)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Place the dummies and answer until SIGTERM or Ctrl-C
    ///
    /// The dummies go into the folder healthcheck/ of the storage, and for some dialects a twin
    /// into a folder like the map. If a file that is not its own is in the way, it does not start.
    /// What a killed run has left, the next one clears: so run one fixture for each storage.
    #[command(after_help = AFTER)]
    Serve(Box<Serve>),
    /// Ask a fixture that runs here whether it is ready
    #[command(after_help = AFTER_READY)]
    Ready(Ready),
    /// What packages ship beside the program
    #[command(flatten)]
    Manual(Manual),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Place the dummies in the app's storage: file:///PATH, s3://BUCKET/PREFIX,
    /// az://CONTAINER/PREFIX, gs://BUCKET/PREFIX, or https://… for WebDAV
    #[arg(long, value_name = "URL")]
    storage: String,

    /// Listen on ADDRESS:PORT, unix:PATH, or systemd: the sockets of its unit; may be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_delimiter = ',')]
    listen: Vec<Listen>,

    /// Answer below this path
    #[arg(long, value_name = "PATH", default_value = "/healthcheck-utils")]
    base: String,

    /// Set an option of the storage, like region=eu-west-1; may be repeated, and counts before
    /// AWS_…, AZURE_… and GOOGLE_… of the environment, where secrets should be
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = "Storage")]
    storage_option: Vec<(String, String)>,

    /// Ask the machine's metadata service where no credentials are given
    #[arg(long, value_parser = FalseyValueParser::new(), help_heading = "Storage")]
    storage_metadata: bool,

    /// Wait for an answer of the storage
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    #[arg(help_heading = "Storage")]
    storage_timeout: Duration,

    /// Hand off as this proxy expects it
    #[arg(long, value_enum, default_value = "x-accel-redirect", help_heading = "Hand-off")]
    dialect: DialectName,

    /// Say where the proxy has the storage: a URI like /protected/ (the default), or for the
    /// dialects with paths the folder as the proxy sees it (default: that of --storage)
    #[arg(long, value_name = "PREFIX", help_heading = "Hand-off")]
    map: Option<String>,

    /// Use this header [caddy, custom only; caddy's default: X-Accel-Redirect]
    #[arg(long, value_name = "NAME", help_heading = "Hand-off")]
    header: Option<Header>,

    /// Write names raw, or percent-encoded [custom only]
    #[arg(long, value_name = "raw|percent", value_enum, hide_possible_values = true)]
    #[arg(help_heading = "Hand-off")]
    escape: Option<EscapeName>,

    /// Hand off to a private bucket: signed links, their query in the value or all in a header
    #[arg(long, value_name = "signed|signed-header", value_enum, hide_possible_values = true)]
    #[arg(help_heading = "Hand-off")]
    remote: Option<RemoteName>,

    /// Send the whole link in this header [signed-header only; default: X-Storage-Url]
    #[arg(long, value_name = "NAME", value_parser = link_header, help_heading = "Hand-off")]
    remote_header: Option<Header>,

    /// Let signed links be used for so long, 7d at most
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = link_expiry)]
    #[arg(help_heading = "Hand-off")]
    remote_expiry: Duration,

    /// Send X-Accel-Buffering [nginx only, like the next three]
    #[arg(long, value_name = "yes|no", value_enum, hide_possible_values = true)]
    #[arg(help_heading = "Hand-off")]
    accel_buffering: Option<BufferingName>,

    /// Send X-Accel-Limit-Rate, per second
    #[arg(long, value_name = "BYTES", value_parser = size, help_heading = "Hand-off")]
    accel_limit_rate: Option<u64>,

    /// Send X-Accel-Expires: seconds, or off
    #[arg(long, value_name = "SECONDS", value_parser = expires, help_heading = "Hand-off")]
    accel_expires: Option<Expires>,

    /// Send X-Accel-Charset
    #[arg(long, value_name = "NAME", help_heading = "Hand-off")]
    accel_charset: Option<String>,

    /// Name the download
    #[arg(long, default_value = "dummy.bin", help_heading = "Dummies")]
    name: String,

    /// Make it so long, like 4096 or 10GiB
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = size)]
    #[arg(help_heading = "Dummies")]
    size: u64,

    /// Place a large twin of this size; 0 for none
    #[arg(long, value_name = "BYTES", default_value = "3MiB", value_parser = size)]
    #[arg(help_heading = "Dummies")]
    large_size: u64,

    /// Place no twin where nginx looks if `root` stands for `alias`
    #[arg(long, value_parser = FalseyValueParser::new(), help_heading = "Dummies")]
    no_root_twin: bool,

    /// Place dummies with odd names too, for `sendfile-check verify --thorough`
    #[arg(long, value_parser = FalseyValueParser::new(), help_heading = "Dummies")]
    odd_names: bool,

    /// Give the dummies new content each time, like 10m
    #[arg(long, value_name = "PERIOD", value_parser = duration, help_heading = "Dummies")]
    rotate: Option<Duration>,

    /// Serve so many connections at once; others wait
    #[arg(long, value_name = "N", default_value = "512", help_heading = "Limits")]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    max_connections: usize,

    /// Close connections whose request has not arrived after this time
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Limits")]
    header_timeout: Duration,

    /// Close connections that were idle for this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    #[arg(help_heading = "Limits")]
    keep_alive: Duration,

    /// Wait for requests that are being answered when it stops
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    #[arg(help_heading = "Limits")]
    shutdown_timeout: Duration,

    #[command(flatten)]
    pub(crate) log: Log,
}

/// What is logged, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    /// Log what happens, not only warnings; -vv each request too
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Logging")]
    pub(crate) verbose: u8,

    /// Log as text or as JSON
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
    /// Apache with mod_xsendfile: a path, as it is
    XSendfile,
    /// lighttpd: a path, percent-encoded
    XSendfileLighttpd,
    /// Caddy with handle_response: a URI, as it is
    Caddy,
    /// Any other proxy that maps a prefix; wants --header and --escape
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
        let with_environment = |subcommand: clap::Command| {
            subcommand.mut_args(|arg| match arg.get_long() {
                Some(long) => {
                    let name = long.replace('-', "_").to_uppercase();
                    let name: &'static str = format!("SENDFILE_FIXTURE_{name}").leak();
                    arg.env(name).hide_env(true)
                }
                None => arg,
            })
        };
        let command = Self::command()
            .mut_subcommand("serve", with_environment)
            .mut_subcommand("ready", with_environment);
        Self::from_arg_matches(&command.try_get_matches()?)
    }
}

impl Serve {
    /// Describes the fixture.
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
        if let Some(map) = &self.map {
            fixture = fixture.map(map);
        }
        fixture = self.signing(fixture)?;
        if let Some(period) = self.rotate {
            fixture = fixture.rotate_every(period);
        }
        if self.no_root_twin {
            fixture = fixture.without_root_twin();
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
        Ok(self.listen.iter().fold(fixture, |fixture, listen| match listen {
            Listen::At(address) => fixture.listen(address.clone()),
            Listen::Systemd => fixture,
        }))
    }

    /// Takes the sockets that are open already, where they are asked for.
    pub(crate) fn sockets(&self) -> Result<Vec<Socket>, clap::Error> {
        if !self.listen.iter().any(|it| matches!(it, Listen::Systemd)) {
            return Ok(Vec::new());
        }
        match passed() {
            Ok(sockets) if !sockets.is_empty() => Ok(sockets),
            Ok(_) => Err(self.wrong("`--listen systemd` needs a unit of type .socket".into())),
            Err(error) => Err(self.wrong(format!("cannot listen on systemd's sockets: {error}"))),
        }
    }

    fn signing(&self, fixture: Fixture) -> Result<Fixture, clap::Error> {
        let header = self.remote_header.clone();
        Ok(match (self.remote, header) {
            (Some(RemoteName::SignedHeader), header) => {
                fixture.signed_links_in(header.unwrap_or_else(Header::link), self.remote_expiry)
            }
            (_, Some(_)) => {
                return Err(self.wrong("`--remote-header` needs `--remote signed-header`".into()));
            }
            (Some(RemoteName::Signed), None) => fixture.signed_links(self.remote_expiry),
            (None, None) => fixture,
        })
    }

    fn dialect(&self) -> Result<Dialect, clap::Error> {
        self.refuse_others_options()?;
        let missing = |option: &str| self.wrong(format!("`--dialect custom` needs `{option}`"));
        let header = self.header.clone();
        Ok(match self.dialect {
            DialectName::XAccelRedirect => Dialect::XAccelRedirect(self.accel()),
            DialectName::XSendfile => Dialect::XSendfile,
            DialectName::XSendfileLighttpd => Dialect::XSendfileLighttpd,
            DialectName::Caddy => Dialect::Caddy(header.unwrap_or_else(Header::accel)),
            DialectName::Custom => {
                let escape = match self.escape.ok_or_else(|| missing("--escape"))? {
                    EscapeName::Raw => Escape::Raw,
                    EscapeName::Percent => Escape::Percent,
                };
                Dialect::Custom(header.ok_or_else(|| missing("--header"))?, escape)
            }
        })
    }

    fn accel(&self) -> Accel {
        Accel {
            buffering: self.accel_buffering.map(|it| match it {
                BufferingName::Yes => Buffering::Yes,
                BufferingName::No => Buffering::No,
            }),
            limit_rate: self.accel_limit_rate,
            expires: self.accel_expires,
            charset: self.accel_charset.clone(),
        }
    }

    /// An option without effect would be taken for one that works.
    fn refuse_others_options(&self) -> Result<(), clap::Error> {
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
        let other = |row: &&(&str, bool, &[DialectName])| row.1 && !row.2.contains(&self.dialect);
        match table.iter().find(other) {
            Some((option, ..)) => {
                let dialect = name(self.dialect);
                Err(self.wrong(format!("`{option}` means nothing to the dialect `{dialect}`")))
            }
            None => Ok(()),
        }
    }

    fn wrong(&self, message: String) -> clap::Error {
        let mut command = Args::command();
        command.build();
        match command.find_subcommand_mut("serve") {
            Some(serve) => serve.error(ErrorKind::ArgumentConflict, message),
            None => command.error(ErrorKind::ArgumentConflict, message),
        }
    }
}

fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
}
