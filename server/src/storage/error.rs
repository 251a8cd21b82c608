//! What can be wrong with a storage, and what to do about it.

use std::{error::Error as _, io};

use thiserror::Error;

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
    /// Deleting failed.
    #[error("cannot delete `{place}`")]
    Delete {
        /// What was to go.
        place: String,
        /// Why.
        source: Cause,
    },
}

/// Why something could not be read, as the contract names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    NotFound,
    PermissionDenied,
    Unreachable,
    Other,
}

impl StorageError {
    /// Says what to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotAUrl { given } if given.starts_with('/') => {
                Some(format!("write `file://{}`", escape(given)))
            }
            Self::NotAUrl { .. } => Some("write `file://` and an absolute path".into()),
            Self::Scheme { .. } => Some("this version places dummies in `file:///…` only".into()),
            Self::Open { .. } => {
                Some("the folder must be there: it is the one the app uses".into())
            }
            Self::Foreign { .. } => Some("move it away: the fixture needs this name".into()),
            Self::TakenOver { .. } => Some("stop the other one, then start again".into()),
            Self::Read { .. } | Self::Write { .. } | Self::Delete { .. } => match self.trouble() {
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
        let mut stores = self.causes().filter_map(|error| error.downcast_ref());
        let store = stores.find_map(|error| match error {
            object_store::Error::NotFound { .. } => Some(Trouble::NotFound),
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Some(Trouble::PermissionDenied),
            _ => None,
        });
        store.or_else(|| self.io().find_map(trouble)).unwrap_or(Trouble::Other)
    }

    /// Tells whether a file system may have failed for want of hard links: link(2) says `EPERM`.
    pub(crate) fn is_without_links(&self) -> bool {
        use io::ErrorKind::{PermissionDenied, Unsupported};
        self.io().any(|kind| matches!(kind, PermissionDenied | Unsupported))
    }

    fn io(&self) -> impl Iterator<Item = io::ErrorKind> {
        self.causes().filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind)
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        std::iter::successors(self.source(), |&error| error.source())
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
