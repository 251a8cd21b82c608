//! Which dummies there are: the download and its twins, each for one way in which a proxy goes wrong.
//!
//! Knows their names, sizes and types; not where they are placed nor what is in them.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use crate::dummy::Filling;

/// The folder of the dummies below the root of the storage.
pub(crate) const FOLDER: &str = "healthcheck";

/// The name of the ledger in that folder.
pub(crate) const LEDGER: &str = "placed.txt";

/// The size of all twins that have no reason for another one, in bytes.
pub(crate) const TWIN_SIZE: u64 = 4096;

/// The size of the dummies with odd names, in bytes: enough for a first line with the longest name.
const ODD_NAME_SIZE: u64 = 1024;

/// A key may not be longer than this, escaped: the first line of a dummy carries it.
const KEY_MAX: usize = 320;

/// All but RFC 3986's unreserved characters, and the slash between segments.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where a dummy is below the root of the storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

/// One dummy that is to be placed.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: &'static str,
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) filling: Filling,
    pub(crate) content_type: &'static str,
}

/// What the one who starts the fixture may choose.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// In bytes; 0 leaves the large twin out.
    pub(crate) large_size: u64,
    pub(crate) root_twin: RootTwin,
    pub(crate) odd_names: OddNames,
}

/// Whether dummies with names that some proxy or app cannot serve are placed too.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OddNames {
    Placed,
    LeftOut,
}

/// Whether a dummy lies where nginx looks when `root` stands for `alias`.
#[derive(Clone, Debug)]
pub(crate) enum RootTwin {
    /// Below this folder, which is the map as a path.
    Below(String),
    LeftOut,
}

/// A name that a dummy cannot have.
#[derive(Debug, Error)]
pub enum NameError {
    /// Empty, `.`, `..`, or with a slash or a control character.
    #[error("`{}` is not the name of a file", .0.escape_debug())]
    NotAFileName(String),
    /// `object_store` reserves `NAME#1` for files that are being written.
    #[error("`{0}` ends like a file that is being written: `#` and digits")]
    Staging(String),
    /// The first line of a dummy carries its name.
    #[error("`{0}` is too long for the first line of a dummy")]
    TooLong(String),
    /// A twin, or the ledger, has this name.
    #[error("`{0}` is the name of another file of the fixture")]
    Taken(String),
}

/// Names that users give their files, each for one way in which a name is lost between app and
/// proxy. What is no UTF-8 has no key.
const ODD_NAMES: [(&str, &str); 14] = [
    ("name-space", "a b.bin"),
    ("name-percent", "100%.bin"),
    ("name-escape", "a%20b.bin"),
    ("name-question", "a?b.bin"),
    ("name-hash", "a#b.bin"),
    ("name-plus", "a+b.bin"),
    ("name-semicolon", "a;b.bin"),
    ("name-ampersand", "a&b=c.bin"),
    ("name-quotes", "a'b\"c.bin"),
    ("name-nfc", "\u{e9}.bin"),
    ("name-nfd", "e\u{301}.bin"),
    ("name-dot", ".hidden.bin"),
    ("name-deep", "a/b/c/d/e/f/g/h.bin"),
    ("name-long", LONG_NAME),
];

/// 200 bytes; file systems allow 255.
const LONG_NAME: &str = "a-name-of-two-hundred-bytes-\
    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567\
    01234567890123456789012345678901234567890123456789012345678901234567890123456789.bin";

/// Lists the dummies, the download first.
pub(crate) fn items(choice: &Choice) -> Result<Vec<Item>, NameError> {
    const BINARY: &str = "application/octet-stream";
    if Key::new(&choice.name)?.name() != choice.name {
        return Err(NameError::NotAFileName(choice.name.clone()));
    }
    let table = [
        ("main", &*choice.name, choice.size, Filling::Stream, BINARY),
        ("no-extension", "dummy", TWIN_SIZE, Filling::Stream, BINARY),
        ("html", "dummy.html", TWIN_SIZE, Filling::Page, "text/html"),
        ("odd-name", "odd name é 100%.bin", TWIN_SIZE, Filling::Stream, BINARY),
        ("empty", "empty.bin", 0, Filling::Stream, BINARY),
        ("large", "large.bin", choice.large_size, Filling::Stream, BINARY),
    ];
    if table[1..].iter().any(|row| row.1 == choice.name) || choice.name == LEDGER {
        return Err(NameError::Taken(choice.name.clone()));
    }
    let mut items = Vec::new();
    for (id, name, size, filling, content_type) in table {
        let key = Key::new(&format!("{FOLDER}/{name}"))?;
        items.push(Item { id, key, size, filling, content_type });
    }
    items.retain(|item| item.id != "large" || item.size > 0);
    if let RootTwin::Below(folder) = &choice.root_twin {
        let key = Key::new(&format!("{folder}/{FOLDER}/{}", choice.name))?;
        let id = "root-twin";
        let filling = Filling::Stream;
        items.push(Item { id, key, size: TWIN_SIZE, filling, content_type: BINARY });
    }
    if let OddNames::Placed = choice.odd_names {
        for (id, name) in ODD_NAMES {
            let key = Key::new(&format!("{FOLDER}/names/{name}"))?;
            let filling = Filling::Stream;
            items.push(Item { id, key, size: ODD_NAME_SIZE, filling, content_type: BINARY });
        }
    }
    Ok(items)
}

