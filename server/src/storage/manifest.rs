//! The manifest: the list of files that a run of the fixture has placed, stored next to the
//! dummies.
//!
//! A dummy that is too short for its first line does not show its owner; after a crash, the
//! manifest identifies it by size and checksum. The manifest also lists names that the next run may
//! no longer use.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::{
    catalog::{DIRECTORY, MANIFEST},
    dummy::{Digest, Instance},
    key::{Key, NameError, escape},
};

const OPENING: &str = "sendfile-fixture/1 ledger instance=";

/// The maximum size of a manifest, in bytes.
pub(crate) const MANIFEST_MAX: usize = 64 << 10;

/// The files of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) instance: Instance,
    /// The directories that the run created, outermost first.
    pub(crate) directories: Vec<Key>,
    pub(crate) dummies: Vec<Key>,
    /// The dummies too short for their first line: the current ones, and those before the last
    /// rotation.
    pub(crate) shorts: Vec<Short>,
    /// The multipart uploads in progress. The store finds their parts only by the id of the upload.
    pub(crate) uploads: Vec<Upload>,
}

/// A multipart upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) key: Key,
    pub(crate) id: String,
}

/// A dummy that is too short for its first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn new(instance: Instance) -> Self {
        Self {
            instance,
            directories: Vec::new(),
            dummies: Vec::new(),
            shorts: Vec::new(),
            uploads: Vec::new(),
        }
    }

    /// Returns where the manifest is stored.
    pub(crate) fn key() -> Result<Key, NameError> {
        Key::new(&format!("{DIRECTORY}/{MANIFEST}"))
    }

    /// Returns the owner of a manifest, given its first bytes.
    pub(crate) fn owner(head: &[u8]) -> Option<Instance> {
        let end = head.iter().position(|&byte| byte == b'\n')?;
        let text = std::str::from_utf8(&head[..end]).ok()?.strip_prefix(OPENING)?;
        let instance: Instance = text.parse().ok()?;
        if instance.to_string() != text {
            return None;
        }
        Some(instance)
    }

    /// Reads a manifest. The comparison is exact to the byte: an edited manifest no longer belongs
    /// to the fixture.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut manifest = Self::new(Self::owner(bytes)?);
        for line in text.lines().skip(1) {
            let (kind, rest) = line.split_once(' ')?;
            match kind {
                "folder" => manifest.directories.push(Key::unescape(rest)?),
                "dummy" => manifest.dummies.push(Key::unescape(rest)?),
                "short" => manifest.shorts.push(Short::parse(rest)?),
                "upload" => manifest.uploads.push(Upload::parse(rest)?),
                _ => return None,
            }
        }
        if manifest.to_string() != text {
            return None;
        }
        Some(manifest)
    }

    /// Whether the bytes are the complete content of a listed short dummy.
    pub(crate) fn lists(&self, key: &Key, bytes: &[u8]) -> bool {
        let sha256 = Digest::of(bytes).to_string();
        let short = Short { key: key.clone(), size: bytes.len() as u64, sha256 };
        self.shorts.contains(&short)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OPENING}{}", self.instance)?;
        for key in &self.directories {
            writeln!(f, "folder {}", key.escaped())?;
        }
        for key in &self.dummies {
            writeln!(f, "dummy {}", key.escaped())?;
        }
        for Short { key, size, sha256 } in &self.shorts {
            writeln!(f, "short size={size} sha256={sha256} key={}", key.escaped())?;
        }
        for Upload { key, id } in &self.uploads {
            writeln!(f, "upload id={} key={}", escape(id), key.escaped())?;
        }
        Ok(())
    }
}

impl Short {
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let size = fields.next()?.strip_prefix("size=")?.parse().ok()?;
        let sha256 = fields.next()?.strip_prefix("sha256=")?.to_owned();
        let key = Key::unescape(fields.next()?.strip_prefix("key=")?)?;
        Some(Self { key, size, sha256 })
    }
}

impl Upload {
    fn parse(text: &str) -> Option<Self> {
        let (id, key) = text.strip_prefix("id=")?.split_once(" key=")?;
        let id = percent_decode_str(id).decode_utf8().ok()?.into_owned();
        Some(Self { key: Key::unescape(key)?, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let key = |text: &str| Key::new(text).unwrap();
        let mut manifest = Manifest::new("00000000000000aa".parse().unwrap());
        manifest.directories = vec![key("healthcheck"), key("a b")];
        manifest.dummies = vec![key("healthcheck/é"), key("healthcheck/empty.bin")];
        let sha256 = Digest::of(b"").to_string();
        manifest.shorts = vec![Short { key: key("healthcheck/empty.bin"), size: 0, sha256 }];
        manifest.uploads = vec![Upload { key: key("healthcheck/é"), id: "a b/~1".into() }];
        manifest
    }

    #[test]
    fn manifest_is_read_as_it_was_written() {
        let text = manifest().to_string();
        assert_eq!(Manifest::parse(text.as_bytes()), Some(manifest()));
        assert_eq!(Manifest::owner(text.as_bytes()), Some(manifest().instance));
    }

    #[test]
    fn edited_manifest_is_rejected() {
        let text = manifest().to_string();
        for wrong in [
            text.replace("ledger", "Ledger"),
            text.replace("00aa", "00AA"),
            text.replace("%20", " "),
            format!("{text}\n"),
            format!("{text}note of mine\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(Manifest::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    /// The fixture must not delete a file that a user has changed.
    #[test]
    fn short_dummy_is_identified_by_all_its_bytes() {
        let manifest = manifest();
        let [other, empty] = &manifest.dummies[..] else { panic!("two dummies") };
        assert!(manifest.lists(empty, b""));
        assert!(!manifest.lists(empty, b"x"));
        assert!(!manifest.lists(other, b""));
    }
}
