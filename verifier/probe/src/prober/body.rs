//! Processes a body while it is received: hashes it, stores its beginning, and records intermediate
//! hashes that allow comparison without storing the body. It knows nothing of HTTP.

use std::{
    io::{self, Write},
    ops::RangeInclusive,
};

use flate2::write::GzDecoder;
use sha2::Digest;

use sendfile_evidence::{Body, End, Gunzipped, HEAD_BYTES, Same, Sha256, secret::Redactor};

/// How many bytes of the beginning are kept for an exact comparison.
const KEPT: usize = 64 * 1024;

/// How many bytes of the end are kept for an exact comparison.
const TAIL: usize = 1024;

/// A decompressed body is processed only up to this size, as protection against decompression
/// bombs.
const GUNZIP_LIMIT: u64 = 16 << 20;

/// Processes one body while it is received.
pub(crate) struct Watch {
    hash: sha2::Sha256,
    size: u64,
    trace: Trace,
    gunzip: Option<GzDecoder<Digested>>,
}

/// The data for comparing two bodies that evidence does not contain: their beginnings, and the
/// hashes of the first 64 KiB, 128 KiB, 256 KiB …
#[derive(Clone, Default)]
pub(crate) struct Trace {
    kept: Vec<u8>,
    /// The last bytes of the body.
    tail: Vec<u8>,
    size: u64,
    marks: Vec<(u64, Sha256)>,
    /// The app's hand-off as received, including the signature that evidence omits.
    pub(crate) handoff: Option<String>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self { hash: sha2::Sha256::new(), size: 0, trace: Trace::default(), gunzip: None }
    }

    /// The number of bytes processed.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Processes the next bytes. Intermediate hashes are taken at exact offsets, however the bytes
    /// are split.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.gunzip(bytes);
        let room = KEPT - self.trace.kept.len();
        self.trace.kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.trace.end_with(bytes);
        while !bytes.is_empty() {
            let next = (KEPT as u64) << self.trace.marks.len();
            let step = usize::try_from(next - self.size).unwrap_or(usize::MAX).min(bytes.len());
            self.hash.update(&bytes[..step]);
            self.size += step as u64;
            bytes = &bytes[step..];
            if self.size == next {
                self.trace.marks.push((next, Sha256(self.hash.clone().finalize().into())));
            }
        }
    }

    fn gunzip(&mut self, bytes: &[u8]) {
        if self.size == 0 && bytes.starts_with(&[0x1f, 0x8b]) {
            self.gunzip = Some(GzDecoder::new(Digested::default()));
        }
        if let Some(decoder) = &mut self.gunzip
            && decoder.write_all(bytes).is_err()
        {
            self.gunzip = None;
        }
    }

    /// The evidence, and the trace for comparisons.
    pub(crate) fn finish(self, end: End, beyond: u64, redactor: &Redactor) -> (Body, Trace) {
        let head = &self.trace.kept[..self.trace.kept.len().min(HEAD_BYTES)];
        let body = Body {
            size: self.size,
            sha256: Sha256(self.hash.finalize().into()),
            head: redactor.body(head),
            end,
            gunzipped: gunzipped(self.gunzip, redactor),
            beyond,
            same: None,
        };
        (body, self.trace)
    }
}

/// What the body decompresses to; `None` if it is not a complete gzip stream.
fn gunzipped(decoder: Option<GzDecoder<Digested>>, redactor: &Redactor) -> Option<Gunzipped> {
    let digested = decoder?.finish().ok()?;
    Some(Gunzipped {
        size: digested.size,
        sha256: Sha256(digested.hash.finalize().into()),
        head: redactor.body(&digested.head),
    })
}

impl Trace {
    /// Maximum number of bytes that are kept.
    pub(crate) const KEPT: u64 = KEPT as u64;

    fn end_with(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        let new = &bytes[bytes.len().saturating_sub(TAIL)..];
        let old = self.tail.len().saturating_sub(TAIL - new.len());
        self.tail.drain(..old);
        self.tail.extend_from_slice(new);
    }

