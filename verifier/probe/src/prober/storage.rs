//! Reads the dummy from storage, independently of the app and the proxy.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use object_store::{GetResultPayload, ObjectStoreExt, local::LocalFileSystem};
use tokio::time::Instant;

use crate::config::Limits;
use crate::prober::body::{Trace, Watch};
use sendfile_evidence::{
    Body, End, Failure, FailureKind, Outcome, Probe, RequestRecord, Response, cause_chain,
    secret::Redactor,
};

/// Stores reject signatures that are older or newer than this.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// Maximum number of characters repeated from a store's message.
const MESSAGE: usize = 200;

/// Files are read in chunks of this size.
const PIECE: usize = 256 * 1024;

/// Accesses the disk on a separate thread: a mount whose server is unavailable may block for ever,
/// and then that thread is abandoned.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    limit: Duration,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    tokio::time::timeout(limit, tokio::task::spawn_blocking(ask)).await.ok()?.ok()
}

/// Reads a file through the local store.
pub(crate) async fn read_file(
    text: &str,
    limits: &Limits,
    cap: u64,
    redactor: &Redactor,
) -> (Probe<Body>, Trace) {
    let began = Instant::now();
    let given = text.to_owned();
    let path = on_a_thread(limits.timeout, move || on_disk(&given)).await;
    let asked = |path: &Path| RequestRecord {
        url: format!("file://{}", path.display()),
        ..RequestRecord::default()
    };
    let Some(path) = path else {
        let seen = Outcome::Failed(silent());
        return (
            Probe { request: asked(Path::new(text)), outcome: seen, took: began.elapsed() },
            Trace::default(),
        );
    };
    let asked = asked(&path);
    let read = hash_file(path, limits.clone(), cap, redactor.clone());
    let outcome = match tokio::time::timeout(limits.timeout + limits.pace(cap), read).await {
        Ok(outcome) => outcome,
        Err(_) => Err(silent()),
    };
    let (seen, trace) = match outcome {
        Ok((body, trace)) => (Outcome::Response(body), trace),
        Err(failure) => (Outcome::Failed(failure), Trace::default()),
    };
    (Probe { request: asked, outcome: seen, took: began.elapsed() }, trace)
}

fn silent() -> Failure {
    Failure { kind: FailureKind::TimedOut, chain: "the storage does not respond".to_owned() }
}

async fn hash_file(
    path: PathBuf,
    limits: Limits,
    cap: u64,
    redactor: Redactor,
) -> Result<(Body, Trace), Failure> {
    // Reading a pipe or a device may never end; opening a pipe already waits for a writer.
    let looked = path.clone();
    let found = on_a_thread(limits.timeout, move || looked.metadata()).await.ok_or_else(silent)?;
    if found.is_ok_and(|it| !it.is_file()) {
        let chain = format!(
            "`{}` is not a regular file; specify the path of the file itself",
            path.display()
        );
        return Err(Failure { kind: FailureKind::Other, chain });
    }
    let key = object_store::path::Path::from_absolute_path(&path).map_err(|error| Failure {
        kind: FailureKind::Other,
        chain: format!(
            "the storage does not accept the path `{}`: {}",
            path.display(),
            cause_chain(&error)
        ),
    })?;
    let found = tokio::time::timeout(limits.timeout, LocalFileSystem::new().get(&key))
        .await
        .map_err(|_| Failure {
            kind: FailureKind::TimedOut,
            chain: format!("no response within {}", humantime::format_duration(limits.timeout)),
        })?;
    let found = found.map_err(|error| failure(&error))?;
    let GetResultPayload::File(file, _) = found.payload else {
        return Err(Failure {
            kind: FailureKind::Other,
            chain: "the local store returned no file".to_owned(),
        });
    };
    let hashed = tokio::task::spawn_blocking(move || hash(file, cap, &redactor)).await;
    hashed.unwrap_or_else(|error| {
        Err(Failure { kind: FailureKind::Other, chain: cause_chain(&error) })
    })
}

fn hash(mut file: File, cap: u64, redactor: &Redactor) -> Result<(Body, Trace), Failure> {
    let mut watch = Watch::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file
            .read(&mut piece)
            .map_err(|error| Failure { kind: io_kind(&error), chain: cause_chain(&error) })?;
        if read == 0 {
            return Ok(watch.finish(End::Whole, 0, redactor));
        }
        watch.update(&piece[..read]);
        if watch.size() > cap {
            return Ok(watch.finish(End::TooLong, 0, redactor));
        }
    }
}

