//! Caddy's placeholders, as far as a configuration and a request determine them.

use super::subject::Subject;
use crate::uri::LONGEST;

/// The prefixes of placeholders for a header of the app's response in `handle_response`.
const RESPONSE_HEADERS: [&str; 4] =
    ["rp.header.", "http.reverse_proxy.header.", "resp.header.", "http.intercept.header."];

/// The prefixes of placeholders for a header of the request.
const REQUEST_HEADERS: [&str; 2] = ["header.", "http.request.header."];

/// The headers that this program's own client adds; a request's list of headers does not contain
/// them.
const ADDED_HEADERS: [&str; 4] = ["user-agent", "accept", "accept-encoding", "connection"];

/// A text with its placeholders replaced.
///
/// # Errors
///
/// The first placeholder that is known only at run time.
pub(super) fn filled(text: &str, subject: &Subject<'_>) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        whole.push_str(before);
        rest = behind;
        if let Some((name, after)) = behind.split_once('}') {
            match value_of(name, subject) {
                Some(value) if whole.len() < LONGEST => whole.push_str(&value),
                _ => return Err(format!("{{{name}}}")),
            }
            rest = after;
        }
    }
    Ok(whole + rest)
}

/// The header of the app's response that a placeholder of `handle_response` reads.
pub(super) fn header_of_response(placeholder: &str) -> Option<&str> {
    RESPONSE_HEADERS.iter().find_map(|prefix| placeholder.strip_prefix(prefix))
}

/// The value of a placeholder; `None` if it is known only at run time.
fn value_of(name: &str, subject: &Subject<'_>) -> Option<String> {
    if let Some(header) = header_of_response(name) {
        return Some(response_header(header, subject));
    }
    if let Some(header) = REQUEST_HEADERS.iter().find_map(|prefix| name.strip_prefix(prefix)) {
        return request_header(header, subject);
    }
    let request = subject.request;
    let value = match name {
        "path" | "http.request.uri.path" => subject.path.clone(),
        "uri" | "http.request.uri" => match &request.query {
            Some(query) => format!("{}?{query}", subject.path),
            None => subject.path.clone(),
        },
        "query" | "http.request.uri.query" => request.query.clone().unwrap_or_default(),
        "host" | "http.request.host" => request.address.host.clone(),
        "hostport" | "http.request.hostport" => request.host(),
        "scheme" | "http.request.scheme" => if request.https { "https" } else { "http" }.to_owned(),
        "method" | "http.request.method" => request.method.clone(),
        _ => return None,
    };
    Some(value)
}

/// The value of a header of the app's response; a missing header is empty.
fn response_header(wanted: &str, subject: &Subject<'_>) -> String {
    for (name, value) in subject.response_headers {
        if name.eq_ignore_ascii_case(wanted) {
            return value.clone();
        }
    }
    String::new()
}

/// The value of a header of the request; `None` if this program's client may add it.
fn request_header(name: &str, subject: &Subject<'_>) -> Option<String> {
    if let Some(value) = subject.request.header(name) {
        return Some(value.to_owned());
    }
    if ADDED_HEADERS.iter().any(|added| name.eq_ignore_ascii_case(added)) {
        return None;
    }
    Some(String::new())
}
