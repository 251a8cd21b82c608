//! The parts of a storage that only a file system has: directories, symbolic links, and partially
//! written files.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    dummy::{Digest, LINE_MAX},
    key::Key,
};

/// The root of a storage in a file system.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    given: String,
    root: PathBuf,
}

/// The kind of file under a key.
#[derive(Debug)]
pub(crate) enum FileKind {
    Nothing,
    File,
    Special,
}

/// A file that a run of the fixture was writing when it ended.
#[derive(Debug)]
pub(crate) struct Staged {
    path: PathBuf,
    pub(crate) start: Vec<u8>,
}

impl Directory {
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let root = fs::canonicalize(path)?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { given: path.into(), root })
    }

    /// Returns the path as the user wrote it: the proxy's configuration contains the same symbolic
    /// links.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// Returns the last segment of the path; empty for the root directory.
    pub(crate) fn name(&self) -> &str {
        let name = Path::new(&self.given).file_name().unwrap_or_default();
        name.to_str().unwrap_or_default()
    }

    pub(crate) fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    /// Returns the kind of a file, without opening it, because opening a pipe would block.
    pub(crate) fn file_kind(&self, key: &Key) -> io::Result<FileKind> {
        match fs::symlink_metadata(self.path(key)) {
            Ok(meta) if meta.is_file() => Ok(FileKind::File),
            Ok(_) => Ok(FileKind::Special),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileKind::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Writes a file that must not exist. `object_store` uses a hard link for this, which mounts of
    /// FAT, gcsfuse or s3fs do not support.
    pub(crate) fn create_new(&self, key: &Key, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key);
        let written = File::create_new(&path)?.write_all(bytes);
        if written.is_err() {
            // The error of the write is the one to return.
            let _ = fs::remove_file(path);
        }
        written
    }

    /// Lists the directories that writing `keys` will create, outermost first.
    pub(crate) fn missing<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> Vec<Key> {
        let mut missing = Vec::new();
        for key in keys {
            for directory in key.directories() {
                let Ok(directory) = Key::new(directory) else { continue };
                if !self.path(&directory).exists() && !missing.contains(&directory) {
                    missing.push(directory);
                }
            }
        }
        missing
    }

    /// Removes those of `directories` that are empty. The list must begin with the outermost one.
    pub(crate) fn remove_empty(&self, directories: &[Key]) {
        for directory in directories.iter().rev() {
            // The removal fails if another program has put a file into the directory, which is
            // intended.
            let _ = fs::remove_dir(self.path(directory));
        }
    }

    /// Finds the files `NAME#1`, `NAME#2` …, which `object_store` writes and then renames.
    pub(crate) fn staged(&self, key: &Key) -> Vec<Staged> {
        let path = self.path(key);
        let mut staged = Vec::new();
        let Some(parent) = path.parent() else { return staged };
        let Ok(entries) = fs::read_dir(parent) else { return staged };
        for entry in entries.flatten() {
            if is_staged(&entry, key)
                && let Ok(file) = Staged::open(entry.path())
            {
                staged.push(file);
            }
        }
        staged
    }
}

impl Staged {
    fn open(path: PathBuf) -> io::Result<Self> {
        let mut start = Vec::new();
        File::open(&path)?.take(LINE_MAX as u64).read_to_end(&mut start)?;
        Ok(Self { path, start })
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            // An aborted upload has removed its file already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

/// Computes the size and checksum of a file, with buffers large enough for the speed of the hash.
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

fn is_staged(entry: &fs::DirEntry, key: &Key) -> bool {
    let name = entry.file_name();
    if let Some(name) = name.to_str()
        && let Some(end) = name.strip_prefix(key.name())
        && let Some(number) = end.strip_prefix('#')
        && let Ok(file_type) = entry.file_type()
    {
        return file_type.is_file() && number.bytes().all(|byte| byte.is_ascii_digit());
    }
    false
}
