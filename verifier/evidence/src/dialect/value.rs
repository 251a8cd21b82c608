//! Compares a hand-off's value with the intended one, by the rules of the server that reads it.

use percent_encoding::percent_decode_str;

use super::{ValueKind, decoded, header_named};
use crate::Server;

/// What is wrong with a hand-off's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueFault {
    /// A filesystem path where a URI is expected.
    FilesystemPath,
    /// A relative name where an absolute one is expected.
    Relative,
    /// It lacks percent-encoding, or one layer of it.
    NotEncoded,
    /// It is encoded for a server that does not decode.
    WronglyEncoded,
    /// It is encoded by rules other than those of a path in UTF-8.
    EncodedOtherwise,
    /// Part of the name is missing.
    Truncated,
    /// It refers to something else.
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
    let names = header_named(header).map(|it| it.names);
    match intended {
        Some(intended) if same_meaning(got, intended, names, reader) => None,
        Some(intended) => Some(fault(got, intended, names, stored_at)),
        None => undeclared(got, names, stored_at?, reader),
    }
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
    let decodes = reader.map_or(names == Some(ValueKind::Uri), Server::decodes);
    let (got_path, got_query) = split_query(got, names);
    let (intended_path, intended_query) = split_query(intended, names);
    let same_path = got_path == intended_path
        || decodes && is_encoded(got_path) && decoded(got_path) == decoded(intended_path);
    same_path && parameters(got_query) == parameters(intended_query)
}

/// The names of a query's parameters. Signatures differ each time, so values cannot be compared.
fn parameters(query: Option<&str>) -> Vec<&str> {
    query
        .into_iter()
        .flat_map(|it| it.split('&'))
        .map(|it| it.split('=').next().unwrap_or(it))
        .collect()
}

/// In a URI, a `?` begins a query; a filesystem path has none.
fn split_query(value: &str, names: Option<ValueKind>) -> (&str, Option<&str>) {
    match (names, value.split_once('?')) {
        (Some(ValueKind::Uri), Some((path, query))) => (path, Some(query)),
        _ => (value, None),
    }
}

/// Whether every `%` begins an escape, so that decoding loses nothing.
fn is_encoded(path: &str) -> bool {
    path.split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit)))
}

fn fault(
    got: &str,
    intended: &str,
    names: Option<ValueKind>,
    stored_at: Option<&str>,
) -> ValueFault {
    let joined = |path: &str| decoded(got).ends_with(path) && !decoded(intended).ends_with(path);
    let on_disk = |path: &str| path.starts_with('/') && joined(path) || is_on_disk(got, path);
    if names == Some(ValueKind::Uri) && stored_at.is_some_and(on_disk) {
        return ValueFault::FilesystemPath;
    }
    if intended.starts_with('/') && !got.starts_with(['/', '@']) && !got.contains("://") {
        return ValueFault::Relative;
    }
    let once = decoded(intended);
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

/// Whether a value is an encoding of this path by the rules of a form (`+` for a space), of HTML
/// (`&amp;`), or of Latin-1.
fn is_encoded_otherwise(got: &str, path: &str) -> bool {
    let form = || path.contains(' ') && decoded(&got.replace('+', " ")) == path;
    let html = || got.contains('&') && decoded(&without_entities(got)) == path;
    let latin = || percent_decode_str(got).map(char::from).eq(path.chars());
    form() || html() || latin()
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
    let replaced = |text: String, (entity, sign): (&str, &str)| text.replace(entity, sign);
    ENTITIES.into_iter().fold(text.to_owned(), replaced)
}

/// Whether the last name has lost its beginning, as `basename` without a locale removes it, or all
/// its non-ASCII characters.
fn lacks_letters(got: &str, path: &str) -> bool {
    let Some(((folder, name), (of, whole))) = got.rsplit_once('/').zip(path.rsplit_once('/'))
    else {
        return false;
    };
    let ascii = || whole.chars().filter(char::is_ascii).eq(name.chars());
    let lost = !name.is_empty() && name.len() < whole.len();
    lost && folder == of && (whole.ends_with(name) || ascii())
}

/// Without a declared intention, only what the file's own path proves is reported.
fn undeclared(
    got: &str,
    names: Option<ValueKind>,
    stored_at: &str,
    reader: Option<Server>,
) -> Option<ValueFault> {
    let decodes = reader.map_or(names == Some(ValueKind::Uri), Server::decodes);
    let name = last_name(stored_at);
    if names == Some(ValueKind::Uri) && (is_on_disk(got, stored_at) || got.starts_with("file://")) {
        return Some(ValueFault::FilesystemPath);
    }
    let named = got.is_empty() || got.starts_with('@') || got.contains("://");
    let named = named && names == Some(ValueKind::Uri);
    if names.is_some() && !got.starts_with('/') && !named {
        return Some(ValueFault::Relative);
    }
    let (path, _) = split_query(got, names);
    let last = last_name(path);
    if decodes && (!is_encoded(path) || path != got && last_name(got) == name) {
        return Some(ValueFault::NotEncoded);
    }
    let read_as = if decodes { decoded(last) } else { last.to_owned() };
    // A server that does not decode also treats a question mark as part of the name.
    let raw = !decodes && last_name(got) == name;
    if raw || read_as == name || path.starts_with('@') {
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
    is_rest(&read_as, name).then_some(ValueFault::Truncated)
}

/// Whether a name is surely a truncated form of another one, since an app may name its file freely:
/// it ends at a character that URLs and shells treat as special, or lacks all non-ASCII characters.
fn is_rest(name: &str, whole: &str) -> bool {
    let cut = whole.strip_prefix(name).is_some_and(|it| it.starts_with(['?', '#', ';', '&', ' ']));
    !name.is_empty()
        && name != whole
        && (cut || whole.chars().filter(char::is_ascii).eq(name.chars()))
}

fn last_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a value is a filesystem path: the file's own, or one that leads into the file's
/// directory from at least two levels above it.
fn is_on_disk(got: &str, stored_at: &str) -> bool {
    let got = decoded(got);
    let shared = got.split('/').zip(stored_at.split('/')).take_while(|(a, b)| a == b).count();
    let last = |path: &str| path.rsplit('/').next().map(str::to_owned);
    got == stored_at || got.starts_with('/') && shared >= 3 && last(&got) == last(stored_at)
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
        assert_eq!(uri("/b/k", "/b/k?sig=2"), Some(Truncated), "but it must be signed");
    }

    #[test]
    fn rules_of_something_else() {
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
    fn an_undeclared_intention_is_read_off_the_file() {
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
        assert_eq!(got("/p/17"), None, "an app may call its file what it likes");
    }
}
