//! A user's own file is not stored as evidence; its hash is. Reports keep only enough of its bytes
//! to identify the kind of file.

use super::{Body, Evidence, Outcome, Same, Sha256};
use crate::{dummy_line::DummyLine, partial};

/// Enough bytes to distinguish a PDF from a gzip, and one range of a file from another.
const KIND: usize = 16;

impl Evidence {
    /// Discards the beginning of every body that is the file, or a range of it; dummies are not
    /// secret.
    pub fn forget_file(&mut self) {
        let Some(file) = self.dummy.as_ref().map(|it| it.sha256) else { return };
        if let Outcome::Response(body) = &mut self.storage.outcome {
            forget(body, file, false);
        }
        let probes = self.probes.iter_mut().map(|it| &mut it.probed);
        for probed in [&mut self.app, &mut self.direct, &mut self.full].into_iter().chain(probes) {
            if let Outcome::Response(it) = &mut probed.outcome {
                // The ranges of a multipart response are read from its body; they are short.
                let several = it.header("content-type").and_then(partial::boundary).is_some();
                let part = it.status == 206 || it.header("content-range").is_some();
                forget(&mut it.body, file, part && !several);
            }
        }
    }
}

fn forget(body: &mut Body, file: Sha256, part: bool) {
    let begins = |it: Same| match it {
        Same::Exactly(bytes) | Same::AtLeast(bytes) => bytes > KIND as u64,
    };
    let packed = body.gunzipped.as_mut().filter(|it| it.sha256 == file || part);
    let own = body.sha256 == file || part || packed.is_some() || body.same.is_some_and(begins);
    if let Some(it) = packed {
        it.head.truncate(KIND);
    }
    if own && DummyLine::read(&body.head).is_none() {
        body.head.truncate(KIND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{End, Gunzipped};

    #[test]
    fn only_what_is_the_file_is_forgotten() {
        let of = |sha256, head: &[u8]| Body {
            size: 1000,
            sha256: Sha256([sha256; 32]),
            head: head.to_vec(),
            end: End::Whole,
            gunzipped: None,
            beyond: 0,
            same: None,
        };
        let left = |mut body: Body, part| {
            forget(&mut body, Sha256([1; 32]), part);
            body.head.len()
        };
        let letter = b"Dear Ms. Smith, the results of";
        assert_eq!(left(of(1, letter), false), KIND);
        assert_eq!(left(of(2, letter), true), KIND);
        assert_eq!(left(Body { same: Some(Same::AtLeast(400)), ..of(2, letter) }, false), KIND);
        assert_eq!(left(of(2, letter), false), letter.len());
        let plain = Gunzipped { size: 1000, sha256: Sha256([1; 32]), head: letter.to_vec() };
        let packed = Body { gunzipped: Some(plain), ..of(2, b"\x1f\x8b and what zlib made of it") };
        assert_eq!(left(packed, false), KIND);
    }
}
