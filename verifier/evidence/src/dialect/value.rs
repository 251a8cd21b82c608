//! Compares a hand-off's value with the intended one, by the rules of the server that reads it.

use percent_encoding::percent_decode_str;

use super::{
    encoding::decoded,
    header::{ValueKind, header_named},
};
use crate::server::Server;

/// What is wrong with a hand-off's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// A filesystem path where a URI is expected.
    FilesystemPath,
    /// A relative name where an absolute one is expected.
    Relative,
    /// The value lacks percent-encoding, or one layer of it.
    NotEncoded,
    /// The value is encoded, although the server does not decode.
    WronglyEncoded,
    /// The value is encoded by rules other than those for a path in UTF-8.
    EncodedOtherwise,
    /// Part of the name is missing.
    Truncated,
    /// The value refers to something else.
    Other,
}

/// Compares the received value with the intended one; `None` if they are equivalent.
///
/// `stored_at` is the file's path on disk, if known: it distinguishes a path from a URI, and
/// replaces an intention that was not declared.
pub fn compare_values(
    header: &str,
    got: &str,
    intended: Option<&str>,
    stored_at: Option<&str>,
    reader: Option<Server>,
) -> Option<ValueFault> {
    let names = header_named(header).map(|header| header.names);
    let Some(intended) = intended else { return undeclared(got, names, stored_at?, reader) };
    if same_meaning(got, intended, names, reader) {
        return None;
    }
    Some(fault(got, intended, names, stored_at))
}

fn same_meaning(
    got: &str,
    intended: &str,
    names: Option<ValueKind>,
    reader: Option<Server>,
) -> bool {
    if got == intended {
        return true;
    }
    let decodes = decodes(names, reader);
    let (got_path, got_query) = split_query(got, names);
    let (intended_path, intended_query) = split_query(intended, names);
    let same_path = got_path == intended_path
        || decodes && is_encoded(got_path) && decoded(got_path) == decoded(intended_path);
    same_path && parameters(got_query) == parameters(intended_query)
}

/// Whether the server decodes a value. If the server is unknown, it is assumed to decode URIs but
/// not paths.
fn decodes(names: Option<ValueKind>, reader: Option<Server>) -> bool {
    match reader {
        Some(server) => server.decodes(),
        None => names == Some(ValueKind::Uri),
    }
}

/// The names of a query's parameters. Signatures differ each time, so values cannot be compared.
fn parameters(query: Option<&str>) -> Vec<&str> {
    let Some(query) = query else { return Vec::new() };
    let mut names = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some((name, _)) => names.push(name),
            None => names.push(parameter),
        }
    }
    names
}

/// In a URI, a `?` begins a query; a filesystem path has none.
fn split_query(value: &str, names: Option<ValueKind>) -> (&str, Option<&str>) {
    if names == Some(ValueKind::Uri)
        && let Some((path, query)) = value.split_once('?')
    {
        return (path, Some(query));
    }
    (value, None)
}

/// Whether every `%` begins an escape, so that decoding loses nothing.
fn is_encoded(path: &str) -> bool {
    path.split('%').skip(1).all(begins_with_hex_digits)
}

fn begins_with_hex_digits(text: &str) -> bool {
    match text.as_bytes() {
        [first, second, ..] => first.is_ascii_hexdigit() && second.is_ascii_hexdigit(),
        _ => false,
    }
}

fn fault(
    got: &str,
    intended: &str,
    names: Option<ValueKind>,
    stored_at: Option<&str>,
) -> ValueFault {
    let once = decoded(intended);
    if names == Some(ValueKind::Uri)
        && let Some(path) = stored_at
        && (ends_with_path(got, &once, path) || is_on_disk(got, path))
    {
        return ValueFault::FilesystemPath;
    }
    if intended.starts_with('/') && !got.starts_with(['/', '@']) && !got.contains("://") {
        return ValueFault::Relative;
    }
    if got == once
        || decoded(got) == decoded(&once)
            && got.matches('%').count() < intended.matches('%').count()
    {
        return ValueFault::NotEncoded;
    }
    if decoded(got) == intended || decoded(&decoded(got)) == once && got.len() > intended.len() {
        return ValueFault::WronglyEncoded;
    }
    if is_encoded_otherwise(got, &once) {
        return ValueFault::EncodedOtherwise;
    }
    let part = is_part(got, intended) || is_part(&decoded(got), &once);
    if part || lacks_letters(&decoded(got), &once) {
        return ValueFault::Truncated;
    }
    ValueFault::Other
}

/// Whether a value consists of a prefix and the file's path on disk, while the intended one does
/// not.
fn ends_with_path(got: &str, intended: &str, path: &str) -> bool {
    path.starts_with('/') && decoded(got).ends_with(path) && !intended.ends_with(path)
}