impl Item {
    pub(crate) fn name(&self) -> &str {
        self.key.name()
    }

    /// RFC 6266: a name beyond ASCII is given twice, the second time for clients of today.
    pub(crate) fn disposition(&self) -> String {
        let name = self.name();
        let quoted = name.replace('\\', r"\\").replace('"', "\\\"");
        if name.is_ascii() {
            return format!("attachment; filename=\"{quoted}\"");
        }
        let ascii: String = quoted.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
        let encoded = utf8_percent_encode(name, ESCAPED);
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
    }
}

impl Key {
    pub(crate) fn new(text: &str) -> Result<Self, NameError> {
        let plain = |segment: &str| !matches!(segment, "" | "." | "..");
        if !text.split('/').all(plain) || text.contains(char::is_control) {
            return Err(NameError::NotAFileName(text.into()));
        }
        let key = Self(text.into());
        let staging = |(_, end): (&str, &str)| {
            !end.is_empty() && end.bytes().all(|byte| byte.is_ascii_digit())
        };
        if key.name().split_once('#').is_some_and(staging) {
            return Err(NameError::Staging(key.name().into()));
        }
        match key.escaped().len() {
            0..=KEY_MAX => Ok(key),
            _ => Err(NameError::TooLong(text.into())),
        }
    }

    /// Percent-encodes each segment.
    pub(crate) fn escaped(&self) -> String {
        escape(&self.0)
    }

    pub(crate) fn unescape(text: &str) -> Option<Self> {
        Self::new(&percent_decode_str(text).decode_utf8().ok()?).ok()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the last segment.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// Lists the folders that the key lies in, the outermost first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Percent-encodes all but unreserved characters and slashes.
pub(crate) fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(name: &str) -> Choice {
        let root_twin = RootTwin::Below("protected".into());
        let odd_names = OddNames::LeftOut;
        Choice { name: name.into(), size: 1, large_size: 0, root_twin, odd_names }
    }

    #[test]
    fn names_that_cannot_be_placed_are_refused() {
        let long = "x".repeat(400);
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../b",
            "a\nb",
            "a\u{0}",
            "dummy.bin#1",
            "dummy.html",
            "placed.txt",
            &long,
        ] {
            assert!(items(&choice(name)).is_err(), "{name:?}");
        }
        for name in ["My File.bin", "ä.bin", "100%", "a#b", "a#"] {
            assert_eq!(items(&choice(name)).unwrap()[0].name(), name);
        }
    }

    #[test]
    fn odd_names_are_what_they_say() {
        let odd_names = OddNames::Placed;
        let items = items(&Choice { odd_names, ..choice("a") }).unwrap();
        let odd: Vec<_> = items.iter().filter(|it| it.id.starts_with("name-")).collect();
        assert_eq!(odd.len(), ODD_NAMES.len());
        let long = odd.iter().find(|it| it.id == "name-long").unwrap();
        assert_eq!(long.name().len(), 200);
        let of = |id| odd.iter().find(|it| it.id == id).unwrap().name().len();
        assert!(of("name-nfc") != of("name-nfd"));
    }

    #[test]
    fn keys_lie_in_folders_of_their_own() {
        let keys: Vec<_> =
            items(&choice("a")).unwrap().iter().map(|it| it.key.to_string()).collect();
        assert_eq!(keys[0], "healthcheck/a");
        assert_eq!(keys.last().unwrap(), "protected/healthcheck/a");
        let key = Key::new("a/b/c").unwrap();
        assert_eq!(key.folders().collect::<Vec<_>>(), ["a", "a/b"]);
    }

    /// A quote or a name beyond ASCII must not end the header's value early.
    #[test]
    fn disposition_quotes_the_name() {
        let table = [
            ("dummy.bin", r#"attachment; filename="dummy.bin""#),
            (r#"a"b\c"#, r#"attachment; filename="a\"b\\c""#),
            ("é %", r#"attachment; filename="_ %"; filename*=UTF-8''%C3%A9%20%25"#),
        ];
        for (name, disposition) in table {
            assert_eq!(items(&choice(name)).unwrap()[0].disposition(), disposition);
        }
    }
}
