//! Responses on paper: reads `404 page by nginx`, and builds the response that this server sends.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use sendfile_evidence::{
    Body, End, Failure, FailureKind, Gunzipped, HEAD_BYTES, LoggedRequest, Outcome, ProbeId,
    Response, Same, Sha256,
};

use super::pages::{Server, media_type, text};

/// The context in which the words of a scenario are read.
pub(super) struct Paper {
    /// The expected hand-off.
    pub(super) handoff: Option<(String, String)>,
    /// Whether the files are those of a fixture, which start with its line.
    pub(super) fixture: bool,
}

/// The size of every file.
const SIZE: usize = 4096;

/// The instance of the fixture, and the key of its dummy.
pub(super) const INSTANCE: u64 = 0x7ea4_8d76_de22_6321;
pub(super) const KEY: &str = "healthcheck/dummy.bin";

/// The nonce of the dummy.
pub(super) const NONCE: &str = "0123456789abcdef0000000000000002";

/// The numbers of the files that were placed first and last.
const OLDER: u64 = 1;
const NEWER: u64 = 8;

/// The offset at which a changed file differs, and at which a truncated one ends.
const FLAW: usize = 1500;

/// Headers with their names in lower case.
type Headers = Vec<(String, String)>;

impl Paper {
    /// The outcome of a request.
    pub(super) fn answer(&self, line: &str, headers: &[String]) -> Outcome<Response> {
        match absent(line) {
            Some(absent) => absent,
            None => Outcome::Response(self.response(line, headers)),
        }
    }

    /// The outcome of reading the storage.
    pub(super) fn stored(&self, word: &str) -> Outcome<Body> {
        match absent(word) {
            Some(absent) => absent,
            None => Outcome::Response(self.body_of(word)),
        }
    }

    /// The body that a word denotes.
    pub(super) fn body_of(&self, word: &str) -> Body {
        self.body(word, self.bytes(word))
    }

    fn response(&self, line: &str, given: &[String]) -> Response {
        let words: Vec<&str> = line.split(' ').collect();
        let (status, word, maker, front) = match words[..] {
            [status, word] => (status, word, None, None),
            [status, word, "by", name] => {
                (status, word, Some(Server::named(name)), Some(Server::named(name)))
            }
            [status, word, "via", name] => (status, word, None, Some(Server::named(name))),
            _ => panic!(
                "expected `STATUS WORD`, `STATUS WORD by SERVER` or `… via SERVER`: `{line}`"
            ),
        };
        let status = status.parse().expect("a status code");
        let body = match (word, maker) {
            ("page", Some(maker)) => self.body(word, maker.page(status).into_bytes()),
            _ => self.body_of(word),
        };
        let mut headers: Headers = given.iter().map(|line| header(line)).collect();
        for (name, value) in self.usual(word, maker, front, body.size) {
            if !headers.iter().any(|(given, _)| *given == name) {
                headers.push((name, value));
            }
        }
        let mut response = Response { status, headers, body };
        // Django and Flask send the length of the file without a body. The probes do not wait for it.
        if word == "handoff" && response.header("content-length") != Some("0") {
            response.body.end = End::NotAwaited;
        }
        response
    }

    /// The headers of such a response, unless the scenario overrides them.
    fn usual(
        &self,
        word: &str,
        maker: Option<Server>,
        front: Option<Server>,
        size: u64,
    ) -> Headers {
        let mut headers = Headers::new();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        // Apache and lighttpd forward the Server header of the app, if it sends one.
        if let Some(server) = front
            && (maker.is_some() || !matches!(server, Server::Apache | Server::Lighttpd))
        {
            add("server", server.header());
        }
        if let Some(media_type) = media_type(word, maker) {
            add("content-type", media_type);
        }
        match word {
            "handoff" => {
                let (name, value) = self.handoff.as_ref().expect("`handoff` with a value");
                add("content-disposition", "attachment");
                add(&name.to_lowercase(), value);
            }
            "fall-through" => add("x-sendfile-fixture", "fall-through"),
            _ => {}
        }
        let size = if word.starts_with("head") { SIZE as u64 } else { size };
        if maker.is_some() && !matches!(word, "page" | "empty") {
            add("last-modified", "Mon, 23 Nov 2026 05:59:40 GMT");
            add("etag", &format!("\"6b03d64c-{size:x}\""));
        }
        add("content-length", &size.to_string());
        headers
    }

