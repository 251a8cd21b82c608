//! The errors of a storage, each with a hint for the user.

use std::{error::Error, io};

use sendfile_stores::UnknownOption;
use thiserror::Error as ThisError;

use super::failure::{Failure, FailureKind};
use crate::{
    causes::{BoxError, causes},
    key::escape,
};

/// The reason why a storage cannot be used.
#[derive(Debug, ThisError)]
pub enum StorageError {
    /// The URL has no scheme, or no absolute path after it.
    #[error("`{given}` is not a valid storage URL")]
    NotAUrl {
        /// The text that the user gave.
        given: String,
    },
    /// The scheme of the URL is not supported.
    #[error("unsupported storage scheme `{scheme}`")]
    Scheme {
        /// The part before `://`.
        scheme: String,
    },
    /// The kind of storage has no such option.
    #[error("unknown storage option `{name}`")]
    Option {
        /// The unknown option.
        name: String,
        /// The most similar option.
        similar: Option<String>,
    },
    /// The address of a server has no scheme.
    #[error("the value of `{name}` is not a valid URL")]
    Endpoint {
        /// The option or environment variable.
        name: String,
    },
    /// No option or variable provides credentials.
    #[error("no credentials for the storage")]
    NoCredentials {
        /// The environment variables that provide them.
        variables: &'static str,
    },
    /// The options are not valid together.
    #[error("invalid storage options")]
    Options {
        /// The cause.
        source: BoxError,
    },
    /// The directory is missing, is not a directory, or is not accessible.
    #[error("cannot open the storage `{url}`")]
    Open {
        /// The URL of the storage.
        url: String,
        /// The cause.
        source: BoxError,
    },
    /// A file that the fixture did not place has the path of a dummy. It was not changed.
    #[error("`{path}` exists and was not placed by this program")]
    Foreign {
        /// The path or URL of the file.
        path: String,
    },
    /// The storage accepted a dummy but returns other bytes.
    #[error("the content of `{path}` differs from what was written")]
    NotKept {
        /// The path or URL of the file.
        path: String,
    },
    /// Another run of the fixture has replaced a dummy.
    #[error("another fixture has replaced `{path}`")]
    TakenOver {
        /// The path or URL of the file.
        path: String,
    },
    /// Reading failed.
    #[error("cannot read `{path}`")]
    Read {
        /// The path or URL of the file.
        path: String,
        /// The cause.
        source: BoxError,
    },
    /// Writing failed.
    #[error("cannot write `{path}`")]
    Write {
        /// The path or URL of the file.
        path: String,
        /// The cause.
        source: BoxError,
    },
    /// Signing a link failed.
    #[error("cannot sign a link to `{path}`")]
    NotSigned {
        /// The path or URL of the file.
        path: String,
        /// The cause; none if the storage is not an object store.
        #[source]
        source: Option<BoxError>,
    },
    /// Deleting failed.
    #[error("cannot delete `{path}`")]
    Delete {
        /// The path or URL of the file.
        path: String,
        /// The cause.
        source: BoxError,
    },
}

/// A file exists where the fixture wants to create one.
#[derive(Debug, ThisError)]
#[error("the file exists")]
pub(super) struct Occupied;

impl From<UnknownOption> for StorageError {
    fn from(unknown: UnknownOption) -> Self {
        Self::Option { name: unknown.name, similar: unknown.similar.map(str::to_owned) }
    }
}

impl StorageError {
    pub(super) fn not_a_url(given: &str) -> Self {
        Self::NotAUrl { given: given.into() }
    }

