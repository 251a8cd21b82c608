//! Places the dummies, rotates them and removes them: which file belongs to whom, and in which order.
//!
//! A file is overwritten or deleted only if it begins with the fixture's own line or is listed in its
//! manifest, which is checked each time. (A file that is written between the check and the change is
//! lost: a file system offers nothing better.) If two fixtures use one storage, the later one
//! replaces the dummies of the earlier one, as after a crash, and the earlier one no longer touches
//! them.

use std::{sync::Arc, time::SystemTime};

use tracing::{debug, warn};

use crate::{
    catalog::{DummyId, Item},
    causes::on_one_line,
    dummy::{Content, Digest, Filling, Instance, LINE_MAX, Line, Nonce},
    key::Key,
    storage::{
        Storage, StorageError, Stored, UploadMode, WriteMode,
        manifest::{MANIFEST_MAX, Manifest, Short, Upload},
    },
};

/// A dummy that is in place.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) item: Item,
    pub(crate) line: Line,
    pub(crate) content: Arc<Content>,
    pub(crate) sha256: Digest,
    pub(crate) previous: Option<Previous>,
}

/// The dummy before the last rotation.
#[derive(Clone, Debug)]
pub(crate) struct Previous {
    pub(crate) nonce: Nonce,
    pub(crate) generation: u64,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// The dummies of one run, which are removed when this is dropped, unless [`Placement::retire`] has
/// already removed them.
#[derive(Debug)]
pub(crate) struct Placement {
    storage: Arc<Storage>,
    items: Vec<Item>,
    manifest: Manifest,
    manifest_key: Key,
    placed: Vec<Placed>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The storage contains nothing of this run.
    Clear,
    /// The storage contains some or all dummies of this run.
    Placed,
}

/// The owner of a file.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// The file does not exist.
    NoFile,
    Fixture(Instance),
    Foreign,
}

impl Placed {
    pub(crate) fn find(placed: &[Self], id: DummyId) -> Option<&Self> {
        placed.iter().find(|dummy| dummy.item.id == id)
    }
}

impl Placement {
    /// Prepares to place `items`; does not access the storage.
    pub(crate) fn new(storage: Arc<Storage>, items: Vec<Item>, manifest_key: Key) -> Self {
        let manifest = Manifest::new(Instance::fresh());
        Self { storage, items, manifest, manifest_key, placed: Vec::new(), state: State::Clear }
    }

    pub(crate) fn instance(&self) -> Instance {
        self.manifest.instance
    }

    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    pub(crate) fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Lists the paths or URLs of the dummies.
    pub(crate) fn files(&self) -> Vec<String> {
        self.keys().map(|key| self.storage.display_path(key)).collect()
    }

    /// Removes the leftovers of a crashed run and places all dummies, or none if that fails.
    pub(crate) async fn place(&mut self) -> Result<(), StorageError> {
        self.clear_leftovers().await?;
        self.state = State::Placed;
        let placed = self.place_all().await;
        if placed.is_err()
            && let Err(error) = self.retire().await
        {
            warn!(%error, "could not remove all dummies");
        }
        placed
    }

    /// Gives new content to each dummy that is large enough to differ.
    pub(crate) async fn rotate(&mut self) -> Result<(), StorageError> {
        let mut next = Vec::new();
        for placed in &self.placed {
            next.push(self.line(&placed.item, placed.line.generation + 1));
        }
        let mode = match self.read_manifest().await? {
            None => WriteMode::Create,
            Some(manifest) if manifest.instance == self.instance() => WriteMode::Replace,
            Some(_) => return Err(self.taken_over(&self.manifest_key)),
        };
        self.manifest.shorts = self.shorts(&next);
        self.write_manifest(mode).await?;
        for (at, line) in next.into_iter().enumerate() {
            let placed = &self.placed[at];
            let content = Arc::new(Content::new(&line, placed.item.filling));
            if content.read(0, LINE_MAX) != placed.content.read(0, LINE_MAX) {
                self.replace(at, line, content).await?;
            }
        }
        Ok(())
    }

