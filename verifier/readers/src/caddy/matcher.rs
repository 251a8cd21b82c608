//! Caddy's request matchers: matched, not matched, or known only at run time.

use sendfile_evidence::request::Request;

use super::super::{
    directive::Directive,
    pattern::{Case, Matcher},
};

/// The current state of a request.
#[derive(Clone)]
pub(super) struct Subject<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// The decoded path.
    pub(super) path: String,
    pub(super) matcher: &'a Matcher,
}

/// Whether the first word after a directive is a matcher.
pub(super) fn is_matcher(word: &str) -> bool {
    word == "*" || word.starts_with('/') || word.starts_with('@')
}

/// Whether a directive's matcher matches; `named` are the blocks that may define it, the innermost
/// first.
pub(super) fn matches(word: &str, named: &[&[Directive]], subject: &Subject<'_>) -> Option<bool> {
    match word {
        "*" => Some(true),
        path if path.starts_with('/') => Some(path_matches(path, &subject.path)),
        name => {
            let defined = named.iter().find_map(|it| it.iter().find(|it| it.name == name))?;
            defined_matches(defined, subject, 0)
        }
    }
}

/// Maximum depth of nested matchers.
const DEEPEST: usize = 8;

fn defined_matches(defined: &Directive, subject: &Subject<'_>, depth: usize) -> Option<bool> {
    if depth > DEEPEST {
        return None;
    }
    match &defined.block {
        Some(block) if block.iter().any(|it| it.name == "any") => {
            let sets = block.iter().map(|it| all(it.inside(), subject, depth + 1));
            let found: Vec<Option<bool>> = sets.collect();
            match found.contains(&Some(true)) {
                true => Some(true),
                false => found.iter().all(|it| *it == Some(false)).then_some(false),
            }
        }
        Some(block) => all(block, subject, depth + 1),
        None => {
            let name = defined.args.first()?;
            one(name, defined.args.get(1..).unwrap_or_default(), &[], subject, depth)
        }
    }
}

fn all(block: &[Directive], subject: &Subject<'_>, depth: usize) -> Option<bool> {
    let mut sure = true;
    for it in block {
        match one(&it.name, &it.args, it.inside(), subject, depth) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => sure = false,
        }
    }
    sure.then_some(true)
}

fn one(
    name: &str,
    args: &[String],
    inside: &[Directive],
    subject: &Subject<'_>,
    depth: usize,
) -> Option<bool> {
    let request = subject.request;
    let any = |is: &dyn Fn(&str) -> bool| Some(args.iter().any(|it| is(it)));
    match name {
        "path" => any(&|it| path_matches(it, &subject.path)),
        "method" => any(&|it| it.eq_ignore_ascii_case(&request.method)),
        "host" => any(&|it| host_matches(it, &request.address.host)),
        "protocol" => any(&|it| it == if request.https { "https" } else { "http" }),
        "path_regexp" => {
            let found = subject.matcher.matches(args.last()?, Case::Matters, &subject.path);
            found.ok()
        }
        "header" => {
            let (name, value) = (args.first()?, args.get(1).map_or("*", String::as_str));
            if let Some(name) = name.strip_prefix('!') {
                return Some(request.header(name).is_none());
            }
            Some(request.header(name).is_some_and(|it| text_matches(value, it)))
        }
        "query" => {
            let query = request.query.as_deref().unwrap_or_default();
            any(&|wanted| {
                let (name, value) = wanted.split_once('=').unwrap_or((wanted, "*"));
                query
                    .split('&')
                    .filter_map(|it| it.split_once('='))
                    .any(|(n, v)| n == name && (value == "*" || value == v))
            })
        }
        "expression" => expression(&args.join(" "), subject),
        "not" if depth <= DEEPEST => {
            let is = match inside {
                [] => one(args.first()?, args.get(1..)?, &[], subject, depth + 1)?,
                inside => all(inside, subject, depth + 1)?,
            };
            Some(!is)
        }
        _ => None,
    }
}

/// A CEL expression with a single test of the path; all others are known only at run time.
fn expression(text: &str, subject: &Subject<'_>) -> Option<bool> {
    let (placeholder, call) = text.trim().strip_prefix('{')?.split_once("}.")?;
    let (test, word) = call.strip_suffix("')")?.split_once("('")?;
    let path = match placeholder {
        "path" | "http.request.uri.path" => subject.path.as_str(),
        "http.request.orig_uri.path" => subject.request.path.as_str(),
        _ => return None,
    };
    match test {
        "matches" => subject.matcher.matches(word, Case::Matters, path).ok(),
        "startsWith" => Some(path.starts_with(word)),
        "endsWith" => Some(path.ends_with(word)),
        "contains" => Some(path.contains(word)),
        _ => None,
    }
}

/// Whether a path pattern matches a path, ignoring case.
pub(super) fn path_matches(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.to_lowercase(), path.to_lowercase());
    text_matches(&pattern, &path)
}

/// Whether a pattern with a leading or trailing star matches a text.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => true,
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(begin)) => text.starts_with(begin),
        (None, None) if pattern.contains('*') => super::super::glob(pattern, text),
        (None, None) => pattern == text,
    }
}

/// Whether a site's host name matches a host.
pub(super) fn host_matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(end) => host.split_once('.').is_some_and(|(_, rest)| rest == end),
        None => pattern == host,
    }
}
