//! What only a storage on a file system has: folders, links, and files half written.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    catalog::Key,
    dummy::{Digest, LINE_MAX},
};

/// The root of a storage on a file system.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    given: String,
    root: PathBuf,
}

/// What lies under a key.
#[derive(Debug)]
pub(crate) enum Kind {
    Nothing,
    File,
    Special,
}

/// A file that was being written when a run of the fixture ended.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
    pub(crate) head: Vec<u8>,
}

impl Folder {
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let root = fs::canonicalize(path)?;
        match fs::metadata(&root)?.is_dir() {
            true => Ok(Self { given: path.into(), root }),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Returns the path as it was given: what a proxy is told about the storage has the same links.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// Returns the last segment of the path; nothing for the root of all.
    pub(crate) fn name(&self) -> &str {
        Path::new(&self.given).file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    pub(crate) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Looks without opening: opening a pipe would wait for ever.
    pub(crate) fn kind(&self, key: &Key) -> io::Result<Kind> {
        match fs::symlink_metadata(self.path(key)) {
            Ok(meta) if meta.is_file() => Ok(Kind::File),
            Ok(_) => Ok(Kind::Special),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kind::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes a file that must not be there yet. `object_store` does it with a hard link, which
    /// mounts of FAT, gcsfuse or s3fs do not have.
    pub(crate) fn create_new(&self, key: &Key, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let written = File::create_new(&path)?.write_all(bytes);
        if written.is_err() {
            // What failed is the news.
            let _ = fs::remove_file(path);
        }
        written
    }

    /// Lists the folders that writing `keys` will make, the outermost first.
    pub(crate) fn missing<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
        let mut missing = Vec::new();
        for folder in keys.flat_map(Key::folders) {
            let Ok(folder) = Key::new(folder) else { continue };
            if !self.path(&folder).exists() && !missing.contains(&folder) {
                missing.push(folder);
            }
        }
        missing
    }

    /// Removes what is empty of `folders`, which stand the outermost first.
    pub(crate) fn remove_empty(&self, folders: &[Key]) {
        for folder in folders.iter().rev() {
            // Whoever put something into it keeps it.
            let _ = fs::remove_dir(self.path(folder));
        }
    }

    /// Finds the files `NAME#1`, `NAME#2` … which `object_store` writes before it renames.
    pub(crate) fn staged(&self, key: &Key) -> Vec<Staged> {
        let path = self.path(key);
        let Some(Ok(entries)) = path.parent().map(fs::read_dir) else { return Vec::new() };
        let staged = entries.flatten().filter(|entry| {
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|it| it.strip_prefix(key.name())?.strip_prefix('#'));
            let number = number.is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
            number && entry.file_type().is_ok_and(|kind| kind.is_file())
        });
        staged.filter_map(|entry| head(entry.path()).ok()).collect()
    }
}

impl Staged {
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            // An upload that was given up removes its file itself.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// Hashes a file with buffers large enough to keep up with the hash.
pub(crate) fn hash(mut file: File) -> io::Result<(u64, Digest)> {
    let (mut size, mut hasher, mut buffer) = (0, Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((size, hasher.into())),
            Ok(read) => {
                size += read as u64;
                hasher.update(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn head(path: PathBuf) -> io::Result<Staged> {
    let mut head = Vec::new();
    File::open(&path)?.take(LINE_MAX as u64).read_to_end(&mut head)?;
    Ok(Staged { path, head })
}