    /// Removes the dummies, the manifest, and the directories that were created for them.
    pub(crate) async fn retire(&mut self) -> Result<(), StorageError> {
        let own = Owner::Fixture(self.instance());
        let (manifest, mut result) = match self.read_manifest().await {
            Ok(Some(manifest)) if manifest.instance == self.instance() => (Some(manifest), Ok(())),
            Ok(_) => (None, Ok(())),
            Err(error) => (None, Err(error)),
        };
        // Without its manifest, a dummy that is too short for its first line may belong to another
        // fixture.
        let known = match &manifest {
            Some(manifest) => manifest.clone(),
            None => Manifest::new(self.instance()),
        };
        self.abort(&self.manifest.uploads).await;
        for item in &self.items {
            if let Err(error) = &result
                && error.kind().is_silence()
            {
                // Further requests would time out as well.
                break;
            }
            match self.owner(&item.key, &known).await {
                Ok(owner) if owner == own => result = result.and(self.clear(&item.key).await),
                Ok(Owner::NoFile) => {}
                Ok(_) => {
                    let path = self.storage.display_path(&item.key);
                    warn!(path, "not removed: the file no longer belongs to this fixture");
                }
                Err(error) => result = result.and(Err(error)),
            }
            self.clear_staged(&item.key, &own);
        }
        self.clear_staged(&self.manifest_key, &own);
        if let (Some(manifest), Ok(())) = (manifest, &result) {
            result = self.clear(&self.manifest_key).await;
            self.storage.remove_empty(&manifest.directories);
        }
        self.state = State::Clear;
        result
    }

    async fn place_all(&mut self) -> Result<(), StorageError> {
        let missing = self.storage.missing_directories(self.keys().chain([&self.manifest_key]));
        self.manifest.directories.extend(missing);
        let mut lines = Vec::new();
        for item in &self.items {
            lines.push(self.line(item, 1));
            self.manifest.dummies.push(item.key.clone());
        }
        self.manifest.shorts = self.shorts(&lines);
        self.write_manifest(WriteMode::Create).await?;
        for (item, line) in self.items.clone().into_iter().zip(lines) {
            let content = Arc::new(Content::new(&line, item.filling));
            let sha256 = self.write(&item, &content, WriteMode::Create).await?;
            debug!(path = self.storage.display_path(&item.key), size = line.size, "placed");
            self.placed.push(Placed { item, line, content, sha256, previous: None });
        }
        Ok(())
    }

    /// Checks every file before it changes anything. If one of them is foreign, nothing is changed.
    async fn clear_leftovers(&mut self) -> Result<(), StorageError> {
        let found = self.read_manifest().await?;
        let mut leftovers = Vec::new();
        if found.is_some() {
            leftovers.push(self.manifest_key.clone());
        }
        let old = found.unwrap_or_else(|| self.manifest.clone());
        for key in self.keys() {
            match self.owner(key, &old).await? {
                Owner::NoFile => {}
                Owner::Fixture(_) => leftovers.push(key.clone()),
                Owner::Foreign => return Err(self.foreign(key)),
            }
        }
        for key in &old.dummies {
            // An old dummy that can no longer be read must not prevent the start.
            let is_placed_again = self.items.iter().any(|item| item.key == *key);
            if !is_placed_again && let Ok(Owner::Fixture(_)) = self.owner(key, &old).await {
                leftovers.push(key.clone());
            }
        }
        if !leftovers.is_empty() {
            warn!("replacing dummies of another run, which was killed or is still running");
        }
        self.abort(&old.uploads).await;
        for key in &leftovers {
            self.clear(key).await?;
        }
        for key in self.keys().chain(&old.dummies).chain([&self.manifest_key]) {
            self.clear_staged(key, &Owner::NoFile);
        }
        self.manifest.directories = old.directories;
        Ok(())
    }

    async fn replace(
        &mut self,
        at: usize,
        line: Line,
        content: Arc<Content>,
    ) -> Result<(), StorageError> {
        let old = self.placed[at].clone();
        let key = &old.item.key;
        let mode = match self.owner(key, &self.manifest).await? {
            Owner::NoFile => WriteMode::Create,
            Owner::Fixture(instance) if instance == self.instance() => WriteMode::Replace,
            Owner::Fixture(_) => return Err(self.taken_over(key)),
            Owner::Foreign => return Err(self.foreign(key)),
        };
        let sha256 = self.write(&old.item, &content, mode).await?;
        let previous = Some(Previous {
            nonce: old.line.nonce,
            generation: old.line.generation,
            size: old.line.size,
            sha256: old.sha256,
        });
        self.placed[at] = Placed { item: old.item, line, content, sha256, previous };
        Ok(())
    }

    /// Writes a dummy. A multipart upload is listed in the manifest before its first part.
    async fn write(
        &mut self,
        item: &Item,
        content: &Arc<Content>,
        mode: WriteMode,
    ) -> Result<Digest, StorageError> {
        let upload_mode = self.storage.begin(item, content).await?;
        let UploadMode::Multipart(id) = &upload_mode else {
            return self.storage.write(item, content, mode, &upload_mode).await;
        };
        let upload = Upload { key: item.key.clone(), id: id.clone() };
        self.manifest.uploads.push(upload.clone());
        self.write_manifest(WriteMode::Replace).await?;
        let written = self.storage.write(item, content, mode, &upload_mode).await;
        match written {
            Ok(_) => self.manifest.uploads.retain(|listed| *listed != upload),
            Err(_) => self.abort(&[upload]).await,
        }
        written
    }

