//! nginx's variables, as far as a configuration and a request determine them.
//!
//! Knows the state of one request; `route` knows which directives change it.

use std::collections::HashMap;

use sendfile_evidence::request::Request;

use super::tree::Directive;
use crate::{
    pattern::{Captured, Case, Matcher},
    query::Query,
    uri,
};

/// The current state of a request.
#[derive(Clone)]
pub(super) struct Env<'a> {
    /// The query.
    pub(super) query: &'a Query,
    /// The current request.
    pub(super) request: &'a Request,
    /// The decoded URI.
    pub(super) uri: String,
    /// The URI's query.
    pub(super) args: Option<String>,
    /// Whether the request is internal.
    pub(super) internal: bool,
    /// Whether a `rewrite … break` changed the URI, so that it no longer matches its location.
    pub(super) rewritten_in_place: bool,
    /// Whether the app has responded, so that its headers are available.
    pub(super) responded: bool,
    /// The variables from `set` and named captures; `None` if unknown.
    variables: HashMap<String, Option<String>>,
    /// How many more bytes of values may be stored.
    room: usize,
    /// The captures of the last regular expression.
    groups: Vec<String>,
    maps: &'a [&'a Directive],
    matcher: &'a Matcher,
}

/// A variable whose value is known only at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown(pub(super) String);

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// Maximum size of all values together.
const ROOM: usize = 1 << 20;

/// Maximum depth of nested maps.
const DEEPEST: usize = 8;

impl<'a> Env<'a> {
    /// The state of a client's request at the beginning.
    pub(super) fn new(
        query: &'a Query,
        request: &'a Request,
        uri: String,
        maps: &'a [&'a Directive],
        matcher: &'a Matcher,
    ) -> Self {
        Self {
            query,
            request,
            uri,
            args: request.query.clone(),
            internal: false,
            rewritten_in_place: false,
            responded: false,
            variables: HashMap::new(),
            room: ROOM,
            groups: Vec::new(),
            maps,
            matcher,
        }
    }

    /// The same state with another URI.
    pub(super) fn with_uri(&self, uri: String) -> Self {
        Self { uri, ..self.clone() }
    }

    /// The same state as an internal request.
    pub(super) fn as_internal(&self) -> Self {
        Self { internal: true, ..self.clone() }
    }

    /// The same state after the app has responded.
    pub(super) fn after_app(&self) -> Self {
        Self { internal: true, responded: true, rewritten_in_place: false, ..self.clone() }
    }

    /// The same request, sent by a client for a URI that is meant for internal requests.
    pub(super) fn by_client(&self) -> Self {
        Self { internal: false, responded: false, ..self.clone() }
    }

    /// The same state for another query.
    pub(super) fn for_query<'b>(&self, query: &'b Query) -> Env<'b>
    where
        'a: 'b,
    {
        Env { query, ..self.clone() }
    }

    /// Stores a variable.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        let size = name.len() + value.as_ref().map_or(0, String::len);
        let (value, room) = match self.room.checked_sub(size) {
            Some(room) => (value, room),
            None => (None, 0),
        };
        self.variables.insert(name.to_owned(), value);
        self.room = room;
    }

    /// Stores the captures of a regular expression.
    pub(super) fn capture(&mut self, captured: Captured) {
        for (name, value) in captured.names {
            self.set(&name, Some(value));
        }
        self.groups = captured.groups;
    }

    /// Clears the captures, as nginx does when the pattern of a `rewrite` or an `if` does not
    /// match.
    pub(super) fn clear_captures(&mut self) {
        self.groups.clear();
    }

    /// A text with its variables replaced.
    ///
    /// # Errors
    ///
    /// A variable is known only at run time, or the text becomes too long.
    pub(super) fn expand(&self, text: &str) -> Result<String, Unknown> {
        self.expand_at(text, 0)
    }

    fn expand_at(&self, text: &str, depth: usize) -> Result<String, Unknown> {
        let mut whole = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(text) => whole.push_str(text),
                Piece::Variable(name) => whole.push_str(&self.value(name, depth)?),
            }
            if whole.len() > uri::LONGEST {
                return Err(Unknown("variable (too long)".to_owned()));
            }
        }
        Ok(whole)
    }

    fn value(&self, name: &str, depth: usize) -> Result<String, Unknown> {
        if name.len() == 1
            && let Ok(n) = name.parse::<usize>()
        {
            return Ok(self.groups.get(n).cloned().unwrap_or_default());
        }
        let value = if let Some(value) = self.variables.get(name) {
            value.clone()
        } else if let Some(map) = self.map_of(name) {
            if depth >= DEEPEST || self.matcher.spend().is_err() {
                return Err(Unknown(name.to_owned()));
            }
            return self.mapped(map, depth + 1);
        } else {
            self.built_in(name)
        };
        value.ok_or_else(|| Unknown(name.to_owned()))
    }

    /// The `map` that defines a variable.
    fn map_of(&self, name: &str) -> Option<&'a Directive> {
        let mut maps = self.maps.iter();
        maps.find(|map| map.arg(1).strip_prefix('$') == Some(name)).copied()
    }

    /// Evaluates a `map`.
    fn mapped(&self, map: &Directive, depth: usize) -> Result<String, Unknown> {
        let source = self.expand_at(map.arg(0), depth)?;
        let variable = map.arg(1).trim_start_matches('$');
        if map.child("hostnames").is_some() {
            return Err(Unknown(variable.to_owned()));
        }
        for entry in map.inside() {
            if is_map_entry(entry) && is_plain_key(&entry.name, &source) {
                return self.expand_at(entry.arg(0), depth);
            }
        }
        for entry in map.inside() {
            let Some(pattern) = entry.name.strip_prefix('~') else { continue };
            let (pattern, case) = match pattern.strip_prefix('*') {
                Some(pattern) => (pattern, Case::Ignored),
                None => (pattern, Case::Matters),
            };
            match self.matcher.captures(pattern, case, &source) {
                Ok(Some(captured)) => {
                    let mut env = self.clone();
                    env.capture(captured);
                    return env.expand_at(entry.arg(0), depth);
                }
                Ok(None) => {}
                Err(_) => return Err(Unknown(variable.to_owned())),
            }
        }
        match map.child("default") {
            Some(default) => self.expand_at(default.arg(0), depth),
            None => Ok(String::new()),
        }
    }

    fn built_in(&self, name: &str) -> Option<String> {
        let request = self.request;
        Some(match name {
            "uri" | "document_uri" => self.uri.clone(),
            "request_uri" => request.target(),
            "args" | "query_string" => self.args.clone().unwrap_or_default(),
            "is_args" => match self.args.as_deref() {
                None | Some("") => String::new(),
                Some(_) => "?".to_owned(),
            },
            "host" => request.address.host.clone(),
            "http_host" => request.host(),
            "scheme" => if request.https { "https" } else { "http" }.to_owned(),
            "request_method" => request.method.clone(),
            "server_port" => request.address.port.to_string(),
            "https" => if request.https { "on" } else { "" }.to_owned(),
            _ => return self.of_header(name),
        })
    }

    /// A query argument, a header of the client's request, or a header of the app's response.
    fn of_header(&self, name: &str) -> Option<String> {
        if let Some(argument) = name.strip_prefix("arg_") {
            return Some(self.query_argument(argument));
        }
        if let Some(header) = name.strip_prefix("http_") {
            return self.request_header(header);
        }
        if !self.responded {
            return None;
        }
        // A hand-off keeps a few standard headers of the app's, but no custom ones (measured with
        // nginx 1.22.1).
        if name.starts_with("sent_http_x_") {
            return Some(String::new());
        }
        self.response_header(name.strip_prefix("upstream_http_")?)
    }

    fn query_argument(&self, name: &str) -> String {
        let query = self.args.as_deref().unwrap_or_default();
        for pair in query.split('&') {
            if let Some((key, value)) = pair.split_once('=')
                && key.eq_ignore_ascii_case(name)
            {
                return value.to_owned();
            }
        }
        String::new()
    }

    fn request_header(&self, name: &str) -> Option<String> {
        if let Some(value) = self.request.header(&header_name(name)) {
            return Some(value.to_owned());
        }
        // A request's list of headers does not contain those that this program's own client adds.
        if matches!(name, "user_agent" | "accept" | "accept_encoding" | "connection") {
            return None;
        }
        Some(String::new())
    }

    fn response_header(&self, name: &str) -> Option<String> {
        if self.query.response_headers.is_empty() {
            return None;
        }
        let name = header_name(name);
        for (header, value) in &self.query.response_headers {
            if header.eq_ignore_ascii_case(&name) {
                return Some(value.clone());
            }
        }
        Some(String::new())
    }
}

