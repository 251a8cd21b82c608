//! Keeps a user's own file out of the evidence: its hash is stored, its content is not. Reports
//! keep only enough bytes to identify the kind of file.

use crate::{
    body::{Body, Same},
    digest::Sha256,
    dummy_line::DummyLine,
    evidence::Evidence,
    outcome::Outcome,
    partial,
    response::Response,
};

/// Enough bytes to distinguish a PDF from a gzip, and one range of a file from another.
const KIND: usize = 16;

impl Evidence {
    /// Discards the beginning of every body that is the file or a range of the file, unless it is a
    /// dummy, which is not secret.
    pub fn forget_file(&mut self) {
        let Some(dummy) = &self.dummy else { return };
        let file = dummy.sha256;
        if let Outcome::Response(body) = &mut self.storage.outcome {
            forget(body, file, false);
        }
        for layer in [&mut self.app, &mut self.direct, &mut self.full] {
            forget_in(&mut layer.outcome, file);
        }
        for probe in &mut self.probes {
            forget_in(&mut probe.probed.outcome, file);
        }
    }
}

fn forget_in(outcome: &mut Outcome<Response>, file: Sha256) {
    if let Outcome::Response(response) = outcome {
        let is_range = is_one_range(response);
        forget(&mut response.body, file, is_range);
    }
}

/// Whether a response is a range of the file. The ranges of a multipart response are read from its
/// body; they are short.
fn is_one_range(response: &Response) -> bool {
    let has_several = response.header("content-type").and_then(partial::boundary).is_some();
    let is_partial = response.status == 206 || response.header("content-range").is_some();
    is_partial && !has_several
}

fn forget(body: &mut Body, file: Sha256, is_range: bool) {
    let mut is_file = body.sha256 == file || is_range || begins_like_file(body);
    if let Some(gunzipped) = &mut body.gunzipped
        && (gunzipped.sha256 == file || is_range)
    {
        gunzipped.head.truncate(KIND);
        is_file = true;
    }
    if is_file && DummyLine::read(&body.head).is_none() {
        body.head.truncate(KIND);
    }
}

fn begins_like_file(body: &Body) -> bool {
    match body.same {
        Some(Same::Exactly(bytes) | Same::AtLeast(bytes)) => bytes > KIND as u64,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{End, Gunzipped};

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