    /// Returns what the user can do about the error.
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAUrl { given } if given.starts_with('/') => {
                return Some(format!("use `file://{}`", escape(given)));
            }
            Self::Scheme { scheme } => return Some(format!("use {}", suggested_url(scheme))),
            Self::Option { similar: Some(name), .. } => {
                return Some(format!("did you mean `{name}`?"));
            }
            Self::NoCredentials { variables } => {
                return Some(format!(
                    "set {variables}, or add `--storage-metadata` to request credentials from this \
                     host's metadata service"
                ));
            }
            Self::NotAUrl { .. } => {
                "use `file://` and an absolute path, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, \
                 `gs://BUCKET/PREFIX`, or the `https://` URL of a WebDAV directory"
            }
            Self::Option { similar: None, .. } | Self::Options { .. } => return None,
            Self::Endpoint { .. } => "include the scheme, for example `https://HOST:PORT`",
            Self::Open { .. } => "use the existing directory from which the app serves its files",
            Self::Foreign { .. } => "move the file away: the fixture needs this name",
            Self::NotKept { .. } => {
                "check whether another program changes files there, or a cache is in front of the \
                 storage"
            }
            Self::NotSigned { source: None, .. } => {
                "use an object store (s3://, az://, gs://): only those have signed links"
            }
            Self::NotSigned { .. } => {
                "set a secret key instead of a token: a link is signed with the key"
            }
            Self::TakenOver { .. } => "stop the other fixture, then start this one again",
            Self::Read { .. } | Self::Write { .. } | Self::Delete { .. } => {
                return self.access_hint().map(str::to_owned);
            }
        };
        Some(hint.into())
    }

    fn access_hint(&self) -> Option<&'static str> {
        if let Some(failure) = Failure::find(self) {
            return failure.kind.hint();
        }
        if self.kind() == FailureKind::PermissionDenied {
            return Some(
                "give the fixture's user write access, or run the fixture as the app's user",
            );
        }
        if io_kinds(self).any(|kind| kind == io::ErrorKind::StorageFull) {
            return Some("free some space, or set a smaller `--size` and `--large-size`");
        }
        None
    }

    /// Returns the kind of failure. For a file system it is found among the causes.
    pub(crate) fn kind(&self) -> FailureKind {
        if let Some(failure) = Failure::find(self) {
            return failure.kind;
        }
        for cause in causes(self) {
            match cause.downcast_ref() {
                Some(object_store::Error::NotFound { .. }) => return FailureKind::NotFound,
                Some(
                    object_store::Error::PermissionDenied { .. }
                    | object_store::Error::Unauthenticated { .. },
                ) => return FailureKind::PermissionDenied,
                _ => {}
            }
        }
        for kind in io_kinds(self) {
            if let Some(kind) = of_io(kind) {
                return kind;
            }
        }
        FailureKind::Other
    }
}

/// Whether a file system may have failed because it has no hard links: link(2) then returns `EPERM`.
pub(super) fn lacks_hard_links(error: &object_store::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, Unsupported};
    io_kinds(error).any(|kind| matches!(kind, PermissionDenied | Unsupported))
}

fn io_kinds(error: &(dyn Error + 'static)) -> impl Iterator<Item = io::ErrorKind> {
    causes(error).filter_map(|cause| Some(cause.downcast_ref::<io::Error>()?.kind()))
}

/// Returns the URL that a user of an unsupported scheme probably means.
fn suggested_url(scheme: &str) -> &'static str {
    match scheme {
        "s3a" | "s3n" | "minio" | "r2" => "`s3://BUCKET/PREFIX`",
        "azure" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => "`az://CONTAINER/PREFIX`",
        "gcs" | "google" => "`gs://BUCKET/PREFIX`",
        "dav" | "davs" | "webdav" | "webdavs" => "`http://…` or `https://…`",
        _ => "`file:///…`, `s3://…`, `az://…`, `gs://…`, or `https://…` for WebDAV",
    }
}

fn of_io(kind: io::ErrorKind) -> Option<FailureKind> {
    match kind {
        io::ErrorKind::NotFound => Some(FailureKind::NotFound),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some(FailureKind::PermissionDenied)
        }
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::StaleNetworkFileHandle
        | io::ErrorKind::TimedOut => Some(FailureKind::Unreachable),
        _ => None,
    }
}