    fn body(&self, word: &str, bytes: Vec<u8>) -> Body {
        let dummy = self.bytes("dummy");
        let same = bytes.iter().zip(&dummy).take_while(|(a, b)| a == b).count();
        Body {
            size: bytes.len() as u64,
            sha256: Sha256::of(&bytes),
            head: bytes[..bytes.len().min(HEAD_BYTES)].to_vec(),
            end: if word == "cut" { End::Cut } else { End::Whole },
            gunzipped: match word {
                "gzip" => Some(gunzipped(&dummy)),
                "older-gzip" => Some(gunzipped(&self.bytes("older"))),
                "other-gzip" => Some(gunzipped(&self.bytes("changed"))),
                _ => None,
            },
            // The rest of a large body of the app follows the file, beyond its Content-Length.
            beyond: match word {
                "dummy-and-more" => 5000,
                "head-and-body" => SIZE as u64,
                _ => 0,
            },
            same: Some(Same::Exactly(same as u64)),
        }
    }

    fn bytes(&self, word: &str) -> Vec<u8> {
        let dummy = || self.file(2, INSTANCE, KEY);
        match word {
            "dummy" | "dummy-and-more" => dummy(),
            "empty" | "handoff" | "head" | "head-and-body" => Vec::new(),
            "part" => dummy()[1024..2048].to_vec(),
            "end" => dummy()[3072..].to_vec(),
            "several" => several(&[(0, &dummy()[..16]), (200, &dummy()[200..216])]),
            "several-wrong" => several(&[(0, &dummy()[..16]), (200, &dummy()[300..316])]),
            "html" => self.file(6, INSTANCE, "healthcheck/dummy.html"),
            "html-changed" => self.file(7, INSTANCE, "healthcheck/dummy.html"),
            "older" => self.file(OLDER, INSTANCE, KEY),
            "newer" => self.file(NEWER, INSTANCE, KEY),
            "older-instance" => self.file(OLDER, INSTANCE + 1, KEY),
            "other-instance" => self.file(3, INSTANCE + 1, KEY),
            "no-extension" => self.file(4, INSTANCE, "healthcheck/dummy"),
            "root-twin" => self.file(5, INSTANCE, "protected/healthcheck/dummy.bin"),
            "truncated" | "cut" => dummy()[..FLAW].to_vec(),
            "longer" => [&dummy()[..], b"<!-- served in 1 ms -->"].concat(),
            "changed" => {
                let mut bytes = dummy();
                bytes[FLAW] ^= 1;
                bytes
            }
            "gzip" => gzip(&dummy()),
            "older-gzip" => gzip(&self.bytes("older")),
            "other-gzip" => gzip(&self.bytes("changed")),
            page => text(page).into_bytes(),
        }
    }

    /// A file. With a fixture it is a dummy, which starts with a line that describes it.
    fn file(&self, number: u64, instance: u64, key: &str) -> Vec<u8> {
        let (hi, lo) = (0x0123_4567_89ab_cdef, number);
        let generation = match number {
            OLDER => 1,
            NEWER => 3,
            _ => 2,
        };
        let line = format!(
            "sendfile-fixture/1 dummy instance={instance:016x} generation={generation} \
             nonce={hi:016x}{lo:016x} size={SIZE} placed=2026-11-23T05:0{number}:00Z key={key}\n"
        );
        let mut bytes: Vec<u8> = (1..=SIZE as u64 / 8).flat_map(|i| word(hi, lo, i)).collect();
        if self.fixture {
            bytes[..line.len()].copy_from_slice(line.as_bytes());
        }
        bytes
    }
}

