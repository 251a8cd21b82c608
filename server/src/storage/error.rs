//! What can be wrong with a storage, and what to do about it.

use std::{error::Error as _, io};

use thiserror::Error;

use super::failure::Failure;
use crate::catalog::escape;

/// Whatever a storage says about a failure.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A storage that cannot be used as it was asked.
#[derive(Debug, Error)]
pub enum StorageError {
    /// No scheme, or no absolute path behind it.
    #[error("`{given}` is not the URL of a storage")]
    NotAUrl {
        /// What was given.
        given: String,
    },
    /// A scheme that this version cannot reach.
    #[error("`{scheme}:` storages are not supported")]
    Scheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// An option that the kind of storage does not have.
    #[error("the storage has no option `{name}`")]
    Option {
        /// The option.
        name: String,
        /// The one that is nearest to it.
        meant: Option<String>,
    },
    /// The address of a server without its scheme.
    #[error("`{name}` is not a URL")]
    Endpoint {
        /// The option or variable.
        name: String,
    },
    /// Nothing says as whom the storage is asked.
    #[error("there are no credentials for the storage")]
    NoCredentials {
        /// The variables that are read.
        variables: &'static str,
    },
    /// Options that do not fit together.
    #[error("the storage cannot be used with these options")]
    Options {
        /// Why.
        source: Cause,
    },
    /// The folder is not there, or not a folder, or may not be entered.
    #[error("cannot open the storage `{url}`")]
    Open {
        /// The storage.
        url: String,
        /// Why.
        source: Cause,
    },
    /// Something lies where a dummy should go, and was left as it is.
    #[error("`{place}` was not placed by this program, and is left as it is")]
    Foreign {
        /// Where it lies.
        place: String,
    },
    /// The storage took a dummy, and gives other bytes back.
    #[error("`{place}` is not what was written there")]
    NotKept {
        /// Where it lies.
        place: String,
    },
    /// Another run of the fixture replaced a dummy.
    #[error("another fixture has replaced `{place}`")]
    TakenOver {
        /// Where it lies.
        place: String,
    },
    /// Reading failed.
    #[error("cannot read `{place}`")]
    Read {
        /// What was read.
        place: String,
        /// Why.
        source: Cause,
    },
    /// Writing failed.
    #[error("cannot write `{place}`")]
    Write {
        /// What was written.
        place: String,
        /// Why.
        source: Cause,
    },
    /// No link can be signed.
    #[error("cannot sign a link to `{place}`")]
    NotSigned {
        /// To what.
        place: String,
        /// Why, if it is an object store.
        #[source]
        source: Option<Cause>,
    },
    /// Deleting failed.
    #[error("cannot delete `{place}`")]
    Delete {
        /// What was to go.
        place: String,
        /// Why.
        source: Cause,
    },
}

/// Something lies where nothing should.
#[derive(Debug, Error)]
#[error("something is there already")]
pub(super) struct Occupied;

/// Why a storage could not be used, as the contract names it: the same for every kind of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    NotFound,
    BucketMissing,
    PermissionDenied,
    KeyRefused,
    WrongRegion,
    ClockSkewed,
    NameNotResolved,
    Tls,
    Unreachable,
    Other,
}

impl Trouble {
    /// Whether the server did not answer at all: then it is not asked for the next thing either.
    pub(crate) fn is_silence(self) -> bool {
        matches!(self, Self::NameNotResolved | Self::Tls | Self::Unreachable)
    }

    /// Says what to do about it, where that does not depend on what was asked.
    fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::BucketMissing => {
                "make it, the fixture makes no bucket and no root; or correct its name"
            }
            Self::PermissionDenied => "let the key read, write and delete below that prefix",
            Self::KeyRefused => {
                "see whether key and secret, or user and password, are those of this store"
            }
            Self::WrongRegion => "set the bucket's region: AWS_REGION, or the option `region`",
            Self::ClockSkewed => "set this machine's clock, or the store's",
            Self::NameNotResolved => "see whether the host in the endpoint is spelt right",
            Self::Tls => "see whether the store speaks TLS there, and who signed its certificate",
            Self::Unreachable => "see whether the store runs, and the endpoint is the right one",
            Self::NotFound | Self::Other => return None,
        })
    }
}

