//! Places the dummies, rotates them and takes them away: whose is what, and in which order.
//!
//! Nothing is overwritten or deleted but what begins with the fixture's own line, or stands in its
//! ledger; each time it looks first. (Who writes there between the look and the deed is too late:
//! a file system has no better.) Two fixtures on one storage: the later replaces the dummies of
//! the earlier, as after a crash; the earlier leaves them alone from then on.

use std::{sync::Arc, time::SystemTime};

use tracing::{debug, warn};

use crate::{
    catalog::{Item, Key},
    dummy::{Content, Digest, Filling, Instance, LINE_MAX, Line, Nonce},
    storage::{
        Head, Storage, StorageError, Way, Write,
        ledger::{LEDGER_MAX, Ledger, Short, Upload},
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

/// The dummy that was there before the last rotation.
#[derive(Clone, Debug)]
pub(crate) struct Previous {
    pub(crate) nonce: Nonce,
    pub(crate) generation: u64,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// The dummies of one run. Dropped before [`Placement::retire`], it removes them all the same.
#[derive(Debug)]
pub(crate) struct Placement {
    storage: Arc<Storage>,
    items: Vec<Item>,
    ledger: Ledger,
    ledger_key: Key,
    placed: Vec<Placed>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Nothing of this run is on the storage.
    Clear,
    /// Some or all of it is.
    Placed,
}

/// Whose something is.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Fixture(Instance),
    Foreign,
}

impl Placement {
    /// Prepares the placing of `items`, and touches nothing yet.
    pub(crate) fn new(storage: Arc<Storage>, items: Vec<Item>, ledger_key: Key) -> Self {
        let ledger = Ledger::new(Instance::fresh());
        Self { storage, items, ledger, ledger_key, placed: Vec::new(), state: State::Clear }
    }

    pub(crate) fn instance(&self) -> Instance {
        self.ledger.instance
    }

    pub(crate) fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Names what was placed.
    pub(crate) fn files(&self) -> Vec<String> {
        self.keys().map(|key| self.storage.place(key)).collect()
    }

    /// Clears what a crashed run has left and places all dummies; all of them or none.
    pub(crate) async fn place(&mut self) -> Result<(), StorageError> {
        self.clear_leftovers().await?;
        self.state = State::Placed;
        let placed = self.place_all().await;
        if placed.is_err()
            && let Err(error) = self.retire().await
        {
            warn!(%error, "some of the dummies could not be removed");
        }
        placed
    }

    /// Gives each dummy new content, but for those too short to differ.
    pub(crate) async fn rotate(&mut self) -> Result<(), StorageError> {
        let next: Vec<Line> = self.placed.iter().map(|placed| self.successor(placed)).collect();
        let mode = match self.read_ledger().await? {
            None => Write::Create,
            Some(ledger) if ledger.instance == self.instance() => Write::Replace,
            Some(_) => return Err(self.taken_over(&self.ledger_key)),
        };
        self.ledger.shorts = self.shorts(&next);
        self.write_ledger(mode).await?;
        for (at, line) in next.into_iter().enumerate() {
            let placed = &self.placed[at];
            let content = Arc::new(Content::new(&line, placed.item.filling));
            if content.read(0, LINE_MAX) != placed.content.read(0, LINE_MAX) {
                self.replace(at, line, content).await?;
            }
        }
        Ok(())
    }

    /// Removes the dummies, the ledger, and the folders that were made for them.
    pub(crate) async fn retire(&mut self) -> Result<(), StorageError> {
        let own = Owner::Fixture(self.instance());
        let mut result = Ok(());
        let ledger = self.read_ledger().await.unwrap_or_else(|error| {
            result = Err(error);
            None
        });
        let ledger = ledger.filter(|ledger| ledger.instance == self.instance());
        // Without its ledger, a dummy that says nothing of itself may be another fixture's by now.
        let known = ledger.clone().unwrap_or_else(|| Ledger::new(self.instance()));
        self.abort(&self.ledger.uploads).await;
        for item in &self.items {
            if result.as_ref().is_err_and(|error| error.trouble().is_silence()) {
                // Each of the others would wait as long as this one for the same.
                break;
            }
            match self.owner(&item.key, &known).await {
                Ok(owner) if owner == own => result = result.and(self.clear(&item.key).await),
                Ok(Owner::Nobody) => {}
                Ok(_) => warn!(place = self.storage.place(&item.key), "no longer the fixture's"),
                Err(error) => result = result.and(Err(error)),
            }
            self.clear_staged(&item.key, &own);
        }
        self.clear_staged(&self.ledger_key, &own);
        if let (Some(ledger), Ok(())) = (ledger, &result) {
            result = self.clear(&self.ledger_key).await;
            self.storage.remove_empty(&ledger.folders);
        }
        self.state = State::Clear;
        result
    }

    async fn place_all(&mut self) -> Result<(), StorageError> {
        let folders = self.storage.missing(self.keys().chain([&self.ledger_key]));
        self.ledger.folders.extend(folders);
        let lines: Vec<Line> = self.items.iter().map(|item| self.line(item, 1)).collect();
        self.ledger.dummies = self.keys().cloned().collect();
        self.ledger.shorts = self.shorts(&lines);
        self.write_ledger(Write::Create).await?;
        for (item, line) in self.items.clone().into_iter().zip(lines) {
            let content = Arc::new(Content::new(&line, item.filling));
            let sha256 = self.write(&item, &content, Write::Create).await?;
            debug!(place = self.storage.place(&item.key), size = line.size, "placed");
            self.placed.push(Placed { item, line, content, sha256, previous: None });
        }
        Ok(())
    }

    /// Looks at everything before it touches anything: one foreign file, and all stays as it is.
    async fn clear_leftovers(&mut self) -> Result<(), StorageError> {
        let found = self.read_ledger().await?;
        let mut leftovers: Vec<Key> = found.iter().map(|_| self.ledger_key.clone()).collect();
        let old = found.unwrap_or_else(|| self.ledger.clone());
        for key in self.keys() {
            match self.owner(key, &old).await? {
                Owner::Nobody => {}
                Owner::Fixture(_) => leftovers.push(key.clone()),
                Owner::Foreign => return Err(self.foreign(key)),
            }
        }
        for key in old.dummies.iter().filter(|key| !self.keys().any(|it| it == *key)) {
            // What cannot be read any more is not worth a start that fails.
            if let Ok(Owner::Fixture(_)) = self.owner(key, &old).await {
                leftovers.push(key.clone());
            }
        }
        if !leftovers.is_empty() {
            warn!("replacing dummies of a run that did not end well, or that still goes on");
        }
        self.abort(&old.uploads).await;
        for key in &leftovers {
            self.clear(key).await?;
        }
        for key in self.keys().chain(&old.dummies).chain([&self.ledger_key]) {
            self.clear_staged(key, &Owner::Nobody);
        }
        self.ledger.folders = old.folders;
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
        let mode = match self.owner(key, &self.ledger).await? {
            Owner::Nobody => Write::Create,
            Owner::Fixture(instance) if instance == self.instance() => Write::Replace,
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

    /// Writes a dummy. What lies in parts at a store is in the ledger before the first of them.
    async fn write(
        &mut self,
        item: &Item,
        content: &Arc<Content>,
        mode: Write,
    ) -> Result<Digest, StorageError> {
        let way = self.storage.begin(item, content).await?;
        let Way::InParts(id) = &way else {
            return self.storage.write(item, content, mode, &way).await;
        };
        let upload = Upload { key: item.key.clone(), id: id.clone() };
        self.ledger.uploads.push(upload.clone());
        self.write_ledger(Write::Replace).await?;
        let written = self.storage.write(item, content, mode, &way).await;
        match written {
            Ok(_) => self.ledger.uploads.retain(|it| *it != upload),
            Err(_) => self.abort(&[upload]).await,
        }
        written
    }

    async fn abort(&self, uploads: &[Upload]) {
        for Upload { key, id } in uploads {
            if let Err(error) = self.storage.abort(key, id).await {
                warn!(error = %crate::contract::chain(&error), "cannot remove the parts of a dummy");
            }
        }
    }

    async fn owner(&self, key: &Key, ledger: &Ledger) -> Result<Owner, StorageError> {
        Ok(match self.storage.head(key, LINE_MAX).await? {
            Head::Nothing => Owner::Nobody,
            Head::Special => Owner::Foreign,
            Head::File { bytes, size } => match Line::parse(&bytes) {
                Some(line) => Owner::Fixture(line.instance),
                None if size == bytes.len() as u64 && ledger.lists(key, &bytes) => {
                    Owner::Fixture(ledger.instance)
                }
                None => Owner::Foreign,
            },
        })
    }

    async fn read_ledger(&self) -> Result<Option<Ledger>, StorageError> {
        match self.storage.head(&self.ledger_key, LEDGER_MAX).await? {
            Head::Nothing => Ok(None),
            Head::File { bytes, .. } => match Ledger::parse(&bytes) {
                Some(ledger) => Ok(Some(ledger)),
                None => Err(self.foreign(&self.ledger_key)),
            },
            Head::Special => Err(self.foreign(&self.ledger_key)),
        }
    }

    fn foreign(&self, key: &Key) -> StorageError {
        StorageError::Foreign { place: self.storage.place(key) }
    }

    fn taken_over(&self, key: &Key) -> StorageError {
        StorageError::TakenOver { place: self.storage.place(key) }
    }

    async fn write_ledger(&self, mode: Write) -> Result<(), StorageError> {
        self.storage.put(&self.ledger_key, self.ledger.to_string().into(), mode).await
    }

    async fn clear(&self, key: &Key) -> Result<(), StorageError> {
        debug!(place = self.storage.place(key), "removing");
        self.storage.delete(key).await
    }

    /// Removes half-written files of `whose`, or of any run.
    fn clear_staged(&self, key: &Key, whose: &Owner) {
        for staged in self.storage.staged(key) {
            let owner = Line::parse(&staged.head).map(|line| line.instance);
            let owner = owner.or_else(|| Ledger::owner(&staged.head));
            let clear = match whose {
                Owner::Fixture(instance) => owner == Some(*instance),
                Owner::Nobody | Owner::Foreign => owner.is_some(),
            };
            if clear && let Err(error) = staged.remove() {
                warn!(%error, "cannot remove a half-written dummy");
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

    fn successor(&self, placed: &Placed) -> Line {
        self.line(&placed.item, placed.line.generation + 1)
    }

    /// Lists the short ones among the dummies in place and those to come.
    fn shorts(&self, next: &[Line]) -> Vec<Short> {
        let mut shorts = Vec::new();
        let now = self.placed.iter().map(|placed| &placed.line);
        for line in now.chain(next).filter(|line| !line.fits()) {
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
    /// Waits for a thread of its own: whoever drops it may be within a runtime, or after one.
    fn drop(&mut self) {
        let State::Placed = self.state else { return };
        // Connections of the runtime that ends may hang with it.
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
            warn!("some of the dummies could not be removed");
        }
    }
}
