//! Puts bytes into a storage, reads them back and takes them away again.
//!
//! The only place that knows which storages there are: another one is another arm of
//! [`Storage::open`]. Knows nothing of downloads, and leaves it to `placement` what belongs to whom.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use crate::{
    catalog::{Item, Key},
    dummy::{Content, Digest, LINE_MAX},
};

mod bucket;
mod client;
mod dav;
mod disk;
mod error;
mod failure;
pub(crate) mod ledger;
mod local;
mod options;
mod sign;

pub use self::error::StorageError;
use self::{
    bucket::{Bucket, part_size},
    client::Client,
    dav::Dav,
    disk::Disk,
    error::{Cause, Occupied},
    failure::Failure,
    local::Staged,
};
pub(crate) use self::{
    error::Trouble,
    options::{Metadata, Settings},
};

/// Beyond the limit of time, so many bytes a second are waited for.
const SLOWEST: u64 = 100 << 10;

/// The content type of the ledger.
const TEXT: &str = "text/plain; charset=utf-8";

/// Where dummies are placed.
#[derive(Debug)]
pub(crate) struct Storage {
    given: String,
    settings: Settings,
    /// The URL, without credentials.
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Disk(Disk),
    Bucket(Bucket),
    Dav(Dav),
}

/// The kinds of object store.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    S3,
    Azure,
    Google,
}

/// The beginning of what lies under a key.
#[derive(Debug)]
pub(crate) enum Head {
    Nothing,
    /// A file of `size` bytes that begins like this.
    File {
        bytes: Bytes,
        size: u64,
    },
    /// A folder, a link, a pipe: no file that the fixture could have made.
    Special,
}

/// Whether there may be something under the key already.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    Create,
    Replace,
}

/// How a dummy comes to a storage.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    AtOnce,
    /// In parts that lie at the store, under this name, until the last of them is there.
    InParts(String),
}

impl Storage {
    /// Opens the storage of a URL, and asks no server yet.
    pub(crate) fn open(given: &str, settings: &Settings) -> Result<Self, StorageError> {
        let not_a_url = || StorageError::NotAUrl { given: given.into() };
        let (scheme, rest) = given.split_once("://").ok_or_else(not_a_url)?;
        let client = || Client::new().map_err(|it| StorageError::Options { source: it.into() });
        let in_bucket = |scheme| {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            // A key is what it is at the store: nothing in it is decoded.
            let prefix = prefix.trim_matches('/');
            let plain = !bucket.is_empty() && !bucket.contains(['@', '?', '#', ':']);
            if !plain || !(prefix.is_empty() || Key::new(prefix).is_ok()) {
                return Err(not_a_url());
            }
            Bucket::open(scheme, bucket, prefix, settings, client()?).map(Place::Bucket)
        };
        let place = match scheme {
            "file" => {
                settings.only(&[])?;
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                let path = percent_decode_str(path).decode_utf8().map_err(|_| not_a_url())?;
                if !path.starts_with('/') {
                    return Err(not_a_url());
                }
                Place::Disk(Disk::open(given, &path)?)
            }
            "s3" => in_bucket(Scheme::S3)?,
            "az" => in_bucket(Scheme::Azure)?,
            "gs" => in_bucket(Scheme::Google)?,
            "http" | "https" => Place::Dav(Dav::open(given, settings, client()?)?),
            _ => return Err(StorageError::Scheme { scheme: scheme.into() }),
        };
        let url = match &place {
            Place::Dav(dav) => dav.url().to_owned(),
            Place::Disk(_) => given.to_owned(),
            Place::Bucket(_) => given.trim_end_matches('/').to_owned(),
        };
        Ok(Self { given: given.into(), settings: settings.clone(), url, place })
    }

    /// Opens it once more, with connections of its own: those of a runtime end with it.
    pub(crate) fn reopened(&self) -> Result<Self, StorageError> {
        Self::open(&self.given, &self.settings)
    }

    /// Returns the URL. It never has credentials.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the folder as it was given, if it is one on this machine: what a proxy is told about
    /// the storage has the same links.
    pub(crate) fn folder(&self) -> Option<&str> {
        match &self.place {
            Place::Disk(disk) => Some(disk.folder.given()),
            Place::Bucket(_) | Place::Dav(_) => None,
        }
    }

