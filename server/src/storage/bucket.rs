//! Object stores: S3, Azure and Google, each by its own builder of `object_store`.
//!
//! What they promise about conditional writes and ETags differs, and some break it: here nothing
//! hangs on either.

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
    Head, Scheme, StorageError, Trouble,
    client::Client,
    error::Cause,
    failure::Failure,
    options::{self, Chosen, Metadata, Settings},
};
use crate::{
    catalog::Key,
    dummy::{Content, Digest},
};

/// The parts in which a large dummy is written, in bytes. S3 wants at least 5 MiB.
const PART: u64 = 8 << 20;

/// S3 takes no more parts than this.
const PARTS_MAX: u64 = 10_000;

/// What a proxy or a CDN in front of the store is told.
const NOT_CACHED: &str = "private, no-store";

/// A prefix in a bucket.
pub(super) struct Bucket {
    store: Arc<dyn Remote>,
    prefix: String,
}

/// What the stores of `object_store` have in common.
trait Remote: ObjectStore + MultipartStore + Signer {}
impl<T: ObjectStore + MultipartStore + Signer> Remote for T {}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Where to look for the name of a credential, and what to say without one.
struct Credentials {
    options: &'static [&'static str],
    variables: &'static str,
}

impl Bucket {
    /// Asks nobody yet.
    pub(super) fn open(
        scheme: Scheme,
        bucket: &str,
        prefix: &str,
        settings: &Settings,
        client: Client,
    ) -> Result<Self, StorageError> {
        let store: Arc<dyn Remote> = match scheme {
            Scheme::S3 => Arc::new(s3(bucket, settings, client)?),
            Scheme::Azure => Arc::new(azure(bucket, settings, client)?),
            Scheme::Google => Arc::new(google(bucket, settings, client)?),
        };
        Ok(Self { store, prefix: prefix.into() })
    }

    /// Reads the beginning. A whole object is asked for and the rest not read: no range can be
    /// asked of an empty one, and some servers answer a range with everything.
    pub(super) async fn head(&self, key: &Key, max: usize) -> Result<Head, Cause> {
        let GetResult { meta, payload, .. } = match self.store.get(&self.path(key)?).await {
            Ok(result) => result,
            Err(error) => return nothing(cause(error)).map(|()| Head::Nothing),
        };
        let object_store::GetResultPayload::Stream(mut stream) = payload else {
            return Err("the store gave a file".into());
        };
        let mut bytes = BytesMut::new();
        while bytes.len() < max
            && let Some(chunk) = stream.next().await
        {
            let chunk = chunk.map_err(cause)?;
            bytes.extend_from_slice(&chunk[..chunk.len().min(max - bytes.len())]);
        }
        Ok(Head::File { bytes: bytes.freeze(), size: meta.size })
    }

    pub(super) async fn put(&self, key: &Key, bytes: Bytes, kind: &str) -> Result<(), Cause> {
        let options = PutOptions { attributes: attributes(kind), ..PutOptions::default() };
        self.store.put_opts(&self.path(key)?, bytes.into(), options).await.map_err(cause)?;
        Ok(())
    }

    /// Begins to write in parts, and returns the name by which that can be given up.
    pub(super) async fn begin(&self, key: &Key, kind: &str) -> Result<String, Cause> {
        let options =
            PutMultipartOptions { attributes: attributes(kind), ..PutMultipartOptions::default() };
        let begun = self.store.create_multipart_opts(&self.path(key)?, options).await;
        match begun {
            // Where the parts cannot carry them, the bytes still count.
            Err(object_store::Error::NotSupported { .. }) => {
                self.store.create_multipart(&self.path(key)?).await.map_err(cause)
            }
            begun => begun.map_err(cause),
        }
    }

    /// Writes the part that begins at `offset` and returns it with its length.
    pub(super) async fn part(
        &self,
        key: &Key,
        upload: &str,
        index: usize,
        bytes: Bytes,
    ) -> Result<PartId, Cause> {
        let id = MultipartId::from(upload);
        self.store.put_part(&self.path(key)?, &id, index, bytes.into()).await.map_err(cause)
    }

    pub(super) async fn complete(
        &self,
        key: &Key,
        upload: &str,
        parts: Vec<PartId>,
    ) -> Result<(), Cause> {
        let id = MultipartId::from(upload);
        let done = self.store.complete_multipart(&self.path(key)?, &id, parts).await;
        done.map(drop).map_err(cause)
    }

