//! Turns the command line or a TOML file into targets with all options resolved.

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
    /// The targets, sorted by name.
    pub targets: Vec<Target>,
    /// The network settings.
    pub network: Network,
    /// The limits of time and size.
    pub limits: Limits,
    /// Maximum number of concurrent requests.
    pub concurrency: u16,
    /// How many requests to send beyond the layers.
    pub depth: Depth,
    /// Which rules apply; requests that no rule needs are not sent.
    pub choice: Choice,
}

/// How many requests are sent beyond the four layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Requests that tell causes apart if the download fails, and checks that need few requests.
    AsNeeded,
    /// All checks.
    Thorough,
}

/// One download to check.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The URLs of its layers.
    pub places: Places,
    /// What the client and the proxy send, and the expected responses.
    pub wish: Wish,
}

/// Local files that may be read in addition to the probes.
#[derive(Clone, Debug, Default)]
pub struct LocalPlaces {
    /// The configurations of the proxies.
    pub configs: Vec<(Kind, PathBuf)>,
    /// Their error logs.
    pub logs: Vec<PathBuf>,
}

/// The URLs of a target's layers.
#[derive(Clone, Debug)]
pub enum Places {
    /// Given by the fixture's contract, except for the site and the storage.
    Fixture {
        /// The fixture itself.
        fixture: FixtureAt,
        /// The public site.
        site: Url,
        /// The root of the storage; without it the fixture reads the files back.
        storage: Option<StorageAt>,
    },
    /// Any app: one optional URL per layer.
    Urls {
        /// The file itself.
        storage: Option<StorageAt>,
        /// The app.
        app: Option<Url>,
        /// The direct location.
        direct: Option<Url>,
        /// The download.
        full: Url,
    },
}

/// The address of the fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixtureAt {
    /// The URL up to the base path.
    pub url: Url,
    /// The Unix socket that it listens on.
    pub unix_socket: Option<PathBuf>,
}

/// A storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageAt {
    /// A path on this machine, as given.
    File(String),
    /// A URL for a plain GET, and its Authorization header.
    Http(Url, Option<HeaderValue>),
    /// An object store.
    Bucket(BucketAt),
}

/// What the client and the proxy send, and the expected responses.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The hand-off, the expected headers, and whether anonymous clients are refused.
    pub intent: Intent,
    /// Headers that the proxy should send to the app.
    pub app_headers: Vec<(HeaderName, HeaderValue)>,
    /// Headers of a client that may download.
    pub full_headers: Vec<(HeaderName, HeaderValue)>,
    /// Request method of the client.
    pub full_method: http::Method,
    /// The Unix socket of the app.
    pub unix_socket: Option<PathBuf>,
    /// URLs of the download on inner proxies.
    pub inner: Vec<Url>,
    /// URLs that must not serve the file.
    pub refused: Vec<Url>,
    /// Local files that may be read in addition to the probes.
    pub local: LocalPlaces,
}

impl Target {
    /// The target that a table describes, with the keys of the file for `--config`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], if the table is not a valid target.
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

/// An error in the configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("`{}`: cannot read the configuration", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not a valid configuration.
    #[error("`{}`: invalid configuration: {problem}", path.display())]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// The message of the parser, and a suggestion.
        problem: String,
    },
    /// A target is incomplete or contradictory.
    #[error("target `{target}`: {problem}\nhint: {hint}")]
    Target {
        /// The name of the target.
        target: String,
        /// The reason.
        problem: String,
        /// The hint.
        hint: &'static str,
    },
    /// A URL is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header line is invalid.
    #[error(
        "`{line}`: not a valid header line: {problem}\nhint: write `Name: value`, e.g. `Cookie: id=1`"
    )]
    Header {
        /// The name of the header, without its value.
        line: String,
        /// The reason.
        problem: String,
    },
    /// A storage URL or one of its options is not supported.
    #[error("storage `{url}`: {problem}\nhint: {hint}")]
    Storage {
        /// The URL.
        url: String,
        /// The reason.
        problem: String,
        /// The hint.
        hint: String,
    },
    /// The file does not contain usable certificates.
    #[error("--cacert: {0}\nhint: give the path to a file of certificates in PEM format")]
    Certificates(String),
    /// No target was given.
    #[error(
        "nothing to check\nhint: add --fixture URL and --site URL, or --full URL, or --config FILE"
    )]
    Nothing,
    /// The rule does not exist.
    #[error("{rule}: unknown rule{suggestion}\nhint: list all rules with `sendfile-check rules`")]
    Rule {
        /// The id, after the flag or command that it was given to.
        rule: String,
        /// The rules that may be meant, or nothing.
        suggestion: String,
    },
}

impl Config {
    /// One target, with the default limits and network settings.
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

/// `http://127.0.0.1:8000`, with or without a base path, or `unix:/run/fixture.sock`.
fn fixture_at(text: &str, socket: Option<PathBuf>) -> Result<FixtureAt, ConfigError> {
    let (url, unix_socket) = match text.strip_prefix("unix:") {
        Some(path) => ("http://localhost".parse::<Url>()?, Some(PathBuf::from(path))),
        None => (text.parse::<Url>()?, socket),
    };
    let path = url.path().trim_end_matches('/');
    let base = if path.is_empty() { "/healthcheck-utils" } else { path };
    Ok(FixtureAt { url: url.with_target(base)?, unix_socket })
}

/// `Header: value`, or only the name of the header.
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
            // Any part of it may be a password.
            line: "…".to_owned(),
            problem: "no colon".to_owned(),
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

/// Omits the value, because it may be a password.
fn not_a_header(name: &str, error: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Header { line: format!("{name}: …"), problem: error.to_string() }
}

/// The name in a list that is most similar to a misspelt one, if it is similar enough.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance = |it: &str| strsim::levenshtein(it, wrong);
    known
        .into_iter()
        .map(|it| (distance(it), it))
        .min()
        .filter(|(far, it)| *far <= it.len() / 3 + 1)
        .map(|(_, it)| it)
}

/// Targets by name.
type Named<T> = BTreeMap<String, T>;
