//! From the command line to a configuration with no option left open.

use sendfile_evidence::{Access, Check, Intent};
use sendfile_probe::config;
use sendfile_probe::config::{
    Config, ConfigError, Credentials, Depth, Expectations, FixtureUrls, GivenUrls, LayerUrls,
    LocalFiles, Metadata, Network, Target, Trust, expected, fixture_at, handoff, headers,
    storage_at, targets, urls,
};
use sendfile_rules::Choice;

use super::{Limits, Verify};

/// The configuration of a command line.
///
/// # Errors
///
/// [`ConfigError`], where a value cannot be used.
pub fn config_of(args: &Verify) -> Result<Config, ConfigError> {
    let choice = choice_of(args);
    let targets = match &args.config {
        Some(path) => {
            let mut targets = targets(path, &args.target)?;
            targets.iter_mut().for_each(|it| it.expectations.local.add(local_of(args)));
            targets
        }
        None => vec![target_from_args(args)?],
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

/// Which rules a command line wants tried.
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

fn target_from_args(args: &Verify) -> Result<Target, ConfigError> {
    let metadata = if args.storage_metadata { Metadata::Asked } else { Metadata::NotAsked };
    let means = Credentials { options: &args.storage_option, metadata };
    let storage = args.storage.as_deref().map(|it| storage_at(it, means)).transpose()?;
    let url = |text: &Option<String>| text.as_deref().map(str::parse).transpose();
    let layers = match (&args.fixture, &args.site, &args.full) {
        (Some(fixture), Some(site), _) => LayerUrls::Fixture(FixtureUrls {
            fixture: fixture_at(fixture, args.unix_socket.clone())?,
            site: site.parse()?,
            storage,
        }),
        (_, _, Some(full)) => LayerUrls::Given(GivenUrls {
            storage,
            app: url(&args.app)?,
            direct: url(&args.direct)?,
            full: full.parse()?,
        }),
        _ => return Err(ConfigError::Nothing),
    };
    let (header, value) = args.handoff.as_deref().map(handoff).transpose()?.unwrap_or_default();
    let expectations = Expectations {
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
    Ok(Target { name: "download".to_owned(), layers, expectations })
}
