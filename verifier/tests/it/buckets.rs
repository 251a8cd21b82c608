//! Reads from real object stores: the expected content, and the expected name for each failure.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use clap::Parser as _;
use sendfile_check::args::{Cli, Command};
use sendfile_evidence::{Evidence, FailureKind, Outcome};
use sendfile_fixture::{Fixture, Running};
use sendfile_probe::prober::Prober;

use crate::stores::{self, Pair, Store};

/// Keys and passwords that must not be printed.
const SECRETS: [&str; 4] = ["probesecret", "readersecret", "guessed", "hush-hush"];

/// The evidence that `verify` collects about the storage.
pub(crate) async fn evidence(words: &[&str], url: &str, options: &[Pair]) -> Evidence {
    let options: Vec<_> =
        options.iter().map(|(a, b)| format!("--storage-option={a}={b}")).collect();
    let first = ["sendfile-check", "verify", "--timeout", "2s", "--storage", url];
    let words = first.iter().chain(words).map(|it| (*it).to_owned()).chain(options);
    let cli = Cli::try_parse_from(words).expect("a command line");
    let Command::Verify(args) = cli.command else { panic!("not `verify`") };
    let config = sendfile_check::args::config_of(&args).expect("a configuration");
    let prober = Prober::new(&config).expect("randomness");
    prober.examine(&config.targets[0]).await.expect("a running fixture")
}

async fn placed(store: &Store) -> Running {
    let fixture = Fixture::builder().storage(&store.url).large_size(0);
    let options = store.options();
    let fixture = options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b));
    fixture.start().await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name))
}

/// On every store, the verifier reads the dummy that the fixture has placed.
#[tokio::test]
async fn every_store_is_read() {
    for store in stores::all("verifier") {
        let running = placed(&store).await;
        let (url, site) = (running.url(), format!("http://{}", running.address()));
        let words = ["--fixture", &url, "--site", &site];
        let seen = evidence(&words, &store.url, &store.options()).await;
        let dummy = seen.dummy.as_ref().expect("the contract's").sha256;
        let body = seen.storage.response();
        let body = body.unwrap_or_else(|| panic!("{}: {:?}", store.name, seen.storage.outcome));
        assert_eq!((body.sha256, body.size), (dummy, 4096), "{}", store.name);

        let odd = format!("{}/healthcheck/odd name é 100%.bin", store.url);
        if !store.url.starts_with("http") {
            let seen = evidence(&["--full", &site], &odd, &store.options()).await;
            assert!(seen.storage.response().is_some_and(|it| it.size == 4096), "{}", store.name);
        }
        running.stop().await.expect("a running store");
    }
}

/// Failures have the same name on every store, and contain no secrets.
#[tokio::test]
async fn failures_have_the_same_name_on_every_store() {
    for store in stores::all("verifier-wrong") {
        let missing = format!("{}/nothing.bin", store.url);
        check(&store, &missing, &store.options(), FailureKind::NotFound).await;
        if let Some(missing) = store.missing.as_ref().filter(|it| !it.starts_with("http")) {
            let missing = format!("{missing}/nothing.bin");
            check(&store, &missing, &store.options(), FailureKind::BucketMissing).await;
        }
        if !store.wrong_key.is_empty() && !store.url.starts_with("http") {
            check(&store, &missing, &store.with(&store.wrong_key), FailureKind::KeyRefused).await;
        }
    }
}

async fn check(store: &Store, url: &str, options: &[Pair], expected: FailureKind) {
    let seen = evidence(&["--full", "http://127.0.0.1:1"], url, options).await;
    let Outcome::Failed(failure) = &seen.storage.outcome else { panic!("{}: {url}", store.name) };
    assert_eq!(failure.kind, expected, "{}: {}", store.name, failure.chain);
    assert!(SECRETS.iter().all(|it| !failure.chain.contains(it)), "{}", failure.chain);
}

/// An unreachable store is reported within the timeout plus one second.
#[tokio::test]
async fn unreachable_store_is_reported_in_time() {
    // It accepts connections into its queue, but never responds.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let silent = format!("http://{}", listener.local_addr().expect("a port"));
    let dead = [
        ("http://127.0.0.1:1", FailureKind::Refused),
        ("http://store.invalid:9000", FailureKind::NameNotResolved),
        (&*silent, FailureKind::TimedOut),
    ];
    for (endpoint, kind) in dead {
        for url in ["s3://bucket/key", "az://bucket/key", "gs://bucket/key"] {
            let options = match &url[..2] {
                "s3" => vec![
                    ("endpoint", endpoint.to_owned()),
                    ("access_key_id", "probe".to_owned()),
                    ("secret_access_key", SECRETS[3].to_owned()),
                ],
                "az" => vec![
                    ("endpoint", endpoint.to_owned()),
                    ("account_name", "probe".to_owned()),
                    ("sas_token", format!("sig={}&sv=2020-02-10", SECRETS[3])),
                ],
                _ => {
                    vec![("base_url", endpoint.to_owned()), ("bearer_token", SECRETS[3].to_owned())]
                }
            };
            let began = Instant::now();
            let seen = evidence(&["--full", "http://127.0.0.1:1"], url, &options).await;
            assert!(began.elapsed() < Duration::from_secs(3), "{url} at {endpoint}");
            let failure = seen.storage.outcome.failure().expect("a failure");
            assert_eq!(failure.kind, kind, "{url}: {}", failure.chain);
            assert!(SECRETS.iter().all(|it| !failure.chain.contains(it)), "{}", failure.chain);
        }
    }
}
