//! The list of dummies: the download and its decoys, each of which reveals one way in which a proxy
//! can be misconfigured.
//!
//! Knows their ids, names, sizes and types; not where they are placed nor what they contain.

use std::fmt;

use serde::Serialize;

use crate::{
    dummy::Filling,
    key::{Key, NameError, escape},
};

/// The directory of the dummies below the root of the storage.
pub(crate) const DIRECTORY: &str = "healthcheck";

/// The name of the manifest in that directory.
pub(crate) const MANIFEST: &str = "placed.txt";

/// The default size of a dummy, in bytes.
pub(crate) const DEFAULT_SIZE: u64 = 4096;

/// The size of the dummies with odd names, in bytes: enough for a first line with the longest name.
const ODD_NAME_SIZE: u64 = 1024;

/// The id of a dummy in the contract, in URLs and in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DummyId {
    /// The download.
    Main,
    NoExtension,
    Html,
    OddName,
    Empty,
    Large,
    /// The file that nginx serves if `root` is used instead of `alias`.
    #[serde(rename = "root-twin")]
    RootDecoy,
    NameSpace,
    NamePercent,
    NameEscape,
    NameQuestion,
    NameHash,
    NamePlus,
    NameSemicolon,
    NameAmpersand,
    NameQuotes,
    NameNfc,
    NameNfd,
    NameDot,
    NameDeep,
    NameLong,
}

/// One dummy to place.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) id: DummyId,
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) filling: Filling,
    pub(crate) content_type: &'static str,
}

/// The user's choices about the dummies.
#[derive(Clone, Debug)]
pub(crate) struct DummyOptions {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// The size in bytes; 0 leaves out the large dummy.
    pub(crate) large_size: u64,
    pub(crate) root_decoy: RootDecoy,
    pub(crate) odd_names: OddNames,
}

/// Whether to place dummies with names that some proxies or apps cannot serve.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OddNames {
    Placed,
    LeftOut,
}

/// Whether to place a dummy where nginx looks if `root` is used instead of `alias`.
#[derive(Clone, Debug)]
pub(crate) enum RootDecoy {
    /// Place the dummy below this directory, which is the path prefix without its outer slashes.
    Below(String),
    LeftOut,
}

/// File names that users choose. Each reveals one way in which a name may be altered between app
/// and proxy. A name that is not UTF-8 cannot be a key.
const ODD_NAMES: [(DummyId, &str); 14] = [
    (DummyId::NameSpace, "a b.bin"),
    (DummyId::NamePercent, "100%.bin"),
    (DummyId::NameEscape, "a%20b.bin"),
    (DummyId::NameQuestion, "a?b.bin"),
    (DummyId::NameHash, "a#b.bin"),
    (DummyId::NamePlus, "a+b.bin"),
    (DummyId::NameSemicolon, "a;b.bin"),
    (DummyId::NameAmpersand, "a&b=c.bin"),
    (DummyId::NameQuotes, "a'b\"c.bin"),
    (DummyId::NameNfc, "\u{e9}.bin"),
    (DummyId::NameNfd, "e\u{301}.bin"),
    (DummyId::NameDot, ".hidden.bin"),
    (DummyId::NameDeep, "a/b/c/d/e/f/g/h.bin"),
    (DummyId::NameLong, LONG_NAME),
];

/// A name of 200 bytes; file systems allow 255.
const LONG_NAME: &str = "a-name-of-two-hundred-bytes-\
    0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567\
    01234567890123456789012345678901234567890123456789012345678901234567890123456789.bin";

