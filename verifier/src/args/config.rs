//! Converts the command line to a configuration with no option left open.

use sendfile_evidence::{Access, Check, Intent};
use sendfile_probe::{
    config::{
        self, Config, ConfigError, Credentials, Depth, Expectations, FixtureUrls, GivenUrls,
        LayerUrls, LocalFiles, MetadataService, Network, StorageAt, Target, Trust, expected,
        fixture_at, handoff, headers, storage_at, targets, urls,
    },
    url::{Url, UrlError},
};
use sendfile_rules::Choice;
use thiserror::Error;

use super::verify::{Limits, Verify};

/// A command line that cannot be used.
#[derive(Debug, Error)]
pub enum ArgsError {
    /// An option has an invalid value, for the reason that is the source of this error.
    #[error("{option}")]
    Option {
        /// The option.
        option: &'static str,
        /// The reason.
        source: ConfigError,
    },
    /// The configuration cannot be used: a URL is missing, the file of targets or a target in it is
    /// invalid, or the storage is not supported.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The configuration of a command line.
///
/// # Errors
///
/// [`ArgsError`] if a value cannot be used.
pub fn config_of(args: &Verify) -> Result<Config, ArgsError> {
    let choice = choice_of(args);
    let targets = match &args.config {
        Some(path) => {
            let mut targets = targets(path, &args.target)?;
            for target in &mut targets {
                target.expectations.local.add(local_of(args));
            }
            targets
        }
        None => vec![target_of(args)?],
    };
    Ok(Config {
        targets,
        network: network(&args.limits),
        limits: config::Limits { timeout: args.limits.timeout, max_bytes: args.limits.max_bytes },
        concurrency: args.limits.concurrency,
        depth: if args.thorough { Depth::Thorough } else { Depth::AsNeeded },
        checks: Check::all().filter(|check| choice.wants(*check)).collect(),
    })
}

/// The rules that a command line applies.
pub fn choice_of(args: &Verify) -> Choice {
    Choice { only: args.only.clone(), skip: args.skip.clone() }
}

fn network(limits: &Limits) -> Network {
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

fn local_of(args: &Verify) -> LocalFiles {
    LocalFiles { configs: args.proxy_config.clone(), logs: args.error_log.clone() }
}

/// The target that the options describe.
fn target_of(args: &Verify) -> Result<Target, ArgsError> {
    let layers = layers(args)?;
    let expectations = expectations(args)?;
    Ok(Target { name: "download".to_owned(), layers, expectations })
}

fn layers(args: &Verify) -> Result<LayerUrls, ArgsError> {
    let storage = storage(args)?;
    match (&args.fixture, &args.site, &args.full) {
        (Some(fixture), Some(site), _) => {
            let fixture = fixture_at(fixture, args.unix_socket.clone()).in_option("--fixture")?;
            let site = site.parse::<Url>().in_option("--site")?;
            Ok(LayerUrls::Fixture(FixtureUrls { fixture, site, storage }))
        }
        (_, _, Some(full)) => {
            let app = optional_url(args.app.as_deref()).in_option("--app")?;
            let direct = optional_url(args.direct.as_deref()).in_option("--direct")?;
            let full = full.parse::<Url>().in_option("--full")?;
            Ok(LayerUrls::Given(GivenUrls { storage, app, direct, full }))
        }
        _ => Err(ConfigError::Nothing.into()),
    }
}

fn optional_url(text: Option<&str>) -> Result<Option<Url>, UrlError> {
    match text {
        Some(text) => text.parse().map(Some),
        None => Ok(None),
    }
}

/// The storage. Its errors already name the URL, without the secrets in it.
fn storage(args: &Verify) -> Result<Option<StorageAt>, ConfigError> {
    let Some(url) = &args.storage else { return Ok(None) };
    let metadata =
        if args.storage_metadata { MetadataService::Enabled } else { MetadataService::Disabled };
    storage_at(url, Credentials { options: &args.storage_option, metadata }).map(Some)
}

fn expectations(args: &Verify) -> Result<Expectations, ArgsError> {
    let (header, value) = match &args.handoff {
        Some(line) => handoff(line).in_option("--handoff")?,
        None => (None, None),
    };
    Ok(Expectations {
        intent: Intent {
            header,
            value,
            expect: expected(&args.expect_header).in_option("--expect-header")?,
            access: if args.private { Access::Private } else { Access::Unsaid },
            cert_days: args.cert_days,
        },
        app_headers: headers(&args.app_header).in_option("--app-header")?,
        full_headers: headers(&args.full_header).in_option("--full-header")?,
        full_method: args.full_method.clone(),
        unix_socket: args.unix_socket.clone(),
        inner: urls(&args.inner).in_option("--inner")?,
        refused: urls(&args.refused).in_option("--refused")?,
        local: local_of(args),
    })
}

/// Adds the name of the option to an error in the option's value.
trait InOption<T> {
    fn in_option(self, option: &'static str) -> Result<T, ArgsError>;
}

impl<T, E: Into<ConfigError>> InOption<T> for Result<T, E> {
    fn in_option(self, option: &'static str) -> Result<T, ArgsError> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(ArgsError::Option { option, source: error.into() }),
        }
    }
}
