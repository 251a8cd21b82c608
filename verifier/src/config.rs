//! From the command line or a TOML file, as written, to targets with no option left open.

use std::{collections::BTreeMap, path::PathBuf};

use http::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::{
    args,
    check::Choice,
    evidence::{Access, Intent},
    local::Kind,
    probe::{Limits, Network, Trust},
    url::{Url, UrlError},
};

mod bucket;
mod file;
mod storage;

pub use self::bucket::{BucketAt, Scheme};
use self::storage::{Means, Metadata, storage_at};

/// What to check, and how.
#[derive(Debug)]
pub struct Config {
    /// The targets, in the file's order of names.
    pub targets: Vec<Target>,
    /// How the network is reached.
    pub network: Network,
    /// How long and how much at most.
    pub limits: Limits,
    /// How many requests at the same time.
    pub concurrency: u16,
    /// When to ask more than the layers.
    pub depth: Depth,
    /// Which rules are tried: what no rule needs is not asked.
    pub choice: Choice,
}

/// How much is asked beyond the four layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What splits the causes where the download fails, and the checks that need few requests.
    AsNeeded,
    /// All of it.
    Thorough,
}

/// One download to check.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Where its layers are.
    pub places: Places,
    /// What a visitor and the proxy send, and what should come.
    pub wish: Wish,
}

/// What may be read beside the probes, on this machine.
#[derive(Clone, Debug, Default)]
pub struct LocalPlaces {
    /// The proxies' configurations.
    pub configs: Vec<(Kind, PathBuf)>,
    /// Their error logs.
    pub logs: Vec<PathBuf>,
}

/// Where the layers of a target are.
#[derive(Clone, Debug)]
pub enum Places {
    /// All but the site and the storage comes from the fixture's contract.
    Fixture {
        /// The fixture itself.
        fixture: FixtureAt,
        /// The public site.
        site: Url,
        /// The storage's root; without it the fixture reads back for us.
        storage: Option<StorageAt>,
    },
    /// Any app: each layer has its URL, or none.
    Urls {
        /// The very file.
        storage: Option<StorageAt>,
        /// The app.
        app: Option<Url>,
        /// The direct location.
        direct: Option<Url>,
        /// The download.
        full: Url,
    },
}

/// The fixture's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureAt {
    /// The URL up to the base path.
    pub url: Url,
    /// The Unix socket it listens on.
    pub unix_socket: Option<PathBuf>,
}

/// A storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageAt {
    /// A path on this machine, as it was written.
    File(String),
    /// A URL for a plain GET, and the Authorization header that goes with it.
    Http(Url, Option<HeaderValue>),
    /// An object store.
    Bucket(BucketAt),
}

/// What a visitor and the proxy send, and what should come.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The hand-off, the expected headers, and whether strangers are refused.
    pub intent: Intent,
    /// What the proxy is meant to send to the app.
    pub app_headers: Vec<(HeaderName, HeaderValue)>,
    /// What a visitor who may download sends.
    pub full_headers: Vec<(HeaderName, HeaderValue)>,
    /// The visitor's method.
    pub full_method: http::Method,
    /// The app's Unix socket.
    pub unix_socket: Option<PathBuf>,
    /// Inner proxies.
    pub inner: Vec<Url>,
    /// URLs that must not give the file.
    pub refused: Vec<Url>,
    /// What may be read beside the probes.
    pub local: LocalPlaces,
}

impl Target {
    /// The target that a table describes, in the words of the file for `--config`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], where the table is no target.
    pub fn from_table(name: &str, table: toml::Table) -> Result<Self, ConfigError> {
        file::target(name, table)
    }
}

impl LocalPlaces {
    fn add(&mut self, other: Self) {
        self.configs.extend(other.configs);
        self.logs.extend(other.logs);
    }
}

/// What is wrong with the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("`{}` is no configuration: {problem}", path.display())]
    NotUnderstood {
        /// Which file.
        path: PathBuf,
        /// The parser's words, and a suggestion.
        problem: String,
    },
    /// A target lacks something, or has too much.
    #[error("target `{target}`: {problem}\nhint: {hint}")]
    Target {
        /// Which target.
        target: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// A URL cannot be asked.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header line is none.
    #[error("`{line}` is no header line: {problem}\nhint: write it as `Name: value`")]
    Header {
        /// The line's name, without its value.
        line: String,
        /// What is wrong.
        problem: String,
    },
    /// A storage is of no kind that can be read.
    #[error("the storage `{url}` cannot be read: {problem}\nhint: {hint}")]
    Storage {
        /// The URL.
        url: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// Certificates cannot be taken from the file.
    #[error("{0}\nhint: --cacert takes a file of certificates in PEM")]
    Certificates(String),
    /// There is nothing to check.
    #[error(
        "there is nothing to check\nhint: give --fixture and --site, or --full, or --config FILE"
    )]
    Nothing,
    /// A rule that does not exist.
    #[error("there is no rule `{rule}`{suggestion}\nhint: `sendfile-check rules` lists them")]
    Rule {
        /// The id as it was given.
        rule: String,
        /// `; did you mean …?`, or nothing.
        suggestion: String,
    },
}

impl Config {
    /// One target, with the limits and the network as they are by default.
    pub fn of(target: Target) -> Self {
        let limits = args::Limits::default();
        Self {
            targets: vec![target],
            network: network(&limits),
            limits: Limits { timeout: limits.timeout, max_bytes: limits.max_bytes },
            concurrency: limits.concurrency,
            depth: Depth::AsNeeded,
            choice: Choice::default(),
        }
    }

