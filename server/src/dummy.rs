//! The bytes of a dummy: self-identifying, reproducible, generated on demand.
//!
//! Knows the first line and the stream that follows it (`docs/contract.md`); knows nothing of storage
//! or HTTP.

use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    num::ParseIntError,
    str::FromStr,
};

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::key::Key;

/// The longest first line, in bytes, including its line feed.
pub(crate) const LINE_MAX: usize = 512;

const OPENING: &str = "sendfile-fixture/1 dummy ";

/// Markup that a proxy's filters change: SSI, `sub_filter`, `add_before_body`, charset conversion.
const PAGE: &str = "<!DOCTYPE html>\n\
    <html><head><title>sendfile-fixture</title></head>\n\
    <body><p>äöü ß é 漢字</p>\n\
    <!--#echo var=\"DATE_LOCAL\" -->\n\
    </body></html>\n";

/// Identifies one run of the fixture. Unique, not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance(u64);

/// The seed of a dummy's bytes. Unique, not secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nonce {
    hi: u64,
    lo: u64,
}

/// The first line of a dummy, without its line feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) instance: Instance,
    pub(crate) generation: u64,
    pub(crate) nonce: Nonce,
    pub(crate) size: u64,
    pub(crate) placed: String,
    pub(crate) key: Key,
}

/// The kind of bytes that follow the first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    Stream,
    Page,
}

/// All bytes of one dummy, generated on demand.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    head: Vec<u8>,
    nonce: Nonce,
    size: u64,
    filling: Filling,
}

/// A SHA-256 checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

impl Content {
    pub(crate) fn new(line: &Line, filling: Filling) -> Self {
        let page = match filling {
            Filling::Stream => "",
            Filling::Page => PAGE,
        };
        let head = format!("{line}\n{page}").into_bytes();
        Self { head, nonce: line.nonce, size: line.size, filling }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Returns at most `max` bytes from `offset` on; an empty buffer at the end.
    pub(crate) fn read(&self, offset: u64, max: usize) -> Bytes {
        let mut buffer = BytesMut::new();
        self.read_into(&mut buffer, offset, max);
        buffer.freeze()
    }

    /// Replaces the content of `buffer` with at most `max` bytes from `offset` on.
    pub(crate) fn read_into(&self, buffer: &mut BytesMut, offset: u64, max: usize) {
        let left = self.size.saturating_sub(offset);
        buffer.resize(max.min(usize::try_from(left).unwrap_or(max)), 0);
        match self.filling {
            Filling::Stream => self.nonce.fill(offset, buffer),
            Filling::Page => self.nonce.fill_hex(offset, buffer),
        }
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.head.len());
        let overlay = &self.head[start..];
        let overlaid = overlay.len().min(buffer.len());
        buffer[..overlaid].copy_from_slice(&overlay[..overlaid]);
    }
}

impl Line {
    /// Recognises a dummy by the first bytes of a file. The comparison is exact to the byte: a line
    /// that this program would not write belongs to another program.
    pub(crate) fn parse(head: &[u8]) -> Option<Self> {
        let head = &head[..head.len().min(LINE_MAX)];
        let end = head.iter().position(|&byte| byte == b'\n')?;
        let text = std::str::from_utf8(&head[..end]).ok()?;
        let mut fields = text.strip_prefix(OPENING)?.split(' ');
        let line = Self {
            instance: field(&mut fields, "instance=")?.parse().ok()?,
            generation: field(&mut fields, "generation=")?.parse().ok()?,
            nonce: field(&mut fields, "nonce=")?.parse().ok()?,
            size: field(&mut fields, "size=")?.parse().ok()?,
            placed: time(field(&mut fields, "placed=")?)?,
            key: Key::unescape(field(&mut fields, "key=")?)?,
        };
        (line.to_string() == text).then_some(line)
    }

    /// Whether a dummy of this size has room for the line and its line feed.
    pub(crate) fn fits(&self) -> bool {
        (self.to_string().len() as u64) < self.size
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, generation, nonce, size, placed, key } = self;
        write!(f, "{OPENING}instance={instance} generation={generation} nonce={nonce} ")?;
        write!(f, "size={size} placed={placed} key={}", key.escaped())
    }
}

