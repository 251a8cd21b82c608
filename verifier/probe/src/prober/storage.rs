//! Reads the dummy from storage, independently of the app and the proxy: files on disk, and the
//! responses of storage servers.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use object_store::{GetResultPayload, ObjectStoreExt as _, local::LocalFileSystem};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::body::{Trace, Watch};
use crate::config::Limits;
use sendfile_evidence::{
    Body, End, Failure, FailureKind, Outcome, Probe, RequestRecord, Response, cause_chain,
    dialect::decoded, secret::Redactor,
};

/// Maximum difference between the clocks: a store rejects a signature that is older or newer by
/// more than this.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// Maximum number of characters that are repeated from a store's message.
const MESSAGE: usize = 200;

/// Files are read in chunks of this size, in bytes.
const CHUNK: usize = 256 * 1024;

/// Accesses the disk on a separate thread: a mount whose server is unavailable may block for ever,
/// and then that thread is abandoned. `None` if the access takes longer than the limit.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    limit: Duration,
    access: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    match timeout(limit, spawn_blocking(access)).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(_)) | Err(_) => None,
    }
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
    let Some(path) = on_a_thread(limits.timeout, move || on_disk(&given)).await else {
        let (request, outcome) = (file_request(Path::new(text)), Outcome::Failed(no_response()));
        return (Probe { request, outcome, took: began.elapsed() }, Trace::default());
    };
    let request = file_request(&path);
    let read = hash_file(path, limits.clone(), cap, redactor.clone());
    let (outcome, trace) = match timeout(limits.timeout + limits.pace(cap), read).await {
        Ok(Ok((body, trace))) => (Outcome::Response(body), trace),
        Ok(Err(failure)) => (Outcome::Failed(failure), Trace::default()),
        Err(_) => (Outcome::Failed(no_response()), Trace::default()),
    };
    (Probe { request, outcome, took: began.elapsed() }, trace)
}

/// The size of a file on disk, if available.
pub(crate) fn size(text: &str) -> Option<u64> {
    let metadata = on_disk(text).metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    Some(metadata.len())
}