/// The names of a text's variables.
pub(super) fn names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for piece in pieces(text) {
        if let Piece::Variable(name) = piece {
            names.push(name);
        }
    }
    names
}

/// Whether a text contains variables.
pub(super) fn has_variables(text: &str) -> bool {
    !names(text).is_empty()
}

/// Whether a variable is a numbered capture.
pub(super) fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text contains variables for parts of the request other than its URI, or captures of
/// such parts.
pub(super) fn of_request(text: &str, pattern: &str) -> bool {
    for name in names(text) {
        let of_uri = matches!(name, "uri" | "document_uri" | "is_args" | "args" | "query_string");
        if !of_uri && !is_number(name) && !pattern.contains(&format!("<{name}>")) {
            return true;
        }
    }
    false
}

/// A header's name, from its spelling in a variable.
fn header_name(spelled: &str) -> String {
    spelled.replace('_', "-")
}

/// Whether a directive in a `map` is a value, not a parameter of the map.
fn is_map_entry(directive: &Directive) -> bool {
    !matches!(directive.name.as_str(), "default" | "hostnames" | "volatile")
}

/// Whether a key of a `map` is this text; a key with a `~` is a regular expression.
fn is_plain_key(key: &str, text: &str) -> bool {
    let unescaped = key.strip_prefix('\\').unwrap_or(key);
    !key.starts_with('~') && unescaped.eq_ignore_ascii_case(text)
}

/// The pieces of a text: `$name`, `${name}`, `$1`, and the text between them.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('$') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (name, after) = split_name(behind);
        if name.is_empty() {
            pieces.push(Piece::Text("$"));
        } else {
            pieces.push(Piece::Variable(name));
        }
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The name of a variable and the text after it; the name is empty if the `$` is an ordinary
/// character.
fn split_name(behind: &str) -> (&str, &str) {
    if let Some(inside) = behind.strip_prefix('{')
        && let Some((name, after)) = inside.split_once('}')
    {
        return (name, after);
    }
    if behind.as_bytes().first().is_some_and(u8::is_ascii_digit) {
        return behind.split_at(1);
    }
    let end = behind.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    behind.split_at(end.unwrap_or(behind.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_text() {
        use Piece::{Text, Variable};
        assert_eq!(
            pieces("/a/$b-${c}d$12$"),
            [
                Text("/a/"),
                Variable("b"),
                Text("-"),
                Variable("c"),
                Text("d"),
                Variable("1"),
                Text("2"),
                Text("$"),
            ]
        );
        assert_eq!(pieces("${"), [Text("$"), Text("{")]);
        assert_eq!(pieces(""), []);
    }
}