impl Instance {
    pub(crate) fn fresh() -> Self {
        Self(random())
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Instance {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Nonce {
    pub(crate) fn fresh() -> Self {
        Self { hi: random(), lo: random() }
    }

    /// Returns any word of SplitMix64 (Steele, Lea, Flood 2014), without the preceding ones.
    fn word(self, index: u64) -> u64 {
        let step = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = self.lo.wrapping_add(step);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) ^ self.hi
    }

    fn fill(self, offset: u64, buffer: &mut [u8]) {
        let skipped = (offset % 8) as usize;
        let (unaligned, words) = buffer.split_at_mut(((8 - skipped) % 8).min(buffer.len()));
        let first = self.word(offset / 8).to_le_bytes();
        unaligned.copy_from_slice(&first[skipped..][..unaligned.len()]);
        for (index, word) in (offset.div_ceil(8)..).zip(words.chunks_mut(8)) {
            word.copy_from_slice(&self.word(index).to_le_bytes()[..word.len()]);
        }
    }

    fn fill_hex(self, offset: u64, buffer: &mut [u8]) {
        for (at, digit) in (offset..).zip(buffer) {
            let byte = self.word(at / 16).to_le_bytes()[(at / 2 % 8) as usize];
            let nibble = if at % 2 == 0 { byte >> 4 } else { byte & 15 };
            *digit = b"0123456789abcdef"[usize::from(nibble)];
        }
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.hi, self.lo)
    }
}

impl FromStr for Nonce {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hi, lo) = text.split_at_checked(16).unwrap_or((text, ""));
        Ok(Self { hi: u64::from_str_radix(hi, 16)?, lo: u64::from_str_radix(lo, 16)? })
    }
}

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl From<Sha256> for Digest {
    fn from(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

fn field<'a>(fields: &mut impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    fields.next()?.strip_prefix(name)
}

fn time(text: &str) -> Option<String> {
    let time = humantime::parse_rfc3339(text).ok()?;
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

/// Returns a random number. The operating system provides the keys of `RandomState`, which never
/// repeat within a process.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(size: u64) -> Line {
        Line {
            instance: Instance(0x0123_4567_89ab_cdef),
            generation: 3,
            nonce: Nonce { hi: 0xfeed, lo: 0xbeef },
            size,
            placed: "2026-11-22T14:00:00Z".into(),
            key: Key::new("healthcheck/odd é.bin").unwrap(),
        }
    }

    /// The whole content at once, generated step by step as `docs/contract.md` describes.
    fn reference(line: &Line, filling: Filling) -> Vec<u8> {
        let mut bytes = Vec::new();
        for at in 0..line.size {
            bytes.push(match filling {
                Filling::Stream => stream_byte(line.nonce, at),
                Filling::Page => {
                    format!("{:02x}", stream_byte(line.nonce, at / 2)).as_bytes()[(at % 2) as usize]
                }
            });
        }
        let page = if filling == Filling::Page { PAGE } else { "" };
        for (byte, head) in bytes.iter_mut().zip(format!("{line}\n{page}").bytes()) {
            *byte = head;
        }
        bytes
    }

    fn stream_byte(nonce: Nonce, at: u64) -> u8 {
        nonce.word(at / 8).to_le_bytes()[(at % 8) as usize]
    }

    proptest! {
        /// A verifier regenerates the bytes from any offset and in chunks of any size.
        #[test]
        fn any_range_matches_the_whole_content(
            size in 0_u64..3000, offset in 0_u64..3100, max in 0_usize..3100, page: bool,
        ) {
            let filling = if page { Filling::Page } else { Filling::Stream };
            let content = Content::new(&line(size), filling);
            let whole = reference(&line(size), filling);
            let start = (offset as usize).min(whole.len());
            let end = (start + max).min(whole.len());
            prop_assert_eq!(&content.read(offset, max)[..], &whole[start..end]);
        }

        #[test]
        fn nonce_and_instance_are_read_and_written_alike(hi: u64, lo: u64) {
            let nonce = Nonce { hi, lo };
            prop_assert_eq!(nonce.to_string().parse(), Ok(nonce));
            prop_assert_eq!(Instance(hi).to_string().parse(), Ok(Instance(hi)));
        }

        /// The fixture must not delete a file if any byte of the line has changed.
        #[test]
        fn only_the_exact_line_is_recognised(at in 0_usize..170, byte: u8) {
            let mut head = format!("{}\n", line(4096)).into_bytes();
            // A line feed ends the line early, and the rest may still be a valid line.
            prop_assume!(byte != b'\n');
            let old = std::mem::replace(&mut head[at], byte);
            if let Some(read) = Line::parse(&head) {
                prop_assert_eq!(format!("{read}\n").into_bytes(), head);
            } else {
                prop_assert_ne!(old, byte);
            }
        }
    }

    /// The values in the contract were computed by another program (Python).
    #[test]
    fn stream_matches_the_contract() {
        let nonce: Nonce = "0123456789abcdeffedcba9876543210".parse().unwrap();
        let words = [nonce.word(0), nonce.word(1), nonce.word(u64::MAX)];
        assert_eq!(words, [0x7bcb_d6d2_6a84_2369, 0x0815_6f1d_dd31_eb66, 0xef31_c8e5_4789_338e]);
    }

    #[test]
    fn line_is_read_as_it_was_written() {
        let head = Content::new(&line(4096), Filling::Stream).read(0, LINE_MAX);
        assert_eq!(Line::parse(&head), Some(line(4096)));
    }

    #[test]
    fn any_other_line_is_rejected() {
        let good = format!("{}\n", line(4096));
        for (from, to) in [
            ("\n", ""),
            ("\n", " \n"),
            ("sendfile-fixture/1", "sendfile-fixture/2"),
            ("generation=3", "generation=03"),
            ("generation=3", "generation=+3"),
            ("generation=3 ", "generation=3  "),
            ("instance=0123456789abcdef", "instance=0123456789ABCDEF"),
            ("instance=0123456789abcdef", "instance=123456789abcdef"),
            ("14:00:00Z", "14:00:00.5Z"),
            ("%C3%A9", "é"),
            ("%20", " "),
            ("key=healthcheck/", "key=../"),
        ] {
            let wrong = good.replacen(from, to, 1);
            assert_ne!(good, wrong);
            assert_eq!(Line::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(Line::parse(b""), None);
    }
}
