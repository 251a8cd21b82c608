//! nginx's variables, as far as a configuration and a request determine them.

use std::collections::HashMap;

use super::{
    super::{
        pattern::{Captured, Case, Matcher},
        uri,
    },
    tree::Directive,
};
use crate::query::Query;

/// The current state of a request.
#[derive(Clone)]
pub(super) struct Env<'a> {
    /// The query.
    pub(super) question: &'a Query,
    /// The current request.
    pub(super) request: &'a super::Request,
    /// The decoded URI.
    pub(super) uri: String,
    /// The query.
    pub(super) args: Option<String>,
    /// Whether the request is internal.
    pub(super) internal: bool,
    /// Whether a `rewrite … break` changed the URI, so that it no longer matches its location.
    pub(super) broken: bool,
    /// Whether the app has responded, so that its headers are available.
    pub(super) answered: bool,
    /// The variables from `set` and named captures; `None` if unknown.
    set: HashMap<String, Option<String>>,
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

/// Maximum size of all values together.
const ROOM: usize = 1 << 20;

/// Maximum depth of nested maps.
const DEEPEST: usize = 8;

impl<'a> Env<'a> {
    /// A client's request.
    pub(super) fn new(
        question: &'a Query,
        request: &'a super::Request,
        uri: String,
        maps: &'a [&'a Directive],
        matcher: &'a Matcher,
    ) -> Self {
        Self {
            question,
            request,
            uri,
            args: request.query.clone(),
            internal: false,
            broken: false,
            answered: false,
            set: HashMap::new(),
            room: ROOM,
            groups: Vec::new(),
            maps,
            matcher,
        }
    }

    /// The same request with another URI.
    pub(super) fn at(&self, uri: String) -> Self {
        Self { uri, ..self.clone() }
    }

    /// The same request as an internal one.
    pub(super) fn inside(&self) -> Self {
        Self { internal: true, ..self.clone() }
    }

    /// The same request after the app has responded.
    pub(super) fn after_app(&self) -> Self {
        Self { internal: true, answered: true, broken: false, ..self.clone() }
    }

    /// The same request, sent by a client for a URI that is meant for internal requests.
    pub(super) fn by_visitor(&self) -> Self {
        Self { internal: false, answered: false, ..self.clone() }
    }

    /// The same request for another query.
    pub(super) fn asking<'b>(&self, question: &'b Query) -> Env<'b>
    where
        'a: 'b,
    {
        Env { question, ..self.clone() }
    }

    /// Stores a variable.
    pub(super) fn set(&mut self, name: &str, value: Option<String>) {
        let room = self.room.checked_sub(name.len() + value.as_ref().map_or(0, String::len));
        self.set.insert(name.to_owned(), value.filter(|_| room.is_some()));
        self.room = room.unwrap_or(0);
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
    pub(super) fn forget(&mut self) {
        self.groups.clear();
    }

    /// A text with its variables replaced.
    pub(super) fn filled(&self, text: &str) -> Result<String, Unknown> {
        self.filled_at(text, 0)
    }

    fn filled_at(&self, text: &str, depth: usize) -> Result<String, Unknown> {
        let mut whole = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Text(it) => whole.push_str(it),
                Piece::Variable(name) => whole.push_str(&self.value(name, depth)?),
            }
            if whole.len() > uri::LONGEST {
                return Err(Unknown("variable (too long)".to_owned()));
            }
        }
        Ok(whole)
    }

    fn value(&self, name: &str, depth: usize) -> Result<String, Unknown> {
        let unknown = || Unknown(name.to_owned());
        if let Some(n) = name.parse::<usize>().ok().filter(|_| name.len() == 1) {
            return Ok(self.groups.get(n).cloned().unwrap_or_default());
        }
        if let Some(set) = self.set.get(name) {
            return set.clone().ok_or_else(unknown);
        }
        if let Some(map) = self.maps.iter().find(|it| it.arg(1).strip_prefix('$') == Some(name)) {
            let affordable = depth < DEEPEST && self.matcher.spend().is_ok();
            return if affordable { self.mapped(map, depth + 1) } else { Err(unknown()) };
        }
        self.built_in(name).ok_or_else(unknown)
    }

    fn built_in(&self, name: &str) -> Option<String> {
        let request = self.request;
        let host = || request.address.host.clone();
        Some(match name {
            "uri" | "document_uri" => self.uri.clone(),
            "request_uri" => request.target(),
            "args" | "query_string" => self.args.clone().unwrap_or_default(),
            "is_args" => {
                if self.args.as_deref().is_none_or(str::is_empty) { "" } else { "?" }.to_owned()
            }
            "host" => host(),
            "http_host" => request.host(),
            "scheme" => if request.https { "https" } else { "http" }.to_owned(),
            "request_method" => request.method.clone(),
            "server_port" => request.address.port.to_string(),
            "https" => if request.https { "on" } else { "" }.to_owned(),
            _ => return self.of_header(name),
        })
    }

    /// A header of the client's request, a query argument, or a header of the app's response.
    fn of_header(&self, name: &str) -> Option<String> {
        let spelled = |it: &str| it.replace('_', "-");
        if let Some(name) = name.strip_prefix("arg_") {
            let pairs = self.args.as_deref().unwrap_or_default().split('&');
            let value = pairs
                .filter_map(|it| it.split_once('='))
                .find(|(n, _)| n.eq_ignore_ascii_case(name));
            return Some(value.map_or(String::new(), |(_, value)| value.to_owned()));
        }
        if let Some(name) = name.strip_prefix("http_") {
            let sent = self.request.header(&spelled(name)).map(str::to_owned);
            // The headers that this program's own client adds are not in the list.
            let own = matches!(name, "user_agent" | "accept" | "accept_encoding" | "connection");
            return if own { sent } else { Some(sent.unwrap_or_default()) };
        }
        // A hand-off keeps a few standard headers of the app's, but no custom ones (measured with
        // nginx 1.22.1).
        if self.answered && name.starts_with("sent_http_x_") {
            return Some(String::new());
        }
        let name = name.strip_prefix("upstream_http_").filter(|_| self.answered)?;
        let name = spelled(name);
        let app = self.question.answer.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name));
        (!self.question.answer.is_empty())
            .then(|| app.map_or(String::new(), |(_, value)| value.clone()))
    }

    /// Evaluates a `map`.
    fn mapped(&self, map: &Directive, depth: usize) -> Result<String, Unknown> {
        let unknown = || Unknown(map.arg(1).trim_start_matches('$').to_owned());
        let source = self.filled_at(map.arg(0), depth)?;
        let entries = || {
            map.inside()
                .iter()
                .filter(|it| !matches!(it.name.as_str(), "default" | "hostnames" | "volatile"))
        };
        let plain = |it: &&Directive| {
            let key = it.name.strip_prefix('\\').unwrap_or(&it.name);
            !it.name.starts_with('~') && key.eq_ignore_ascii_case(&source)
        };
        if map.child("hostnames").is_some() {
            return Err(unknown());
        }
        if let Some(entry) = entries().find(plain) {
            return self.filled_at(entry.arg(0), depth);
        }
        for entry in entries() {
            let Some(pattern) = entry.name.strip_prefix('~') else { continue };
            let (pattern, case) = match pattern.strip_prefix('*') {
                Some(pattern) => (pattern, Case::Ignored),
                None => (pattern, Case::Matters),
            };
            match self.matcher.captures(pattern, case, &source) {
                Ok(Some(captured)) => {
                    let mut env = self.clone();
                    env.capture(captured);
                    return env.filled_at(entry.arg(0), depth);
                }
                Ok(None) => {}
                Err(_) => return Err(unknown()),
            }
        }
        map.child("default").map_or(Ok(String::new()), |it| self.filled_at(it.arg(0), depth))
    }
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

/// The pieces of a text: `$name`, `${name}`, `$1`, and the text between them.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, behind) = (&rest[..at], &rest[at + 1..]);
        let braced = behind.strip_prefix('{').and_then(|it| it.split_once('}'));
        let (name, after) = match braced {
            Some((name, after)) => (name, after),
            None => {
                let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let digit = behind.starts_with(|c: char| c.is_ascii_digit());
                let end = behind.find(|c: char| !letter(c)).unwrap_or(behind.len());
                behind.split_at(if digit { 1 } else { end })
            }
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        match name {
            "" => pieces.push(Piece::Text("$")),
            name => pieces.push(Piece::Variable(name)),
        }
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// Whether a text contains variables with parts of the request other than its URI, or captures of
/// such parts.
pub(super) fn of_request(text: &str, pattern: &str) -> bool {
    let of_uri =
        |it: &str| matches!(it, "uri" | "document_uri" | "is_args" | "args" | "query_string");
    let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    names(text).any(|it| !of_uri(it) && !digits(it) && !pattern.contains(&format!("<{it}>")))
}

/// The names of a text's variables.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|it| match it {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    })
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