    /// Returns the last segment of the folder on this machine; nothing for any other storage.
    pub(crate) fn folder_name(&self) -> &str {
        match &self.place {
            Place::Disk(disk) => disk.folder.name(),
            Place::Bucket(_) | Place::Dav(_) => "",
        }
    }

    /// Names what lies under `key`, for people.
    pub(crate) fn place(&self, key: &Key) -> String {
        match &self.place {
            Place::Disk(disk) => disk.folder.path(key).display().to_string(),
            Place::Bucket(_) | Place::Dav(_) => format!("{}/{key}", self.url),
        }
    }

    /// Reads at most `max` bytes from the beginning.
    pub(crate) async fn head(&self, key: &Key, max: usize) -> Result<Head, StorageError> {
        let head = async {
            match &self.place {
                Place::Disk(disk) => disk.head(key, max).await,
                Place::Bucket(bucket) => bucket.head(key, max).await,
                Place::Dav(dav) => dav.head(key, max).await,
            }
        };
        self.within(max as u64, head).await.map_err(|source| self.unread(key, source))
    }

    /// Prepares to write a dummy. The name that the store gives to parts is for the ledger: after
    /// a crash nothing else knows that they are there.
    pub(crate) async fn begin(&self, item: &Item, content: &Content) -> Result<Way, StorageError> {
        match &self.place {
            Place::Bucket(bucket) if content.size() > part_size(content) as u64 => {
                let begun = self.within(0, bucket.begin(&item.key, item.content_type)).await;
                begun.map(Way::InParts).map_err(|source| self.unwritten(&item.key, source))
            }
            _ => Ok(Way::AtOnce),
        }
    }

    /// Writes a dummy and returns the hash of what was written. Memory is flat.
    ///
    /// No server is trusted with that: it looks before it writes, since some overwrite what they
    /// were asked to create only, and reads back what it wrote.
    pub(crate) async fn write(
        &self,
        item: &Item,
        content: &Arc<Content>,
        mode: Write,
        way: &Way,
    ) -> Result<Digest, StorageError> {
        let (key, size) = (&item.key, content.size());
        let unwritten = |source| self.unwritten(key, source);
        if let Place::Disk(disk) = &self.place {
            return self.within(size, disk.write(key, content, mode)).await.map_err(unwritten);
        }
        self.look_first(key, mode).await?;
        let digest = match (&self.place, way) {
            (Place::Bucket(bucket), Way::InParts(upload)) => {
                self.in_parts(bucket, key, content, upload).await
            }
            (Place::Dav(dav), _) if size > LINE_MAX as u64 => {
                self.within(size, dav.upload(key, content, item.content_type)).await
            }
            _ => {
                let bytes = content.read(0, usize::try_from(size).unwrap_or(usize::MAX));
                let digest = Digest::of(&bytes);
                self.send(key, bytes, item.content_type, mode).await.map(|()| digest)
            }
        };
        let digest = digest.map_err(unwritten)?;
        match self.read_back(key, size).await? {
            (kept, read) if kept == size && read == digest => Ok(digest),
            _ => Err(StorageError::NotKept { place: self.place(key) }),
        }
    }

