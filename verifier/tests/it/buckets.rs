//! Reading from real stores: the right bytes, and the right name for what is wrong.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use clap::Parser as _;
use sendfile_check::args::{Cli, Command};
use sendfile_evidence::{Evidence, FailureKind, Seen};
use sendfile_fixture::{Fixture, Running};
use sendfile_probe::prober::Prober;

use crate::stores::{self, Pair, Store};

/// A key or password that must not be repeated.
const SECRETS: [&str; 4] = ["probesecret", "readersecret", "guessed", "hush-hush"];

/// What `verify` sees of the storage.
pub(crate) async fn evidence(words: &[&str], url: &str, options: &[Pair]) -> Evidence {
    let options: Vec<_> =
        options.iter().map(|(a, b)| format!("--storage-option={a}={b}")).collect();
    let first = ["sendfile-check", "verify", "--timeout", "2s", "--storage", url];
    let words = first.iter().chain(words).map(|it| (*it).to_owned()).chain(options);
    let cli = Cli::try_parse_from(words).expect("a command line");
    let Command::Verify(args) = cli.command else { panic!("it is `verify`") };
    let config = sendfile_check::args::config_of(&args).expect("a configuration");
    let prober = Prober::new(&config).expect("randomness");
    prober.examine(&config.targets[0]).await.expect("a fixture that answers")
}

async fn placed(store: &Store) -> Running {
    let fixture = Fixture::builder().storage(&store.url).large_size(0);
    let options = store.options();
    let fixture = options.into_iter().fold(fixture, |it, (a, b)| it.storage_option(a, b));
    fixture.start().await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name))
}

/// The dummy that the fixture has placed is the one that the verifier reads, on every store.
#[tokio::test]
async fn every_store_is_read() {
    for store in stores::all("verifier") {
        let running = placed(&store).await;
        let (url, site) = (running.url(), format!("http://{}", running.address()));
        let words = ["--fixture", &url, "--site", &site];
        let seen = evidence(&words, &store.url, &store.options()).await;
        let dummy = seen.dummy.as_ref().expect("the contract's").sha256;
        let body = seen.storage.answer();
        let body = body.unwrap_or_else(|| panic!("{}: {:?}", store.name, seen.storage.seen));
        assert_eq!((body.sha256, body.size), (dummy, 4096), "{}", store.name);

        let odd = format!("{}/healthcheck/odd name é 100%.bin", store.url);
        if !store.url.starts_with("http") {
            let seen = evidence(&["--full", &site], &odd, &store.options()).await;
            assert!(seen.storage.answer().is_some_and(|it| it.size == 4096), "{}", store.name);
        }
        running.stop().await.expect("a store that answers");
    }
}

/// The same words whatever the store, and none of them a secret.
#[tokio::test]
async fn what_is_wrong_has_the_same_name_on_every_store() {
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
    let Seen::Nothing(failure) = &seen.storage.seen else { panic!("{}: {url}", store.name) };
    assert_eq!(failure.kind, expected, "{}: {}", store.name, failure.chain);
    assert!(SECRETS.iter().all(|it| !failure.chain.contains(it)), "{}", failure.chain);
}

/// Each kind of death is told within the limit and a second.
#[tokio::test]
async fn a_dead_store_is_told_in_time() {
    // It takes connections into its queue, and never answers.
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
            let failure = seen.storage.seen.failure().expect("nothing is there");
            assert_eq!(failure.kind, kind, "{url}: {}", failure.chain);
            assert!(SECRETS.iter().all(|it| !failure.chain.contains(it)), "{}", failure.chain);
        }
    }
}
