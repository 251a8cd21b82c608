//! Writes files to a storage, reads them back and deletes them.
//!
//! This is the only module that knows which kinds of storage exist: a new kind is a new arm of
//! [`Storage::open`]. It knows nothing of downloads; `placement` decides which files belong to the
//! fixture.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use sendfile_stores::Scheme;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::{
    catalog::Item,
    causes::BoxError,
    dummy::{Content, Digest, LINE_MAX},
    key::Key,
};

mod bucket;
mod client;
mod dav;
mod disk;
mod error;
mod failure;
mod local;
pub(crate) mod manifest;
mod options;
mod stored;

pub use self::error::StorageError;
use self::{
    bucket::{Bucket, part_size},
    dav::Dav,
    disk::Disk,
    error::Occupied,
    failure::Failure,
    local::Staged,
};
pub(crate) use self::{
    failure::FailureKind,
    options::StorageConfig,
    stored::{Stored, UploadMode, WriteMode},
};

/// The slowest transfer that does not time out, in bytes per second.
const SLOWEST: u64 = 100 << 10;

/// The content type of the manifest.
const TEXT: &str = "text/plain; charset=utf-8";

/// A storage for dummies.
#[derive(Debug)]
pub(crate) struct Storage {
    given_url: String,
    config: StorageConfig,
    /// The URL without credentials.
    url: String,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Disk(Disk),
    Bucket(Bucket),
    Dav(Dav),
}

impl Storage {
    /// Opens the storage at a URL; sends no request.
    pub(crate) fn open(given_url: &str, config: &StorageConfig) -> Result<Self, StorageError> {
        let Some((scheme, rest)) = given_url.split_once("://") else {
            return Err(StorageError::not_a_url(given_url));
        };
        let backend = match scheme {
            "file" => Backend::Disk(Disk::open(given_url, rest, config)?),
            "http" | "https" => Backend::Dav(Dav::open(given_url, config)?),
            other => {
                let Some(scheme) = Scheme::from_name(other) else {
                    return Err(StorageError::Scheme { scheme: other.into() });
                };
                Backend::Bucket(Bucket::open(scheme, given_url, rest, config)?)
            }
        };
        let url = match &backend {
            Backend::Disk(_) => given_url.to_owned(),
            Backend::Bucket(_) => given_url.trim_end_matches('/').to_owned(),
            Backend::Dav(dav) => dav.url().to_owned(),
        };
        Ok(Self { given_url: given_url.into(), config: config.clone(), url, backend })
    }

    /// Opens the storage again with new connections, because connections end with their runtime.
    pub(crate) fn reopened(&self) -> Result<Self, StorageError> {
        Self::open(&self.given_url, &self.config)
    }

    /// Returns the URL without credentials.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the directory on this host, if the storage is one, as the user wrote it: the proxy's
    /// configuration contains the same symbolic links.
    pub(crate) fn directory(&self) -> Option<&str> {
        match &self.backend {
            Backend::Disk(disk) => Some(disk.root.given()),
            Backend::Bucket(_) | Backend::Dav(_) => None,
        }
    }

    /// Returns the last segment of the directory on this host; empty for any other storage.
    pub(crate) fn directory_name(&self) -> &str {
        match &self.backend {
            Backend::Disk(disk) => disk.root.name(),
            Backend::Bucket(_) | Backend::Dav(_) => "",
        }
    }

    /// Returns the path or URL of a file, for messages.
    pub(crate) fn display_path(&self, key: &Key) -> String {
        match &self.backend {
            Backend::Disk(disk) => disk.root.path(key).display().to_string(),
            Backend::Bucket(_) | Backend::Dav(_) => format!("{}/{key}", self.url),
        }
    }

    /// Reads at most `max` bytes from the start of a file.
    pub(crate) async fn read_start(&self, key: &Key, max: usize) -> Result<Stored, StorageError> {
        let read = async {
            match &self.backend {
                Backend::Disk(disk) => disk.read_start(key, max).await,
                Backend::Bucket(bucket) => bucket.read_start(key, max).await,
                Backend::Dav(dav) => dav.read_start(key, max).await,
            }
        };
        self.within(max as u64, read).await.map_err(|source| self.read_error(key, source))
    }