/// The outcome for a storage accessed over HTTP: any status but 200 is a failure.
pub(crate) fn of_response(probed: Probe<Response>) -> Probe<Body> {
    let Probe { request: asked, outcome: seen, took } = probed;
    let seen = match seen {
        Outcome::Response(response) if response.status == 200 => match response.body.end {
            End::Whole => Outcome::Response(response.body),
            _ => Outcome::Failed(Failure {
                kind: FailureKind::Closed,
                chain: format!("the connection closed after {} bytes", response.body.size),
            }),
        },
        Outcome::Response(response) => {
            let page = String::from_utf8_lossy(&response.body.head);
            Outcome::Failed(refusal(response.status, |name| response.header(name), &page))
        }
        Outcome::Failed(failure) => Outcome::Failed(failure),
        Outcome::Skipped(reason) => Outcome::Skipped(reason),
    };
    Probe { request: asked, outcome: seen, took }
}

/// The failure that a store's error response stands for: S3, Azure, Google, or a plain server. Only
/// the code and the message of the error page are repeated; the rest may contain what was signed.
pub(super) fn refusal<'a>(
    status: u16,
    header: impl Fn(&str) -> Option<&'a str>,
    page: &str,
) -> Failure {
    let code = header("x-ms-error-code").or_else(|| element(page, "Code")).unwrap_or_default();
    let message = element(page, "Message").unwrap_or_default();
    let apart = header("date").and_then(|it| apart(it, SystemTime::now())).unwrap_or_default();
    let kind = match code {
        "NoSuchBucket" | "ContainerNotFound" => FailureKind::BucketMissing,
        "RequestTimeTooSkewed" => FailureKind::ClockSkewed,
        "PermanentRedirect" | "IllegalLocationConstraintException" => FailureKind::WrongRegion,
        "AuthorizationHeaderMalformed" if message.contains("region") => FailureKind::WrongRegion,
        _ if (300..400).contains(&status) && header("x-amz-bucket-region").is_some() => {
            FailureKind::WrongRegion
        }
        _ if names_key(code, message) && apart >= SKEW => FailureKind::ClockSkewed,
        _ if names_key(code, message) => FailureKind::KeyRefused,
        _ => match status {
            404 | 410 => FailureKind::NotFound,
            401 | 403 => FailureKind::Denied,
            _ => FailureKind::Other,
        },
    };
    let mut chain = format!("the storage returns {status}");
    if !code.is_empty() {
        chain.push_str(&format!(" ({code})"));
    }
    if !message.is_empty() {
        chain.push_str(": ");
        chain.extend(message.chars().filter(|it| !it.is_control()).take(MESSAGE));
    }
    if kind == FailureKind::ClockSkewed && apart >= SKEW {
        chain.push_str(&format!("; its clock is {} minutes off", apart.as_secs() / 60));
    }
    Failure { kind, chain }
}

/// Whether a store reports that it rejects the key or a signature made with it.
fn names_key(code: &str, message: &str) -> bool {
    const CODES: [&str; 9] = [
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "AuthorizationHeaderMalformed",
        "AuthenticationFailed",
        "InvalidAuthenticationInfo",
        "InvalidToken",
        "ExpiredToken",
        "invalid_grant",
        "invalid_client",
    ];
    // Azurite returns AuthorizationFailure (measured, 3.35.0), Garage AccessDenied (2.5.0).
    const WORDS: [&str; 3] = ["failed to authenticate", "Invalid signature", "No such key"];
    CODES.contains(&code) || WORDS.iter().any(|it| message.contains(it))
}

/// The difference between a server's clock and this one.
fn apart(date: &str, now: SystemTime) -> Option<Duration> {
    let there = httpdate::parse_http_date(date).ok()?;
    Some(now.duration_since(there).unwrap_or_else(|error| error.duration()))
}

/// The first line of an element's text.
fn element<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<{name}>"))?;
    rest.split_once('<')?.0.lines().next().map(str::trim)
}

fn failure(error: &object_store::Error) -> Failure {
    let kind = match error {
        object_store::Error::NotFound { .. } => FailureKind::NotFound,
        object_store::Error::PermissionDenied { .. } => FailureKind::Denied,
        other => source_kind(other),
    };
    Failure { kind, chain: cause_chain(error) }
}

/// object_store reports a file without read permission as a generic error; the system's error is
/// further down the chain.
fn source_kind(error: &dyn std::error::Error) -> FailureKind {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io_kind(io);
        }
        next = error.source();
    }
    FailureKind::Other
}

fn io_kind(error: &std::io::Error) -> FailureKind {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => FailureKind::NotFound,
        std::io::ErrorKind::PermissionDenied => FailureKind::Denied,
        _ => FailureKind::Other,
    }
}

/// The path on disk that a `file://` text refers to: literally, or decoded if only that exists.
///
/// Operators paste paths with raw spaces, `%` and `#`; strict parsing as a URL would look for
/// another file.
pub(crate) fn on_disk(text: &str) -> PathBuf {
    let literal = PathBuf::from(text);
    let decoded = PathBuf::from(sendfile_evidence::dialect::decoded(text));
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    if !exists(&literal) && exists(&decoded) { decoded } else { literal }
}

/// The size of a file on disk, if available.
pub(crate) fn size(text: &str) -> Option<u64> {
    on_disk(text).metadata().ok().filter(std::fs::Metadata::is_file).map(|it| it.len())
}
