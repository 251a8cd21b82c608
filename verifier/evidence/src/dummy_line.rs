//! Reads the first line of the fixture's dummies, which identifies a wrong file.

/// The information in a dummy's first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DummyLine {
    /// The fixture's instance.
    pub instance: String,
    /// How many contents this instance has placed up to this one, counted from 1.
    pub generation: u64,
    /// The nonce of the content.
    pub nonce: String,
    /// Size in bytes.
    pub size: u64,
    /// When the dummy was placed, in UTC.
    pub placed: String,
    /// The dummy's key in the storage, percent-encoded.
    pub key: String,
}

impl DummyLine {
    /// Parses the line at the beginning of these bytes, if it is one.
    pub fn read(head: &[u8]) -> Option<Self> {
        let end = head.iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&head[..end]).ok()?;
        let mut words = line.strip_prefix("sendfile-fixture/1 dummy ")?.split(' ');
        let dummy_line = Self {
            instance: value(words.next()?, "instance")?.to_owned(),
            generation: value(words.next()?, "generation")?.parse().ok()?,
            nonce: value(words.next()?, "nonce")?.to_owned(),
            size: value(words.next()?, "size")?.parse().ok()?,
            placed: value(words.next()?, "placed")?.to_owned(),
            key: value(words.next()?, "key")?.to_owned(),
        };
        if words.next().is_some() {
            return None;
        }
        Some(dummy_line)
    }
}

/// The value in `NAME=VALUE`.
fn value<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    word.strip_prefix(name)?.strip_prefix('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole_or_not_at_all() {
        let line = "sendfile-fixture/1 dummy instance=ab generation=3 nonce=cd size=4096 \
                    placed=2026-11-23T05:00:00Z key=healthcheck/dummy.bin\n\0\0";
        let read = DummyLine::read(line.as_bytes()).expect("a dummy's line");
        assert_eq!(
            (read.generation, read.size, read.key.as_str()),
            (3, 4096, "healthcheck/dummy.bin")
        );
        assert_eq!(DummyLine::read(line.replace("size=4096", "size=x").as_bytes()), None);
        assert_eq!(DummyLine::read(b"sendfile-fixture/1 dummy instance=ab"), None, "cut off");
        assert_eq!(DummyLine::read(b"<html>\n"), None);
    }
}