/// Whether a value is an encoding of this path by the rules of a form (`+` for a space), of HTML
/// (`&amp;`), or of Latin-1.
fn is_encoded_otherwise(got: &str, path: &str) -> bool {
    let is_form = path.contains(' ') && decoded(&got.replace('+', " ")) == path;
    let is_html = got.contains('&') && decoded(&without_entities(got)) == path;
    is_form || is_html || percent_decode_str(got).map(char::from).eq(path.chars())
}

/// A text with HTML entities decoded.
fn without_entities(text: &str) -> String {
    const ENTITIES: [(&str, &str); 7] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ];
    let mut decoded = text.to_owned();
    for (entity, sign) in ENTITIES {
        decoded = decoded.replace(entity, sign);
    }
    decoded
}

/// Whether the last name lacks its beginning, as `basename` without a locale removes it, or all its
/// non-ASCII characters.
fn lacks_letters(got: &str, path: &str) -> bool {
    let Some((directory, name)) = got.rsplit_once('/') else { return false };
    let Some((intended_directory, whole)) = path.rsplit_once('/') else { return false };
    if directory != intended_directory || name.is_empty() || name.len() >= whole.len() {
        return false;
    }
    whole.ends_with(name) || is_ascii_of(name, whole)
}

/// Whether a name consists of the ASCII characters of another one.
fn is_ascii_of(name: &str, whole: &str) -> bool {
    whole.chars().filter(char::is_ascii).eq(name.chars())
}

/// The fault of a value without a declared intention: only what the file's own path proves.
fn undeclared(
    got: &str,
    names: Option<ValueKind>,
    stored_at: &str,
    reader: Option<Server>,
) -> Option<ValueFault> {
    let decodes = decodes(names, reader);
    let name = last_name(stored_at);
    if names == Some(ValueKind::Uri) && (is_on_disk(got, stored_at) || got.starts_with("file://")) {
        return Some(ValueFault::FilesystemPath);
    }
    let has_no_path = got.is_empty() || got.starts_with('@') || got.contains("://");
    let is_other_uri = has_no_path && names == Some(ValueKind::Uri);
    if names.is_some() && !got.starts_with('/') && !is_other_uri {
        return Some(ValueFault::Relative);
    }
    let (path, _) = split_query(got, names);
    let last = last_name(path);
    if decodes && (!is_encoded(path) || path != got && last_name(got) == name) {
        return Some(ValueFault::NotEncoded);
    }
    let read_as = if decodes { decoded(last) } else { last.to_owned() };
    // A server that does not decode also treats a question mark as part of the name.
    let is_verbatim = !decodes && last_name(got) == name;
    if is_verbatim || read_as == name || path.starts_with('@') {
        return None;
    }
    if last == name {
        return Some(ValueFault::NotEncoded);
    }
    if is_encoded_otherwise(last, name) {
        return Some(ValueFault::EncodedOtherwise);
    }
    if decoded(last) == name || decoded(&read_as) == name {
        return Some(ValueFault::WronglyEncoded);
    }
    if is_rest(&read_as, name) {
        return Some(ValueFault::Truncated);
    }
    None
}

/// Whether a name is surely a truncated form of another one, since an app may name its file freely:
/// it ends at a character that URLs and shells treat as special, or lacks all non-ASCII characters.
fn is_rest(name: &str, whole: &str) -> bool {
    if name.is_empty() || name == whole {
        return false;
    }
    if let Some(rest) = whole.strip_prefix(name)
        && rest.starts_with(['?', '#', ';', '&', ' '])
    {
        return true;
    }
    is_ascii_of(name, whole)
}

fn last_name(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((_, name)) => name,
        None => path,
    }
}

/// Whether a value is a filesystem path: the file's own, or one that leads into the file's
/// directory from at least two levels above it.
fn is_on_disk(got: &str, stored_at: &str) -> bool {
    let got = decoded(got);
    if got == stored_at {
        return true;
    }
    got.starts_with('/')
        && shared_segments(&got, stored_at) >= 3
        && last_name(&got) == last_name(stored_at)
}

/// The number of equal segments at the beginning of two paths, including the segment before the
/// first slash.
fn shared_segments(path: &str, other: &str) -> usize {
    let mut count = 0;
    for (segment, other_segment) in path.split('/').zip(other.split('/')) {
        if segment != other_segment {
            break;
        }
        count += 1;
    }
    count
}

