//! Puts bytes into a storage, reads them back and takes them away again.
//!
//! The only place that knows which storages there are: another one is another arm of
//! [`Storage::open`]. Knows nothing of HTTP, and leaves it to `placement` what belongs to whom.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use object_store::{
    GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt as _,
    PutMode, local::LocalFileSystem,
};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use crate::{
    catalog::Key,
    dummy::{Content, Digest, LINE_MAX},
};

mod error;
pub(crate) mod ledger;
mod local;

use self::error::Cause;
pub use self::error::StorageError;
pub(crate) use self::error::Trouble;

/// The parts in which a large dummy is written, in bytes: what is in memory of it at once.
/// S3 wants at least 5 MiB.
const PART: usize = 8 << 20;

/// Where dummies are placed.
#[derive(Debug)]
pub(crate) struct Storage {
    url: String,
    store: Arc<dyn ObjectStore>,
    folder: local::Folder,
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

impl Storage {
    /// Opens the storage of a URL. `file://` is the only scheme as yet.
    pub(crate) fn open(url: &str) -> Result<Self, StorageError> {
        let not_a_url = || StorageError::NotAUrl { given: url.into() };
        let (scheme, rest) = url.split_once("://").ok_or_else(not_a_url)?;
        match scheme {
            "file" => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                let path = percent_decode_str(path).decode_utf8().map_err(|_| not_a_url())?;
                if !path.starts_with('/') {
                    return Err(not_a_url());
                }
                Self::open_folder(url, &path)
            }
            _ => Err(StorageError::Scheme { scheme: scheme.into() }),
        }
    }