    /// Gives up what was begun; the parts that were written go.
    pub(super) async fn abort(&self, key: &Key, upload: &str) -> Result<(), Cause> {
        let id = MultipartId::from(upload);
        match self.store.abort_multipart(&self.path(key)?, &id).await {
            Ok(()) => Ok(()),
            Err(error) => nothing(cause(error)),
        }
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), Cause> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) => Ok(()),
            Err(error) => nothing(cause(error)),
        }
    }

    pub(super) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), Cause> {
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
    pub(super) async fn sign(&self, key: &Key, expiry: Duration) -> Result<String, Cause> {
        let url = self.store.signed_url(Method::GET, &self.path(key)?, expiry).await;
        let url = url.map_err(cause)?;
        url.query().map(|_| url.to_string()).ok_or_else(|| "the link has no query".into())
    }

    fn path(&self, key: &Key) -> Result<Path, Cause> {
        let path = match &*self.prefix {
            "" => Path::parse(key.as_str()),
            prefix => Path::parse(format!("{prefix}/{key}")),
        };
        path.map_err(Into::into)
    }
}

/// Returns how large the parts of a dummy are.
pub(super) fn part_size(content: &Content) -> usize {
    let size = content.size().div_ceil(PARTS_MAX).max(PART);
    usize::try_from(size).unwrap_or(usize::MAX)
}

fn s3(
    bucket: &str,
    settings: &Settings,
    client: Client,
) -> Result<impl Remote + use<>, StorageError> {
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
    let chosen = settings.chosen("AWS_", options::S3, env::vars())?;
    CREDENTIALS.check(&chosen, settings)?;
    // Not every server that speaks S3 deletes several objects at once.
    let builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true");
    let builder = chosen.into_iter().fold(builder, |it, (key, value)| it.with_config(key, value));
    let built = builder.with_http_connector(client).with_retry(retry()).build();
    built.map_err(not_built)
}

fn azure(
    container: &str,
    settings: &Settings,
    client: Client,
) -> Result<impl Remote + use<>, StorageError> {
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
    let chosen = settings.chosen("AZURE_", options::AZURE, env::vars())?;
    CREDENTIALS.check(&chosen, settings)?;
    let builder = MicrosoftAzureBuilder::new().with_container_name(container);
    let builder = chosen.into_iter().fold(builder, |it, (key, value)| it.with_config(key, value));
    let built = builder.with_http_connector(client).with_retry(retry()).build();
    built.map_err(not_built)
}

fn google(
    bucket: &str,
    settings: &Settings,
    client: Client,
) -> Result<impl Remote + use<>, StorageError> {
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
    let chosen = settings.chosen("GOOGLE_", options::GOOGLE, env::vars())?;
    if !well_known() {
        CREDENTIALS.check(&chosen, settings)?;
    }
    let builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
    let builder = chosen.into_iter().fold(builder, |it, (key, value)| it.with_config(key, value));
    let built = builder.with_http_connector(client).with_retry(retry()).build();
    built.map_err(not_built)
}

/// Whether `gcloud auth application-default login` has left a file; `object_store` reads it.
fn well_known() -> bool {
    const FILE: &str = ".config/gcloud/application_default_credentials.json";
    env::home_dir().is_some_and(|home| home.join(FILE).exists())
}

impl Credentials {
    /// Without any, `object_store` would ask a metadata address, which takes its time to fail.
    fn check<K: AsRef<str>>(
        &self,
        chosen: &Chosen<K>,
        settings: &Settings,
    ) -> Result<(), StorageError> {
        match settings.metadata == Metadata::Asked || chosen.any(self.options) {
            true => Ok(()),
            false => Err(StorageError::NoCredentials { variables: self.variables }),
        }
    }
}

/// The client tries again by itself.
fn retry() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

fn attributes(kind: &str) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, kind.to_owned().into());
    attributes.insert(Attribute::CacheControl, NOT_CACHED.into());
    attributes
}

/// A store's own failure, without what `object_store` says around it.
fn cause(error: object_store::Error) -> Cause {
    match Failure::of(&error) {
        Some(failure) => Box::new(failure.clone()),
        None => error.into(),
    }
}

/// What is not there is as good as deleted; a whole bucket that is not there is not.
fn nothing(cause: Cause) -> Result<(), Cause> {
    match cause.downcast_ref::<Failure>() {
        Some(failure) if failure.trouble == Trouble::NotFound => Ok(()),
        _ => Err(cause),
    }
}

fn not_built(source: object_store::Error) -> StorageError {
    StorageError::Options { source: source.into() }
}