    /// Prepares to write a dummy. The manifest must list the upload id of a multipart upload: after a
    /// crash, nothing else shows that its parts exist.
    pub(crate) async fn begin(
        &self,
        item: &Item,
        content: &Content,
    ) -> Result<UploadMode, StorageError> {
        if let Backend::Bucket(bucket) = &self.backend
            && content.size() > part_size(content) as u64
        {
            let begun = self.within(0, bucket.begin(&item.key, item.content_type)).await;
            let upload_id = begun.map_err(|source| self.write_error(&item.key, source))?;
            return Ok(UploadMode::Multipart(upload_id));
        }
        Ok(UploadMode::Single)
    }

    /// Writes a dummy and returns the checksum of the written bytes. Memory use is constant.
    ///
    /// Servers are not trusted, because some overwrite a file that they should only create.
    /// Therefore this function checks before it writes, and reads back what it has written.
    pub(crate) async fn write(
        &self,
        item: &Item,
        content: &Arc<Content>,
        mode: WriteMode,
        upload_mode: &UploadMode,
    ) -> Result<Digest, StorageError> {
        let (key, size) = (&item.key, content.size());
        let write_error = |source| self.write_error(key, source);
        if let Backend::Disk(disk) = &self.backend {
            return self.within(size, disk.write(key, content, mode)).await.map_err(write_error);
        }
        self.check_before_create(key, mode).await?;
        let written = match (&self.backend, upload_mode) {
            (Backend::Bucket(bucket), UploadMode::Multipart(upload_id)) => {
                self.write_parts(bucket, key, content, upload_id).await
            }
            (Backend::Dav(dav), _) if size > LINE_MAX as u64 => {
                self.within(size, dav.upload(key, content, item.content_type)).await
            }
            _ => {
                let bytes = content.read(0, usize::try_from(size).unwrap_or(usize::MAX));
                let digest = Digest::of(&bytes);
                self.send(key, bytes, item.content_type, mode).await.map(|()| digest)
            }
        };
        let digest = written.map_err(write_error)?;
        if self.read_back(key, size).await? != (size, digest) {
            return Err(StorageError::NotKept { path: self.display_path(key) });
        }
        Ok(digest)
    }

