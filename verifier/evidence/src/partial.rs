//! Reads partial responses: Content-Range, and the parts of multipart/byteranges (RFC 9110 §14.4 and
//! §14.6).

/// The value of a Content-Range header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// The size of the whole, if known.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes 0-99/4096`.
    pub fn read(value: &str) -> Option<Self> {
        let (unit, rest) = value.trim().split_once(' ')?;
        let (range, total) = rest.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let total = match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        if !unit.eq_ignore_ascii_case("bytes") || first > last {
            return None;
        }
        Some(Self { first, last, total })
    }

    /// The number of bytes.
    pub fn size(self) -> u64 {
        self.last - self.first + 1
    }
}

/// The first and the last byte that a single range requests of a file of this size.
pub fn requested_range(value: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    match (first, last) {
        ("", last) => Some((size.checked_sub(last.parse().ok()?)?, size - 1)),
        (first, "") => Some((first.parse().ok()?, size - 1)),
        (first, last) => Some((first.parse().ok()?, last.parse().ok()?)),
    }
}

/// The boundary in a Content-Type, if it is that of a multipart response.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/byteranges") {
        return None;
    }
    for parameter in parameters.split(';') {
        if let Some((name, value)) = parameter.trim().split_once('=')
            && name.eq_ignore_ascii_case("boundary")
        {
            return Some(value.trim_matches('"'));
        }
    }
    None
}

/// The parts of a body, each with its position in the whole; `None` if the body is incomplete or
/// not multipart.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<(ContentRange, &'a [u8])>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = &body[find(body, delimiter.as_bytes())? + delimiter.len()..];
    while !rest.starts_with(b"--") {
        let end_of_head = find(rest, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&rest[..end_of_head]).ok()?;
        let range = range_of_part(head)?;
        // The end of the part is computed from its range, not searched for, because the content may
        // contain any bytes.
        let bytes = &rest[end_of_head + 4..];
        let size = usize::try_from(range.size()).ok()?;
        let part = bytes.get(..size)?;
        rest = bytes[size..].strip_prefix(b"\r\n")?.strip_prefix(delimiter.as_bytes())?;
        parts.push((range, part));
    }
    Some(parts)
}

/// The position that the header lines of a part give.
fn range_of_part(head: &str) -> Option<ContentRange> {
    for line in head.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-range")
        {
            return ContentRange::read(value);
        }
    }
    None
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let read = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::read("bytes 0-99/4096"), read(0, 99, Some(4096)));
        assert_eq!(ContentRange::read("bytes 5-5/*"), read(5, 5, None));
        assert_eq!(ContentRange::read("bytes */4096"), None, "of a 416");
        assert_eq!(ContentRange::read("bytes 9-1/4096"), None);
        assert_eq!(ContentRange::read("lines 0-1/2"), None);
        assert_eq!(requested_range("bytes=-10", 100), Some((90, 99)));
        assert_eq!(requested_range("bytes=10-", 100), Some((10, 99)));
        assert_eq!(requested_range("bytes=10-19", 100), Some((10, 19)));
        assert_eq!(requested_range("bytes=-200", 100), None);
        assert_eq!(requested_range("bytes=0-1,5-6", 100), None);
    }

    #[test]
    fn several_parts() {
        assert_eq!(boundary("multipart/byteranges; boundary=\"a-b\""), Some("a-b"));
        assert_eq!(boundary("application/octet-stream; boundary=a"), None);
        let body = b"\r\n--b\r\nContent-Type: x/y\r\nContent-Range: bytes 0-1/9\r\n\r\n--\r\n\
                     --b\r\nContent-range: bytes 4-6/9\r\n\r\nabc\r\n--b--\r\n";
        let read = parts(body, "b").expect("two parts");
        let read: Vec<_> = read.iter().map(|(range, part)| (range.first, *part)).collect();
        assert_eq!(read, [(0, &b"--"[..]), (4, b"abc")]);
        assert_eq!(parts(&body[..body.len() - 12], "b"), None, "cut off");
        assert_eq!(parts(b"no parts", "b"), None);
    }
}