impl StorageError {
    /// Says what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotAUrl { given } if given.starts_with('/') => {
                Some(format!("write `file://{}`", escape(given)))
            }
            Self::NotAUrl { .. } => Some(
                "write `file://` and an absolute path, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`, \
                 `gs://BUCKET/PREFIX`, or the `https://` URL of a WebDAV folder"
                    .into(),
            ),
            Self::Scheme { scheme } => Some(format!("write {}", scheme_meant(scheme))),
            Self::Option { meant, .. } => meant.as_ref().map(|it| format!("did you mean `{it}`?")),
            Self::Endpoint { .. } => {
                Some("write it with its scheme, like `https://HOST:PORT`".into())
            }
            Self::NoCredentials { variables } => Some(format!(
                "set {variables}; or `--storage-metadata`, to ask this machine's metadata service"
            )),
            Self::Options { .. } => None,
            Self::Open { .. } => {
                Some("the folder must be there: it is the one the app uses".into())
            }
            Self::Foreign { .. } => Some("move it away: the fixture needs this name".into()),
            Self::NotKept { .. } => {
                Some("see what changes files there: another program, or a cache in front".into())
            }
            Self::NotSigned { source: None, .. } => {
                Some("only object stores have such links: s3://, az://, gs://".into())
            }
            Self::NotSigned { .. } => {
                Some("give a key, not only a token: the link is signed with it".into())
            }
            Self::TakenOver { .. } => Some("stop the other one, then start again".into()),
            Self::Read { .. } | Self::Write { .. } | Self::Delete { .. } => match self.trouble() {
                _ if self.failure().is_some() => self.trouble().hint().map(str::to_owned),
                Trouble::PermissionDenied => {
                    Some("let the fixture's user write there, or start it as the app's".into())
                }
                _ if self.io().any(|kind| kind == io::ErrorKind::StorageFull) => {
                    Some("make room, or choose a smaller `--size` and `--large-size`".into())
                }
                _ => None,
            },
        }
    }

    /// Names the kind of the failure. A file system hides it in the causes.
    pub(crate) fn trouble(&self) -> Trouble {
        if let Some(failure) = self.failure() {
            return failure.trouble;
        }
        let mut stores = self.causes().filter_map(|error| error.downcast_ref());
        let store = stores.find_map(|error| match error {
            object_store::Error::NotFound { .. } => Some(Trouble::NotFound),
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Some(Trouble::PermissionDenied),
            _ => None,
        });
        store.or_else(|| self.io().find_map(trouble)).unwrap_or(Trouble::Other)
    }

    /// What a store's server said, if there is one.
    fn failure(&self) -> Option<&Failure> {
        self.causes().find_map(|error| error.downcast_ref())
    }

    fn io(&self) -> impl Iterator<Item = io::ErrorKind> {
        io_kinds(self)
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        std::iter::successors(self.source(), |&error| error.source())
    }
}

/// Tells whether a file system may have failed for want of hard links: link(2) says `EPERM`.
pub(super) fn is_without_links(error: &object_store::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, Unsupported};
    io_kinds(error).any(|kind| matches!(kind, PermissionDenied | Unsupported))
}

fn io_kinds(error: &(dyn std::error::Error + 'static)) -> impl Iterator<Item = io::ErrorKind> {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    causes.filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
}

/// The URL that somebody who writes this scheme may have in mind.
fn scheme_meant(scheme: &str) -> &'static str {
    match scheme {
        "s3a" | "s3n" | "minio" | "r2" => "`s3://BUCKET/PREFIX`",
        "azure" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => "`az://CONTAINER/PREFIX`",
        "gcs" | "google" => "`gs://BUCKET/PREFIX`",
        "dav" | "davs" | "webdav" | "webdavs" => "`http://…` or `https://…`",
        _ => "`file:///…`, `s3://…`, `az://…`, `gs://…`, or `https://…` for WebDAV",
    }
}

fn trouble(kind: io::ErrorKind) -> Option<Trouble> {
    match kind {
        io::ErrorKind::NotFound => Some(Trouble::NotFound),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some(Trouble::PermissionDenied)
        }
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::StaleNetworkFileHandle
        | io::ErrorKind::TimedOut => Some(Trouble::Unreachable),
        _ => None,
    }
}