    /// Writes a few bytes.
    pub(crate) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        mode: WriteMode,
    ) -> Result<(), StorageError> {
        if !matches!(self.backend, Backend::Disk(_)) {
            self.check_before_create(key, mode).await?;
        }
        self.send(key, bytes, TEXT, mode).await.map_err(|source| self.write_error(key, source))
    }

    /// Aborts a multipart upload.
    pub(crate) async fn abort(&self, key: &Key, upload_id: &str) -> Result<(), StorageError> {
        let Backend::Bucket(bucket) = &self.backend else { return Ok(()) };
        let aborted = self.within(0, bucket.abort(key, upload_id)).await;
        aborted.map_err(|source| self.delete_error(key, source))
    }

    /// Deletes a file. The caller must know that the file belongs to the fixture.
    pub(crate) async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        let deleted = async {
            match &self.backend {
                Backend::Disk(disk) => disk.delete(key).await,
                Backend::Bucket(bucket) => bucket.delete(key).await,
                Backend::Dav(dav) => dav.delete(key).await,
            }
        };
        self.within(0, deleted).await.map_err(|source| self.delete_error(key, source))
    }

    /// Reads a whole file and returns its size and checksum. Memory use is constant.
    pub(crate) async fn read_back(
        &self,
        key: &Key,
        size: u64,
    ) -> Result<(u64, Digest), StorageError> {
        let read = async {
            match &self.backend {
                Backend::Disk(disk) => disk.read_back(key).await,
                Backend::Bucket(bucket) => bucket.read_back(key).await,
                Backend::Dav(dav) => dav.read_back(key).await,
            }
        };
        self.within(size, read).await.map_err(|source| self.read_error(key, source))
    }

    /// Returns a link for GET that is valid for `expiry`.
    pub(crate) async fn sign(&self, key: &Key, expiry: Duration) -> Result<String, StorageError> {
        let path = self.display_path(key);
        let Backend::Bucket(bucket) = &self.backend else {
            return Err(StorageError::NotSigned { path, source: None });
        };
        match self.within(0, bucket.sign(key, expiry)).await {
            Ok(link) => Ok(link),
            Err(source) => Err(StorageError::NotSigned { path, source: Some(source) }),
        }
    }

    /// Lists the directories that writing `keys` will create and that can be removed again.
    pub(crate) fn missing_directories<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
        match &self.backend {
            Backend::Disk(disk) => disk.root.missing(keys),
            Backend::Bucket(_) | Backend::Dav(_) => Vec::new(),
        }
    }

    /// Removes those of `directories` that are empty. The list must begin with the outermost one.
    pub(crate) fn remove_empty(&self, directories: &[Key]) {
        if let Backend::Disk(disk) = &self.backend {
            disk.root.remove_empty(directories);
        }
    }

    /// Finds the partially written files that a run has left in a file system.
    pub(crate) fn staged(&self, key: &Key) -> Vec<Staged> {
        match &self.backend {
            Backend::Disk(disk) => disk.root.staged(key),
            Backend::Bucket(_) | Backend::Dav(_) => Vec::new(),
        }
    }

    async fn write_parts(
        &self,
        bucket: &Bucket,
        key: &Key,
        content: &Arc<Content>,
        upload_id: &str,
    ) -> Result<Digest, BoxError> {
        let (mut hasher, mut parts, mut offset) = (Sha256::new(), Vec::new(), 0);
        let size = part_size(content);
        while offset < content.size() {
            let content = Arc::clone(content);
            let generated = tokio::task::spawn_blocking(move || {
                let mut buffer = BytesMut::new();
                content.read_into(&mut buffer, offset, size);
                hasher.update(&buffer);
                (buffer.freeze(), hasher)
            });
            let part;
            (part, hasher) = generated.await?;
            let length = part.len() as u64;
            offset += length;
            let sent = bucket.part(key, upload_id, parts.len(), part);
            parts.push(self.within(length, sent).await?);
        }
        self.within(content.size(), bucket.complete(key, upload_id, parts)).await?;
        Ok(hasher.into())
    }

    async fn send(
        &self,
        key: &Key,
        bytes: Bytes,
        content_type: &str,
        mode: WriteMode,
    ) -> Result<(), BoxError> {
        let size = bytes.len() as u64;
        let sent = async {
            match &self.backend {
                Backend::Disk(disk) => disk.put(key, bytes, mode).await,
                Backend::Bucket(bucket) => bucket.put(key, bytes, content_type).await,
                Backend::Dav(dav) => dav.put(key, bytes, content_type).await,
            }
        };
        self.within(size, sent).await
    }

    /// Refuses to create a file that exists. A file that another program writes between this check
    /// and the write is lost: no store offers a better way that is reliable.
    async fn check_before_create(&self, key: &Key, mode: WriteMode) -> Result<(), StorageError> {
        let WriteMode::Create = mode else { return Ok(()) };
        match self.read_start(key, LINE_MAX).await? {
            Stored::Nothing => Ok(()),
            Stored::File { .. } | Stored::Special => {
                Err(StorageError::Foreign { path: self.display_path(key) })
            }
        }
    }

    /// Waits for the storage, at most as long as it may take to transfer `bytes`.
    async fn within<T>(
        &self,
        bytes: u64,
        work: impl Future<Output = Result<T, BoxError>>,
    ) -> Result<T, BoxError> {
        let limit = self.config.timeout;
        match timeout(limit + Duration::from_secs(bytes / SLOWEST), work).await {
            Ok(result) => result,
            Err(_) => Err(Failure::timed_out(limit).into()),
        }
    }

    fn read_error(&self, key: &Key, source: BoxError) -> StorageError {
        let path = self.display_path(key);
        match source.is::<Occupied>() {
            true => StorageError::Foreign { path },
            false => StorageError::Read { path, source },
        }
    }

    fn write_error(&self, key: &Key, source: BoxError) -> StorageError {
        let path = self.display_path(key);
        match source.is::<Occupied>() {
            true => StorageError::Foreign { path },
            false => StorageError::Write { path, source },
        }
    }

    fn delete_error(&self, key: &Key, source: BoxError) -> StorageError {
        StorageError::Delete { path: self.display_path(key), source }
    }
}
