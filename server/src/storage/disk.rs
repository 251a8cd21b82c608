//! A directory on this host, through `object_store`.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use object_store::{
    GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore as _, ObjectStoreExt as _,
    PutMode, local::LocalFileSystem, path::Path,
};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};

use super::{
    error::{Occupied, StorageError, lacks_hard_links},
    local::{Directory, FileKind, hash},
    options::StorageConfig,
    stored::{Stored, WriteMode},
};
use crate::{
    causes::BoxError,
    dummy::{Content, Digest, LINE_MAX},
    key::Key,
};

/// The size of the parts in which a large dummy is written, in bytes. Only one part at a time is in
/// memory.
const PART: usize = 8 << 20;

/// A directory on this host.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) root: Directory,
    store: LocalFileSystem,
}

impl Disk {
    /// Opens a `file://` URL, of which `rest` is the part after the scheme.
    pub(super) fn open(
        url: &str,
        rest: &str,
        config: &StorageConfig,
    ) -> Result<Self, StorageError> {
        config.only(&[])?;
        let encoded = rest.strip_prefix("localhost").unwrap_or(rest);
        let path = match percent_decode_str(encoded).decode_utf8() {
            Ok(path) if path.starts_with('/') => path,
            _ => return Err(StorageError::not_a_url(url)),
        };
        let root = match Directory::open(&path) {
            Ok(root) => root,
            Err(error) => {
                return Err(StorageError::Open { url: url.into(), source: error.into() });
            }
        };
        match LocalFileSystem::new_with_prefix(&*path) {
            Ok(store) => Ok(Self { root, store }),
            Err(error) => Err(StorageError::Open { url: url.into(), source: error.into() }),
        }
    }

    pub(super) async fn read_start(&self, key: &Key, max: usize) -> Result<Stored, BoxError> {
        match self.root.file_kind(key)? {
            FileKind::Nothing => return Ok(Stored::Nothing),
            FileKind::Special => return Ok(Stored::Special),
            FileKind::File => {}
        }
        let size = match self.store.head(&path(key)).await {
            Ok(meta) => meta.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(Stored::Nothing),
            Err(error) => return Err(error.into()),
        };
        if size == 0 {
            // An empty file has no valid range.
            return Ok(Stored::File { bytes: Bytes::new(), size });
        }
        let range = GetRange::Bounded(0..size.min(max as u64));
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let result = self.store.get_opts(&path(key), options).await?;
        let size = result.meta.size;
        Ok(Stored::File { bytes: result.bytes().await?, size })
    }

    /// Writes a dummy and returns the checksum of the written bytes. Memory use is constant.
    pub(super) async fn write(
        &self,
        key: &Key,
        content: &Arc<Content>,
        mode: WriteMode,
    ) -> Result<Digest, BoxError> {
        if content.size() <= PART as u64 {
            let bytes = content.read(0, PART);
            let digest = Digest::of(&bytes);
            self.put(key, bytes, mode).await?;
            return Ok(digest);
        }
        if let WriteMode::Create = mode {
            // A multipart upload cannot refuse to overwrite, so the first line reserves the path.
            self.put(key, content.read(0, LINE_MAX), WriteMode::Create).await?;
        }
        let mut upload = self.store.put_multipart(&path(key)).await?;
        let written = write_parts(&mut *upload, content).await;
        if written.is_err() {
            // The error of the upload is returned; if the abort fails too, that is only a
            // consequence.
            let _ = upload.abort().await;
        }
        written
    }

    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        mode: WriteMode,
    ) -> Result<(), BoxError> {
        let put_mode = match mode {
            WriteMode::Create => PutMode::Create,
            WriteMode::Replace => PutMode::Overwrite,
        };
        let put = self.store.put_opts(&path(key), bytes.clone().into(), put_mode.into()).await;
        let error = match (put, mode) {
            (Ok(_), _) => return Ok(()),
            (Err(object_store::Error::AlreadyExists { .. }), _) => return Err(Occupied.into()),
            (Err(error), WriteMode::Create) if lacks_hard_links(&error) => error,
            (Err(error), _) => return Err(error.into()),
        };
        match self.root.create_new(key, &bytes) {
            Ok(()) => Ok(()),
            Err(later) if later.kind() == io::ErrorKind::AlreadyExists => Err(Occupied.into()),
            Err(_) => Err(error.into()),
        }
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), BoxError> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), BoxError> {
        if let Ok(FileKind::Special) = self.root.file_kind(key) {
            return Err(Occupied.into());
        }
        let result = self.store.get(&path(key)).await?;
        // `object_store` streams a file in chunks of 8 KiB, each of them read on another thread.
        let GetResultPayload::File(file, _) = result.payload else {
            return Err("the local store did not return a file".into());
        };
        Ok(tokio::task::spawn_blocking(move || hash(file)).await??)
    }
}

async fn write_parts(
    upload: &mut dyn MultipartUpload,
    content: &Arc<Content>,
) -> Result<Digest, BoxError> {
    let mut hasher = Sha256::new();
    let mut buffer = BytesMut::new();
    let mut offset = 0;
    while offset < content.size() {
        let content = Arc::clone(content);
        let generated = tokio::task::spawn_blocking(move || {
            content.read_into(&mut buffer, offset, PART);
            hasher.update(&buffer);
            (buffer.freeze(), hasher)
        });
        let part;
        (part, hasher) = generated.await?;
        offset += part.len() as u64;
        upload.put_part(part.clone().into()).await?;
        // The written part has no other owner, so its memory can be reused.
        buffer = part.try_into_mut().unwrap_or_default();
    }
    upload.complete().await?;
    Ok(hasher.into())
}

/// Returns the path of a key. This cannot fail, because a key is checked when it is created.
fn path(key: &Key) -> Path {
    Path::parse(key.as_str()).unwrap_or_default()
}