/// The outcome for a storage accessed over HTTP: any status but 200 is a failure.
pub(crate) fn of_response(probe: Probe<Response>) -> Probe<Body> {
    let Probe { request, outcome, took } = probe;
    let outcome = match outcome {
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
    Probe { request, outcome, took }
}

/// The path on disk that a `file://` text refers to: literally, or decoded if only that exists.
///
/// Operators paste paths with raw spaces, `%` and `#`; strict parsing as a URL would look for
/// another file.
fn on_disk(text: &str) -> PathBuf {
    let literal = PathBuf::from(text);
    let decoded = PathBuf::from(decoded(text));
    if !exists(&literal) && exists(&decoded) { decoded } else { literal }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn file_request(path: &Path) -> RequestRecord {
    RequestRecord { url: format!("file://{}", path.display()), ..RequestRecord::default() }
}

fn no_response() -> Failure {
    Failure { kind: FailureKind::TimedOut, chain: "the storage does not respond".to_owned() }
}

async fn hash_file(
    path: PathBuf,
    limits: Limits,
    cap: u64,
    redactor: Redactor,
) -> Result<(Body, Trace), Failure> {
    // Reading a pipe or a device may never end; opening a pipe already waits for a writer.
    let inspected = path.clone();
    let metadata = on_a_thread(limits.timeout, move || inspected.metadata()).await;
    let metadata = metadata.ok_or_else(no_response)?;
    if metadata.is_ok_and(|metadata| !metadata.is_file()) {
        let path = path.display();
        let chain = format!("`{path}` is not a regular file; specify the path of the file itself");
        return Err(other(chain));
    }
    let file = open_file(&path, limits.timeout).await?;
    match spawn_blocking(move || hash(file, cap, &redactor)).await {
        Ok(hashed) => hashed,
        Err(error) => Err(other(cause_chain(&error))),
    }
}

async fn open_file(path: &Path, limit: Duration) -> Result<File, Failure> {
    let key = object_store::path::Path::from_absolute_path(path).map_err(|error| {
        let reason = cause_chain(&error);
        other(format!("the storage does not accept the path `{}`: {reason}", path.display()))
    })?;
    let Ok(found) = timeout(limit, LocalFileSystem::new().get(&key)).await else {
        let chain = format!("no response within {}", humantime::format_duration(limit));
        return Err(Failure { kind: FailureKind::TimedOut, chain });
    };
    match found.map_err(|error| failure(&error))?.payload {
        GetResultPayload::File(file, _) => Ok(file),
        GetResultPayload::Stream(_) => Err(other("the local store returned no file".to_owned())),
    }
}

fn hash(mut file: File, cap: u64, redactor: &Redactor) -> Result<(Body, Trace), Failure> {
    let mut watch = Watch::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = match file.read(&mut chunk) {
            Ok(length) => length,
            Err(error) => {
                return Err(Failure { kind: io_kind(&error), chain: cause_chain(&error) });
            }
        };
        if length == 0 {
            return Ok(watch.finish(End::Whole, 0, redactor));
        }
        watch.update(&chunk[..length]);
        if watch.size() > cap {
            return Ok(watch.finish(End::TooLong, 0, redactor));
        }
    }
}

fn other(chain: String) -> Failure {
    Failure { kind: FailureKind::Other, chain }
}

fn failure(error: &object_store::Error) -> Failure {
    let kind = match error {
        object_store::Error::NotFound { .. } => FailureKind::NotFound,
        object_store::Error::PermissionDenied { .. } => FailureKind::Denied,
        other => source_kind(other),
    };
    Failure { kind, chain: cause_chain(error) }
}

/// The kind of an error from object_store, which reports a file without read permission as a
/// generic error. The system's error is further down the chain.
fn source_kind(error: &dyn std::error::Error) -> FailureKind {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io_kind(io);
        }
        next = error.source();
    }
    FailureKind::Other
}

fn io_kind(error: &io::Error) -> FailureKind {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FailureKind::NotFound,
        io::ErrorKind::PermissionDenied => FailureKind::Denied,
        _ => FailureKind::Other,
    }
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
    let skew = match header("date") {
        Some(date) => clock_skew(date, SystemTime::now()),
        None => Duration::ZERO,
    };
    let is_elsewhere = (300..400).contains(&status) && header("x-amz-bucket-region").is_some();
    let kind = match code {
        "NoSuchBucket" | "ContainerNotFound" => FailureKind::BucketMissing,
        "RequestTimeTooSkewed" => FailureKind::ClockSkewed,
        "PermanentRedirect" | "IllegalLocationConstraintException" => FailureKind::WrongRegion,
        "AuthorizationHeaderMalformed" if message.contains("region") => FailureKind::WrongRegion,
        _ if is_elsewhere => FailureKind::WrongRegion,
        _ if names_key(code, message) && skew >= SKEW => FailureKind::ClockSkewed,
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
        chain.extend(message.chars().filter(|c| !c.is_control()).take(MESSAGE));
    }
    if kind == FailureKind::ClockSkewed && skew >= SKEW {
        chain.push_str(&format!("; its clock is {} minutes off", skew.as_secs() / 60));
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
    CODES.contains(&code) || WORDS.iter().any(|words| message.contains(words))
}

/// The difference between a server's clock and this one; none if its date is not a date.
fn clock_skew(date: &str, now: SystemTime) -> Duration {
    let Ok(there) = httpdate::parse_http_date(date) else { return Duration::ZERO };
    match now.duration_since(there) {
        Ok(behind) => behind,
        Err(ahead) => ahead.duration(),
    }
}

/// The first line of an element's text.
fn element<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text.lines().next()?.trim())
}
