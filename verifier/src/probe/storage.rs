//! Reads the dummy from storage, and knows nothing of the app or the proxy.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use object_store::{GetResultPayload, ObjectStoreExt, local::LocalFileSystem};
use tokio::time::Instant;

use crate::{
    evidence::{Asked, Body, End, Failure, FailureKind, Probed, Response, Seen},
    probe::{
        Limits,
        body::{Trace, Watch},
        chain,
    },
    secret::Redactor,
};

/// Files are read in pieces of this size.
const PIECE: usize = 256 * 1024;

/// Reads a file through the local store.
pub(crate) async fn read_file(
    path: &Path,
    limits: &Limits,
    cap: u64,
    redactor: &Redactor,
) -> (Probed<Body>, Trace) {
    let began = Instant::now();
    let asked = Asked { url: format!("file://{}", path.display()), ..Asked::default() };
    let read = hash_file(path.to_owned(), limits.clone(), cap, redactor.clone());
    let outcome = match tokio::time::timeout(limits.timeout + limits.pace(cap), read).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Failure {
            kind: FailureKind::TimedOut,
            chain: "the storage does not answer".to_owned(),
        }),
    };
    let (seen, trace) = match outcome {
        Ok((body, trace)) => (Seen::Answer(body), trace),
        Err(failure) => (Seen::Nothing(failure), Trace::default()),
    };
    (Probed { asked, seen, took: began.elapsed() }, trace)
}

async fn hash_file(
    path: PathBuf,
    limits: Limits,
    cap: u64,
    redactor: Redactor,
) -> Result<(Body, Trace), Failure> {
    // A pipe or a device would be read for ever; opening a pipe already waits for a writer.
    if path.metadata().is_ok_and(|it| !it.is_file()) {
        let chain = format!("`{}` is no regular file; name the very file", path.display());
        return Err(Failure { kind: FailureKind::Other, chain });
    }
    let key = object_store::path::Path::from_absolute_path(&path).map_err(|error| Failure {
        kind: FailureKind::Other,
        chain: format!("`{}` is no path that the storage takes: {}", path.display(), chain(&error)),
    })?;
    let found = tokio::time::timeout(limits.timeout, LocalFileSystem::new().get(&key))
        .await
        .map_err(|_| Failure {
            kind: FailureKind::TimedOut,
            chain: format!("no answer within {}", humantime::format_duration(limits.timeout)),
        })?;
    let found = found.map_err(|error| failure(&error))?;
    let GetResultPayload::File(file, _) = found.payload else {
        return Err(Failure {
            kind: FailureKind::Other,
            chain: "the local store gave no file".to_owned(),
        });
    };
    let hashed = tokio::task::spawn_blocking(move || hash(file, cap, &redactor)).await;
    hashed.unwrap_or_else(|error| Err(Failure { kind: FailureKind::Other, chain: chain(&error) }))
}

fn hash(mut file: File, cap: u64, redactor: &Redactor) -> Result<(Body, Trace), Failure> {
    let mut watch = Watch::new();
    let mut piece = vec![0; PIECE];
    loop {
        let read = file
            .read(&mut piece)
            .map_err(|error| Failure { kind: io_kind(&error), chain: chain(&error) })?;
        if read == 0 {
            return Ok(watch.finish(End::Whole, 0, redactor));
        }
        watch.update(&piece[..read]);
        if watch.size() > cap {
            return Ok(watch.finish(End::TooLong, 0, redactor));
        }
    }
}

/// A storage that speaks HTTP: anything but a 200 is no file.
pub(crate) fn of_response(probed: Probed<Response>) -> Probed<Body> {
    let Probed { asked, seen, took } = probed;
    let seen = match seen {
        Seen::Answer(response) if response.status == 200 => match response.body.end {
            End::Whole => Seen::Answer(response.body),
            _ => Seen::Nothing(Failure {
                kind: FailureKind::Closed,
                chain: format!("the storage stopped after {} bytes", response.body.size),
            }),
        },
        Seen::Answer(response) => Seen::Nothing(refusal(&response)),
        Seen::Nothing(failure) => Seen::Nothing(failure),
        Seen::Skipped(reason) => Seen::Skipped(reason),
    };
    Probed { asked, seen, took }
}

fn refusal(response: &Response) -> Failure {
    let kind = match response.status {
        404 | 410 => FailureKind::NotFound,
        401 | 403 => FailureKind::Denied,
        _ => FailureKind::Other,
    };
    let code = crate::dialect::store_error(&response.body)
        .map_or_else(String::new, |code| format!(" ({code})"));
    Failure { kind, chain: format!("the storage answers {}{code}", response.status) }
}

fn failure(error: &object_store::Error) -> Failure {
    let kind = match error {
        object_store::Error::NotFound { .. } => FailureKind::NotFound,
        object_store::Error::PermissionDenied { .. } => FailureKind::Denied,
        other => source_kind(other),
    };
    Failure { kind, chain: chain(error) }
}

/// object_store reports a closed file as a generic error; what the system said is further down the
/// chain.
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

/// The path on disk that a `file://` text means: as it stands, or decoded where only that exists.
///
/// Operators paste paths with raw spaces, `%` and `#`; a strict reading of the URL would look for
/// another file.
pub(crate) fn on_disk(text: &str) -> PathBuf {
    let literal = PathBuf::from(text);
    let decoded = PathBuf::from(crate::dialect::decoded(text));
    let exists = |path: &Path| path.symlink_metadata().is_ok();
    if !exists(&literal) && exists(&decoded) { decoded } else { literal }
}

/// The size of a file on disk, if it can be told.
pub(crate) fn size(text: &str) -> Option<u64> {
    on_disk(text).metadata().ok().filter(std::fs::Metadata::is_file).map(|it| it.len())
}