    /// The SHA-256 of a range of the body, if its bytes were kept.
    pub(crate) fn part(&self, part: RangeInclusive<u64>) -> Option<Sha256> {
        let tail_from = self.size - self.tail.len() as u64;
        let bytes = match within(&self.kept, 0, &part) {
            Some(bytes) => bytes,
            None => within(&self.tail, tail_from, &part)?,
        };
        Some(Sha256::of(bytes))
    }

    /// The number of bytes kept.
    pub(crate) fn size(&self) -> u64 {
        self.kept.len() as u64
    }

    /// How much of two bodies is equal.
    pub(crate) fn same(&self, other: &Self) -> Same {
        let mut equal = 0;
        for (ours, theirs) in self.kept.iter().zip(&other.kept) {
            if ours != theirs {
                break;
            }
            equal += 1;
        }
        if equal < KEPT {
            return Same::Exactly(equal as u64);
        }
        let mut equal = equal as u64;
        for (ours, theirs) in self.marks.iter().zip(&other.marks) {
            if ours != theirs {
                break;
            }
            equal = ours.0;
        }
        Same::AtLeast(equal)
    }
}

/// The bytes of a range, if all of them are among the kept ones, which begin at an offset.
fn within<'a>(kept: &'a [u8], from: u64, part: &RangeInclusive<u64>) -> Option<&'a [u8]> {
    let first = usize::try_from(part.start().checked_sub(from)?).ok()?;
    let last = usize::try_from(part.end().checked_sub(from)?).ok()?;
    kept.get(first..=last)
}

/// Hashes the output of the decompressor.
#[derive(Default)]
struct Digested {
    hash: sha2::Sha256,
    size: u64,
    head: Vec<u8>,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size += bytes.len() as u64;
        if self.size > GUNZIP_LIMIT {
            return Err(io::Error::other("too long"));
        }
        self.hash.update(bytes);
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..room.min(bytes.len())]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(bytes: &[u8], step: usize) -> (Body, Trace) {
        let mut watch = Watch::new();
        bytes.chunks(step).for_each(|chunk| watch.update(chunk));
        watch.finish(End::Whole, 0, &Redactor::new([0; 16]))
    }

    #[test]
    fn the_first_difference_is_found() {
        let whole: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
        let (_, original) = watch(&whole, 1 << 20);
        let changed = |at: usize| {
            let mut copy = whole.clone();
            copy[at] ^= 1;
            watch(&copy, 1000).1.same(&original)
        };
        assert_eq!(changed(0), Same::Exactly(0));
        assert_eq!(changed(65_535), Same::Exactly(65_535));
        assert_eq!(changed(65_536), Same::AtLeast(65_536));
        assert_eq!(changed(300_000), Same::AtLeast(262_144));
        assert_eq!(
            watch(&whole[..30_000], 7).1.same(&original),
            Same::Exactly(30_000),
            "cut short"
        );
    }

    #[test]
    fn parts_at_the_beginning_and_the_end_are_known() {
        let whole: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
        for step in [1, 700, 5000, 1 << 20] {
            let (_, trace) = watch(&whole, step);
            let check = |part: RangeInclusive<u64>| {
                let bytes = &whole[*part.start() as usize..=*part.end() as usize];
                let (body, _) = watch(bytes, 1 << 20);
                assert_eq!(trace.part(part.clone()), Some(body.sha256), "{part:?}, step {step}");
            };
            check(0..=0);
            check(1000..=65_535);
            check(200_000 - 1024..=199_999);
            check(199_999..=199_999);
            assert_eq!(trace.part(65_536..=65_537), None);
            assert_eq!(trace.part(199_999..=200_000), None);
        }
    }

    #[test]
    fn a_gzip_of_the_dummy_is_recognised() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"the dummy").expect("memory");
        let (compressed, _) = watch(&gzip.finish().expect("memory"), 3);
        let (plain, _) = watch(b"the dummy", 3);
        let gunzipped = compressed.gunzipped.expect("what it decompresses to");
        assert_eq!((gunzipped.size, gunzipped.sha256), (plain.size, plain.sha256));
        assert_eq!(gunzipped.head, b"the dummy");
    }
}
