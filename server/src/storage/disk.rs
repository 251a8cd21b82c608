//! A folder on this machine, through `object_store`.

use std::{io, sync::Arc};

use bytes::{Bytes, BytesMut};
use object_store::{
    GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore as _, ObjectStoreExt as _,
    PutMode, local::LocalFileSystem, path::Path,
};
use sha2::{Digest as _, Sha256};

use super::{
    Head, StorageError, Write,
    error::{Cause, Occupied, is_without_links},
    local::{Folder, Kind, hash},
};
use crate::{
    catalog::Key,
    dummy::{Content, Digest, LINE_MAX},
};

/// The parts in which a large dummy is written, in bytes: what is in memory of it at once.
const PART: usize = 8 << 20;

/// A folder on this machine.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) folder: Folder,
    store: LocalFileSystem,
}

impl Disk {
    pub(super) fn open(url: &str, path: &str) -> Result<Self, StorageError> {
        let open =
            |source: io::Error| StorageError::Open { url: url.into(), source: source.into() };
        let folder = Folder::open(path).map_err(open)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|source| StorageError::Open { url: url.into(), source: source.into() })?;
        Ok(Self { folder, store })
    }

    pub(super) async fn head(&self, key: &Key, max: usize) -> Result<Head, Cause> {
        match self.folder.kind(key)? {
            Kind::Nothing => return Ok(Head::Nothing),
            Kind::Special => return Ok(Head::Special),
            Kind::File => {}
        }
        let size = match self.store.head(&path(key)).await {
            Ok(meta) => meta.size,
            Err(object_store::Error::NotFound { .. }) => return Ok(Head::Nothing),
            Err(error) => return Err(error.into()),
        };
        if size == 0 {
            // No range of nothing can be asked for.
            return Ok(Head::File { bytes: Bytes::new(), size });
        }
        let range = GetRange::Bounded(0..size.min(max as u64));
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let result = self.store.get_opts(&path(key), options).await?;
        let size = result.meta.size;
        Ok(Head::File { bytes: result.bytes().await?, size })
    }

    /// Writes a dummy and returns the hash of what was written. Memory is flat.
    pub(super) async fn write(
        &self,
        key: &Key,
        content: &Arc<Content>,
        mode: Write,
    ) -> Result<Digest, Cause> {
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

    pub(super) async fn put(&self, key: &Key, bytes: Bytes, mode: Write) -> Result<(), Cause> {
        let put_mode = match mode {
            Write::Create => PutMode::Create,
            Write::Replace => PutMode::Overwrite,
        };
        match self.store.put_opts(&path(key), bytes.clone().into(), put_mode.into()).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => Err(Occupied.into()),
            Err(error) => {
                if !matches!(mode, Write::Create) || !is_without_links(&error) {
                    return Err(error.into());
                }
                match self.folder.create_new(key, &bytes) {
                    Ok(()) => Ok(()),
                    Err(later) if later.kind() == io::ErrorKind::AlreadyExists => {
                        Err(Occupied.into())
                    }
                    Err(_) => Err(error.into()),
                }
            }
        }
    }

    pub(super) async fn delete(&self, key: &Key) -> Result<(), Cause> {
        match self.store.delete(&path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn read_back(&self, key: &Key) -> Result<(u64, Digest), Cause> {
        if matches!(self.folder.kind(key), Ok(Kind::Special)) {
            return Err(Occupied.into());
        }
        let result = self.store.get(&path(key)).await?;
        // `object_store`'s stream of a file has chunks of 8 KiB, each with a trip to a thread.
        let GetResultPayload::File(file, _) = result.payload else {
            return Err("the local store gave no file".into());
        };
        Ok(tokio::task::spawn_blocking(move || hash(file)).await??)
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
fn path(key: &Key) -> Path {
    Path::parse(key.as_str()).unwrap_or_default()
}