fn gunzipped(bytes: &[u8]) -> Gunzipped {
    let head = bytes[..bytes.len().min(HEAD_BYTES)].to_vec();
    Gunzipped { size: bytes.len() as u64, sha256: Sha256::of(bytes), head }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

/// A multipart/byteranges body of parts, each with the offset of its first byte.
fn several(parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (first, part) in parts {
        let last = first + part.len() - 1;
        let head = format!("\r\n--parts\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(part);
    }
    body.extend_from_slice(b"\r\n--parts--\r\n");
    body
}

/// A word of the stream of a dummy, as `docs/contract.md` defines it.
fn word(hi: u64, lo: u64, i: u64) -> [u8; 8] {
    let z = lo.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31) ^ hi).to_le_bytes()
}

/// `skipped`, or a failure with the name that it has in reports.
fn absent<T>(line: &str) -> Option<Outcome<T>> {
    let (kind, chain) = match line {
        "skipped" => return Some(Outcome::Skipped("no URL was given".to_owned())),
        "name-not-resolved" => (FailureKind::NameNotResolved, "Name or service not known"),
        "refused" => (FailureKind::Refused, "Connection refused (os error 111)"),
        "timed-out" => (FailureKind::TimedOut, "no response within 10s"),
        "tls" => (FailureKind::Tls, "invalid peer certificate: Expired"),
        "closed" => (FailureKind::Closed, "connection closed before message completed"),
        "not-http" => (FailureKind::NotHttp, "invalid HTTP version parsed"),
        "lengths" => (FailureKind::Lengths, "invalid content-length parsed"),
        "not-found" => (FailureKind::NotFound, "No such file or directory (os error 2)"),
        "bucket-missing" => (FailureKind::BucketMissing, "the storage returns 404 (NoSuchBucket)"),
        "key-refused" => (FailureKind::KeyRefused, "the storage returns 403 (InvalidAccessKeyId)"),
        "wrong-region" => {
            (FailureKind::WrongRegion, "the storage returns 400 (AuthorizationHeaderMalformed)")
        }
        "clock-skewed" => {
            (FailureKind::ClockSkewed, "the storage returns 403 (RequestTimeTooSkewed)")
        }
        "denied" => (FailureKind::Denied, "Permission denied (os error 13)"),
        "other" => (FailureKind::Other, "the storage returns 500"),
        _ => return None,
    };
    Some(Outcome::Failed(Failure { kind, chain: chain.to_owned() }))
}

/// The header that a further probe sends, where it matters.
pub(super) fn sent_by(id: &str) -> Option<&'static str> {
    match id {
        "app-spoofed" => Some("X-Accel-Redirect: /sendfile-check-chosen"),
        "range" | "range-if-same" | "range-if-other" | "direct-range" => {
            Some("Range: bytes=1024-2047")
        }
        "range-suffix" => Some("Range: bytes=-1024"),
        "range-beyond" => Some("Range: bytes=4096-"),
        "range-several" => Some("Range: bytes=0-15,200-215"),
        _ => None,
    }
}

/// The word for the expected body of a probe, if it is not the dummy.
pub(super) fn wants(id: ProbeId) -> Option<&'static str> {
    match id {
        ProbeId::NoExtension => Some("no-extension"),
        ProbeId::Plain => Some("plain"),
        ProbeId::Html => Some("html"),
        ProbeId::Empty => Some("empty"),
        ProbeId::Range | ProbeId::RangeIfSame | ProbeId::RangeIfOther | ProbeId::DirectRange => {
            Some("part")
        }
        ProbeId::RangeSuffix => Some("end"),
        ProbeId::AtStore(part) => wants(part.of_site()),
        _ => None,
    }
}

/// The request log of the fixture; each line is a method, a target and a response.
pub(super) fn request_log(lines: &[String]) -> Vec<LoggedRequest> {
    let mut log = Vec::new();
    for line in lines {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        let Ok([method, target, answer]) = <[String; 3]>::try_from(words) else {
            panic!("expected `METHOD TARGET RESPONSE`: `{line}`");
        };
        log.push(LoggedRequest { method, target, answer });
    }
    log
}

/// `Name: value` as evidence states it.
pub(super) fn header(line: &str) -> (String, String) {
    let Some((name, value)) = line.split_once(':') else {
        panic!("expected `Name: value`: `{line}`");
    };
    (name.to_lowercase(), value.trim().to_owned())
}
