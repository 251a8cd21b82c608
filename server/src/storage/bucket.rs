//! Object stores: S3, Azure and Google. Their settings are those of `sendfile_stores`.
//!
//! Stores differ in their support of conditional writes and ETags, and some implement them
//! incorrectly. Therefore nothing here depends on either.

use std::{env, fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::Method;
use object_store::{
    Attribute, Attributes, GetResult, MultipartId, ObjectStoreExt as _, PutMultipartOptions,
    PutOptions, multipart::PartId, path::Path,
};
use sendfile_stores::{BucketAt, RemoteStore, Scheme, SettingsError};
use sha2::{Digest as _, Sha256};

use super::{
    client::Client,
    error::StorageError,
    failure::{Failure, FailureKind},
    options::StorageConfig,
    stored::Stored,
};
use crate::{
    causes::BoxError,
    dummy::{Content, Digest},
    key::Key,
};

/// The size of the parts in which a large dummy is written, in bytes. S3 requires at least 5 MiB.
const PART: u64 = 8 << 20;

/// The maximum number of parts in S3.
const PARTS_MAX: u64 = 10_000;

/// `Cache-Control` for proxies and CDNs in front of the store.
const CACHE_CONTROL: &str = "private, no-store";

/// A prefix in a bucket.
pub(super) struct Bucket {
    store: Arc<dyn RemoteStore>,
    prefix: String,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Opens the URL of a bucket; sends no request. `rest` is the part of the URL after the scheme.
    pub(super) fn open(
        scheme: Scheme,
        url: &str,
        rest: &str,
        config: &StorageConfig,
    ) -> Result<Self, StorageError> {
        let bucket = BucketAt::parse(scheme, rest, &config.settings(), env::vars());
        let bucket = bucket.map_err(|error| not_opened(error, url))?;
        if !bucket.key.is_empty() && Key::new(&bucket.key).is_err() {
            return Err(StorageError::not_a_url(url));
        }
        let opened = bucket.open(Client::new()?);
        let store = opened.map_err(|error| StorageError::Options { source: error.into() })?;
        Ok(Self { store, prefix: bucket.key })
    }

    /// Reads the start of an object. Requests the whole object and stops reading: an empty object has
    /// no valid range, and some servers ignore range requests.
    pub(super) async fn read_start(&self, key: &Key, max: usize) -> Result<Stored, BoxError> {
        let GetResult { meta, payload, .. } = match self.store.get(&self.path(key)?).await {
            Ok(result) => result,
            Err(error) => {
                ignore_not_found(cause(error))?;
                return Ok(Stored::Nothing);
            }
        };
        let object_store::GetResultPayload::Stream(mut stream) = payload else {
            return Err("the store did not return a stream".into());
        };
        let mut bytes = BytesMut::new();
        while bytes.len() < max
            && let Some(chunk) = stream.next().await
        {
            let chunk = chunk.map_err(cause)?;
            bytes.extend_from_slice(&chunk[..chunk.len().min(max - bytes.len())]);
        }
        Ok(Stored::File { bytes: bytes.freeze(), size: meta.size })
    }

    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        content_type: &str,
    ) -> Result<(), BoxError> {
        let options = PutOptions { attributes: attributes(content_type), ..PutOptions::default() };
        self.store.put_opts(&self.path(key)?, bytes.into(), options).await.map_err(cause)?;
        Ok(())
    }

    /// Starts a multipart upload and returns its id.
    pub(super) async fn begin(&self, key: &Key, content_type: &str) -> Result<String, BoxError> {
        let attributes = attributes(content_type);
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let begun = self.store.create_multipart_opts(&self.path(key)?, options).await;
        match begun {
            // Some stores do not support attributes here, and only the content matters.
            Err(object_store::Error::NotSupported { .. }) => {
                self.store.create_multipart(&self.path(key)?).await.map_err(cause)
            }
            begun => begun.map_err(cause),
        }
    }

    /// Writes one part.
    pub(super) async fn part(
        &self,
        key: &Key,
        upload_id: &str,
        index: usize,
        bytes: Bytes,
    ) -> Result<PartId, BoxError> {
        let id = MultipartId::from(upload_id);
        self.store.put_part(&self.path(key)?, &id, index, bytes.into()).await.map_err(cause)
    }

    /// Joins the parts of an upload.
    pub(super) async fn complete(
        &self,
        key: &Key,
        upload_id: &str,
        parts: Vec<PartId>,
    ) -> Result<(), BoxError> {
        let id = MultipartId::from(upload_id);
        self.store.complete_multipart(&self.path(key)?, &id, parts).await.map_err(cause)?;
        Ok(())
    }

    /// Aborts a multipart upload and deletes its parts.
    pub(super) async fn abort(&self, key: &Key, upload_id: &str) -> Result<(), BoxError> {
        let id = MultipartId::from(upload_id);
        match self.store.abort_multipart(&self.path(key)?, &id).await {
            Ok(()) => Ok(()),
            Err(error) => ignore_not_found(cause(error)),
        }
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), BoxError> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) => Ok(()),
            Err(error) => ignore_not_found(cause(error)),
        }
    }

    pub(super) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), BoxError> {
        let result = self.store.get(&self.path(key)?).await.map_err(cause)?;
        let (mut size, mut hasher) = (0, Sha256::new());
        let mut stream = result.into_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(cause)?;
            size += chunk.len() as u64;
            hasher.update(&chunk);
        }
        Ok((size, hasher.into()))
    }

    /// Signs a link for GET.
    pub(super) async fn sign(&self, key: &Key, expiry: Duration) -> Result<String, BoxError> {
        let url = self.store.signed_url(Method::GET, &self.path(key)?, expiry).await;
        let url = url.map_err(cause)?;
        if url.query().is_none() {
            return Err("the link has no query".into());
        }
        Ok(url.to_string())
    }

    fn path(&self, key: &Key) -> Result<Path, BoxError> {
        match &*self.prefix {
            "" => Ok(Path::parse(key.as_str())?),
            prefix => Ok(Path::parse(format!("{prefix}/{key}"))?),
        }
    }
}

