//! Signs links to a private bucket, which let whoever has one read one object for a while.

use std::time::Duration;

use super::{Place, Storage, StorageError};
use crate::catalog::Key;

impl Storage {
    /// Returns a link that may be used for GET until `expiry` is over.
    pub(crate) async fn sign(&self, key: &Key, expiry: Duration) -> Result<String, StorageError> {
        let place = || self.place(key);
        let Place::Bucket(bucket) = &self.place else {
            return Err(StorageError::NotSigned { place: place(), source: None });
        };
        let signed = self.within(0, bucket.sign(key, expiry)).await;
        signed.map_err(|it| StorageError::NotSigned { place: place(), source: Some(it) })
    }
}