    fn open_folder(url: &str, path: &str) -> Result<Self, StorageError> {
        let open =
            |source: io::Error| StorageError::Open { url: url.into(), source: source.into() };
        let folder = local::Folder::open(path).map_err(open)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|source| StorageError::Open { url: url.into(), source: source.into() })?;
        Ok(Self { url: url.into(), store: Arc::new(store), folder })
    }

    /// Returns the URL. It never has credentials.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn folder(&self) -> &local::Folder {
        &self.folder
    }

    /// Names what lies under `key`, for people.
    pub(crate) fn place(&self, key: &Key) -> String {
        self.folder.path(key).display().to_string()
    }

    /// Reads at most `max` bytes from the beginning.
    pub(crate) async fn head(&self, key: &Key, max: usize) -> Result<Head, StorageError> {
        let read = |source| StorageError::Read { place: self.place(key), source };
        match self.folder.kind(key).map_err(|source| read(source.into()))? {
            local::Kind::Nothing => return Ok(Head::Nothing),
            local::Kind::Special => return Ok(Head::Special),
            local::Kind::File => {}
        }
        let size = match self.store.head(&path(key)).await {
            Ok(meta) => meta.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(Head::Nothing),
            Err(error) => return Err(read(error.into())),
        };
        if size == 0 {
            // No range of nothing can be asked for.
            return Ok(Head::File { bytes: Bytes::new(), size });
        }
        let range = GetRange::Bounded(0..size.min(max as u64));
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let result = self.store.get_opts(&path(key), options).await;
        let result = result.map_err(|error| read(error.into()))?;
        let size = result.meta.size;
        let bytes = result.bytes().await.map_err(|error| read(error.into()))?;
        Ok(Head::File { bytes, size })
    }

    /// Writes a dummy and returns the hash of what was written. Memory is flat.
    pub(crate) async fn write(
        &self,
        key: &Key,
        content: &Arc<Content>,
        mode: Write,
    ) -> Result<Digest, StorageError> {
        if content.size() <= PART as u64 {
            let bytes = content.read(0, PART);
            let digest = Digest::of(&bytes);
            self.put(key, bytes, mode).await?;
            return Ok(digest);
        }
        if matches!(mode, Write::Create) {
            // An upload in parts cannot refuse to overwrite: so the first line takes the place.
            self.put(key, content.read(0, LINE_MAX), Write::Create).await?;
        }
        let written = self.upload(key, content).await;
        written.map_err(|source| StorageError::Write { place: self.place(key), source })
    }

    /// Writes a few bytes.
    pub(crate) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        mode: Write,
    ) -> Result<(), StorageError> {
        let put_mode = match mode {
            Write::Create => PutMode::Create,
            Write::Replace => PutMode::Overwrite,
        };
        match self.store.put_opts(&path(key), bytes.clone().into(), put_mode.into()).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                Err(StorageError::Foreign { place: self.place(key) })
            }
            Err(error) => {
                let error = StorageError::Write { place: self.place(key), source: error.into() };
                if !matches!(mode, Write::Create) || !error.is_without_links() {
                    return Err(error);
                }
                match self.folder.create_new(key, &bytes) {
                    Ok(()) => Ok(()),
                    Err(later) if later.kind() == io::ErrorKind::AlreadyExists => {
                        Err(StorageError::Foreign { place: self.place(key) })
                    }
                    Err(_) => Err(error),
                }
            }
        }
    }

    async fn upload(&self, key: &Key, content: &Arc<Content>) -> Result<Digest, Cause> {
        let mut upload = self.store.put_multipart(&path(key)).await?;
        let sent = match send(&mut *upload, content).await {
            Ok(digest) => upload.complete().await.map(|_| digest).map_err(Cause::from),
            Err(error) => Err(error),
        };
        if sent.is_err() {
            // What failed is the news; that the rest of it could not be removed follows from it.
            let _ = upload.abort().await;
        }
        sent
    }

    /// Deletes what lies under `key`. It is for the caller to know whose it is.
    pub(crate) async fn delete(&self, key: &Key) -> Result<(), StorageError> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => {
                Err(StorageError::Delete { place: self.place(key), source: error.into() })
            }
        }
    }

    /// Reads everything under `key` and returns its size and hash. Memory is flat.
    pub(crate) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), StorageError> {
        let read = |source| StorageError::Read { place: self.place(key), source };
        if matches!(self.folder.kind(key), Ok(local::Kind::Special)) {
            return Err(StorageError::Foreign { place: self.place(key) });
        }
        let result = self.store.get(&path(key)).await.map_err(|error| read(error.into()))?;
        match result.payload {
            // object_store's stream of a file has chunks of 8 KiB, each with a trip to a thread.
            GetResultPayload::File(file, _) => {
                let hashed = tokio::task::spawn_blocking(move || local::hash(file)).await;
                hashed.map_err(|error| read(error.into()))?.map_err(|error| read(error.into()))
            }
            GetResultPayload::Stream(mut stream) => {
                let (mut size, mut hasher) = (0, Sha256::new());
                while let Some(chunk) =
                    stream.try_next().await.map_err(|error| read(error.into()))?
                {
                    size += chunk.len() as u64;
                    hasher.update(&chunk);
                }
                Ok((size, hasher.into()))
            }
        }
    }
}

async fn send(upload: &mut dyn MultipartUpload, content: &Arc<Content>) -> Result<Digest, Cause> {
    let mut hasher = Sha256::new();
    let mut buffer = BytesMut::new();
    let mut offset = 0;
    while offset < content.size() {
        let content = Arc::clone(content);
        let made = tokio::task::spawn_blocking(move || {
            content.read_into(&mut buffer, offset, PART);
            hasher.update(&buffer);
            (buffer.freeze(), hasher)
        });
        let part;
        (part, hasher) = made.await?;
        offset += part.len() as u64;
        upload.put_part(part.clone().into()).await?;
        // Once it is written, nobody else has it: memory is flat without asking for it again.
        buffer = part.try_into_mut().unwrap_or_default();
    }
    Ok(hasher.into())
}

/// A key is checked when it is made, so that nothing is left to refuse.
fn path(key: &Key) -> object_store::path::Path {
    object_store::path::Path::parse(key.as_str()).unwrap_or_default()
}