    async fn abort(&self, uploads: &[Upload]) {
        for Upload { key, id } in uploads {
            if let Err(error) = self.storage.abort(key, id).await {
                warn!(error = %on_one_line(&error), "cannot abort the multipart upload of a dummy");
            }
        }
    }

    async fn owner(&self, key: &Key, manifest: &Manifest) -> Result<Owner, StorageError> {
        Ok(match self.storage.read_start(key, LINE_MAX).await? {
            Stored::Nothing => Owner::NoFile,
            Stored::Special => Owner::Foreign,
            Stored::File { bytes, size } => match Line::parse(&bytes) {
                Some(line) => Owner::Fixture(line.instance),
                None if size == bytes.len() as u64 && manifest.lists(key, &bytes) => {
                    Owner::Fixture(manifest.instance)
                }
                None => Owner::Foreign,
            },
        })
    }

    async fn read_manifest(&self) -> Result<Option<Manifest>, StorageError> {
        match self.storage.read_start(&self.manifest_key, MANIFEST_MAX).await? {
            Stored::Nothing => Ok(None),
            Stored::File { bytes, .. } => match Manifest::parse(&bytes) {
                Some(manifest) => Ok(Some(manifest)),
                None => Err(self.foreign(&self.manifest_key)),
            },
            Stored::Special => Err(self.foreign(&self.manifest_key)),
        }
    }

    fn foreign(&self, key: &Key) -> StorageError {
        StorageError::Foreign { path: self.storage.display_path(key) }
    }

    fn taken_over(&self, key: &Key) -> StorageError {
        StorageError::TakenOver { path: self.storage.display_path(key) }
    }

    async fn write_manifest(&self, mode: WriteMode) -> Result<(), StorageError> {
        self.storage.put(&self.manifest_key, self.manifest.to_string().into(), mode).await
    }

    async fn clear(&self, key: &Key) -> Result<(), StorageError> {
        debug!(path = self.storage.display_path(key), "removing");
        self.storage.delete(key).await
    }

    /// Removes partially written files of the fixture `owner`; if `owner` is not a fixture, those of all
    /// fixtures.
    fn clear_staged(&self, key: &Key, owner: &Owner) {
        for staged in self.storage.staged(key) {
            let writer = match Line::parse(&staged.start) {
                Some(line) => Some(line.instance),
                None => Manifest::owner(&staged.start),
            };
            let clear = match (owner, writer) {
                (Owner::Fixture(own), Some(writer)) => *own == writer,
                (_, writer) => writer.is_some(),
            };
            if clear && let Err(error) = staged.remove() {
                warn!(%error, "cannot remove a partially written dummy");
            }
        }
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.items.iter().map(|item| &item.key)
    }

    fn line(&self, item: &Item, generation: u64) -> Line {
        Line {
            instance: self.instance(),
            generation,
            nonce: Nonce::fresh(),
            size: item.size,
            placed: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            key: item.key.clone(),
        }
    }

    /// Lists the dummies that are too short for their first line, both those in place and the next
    /// ones.
    fn shorts(&self, next: &[Line]) -> Vec<Short> {
        let mut shorts = Vec::new();
        let current = self.placed.iter().map(|placed| &placed.line);
        for line in current.chain(next) {
            if line.fits() {
                continue;
            }
            let bytes = Content::new(line, Filling::Stream).read(0, LINE_MAX);
            let sha256 = Digest::of(&bytes).to_string();
            let short = Short { key: line.key.clone(), size: line.size, sha256 };
            if !shorts.contains(&short) {
                shorts.push(short);
            }
        }
        shorts
    }
}

impl Drop for Placement {
    /// Removes the dummies in a new thread and waits for it, because the caller may be inside a
    /// runtime, or its runtime may have ended.
    fn drop(&mut self) {
        let State::Placed = self.state else { return };
        // The connections of the caller's runtime may no longer work.
        if let Ok(storage) = self.storage.reopened() {
            self.storage = Arc::new(storage);
        }
        let cleared = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.map(|runtime| runtime.block_on(self.retire()))
            });
            thread.join()
        });
        if !matches!(cleared, Ok(Ok(Ok(())))) {
            warn!("could not remove all dummies");
        }
    }
}