/// Lists the dummies, the download first.
pub(crate) fn items(options: &DummyOptions) -> Result<Vec<Item>, NameError> {
    if Key::new(&options.name)?.name() != options.name {
        return Err(NameError::NotAFileName(options.name.clone()));
    }
    let main = Item::binary(DummyId::Main, &options.name, options.size)?;
    let html = Item::binary(DummyId::Html, "dummy.html", DEFAULT_SIZE)?;
    let mut items = vec![
        main,
        Item::binary(DummyId::NoExtension, "dummy", DEFAULT_SIZE)?,
        Item { filling: Filling::Page, content_type: "text/html", ..html },
        Item::binary(DummyId::OddName, "odd name é 100%.bin", DEFAULT_SIZE)?,
        Item::binary(DummyId::Empty, "empty.bin", 0)?,
        Item::binary(DummyId::Large, "large.bin", options.large_size)?,
    ];
    let is_taken = items[1..].iter().any(|item| item.name() == options.name);
    if is_taken || options.name == MANIFEST {
        return Err(NameError::Taken(options.name.clone()));
    }
    if options.large_size == 0 {
        items.pop();
    }
    if let RootDecoy::Below(directory) = &options.root_decoy {
        let key = Key::new(&format!("{directory}/{DIRECTORY}/{}", options.name))?;
        let decoy = Item::binary(DummyId::RootDecoy, &options.name, DEFAULT_SIZE)?;
        items.push(Item { key, ..decoy });
    }
    if let OddNames::Placed = options.odd_names {
        for (id, name) in ODD_NAMES {
            items.push(Item::binary(id, &format!("names/{name}"), ODD_NAME_SIZE)?);
        }
    }
    Ok(items)
}

impl Item {
    /// A dummy in the directory of the dummies, without a type of its own.
    fn binary(id: DummyId, name: &str, size: u64) -> Result<Self, NameError> {
        let key = Key::new(&format!("{DIRECTORY}/{name}"))?;
        let content_type = "application/octet-stream";
        Ok(Self { id, key, size, filling: Filling::Stream, content_type })
    }

    pub(crate) fn name(&self) -> &str {
        self.key.name()
    }

    /// Returns the value of `Content-Disposition`. A name beyond ASCII is given twice: once for old
    /// clients, once encoded (RFC 6266).
    pub(crate) fn disposition(&self) -> String {
        let name = self.name();
        let quoted = name.replace('\\', r"\\").replace('"', "\\\"");
        if name.is_ascii() {
            return format!("attachment; filename=\"{quoted}\"");
        }
        let ascii = quoted.replace(|c: char| !c.is_ascii(), "_");
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", escape(name))
    }
}

impl fmt::Display for DummyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: &str) -> DummyOptions {
        let root_decoy = RootDecoy::Below("protected".into());
        let odd_names = OddNames::LeftOut;
        DummyOptions { name: name.into(), size: 1, large_size: 0, root_decoy, odd_names }
    }

    #[test]
    fn invalid_names_are_refused() {
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
            assert!(items(&options(name)).is_err(), "{name:?}");
        }
        for name in ["My File.bin", "ä.bin", "100%", "a#b", "a#"] {
            assert_eq!(items(&options(name)).unwrap()[0].name(), name);
        }
    }

    #[test]
    fn odd_names_match_their_ids() {
        let odd_names = OddNames::Placed;
        let items = items(&DummyOptions { odd_names, ..options("a") }).unwrap();
        let odd = items.iter().filter(|item| item.id.to_string().starts_with("name-"));
        assert_eq!(odd.count(), ODD_NAMES.len());
        let length = |id| items.iter().find(|item| item.id == id).unwrap().name().len();
        assert_eq!(length(DummyId::NameLong), 200);
        assert_ne!(length(DummyId::NameNfc), length(DummyId::NameNfd));
    }

    #[test]
    fn ids_are_those_of_the_contract() {
        let table = [
            (DummyId::Main, "main"),
            (DummyId::RootDecoy, "root-twin"),
            (DummyId::NameNfc, "name-nfc"),
        ];
        for (id, text) in table {
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn keys_are_in_the_directories_of_the_fixture() {
        let items = items(&options("a")).unwrap();
        assert_eq!(items[0].key.as_str(), "healthcheck/a");
        assert_eq!(items.last().unwrap().key.as_str(), "protected/healthcheck/a");
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
            assert_eq!(items(&options(name)).unwrap()[0].disposition(), disposition);
        }
    }
}
