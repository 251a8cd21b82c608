//! The list of what a run of the fixture has placed, kept beside the dummies.
//!
//! A dummy that is too short for its first line cannot say whose it is: after a crash the ledger
//! says it, by size and hash. It also remembers names that the next run may no longer use.

use std::fmt;

use percent_encoding::percent_decode_str;

use crate::{
    catalog::{FOLDER, Key, LEDGER, NameError, escape},
    dummy::{Digest, Instance},
};

const OPENING: &str = "sendfile-fixture/1 ledger instance=";

/// More than this is no ledger, in bytes.
pub(crate) const LEDGER_MAX: usize = 64 << 10;

/// What one run has placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) instance: Instance,
    /// The folders it made, the outermost first.
    pub(crate) folders: Vec<Key>,
    pub(crate) dummies: Vec<Key>,
    /// The dummies too short for their first line: now, and before the last rotation.
    pub(crate) shorts: Vec<Short>,
    /// The dummies that are being written in parts: until they are whole, the parts are only at the
    /// store, and only under this name.
    pub(crate) uploads: Vec<Upload>,
}

/// A dummy that is being written in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) key: Key,
    pub(crate) id: String,
}

/// A dummy that cannot say itself what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Short {
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Ledger {
    pub(crate) fn new(instance: Instance) -> Self {
        Self {
            instance,
            folders: Vec::new(),
            dummies: Vec::new(),
            shorts: Vec::new(),
            uploads: Vec::new(),
        }
    }

    pub(crate) fn key() -> Result<Key, NameError> {
        Key::new(&format!("{FOLDER}/{LEDGER}"))
    }

    /// Returns whose ledger begins like this.
    pub(crate) fn owner(head: &[u8]) -> Option<Instance> {
        let end = head.iter().position(|&byte| byte == b'\n')?;
        let text = std::str::from_utf8(&head[..end]).ok()?.strip_prefix(OPENING)?;
        let instance: Instance = text.parse().ok()?;
        (instance.to_string() == text).then_some(instance)
    }

    /// Reads a ledger. Exact to the byte: what was edited is no longer the fixture's.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut ledger = Self::new(Self::owner(bytes)?);
        for line in text.lines().skip(1) {
            let (kind, rest) = line.split_once(' ')?;
            match kind {
                "folder" => ledger.folders.push(Key::unescape(rest)?),
                "dummy" => ledger.dummies.push(Key::unescape(rest)?),
                "short" => ledger.shorts.push(Short::parse(rest)?),
                "upload" => ledger.uploads.push(Upload::parse(rest)?),
                _ => return None,
            }
        }
        (ledger.to_string() == text).then_some(ledger)
    }

    /// Tells whether these are the whole bytes of a short dummy.
    pub(crate) fn lists(&self, key: &Key, bytes: &[u8]) -> bool {
        let sha256 = Digest::of(bytes).to_string();
        let short = Short { key: key.clone(), size: bytes.len() as u64, sha256 };
        self.shorts.contains(&short)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OPENING}{}", self.instance)?;
        for key in &self.folders {
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

    fn ledger() -> Ledger {
        let key = |text: &str| Key::new(text).unwrap();
        let mut ledger = Ledger::new("00000000000000aa".parse().unwrap());
        ledger.folders = vec![key("healthcheck"), key("a b")];
        ledger.dummies = vec![key("healthcheck/é"), key("healthcheck/empty.bin")];
        let sha256 = Digest::of(b"").to_string();
        ledger.shorts = vec![Short { key: key("healthcheck/empty.bin"), size: 0, sha256 }];
        ledger.uploads = vec![Upload { key: key("healthcheck/é"), id: "a b/~1".into() }];
        ledger
    }

    #[test]
    fn ledger_is_read_back() {
        let text = ledger().to_string();
        assert_eq!(Ledger::parse(text.as_bytes()), Some(ledger()));
        assert_eq!(Ledger::owner(text.as_bytes()), Some(ledger().instance));
    }

    #[test]
    fn edited_ledger_is_none_of_ours() {
        let text = ledger().to_string();
        for wrong in [
            text.replace("ledger", "Ledger"),
            text.replace("00aa", "00AA"),
            text.replace("%20", " "),
            format!("{text}\n"),
            format!("{text}note of mine\n"),
            text.trim_end().to_owned(),
            String::new(),
        ] {
            assert_eq!(Ledger::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    /// What a user has put into a file since is not the fixture's to delete.
    #[test]
    fn short_dummy_is_known_by_all_its_bytes() {
        let ledger = ledger();
        let [other, empty] = &ledger.dummies[..] else { panic!("two") };
        assert!(ledger.lists(empty, b""));
        assert!(!ledger.lists(empty, b"x"));
        assert!(!ledger.lists(other, b""));
    }
}