/// Returns the size of the parts in which a dummy is written, in bytes.
pub(super) fn part_size(content: &Content) -> usize {
    let size = content.size().div_ceil(PARTS_MAX).max(PART);
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn not_opened(error: SettingsError, url: &str) -> StorageError {
    match error {
        SettingsError::BucketName => StorageError::not_a_url(url),
        SettingsError::UnknownOption(unknown) => unknown.into(),
        SettingsError::NotAUrl { given, .. } => StorageError::Endpoint { name: given.into() },
        SettingsError::NoCredentials { variables } => StorageError::NoCredentials { variables },
    }
}

fn attributes(content_type: &str) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, content_type.to_owned().into());
    attributes.insert(Attribute::CacheControl, CACHE_CONTROL.into());
    attributes
}

/// Returns the failure that the store reported, without the context that `object_store` adds.
fn cause(error: object_store::Error) -> BoxError {
    match Failure::find(&error) {
        Some(failure) => Box::new(failure.clone()),
        None => error.into(),
    }
}

/// Treats a missing object as deleted, but not a missing bucket.
fn ignore_not_found(cause: BoxError) -> Result<(), BoxError> {
    match cause.downcast_ref::<Failure>() {
        Some(failure) if failure.kind == FailureKind::NotFound => Ok(()),
        _ => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens a bucket with these options and the environment of the test.
    fn check_error(rest: &str, options: &[(&str, &str)], message: &str, hint: &str) {
        let mut config = StorageConfig::default();
        for (name, value) in options {
            config.options.push(((*name).into(), (*value).into()));
        }
        let error = Bucket::open(Scheme::S3, &format!("s3://{rest}"), rest, &config).unwrap_err();
        assert_eq!(error.to_string(), message);
        let shown = error.hint().unwrap_or_default();
        assert!(shown.contains(hint), "{shown}");
    }

    #[test]
    fn wrong_settings_are_refused_with_a_hint() {
        check_error("", &[], "`s3://` is not a valid storage URL", "`s3://BUCKET/PREFIX`");
        check_error(
            "b/../x",
            &[("skip_signature", "true")],
            "`s3://b/../x` is not a valid storage URL",
            "`s3://BUCKET/PREFIX`",
        );
        check_error(
            "b",
            &[("acces_key", "hush")],
            "unknown storage option `acces_key`",
            "did you mean `access_key_id`?",
        );
        check_error(
            "b",
            &[("endpoint", "127.0.0.1:9000")],
            "the value of `endpoint` is not a valid URL",
            "include the scheme, for example `https://HOST:PORT`",
        );
    }
}