fn is_part(got: &str, intended: &str) -> bool {
    !got.is_empty()
        && got != "/"
        && got.len() < intended.len()
        && (intended.starts_with(got) || intended.ends_with(got))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_values() {
        use ValueFault::{FilesystemPath, NotEncoded, Other, Relative, Truncated, WronglyEncoded};
        let uri = |got, intended| {
            compare_values(
                "X-Accel-Redirect",
                got,
                Some(intended),
                Some("/srv/media/a/b 1%.pdf"),
                None,
            )
        };
        assert_eq!(uri("/files/b%201%25.pdf", "/files/b%201%25.pdf"), None);
        assert_eq!(
            uri("/files/b 1%25.pdf", "/files/b%201%25.pdf"),
            None,
            "nginx takes a raw space"
        );
        assert_eq!(uri("/files/b 1%.pdf", "/files/b%201%25.pdf"), Some(NotEncoded));
        assert_eq!(
            uri("/m/%E4%BD.jpg", "/m/%25E4%25BD.jpg"),
            Some(NotEncoded),
            "one layer too few"
        );
        assert_eq!(uri("/files/b%25201%2525.pdf", "/files/b%201%25.pdf"), Some(WronglyEncoded));
        assert_eq!(uri("/srv/media/a/b 1%.pdf", "/files/b%201%25.pdf"), Some(FilesystemPath));
        assert_eq!(uri("/files/srv/media/a/b 1%.pdf", "/files/b%201%25.pdf"), Some(FilesystemPath));
        assert_eq!(
            uri("file:///srv/media/a/b 1%.pdf", "/files/b%201%25.pdf"),
            Some(FilesystemPath)
        );
        assert_eq!(uri("files/b.pdf", "/files/b.pdf"), Some(Relative));
        assert_eq!(uri("/files/Series%20", "/files/Series%20%231/x.jpg"), Some(Truncated));
        assert_eq!(uri("/other/c.pdf", "/files/b.pdf"), Some(Other));
        assert_eq!(uri("/b/k?sig=1", "/b/k?sig=2"), None, "a link is signed anew each time");
        assert_eq!(uri("/b/k", "/b/k?sig=2"), Some(Truncated), "a link must be signed");
    }

    #[test]
    fn values_encoded_by_other_rules() {
        use ValueFault::{EncodedOtherwise, Other, Truncated};
        let uri =
            |got, intended| compare_values("X-Accel-Redirect", got, Some(intended), None, None);
        assert_eq!(uri("/p/a+b.pdf", "/p/a%20b.pdf"), Some(EncodedOtherwise));
        assert_eq!(uri("/p/a+b.pdf", "/p/ab.pdf"), Some(Other), "no space was meant");
        assert_eq!(uri("/p/R&amp;D.pdf", "/p/R%26D.pdf"), Some(EncodedOtherwise));
        assert_eq!(uri("/p/caf%E9.pdf", "/p/caf%C3%A9.pdf"), Some(EncodedOtherwise));
        assert_eq!(uri("/p/bersicht.pdf", "/p/%C3%9Cbersicht.pdf"), Some(Truncated));
        assert_eq!(uri("/p/caf.pdf", "/p/caf%C3%A9.pdf"), Some(Truncated));
        assert_eq!(uri("/p/tea.pdf", "/p/caf%C3%A9.pdf"), Some(Other));
    }

    #[test]
    fn the_reader_decides_about_encoding() {
        let path = |got, intended, reader| {
            compare_values("X-Sendfile", got, Some(intended), None, Some(reader))
        };
        assert_eq!(
            path("/srv/a%20b", "/srv/a b", Server::Apache),
            Some(ValueFault::WronglyEncoded)
        );
        assert_eq!(path("/srv/a%20b", "/srv/a b", Server::Lighttpd), None);
        assert_eq!(
            path("/srv/a b", "/srv/a%20b", Server::Lighttpd),
            None,
            "lighttpd takes a raw space"
        );
    }

    #[test]
    fn an_undeclared_intention_is_derived_from_the_file() {
        let got = |value| {
            compare_values(
                "X-Accel-Redirect",
                value,
                None,
                Some("/srv/media/a/b c%.pdf"),
                Some(Server::Nginx),
            )
        };
        assert_eq!(got("/p/b%20c%25.pdf"), None);
        assert_eq!(got("/p/b c%.pdf"), Some(ValueFault::NotEncoded));
        assert_eq!(got("p/b%20c%25.pdf"), Some(ValueFault::Relative));
        assert_eq!(got("/p/b%2520c%2525.pdf"), Some(ValueFault::WronglyEncoded));
        assert_eq!(got("/p/b+c%25.pdf"), Some(ValueFault::EncodedOtherwise));
        assert_eq!(got("/p/b"), Some(ValueFault::Truncated), "cut at the space");
        assert_eq!(got("/p/b%20"), None, "cut where nothing cuts");
        assert_eq!(got("@protected"), None);
        assert_eq!(got("/p/17"), None, "an app may choose the name of its file");
    }
}