    /// Writes a few bytes.
    pub(crate) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        mode: Write,
    ) -> Result<(), StorageError> {
        if !matches!(self.place, Place::Disk(_)) {
            self.look_first(key, mode).await?;
        }
        self.send(key, bytes, TEXT, mode).await.map_err(|source| self.unwritten(key, source))
    }

    /// Gives up a dummy that was being written in parts.
    pub(crate) async fn abort(&self, key: &Key, upload: &str) -> Result<(), StorageError> {
        let Place::Bucket(bucket) = &self.place else { return Ok(()) };
        let aborted = self.within(0, bucket.abort(key, upload)).await;
        aborted.map_err(|source| self.undeleted(key, source))
    }

    /// Deletes what lies under `key`. It is for the caller to know whose it is.
    pub(crate) async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        let deleted = async {
            match &self.place {
                Place::Disk(disk) => disk.delete(key).await,
                Place::Bucket(bucket) => bucket.delete(key).await,
                Place::Dav(dav) => dav.delete(key).await,
            }
        };
        self.within(0, deleted).await.map_err(|source| self.undeleted(key, source))
    }

    /// Reads everything under `key` and returns its size and hash. Memory is flat.
    pub(crate) async fn read_back(
        &self,
        key: &Key,
        size: u64,
    ) -> Result<(u64, Digest), StorageError> {
        let read = async {
            match &self.place {
                Place::Disk(disk) => disk.read_back(key).await,
                Place::Bucket(bucket) => bucket.read_back(key).await,
                Place::Dav(dav) => dav.read_back(key).await,
            }
        };
        self.within(size, read).await.map_err(|source| self.unread(key, source))
    }

    /// Lists the folders that writing `keys` will make and that can be removed again.
    pub(crate) fn missing<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
        match &self.place {
            Place::Disk(disk) => disk.folder.missing(keys),
            Place::Bucket(_) | Place::Dav(_) => Vec::new(),
        }
    }

    /// Removes what is empty of `folders`, which stand the outermost first.
    pub(crate) fn remove_empty(&self, folders: &[Key]) {
        if let Place::Disk(disk) = &self.place {
            disk.folder.remove_empty(folders);
        }
    }

    /// Finds what was being written to a file system when a run ended.
    pub(crate) fn staged(&self, key: &Key) -> Vec<Staged> {
        match &self.place {
            Place::Disk(disk) => disk.folder.staged(key),
            Place::Bucket(_) | Place::Dav(_) => Vec::new(),
        }
    }

    async fn in_parts(
        &self,
        bucket: &Bucket,
        key: &Key,
        content: &Arc<Content>,
        upload: &str,
    ) -> Result<Digest, Cause> {
        let (mut hasher, mut parts, mut offset) = (Sha256::new(), Vec::new(), 0);
        let size = part_size(content);
        while offset < content.size() {
            let content = Arc::clone(content);
            let made = tokio::task::spawn_blocking(move || {
                let mut buffer = BytesMut::new();
                content.read_into(&mut buffer, offset, size);
                hasher.update(&buffer);
                (buffer.freeze(), hasher)
            });
            let part;
            (part, hasher) = made.await?;
            let length = part.len() as u64;
            offset += length;
            parts.push(self.within(length, bucket.part(key, upload, parts.len(), part)).await?);
        }
        self.within(content.size(), bucket.complete(key, upload, parts)).await?;
        Ok(hasher.into())
    }

    async fn send(&self, key: &Key, bytes: Bytes, kind: &str, mode: Write) -> Result<(), Cause> {
        let size = bytes.len() as u64;
        let sent = async {
            match &self.place {
                Place::Disk(disk) => disk.put(key, bytes, mode).await,
                Place::Bucket(bucket) => bucket.put(key, bytes, kind).await,
                Place::Dav(dav) => dav.put(key, bytes, kind).await,
            }
        };
        self.within(size, sent).await
    }

    /// Who writes there between the look and the deed is too late: a store has no better that can
    /// be relied on.
    async fn look_first(&self, key: &Key, mode: Write) -> Result<(), StorageError> {
        let Write::Create = mode else { return Ok(()) };
        match self.head(key, LINE_MAX).await? {
            Head::Nothing => Ok(()),
            Head::File { .. } | Head::Special => {
                Err(StorageError::Foreign { place: self.place(key) })
            }
        }
    }

    /// Waits for a storage no longer than it may take for so many bytes.
    async fn within<T>(
        &self,
        bytes: u64,
        work: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, Cause> {
        let limit = self.settings.timeout;
        match timeout(limit + Duration::from_secs(bytes / SLOWEST), work).await {
            Ok(result) => result,
            Err(_) => Err(Failure::timed_out(limit).into()),
        }
    }

    fn unread(&self, key: &Key, source: Cause) -> StorageError {
        let place = self.place(key);
        match source.is::<Occupied>() {
            true => StorageError::Foreign { place },
            false => StorageError::Read { place, source },
        }
    }

    fn unwritten(&self, key: &Key, source: Cause) -> StorageError {
        let place = self.place(key);
        match source.is::<Occupied>() {
            true => StorageError::Foreign { place },
            false => StorageError::Write { place, source },
        }
    }

    fn undeleted(&self, key: &Key, source: Cause) -> StorageError {
        StorageError::Delete { place: self.place(key), source }
    }
}
