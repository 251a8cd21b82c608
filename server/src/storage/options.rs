//! The settings of a storage in addition to its URL: options by name, and limits.
//!
//! Which options exist depends on the kind of storage; `sendfile_stores` knows those of object
//! stores.

use std::{fmt, time::Duration};

use sendfile_stores::{Access, MetadataService, StoreSettings, check_names};

use super::error::StorageError;

/// The default of [`StorageConfig::timeout`].
const TIMEOUT: Duration = Duration::from_secs(5);

/// The configuration of a storage.
#[derive(Clone)]
pub(crate) struct StorageConfig {
    /// Options by name. Of several with the same name, the last one is used. All override the
    /// environment.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) metadata: MetadataService,
    /// The maximum time to wait for a response. It also applies to each part of a large dummy.
    pub(crate) timeout: Duration,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { options: Vec::new(), metadata: MetadataService::Disabled, timeout: TIMEOUT }
    }
}

/// Prints only the names of options, because their values may be secrets.
impl fmt::Debug for StorageConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.options.iter().map(|(name, _)| name).collect();
        f.debug_struct("StorageConfig").field("options", &names).finish_non_exhaustive()
    }
}

impl StorageConfig {
    /// Returns the settings of an object store.
    pub(super) fn settings(&self) -> StoreSettings<'_> {
        let (options, metadata) = (self.options.as_slice(), self.metadata);
        StoreSettings { options, metadata, access: Access::ReadWrite }
    }

    /// Returns the option of this name; WebDAV's options are not options of `object_store`.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let (_, value) = self.options.iter().rfind(|(option, _)| option == name)?;
        Some(value)
    }

    /// Refuses options that are not among `supported`.
    pub(super) fn only(&self, supported: &[&'static str]) -> Result<(), StorageError> {
        Ok(check_names(&self.options, supported)?)
    }
}
