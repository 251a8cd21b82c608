//! Object stores: S3, Azure and Google, each with its own builder in `object_store`.
//!
//! Stores differ in their support of conditional writes and ETags, and some are wrong: nothing here
//! depends on either.

use std::{env, fmt, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::Method;
use object_store::{
    Attribute, Attributes, GetResult, MultipartId, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder,
    multipart::{MultipartStore, PartId},
    path::Path,
    signer::Signer,
};
use sha2::{Digest as _, Sha256};

use super::{
    client::Client,
    error::StorageError,
    failure::{Failure, FailureKind},
    options::{self, MetadataService, StorageConfig, StoreOptions},
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

/// The kinds of object store.
#[derive(Clone, Copy, Debug)]
pub(super) enum Provider {
    S3,
    Azure,
    Google,
}

/// The traits that all stores of `object_store` implement.
trait RemoteStore: ObjectStore + MultipartStore + Signer {}
impl<T: ObjectStore + MultipartStore + Signer> RemoteStore for T {}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// The options that provide credentials, and the variables to suggest if there are none.
struct Credentials {
    options: &'static [&'static str],
    variables: &'static str,
}

impl Bucket {
    /// Opens the URL of a bucket, of which `rest` is the part after the scheme; sends no request.
    pub(super) fn open(
        provider: Provider,
        url: &str,
        rest: &str,
        config: &StorageConfig,
    ) -> Result<Self, StorageError> {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // A key in a bucket is literal: nothing in it is percent-decoded.
        let prefix = prefix.trim_matches('/');
        let is_bucket = !bucket.is_empty() && !bucket.contains(['@', '?', '#', ':']);
        let is_prefix = prefix.is_empty() || Key::new(prefix).is_ok();
        if !is_bucket || !is_prefix {
            return Err(StorageError::not_a_url(url));
        }
        let client = Client::new()?;
        let store: Arc<dyn RemoteStore> = match provider {
            Provider::S3 => Arc::new(s3(bucket, config, client)?),
            Provider::Azure => Arc::new(azure(bucket, config, client)?),
            Provider::Google => Arc::new(google(bucket, config, client)?),
        };
        Ok(Self { store, prefix: prefix.into() })
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
            // Some stores do not support attributes here; the bytes are what matters.
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

fn s3(
    bucket: &str,
    config: &StorageConfig,
    client: Client,
) -> Result<impl RemoteStore + use<>, StorageError> {
    const CREDENTIALS: Credentials = Credentials {
        options: &[
            "access_key_id",
            "secret_access_key",
            "web_identity_token_file",
            "container_credentials_relative_uri",
            "container_credentials_full_uri",
            "skip_signature",
        ],
        variables: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    };
    let options = config.options_for("AWS_", options::S3, env::vars())?;
    CREDENTIALS.check(&options, config)?;
    // Not every S3 server supports bulk deletes.
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
    for (key, value) in options.into_iter() {
        builder = builder.with_config(key, value);
    }
    let built = builder.with_http_connector(client).with_retry(no_retries()).build();
    built.map_err(not_built)
}

fn azure(
    container: &str,
    config: &StorageConfig,
    client: Client,
) -> Result<impl RemoteStore + use<>, StorageError> {
    const CREDENTIALS: Credentials = Credentials {
        options: &[
            "account_key",
            "access_key",
            "sas_key",
            "token",
            "client_secret",
            "federated_token_file",
            "skip_signature",
            "use_emulator",
        ],
        variables: "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    };
    let options = config.options_for("AZURE_", options::AZURE, env::vars())?;
    CREDENTIALS.check(&options, config)?;
    let mut builder = MicrosoftAzureBuilder::new().with_container_name(container);
    for (key, value) in options.into_iter() {
        builder = builder.with_config(key, value);
    }
    let built = builder.with_http_connector(client).with_retry(no_retries()).build();
    built.map_err(not_built)
}

fn google(
    bucket: &str,
    config: &StorageConfig,
    client: Client,
) -> Result<impl RemoteStore + use<>, StorageError> {
    const CREDENTIALS: Credentials = Credentials {
        options: &[
            "service_account",
            "service_account_key",
            "application_credentials",
            "bearer_token",
            "skip_signature",
        ],
        variables: "GOOGLE_APPLICATION_CREDENTIALS",
    };
    let options = config.options_for("GOOGLE_", options::GOOGLE, env::vars())?;
    if !has_gcloud_login() {
        CREDENTIALS.check(&options, config)?;
    }
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
    for (key, value) in options.into_iter() {
        builder = builder.with_config(key, value);
    }
    let built = builder.with_http_connector(client).with_retry(no_retries()).build();
    built.map_err(not_built)
}

/// Whether the credentials file of `gcloud auth application-default login` exists, which
/// `object_store` reads.
fn has_gcloud_login() -> bool {
    const FILE: &str = ".config/gcloud/application_default_credentials.json";
    env::home_dir().is_some_and(|home| home.join(FILE).exists())
}

impl Credentials {
    /// Without credentials, `object_store` would request them from a metadata address, which fails
    /// slowly.
    fn check<K: AsRef<str>>(
        &self,
        options: &StoreOptions<K>,
        config: &StorageConfig,
    ) -> Result<(), StorageError> {
        if config.metadata == MetadataService::Disabled && !options.contains_any(self.options) {
            return Err(StorageError::NoCredentials { variables: self.variables });
        }
        Ok(())
    }
}

/// [`Client`] retries on its own.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
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

/// A missing object counts as deleted; a missing bucket does not.
fn ignore_not_found(cause: BoxError) -> Result<(), BoxError> {
    match cause.downcast_ref::<Failure>() {
        Some(failure) if failure.kind == FailureKind::NotFound => Ok(()),
        _ => Err(cause),
    }
}

fn not_built(source: object_store::Error) -> StorageError {
    StorageError::Options { source: source.into() }
}