    /// The configuration of a command line.
    pub fn from_args(args: &args::Verify) -> Result<Self, ConfigError> {
        let targets = match &args.config {
            Some(path) => {
                let mut targets = file::targets(path, &args.target)?;
                targets.iter_mut().for_each(|it| it.wish.local.add(local_of(args)));
                targets
            }
            None => vec![target_from_args(args)?],
        };
        let network = network(&args.limits);
        crate::probe::check_trust(&network.trust).map_err(ConfigError::Certificates)?;
        Ok(Self {
            targets,
            network,
            limits: Limits { timeout: args.limits.timeout, max_bytes: args.limits.max_bytes },
            concurrency: args.limits.concurrency,
            depth: if args.thorough { Depth::Thorough } else { Depth::AsNeeded },
            choice: Choice { only: args.only.clone(), skip: args.skip.clone() },
        })
    }
}

fn network(limits: &args::Limits) -> Network {
    let trust = match (&limits.cacert, limits.insecure) {
        (_, true) => Trust::Anything,
        (Some(path), false) => Trust::File(path.clone()),
        (None, false) => Trust::System,
    };
    Network {
        resolve: limits.resolve.clone(),
        connect_to: limits.connect_to.clone(),
        trust,
        connect_timeout: limits.connect_timeout,
    }
}

fn local_of(args: &args::Verify) -> LocalPlaces {
    LocalPlaces { configs: args.proxy_config.clone(), logs: args.error_log.clone() }
}

fn target_from_args(args: &args::Verify) -> Result<Target, ConfigError> {
    let metadata = if args.storage_metadata { Metadata::Asked } else { Metadata::NotAsked };
    let means = Means { options: &args.storage_option, metadata };
    let storage = args.storage.as_deref().map(|it| storage_at(it, means)).transpose()?;
    let url = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
    let places = match (&args.fixture, &args.site, &args.full) {
        (Some(fixture), Some(site), _) => Places::Fixture {
            fixture: fixture_at(fixture, args.unix_socket.clone())?,
            site: site.parse()?,
            storage,
        },
        (_, _, Some(full)) => Places::Urls {
            storage,
            app: url(&args.app)?,
            direct: url(&args.direct)?,
            full: full.parse()?,
        },
        _ => return Err(ConfigError::Nothing),
    };
    let (header, value) = args.handoff.as_deref().map(handoff).transpose()?.unwrap_or_default();
    let wish = Wish {
        intent: Intent {
            header,
            value,
            expect: expected(&args.expect_header)?,
            access: if args.private { Access::Private } else { Access::Unsaid },
            cert_days: args.cert_days,
        },
        app_headers: headers(&args.app_header)?,
        full_headers: headers(&args.full_header)?,
        full_method: args.full_method.clone(),
        unix_socket: args.unix_socket.clone(),
        inner: urls(&args.inner)?,
        refused: urls(&args.refused)?,
        local: local_of(args),
    };
    Ok(Target { name: "download".to_owned(), places, wish })
}

fn urls(list: &[String]) -> Result<Vec<Url>, UrlError> {
    list.iter().map(|it| it.parse()).collect()
}

/// `http://127.0.0.1:8000`, the same with a base path, or `unix:/run/fixture.sock`.
fn fixture_at(text: &str, socket: Option<PathBuf>) -> Result<FixtureAt, ConfigError> {
    let (url, unix_socket) = match text.strip_prefix("unix:") {
        Some(path) => ("http://localhost".parse::<Url>()?, Some(PathBuf::from(path))),
        None => (text.parse::<Url>()?, socket),
    };
    let path = url.path().trim_end_matches('/');
    let base = if path.is_empty() { "/healthcheck-utils" } else { path };
    Ok(FixtureAt { url: url.with_target(base)?, unix_socket })
}

/// `Header: value`, or the header's name alone.
fn handoff(line: &str) -> Result<(Option<String>, Option<String>), ConfigError> {
    let (name, value) =
        line.split_once(':').map_or((line, None), |(name, value)| (name, Some(value)));
    let name = name.trim();
    HeaderName::try_from(name).map_err(|error| not_a_header(name, &error))?;
    Ok((Some(name.to_owned()), value.map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())))
}

fn headers(lines: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
    lines.iter().map(|line| header(line)).collect()
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(ConfigError::Header {
            // Which part of it is a password, nobody can know.
            line: "…".to_owned(),
            problem: "it has no colon".to_owned(),
        });
    };
    let name = name.trim();
    let header = HeaderName::try_from(name).map_err(|error| not_a_header(name, &error))?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes())
        .map_err(|error| not_a_header(name, &error))?;
    Ok((header, value))
}

fn expected(lines: &[String]) -> Result<Vec<(String, String)>, ConfigError> {
    let text = |(name, value): (HeaderName, HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Ok(headers(lines)?.into_iter().map(text).collect())
}

/// The value is not repeated: it may be a password.
fn not_a_header(name: &str, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Header { line: format!("{name}: …"), problem: error.to_string() }
}

/// The name in a list that is nearest to a misspelt one, if it is near enough to be meant.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance = |it: &str| crate::dialect::edit_distance(it, wrong);
    known
        .into_iter()
        .map(|it| (distance(it), it))
        .min()
        .filter(|(far, it)| *far <= it.len() / 3 + 1)
        .map(|(_, it)| it)
}

/// Targets by name.
type Named<T> = BTreeMap<String, T>;
