//! Caddy's request matchers. Each one matches, does not match, or is known only at run time.

use super::subject::Subject;
use crate::{
    directive::Directive,
    pattern::{Case, glob},
};

/// Maximum depth of nested matchers.
const DEEPEST: usize = 8;

/// Whether the first word after a directive is a matcher.
pub(super) fn is_matcher(word: &str) -> bool {
    word == "*" || word.starts_with('/') || word.starts_with('@')
}

/// Whether a directive's matcher matches; `None` if that is known only at run time. `blocks` are
/// the blocks that may define the matcher, the innermost first.
pub(super) fn matches(word: &str, blocks: &[&[Directive]], subject: &Subject<'_>) -> Option<bool> {
    if word == "*" {
        return Some(true);
    }
    if word.starts_with('/') {
        return Some(path_matches(word, &subject.path));
    }
    for block in blocks {
        if let Some(definition) = block.iter().find(|directive| directive.name == word) {
            return definition_matches(definition, subject, 0);
        }
    }
    None
}

/// Whether a path pattern matches a path, ignoring case.
pub(super) fn path_matches(pattern: &str, path: &str) -> bool {
    text_matches(&pattern.to_lowercase(), &path.to_lowercase())
}

/// Whether a pattern with a leading or trailing star matches a text.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => true,
        (Some(rest), Some(_)) => text.contains(rest.strip_suffix('*').unwrap_or(rest)),
        (Some(end), None) => text.ends_with(end),
        (None, Some(begin)) => text.starts_with(begin),
        (None, None) if pattern.contains('*') => glob(pattern, text),
        (None, None) => pattern == text,
    }
}

/// Whether a site's host name matches a host.
pub(super) fn host_matches(pattern: &str, host: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let Some(parent) = pattern.strip_prefix("*.") else { return pattern == host };
    match host.split_once('.') {
        Some((_, rest)) => rest == parent,
        None => false,
    }
}

fn definition_matches(definition: &Directive, subject: &Subject<'_>, depth: usize) -> Option<bool> {
    if depth > DEEPEST {
        return None;
    }
    match &definition.block {
        Some(block) if block.iter().any(|condition| condition.name == "any") => {
            any_set_matches(block, subject, depth + 1)
        }
        Some(block) => all_match(block, subject, depth + 1),
        None => {
            let (name, args) = definition.args.split_first()?;
            condition_matches(name, args, &[], subject, depth)
        }
    }
}

/// Whether one of several sets of conditions matches.
fn any_set_matches(sets: &[Directive], subject: &Subject<'_>, depth: usize) -> Option<bool> {
    let mut found = Vec::new();
    for set in sets {
        found.push(all_match(set.inside(), subject, depth));
    }
    if found.contains(&Some(true)) {
        Some(true)
    } else if found.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn all_match(conditions: &[Directive], subject: &Subject<'_>, depth: usize) -> Option<bool> {
    let mut result = Some(true);
    for condition in conditions {
        let Directive { name, args, .. } = condition;
        match condition_matches(name, args, condition.inside(), subject, depth) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

fn condition_matches(
    name: &str,
    args: &[String],
    inside: &[Directive],
    subject: &Subject<'_>,
    depth: usize,
) -> Option<bool> {
    let request = subject.request;
    match name {
        "path" => Some(args.iter().any(|path| path_matches(path, &subject.path))),
        "method" => Some(args.iter().any(|method| method.eq_ignore_ascii_case(&request.method))),
        "host" => Some(args.iter().any(|host| host_matches(host, &request.address.host))),
        "protocol" => {
            let protocol = if request.https { "https" } else { "http" };
            Some(args.iter().any(|arg| arg == protocol))
        }
        "path_regexp" => subject.matcher.matches(args.last()?, Case::Matters, &subject.path).ok(),
        "header" => header_matches(args, subject),
        "query" => Some(query_matches(args, subject)),
        "expression" => expression_matches(&args.join(" "), subject),
        "not" if depth <= DEEPEST => {
            let matches = if inside.is_empty() {
                let (name, args) = args.split_first()?;
                condition_matches(name, args, &[], subject, depth + 1)?
            } else {
                all_match(inside, subject, depth + 1)?
            };
            Some(!matches)
        }
        _ => None,
    }
}

/// Whether a header has a value; with a `!` before its name, whether the header is absent.
fn header_matches(args: &[String], subject: &Subject<'_>) -> Option<bool> {
    let name = args.first()?;
    if let Some(name) = name.strip_prefix('!') {
        return Some(subject.request.header(name).is_none());
    }
    let Some(value) = subject.request.header(name) else { return Some(false) };
    match args.get(1) {
        Some(pattern) => Some(text_matches(pattern, value)),
        None => Some(true),
    }
}

/// Whether the request's query contains one of the parameters, with the value if one is given.
fn query_matches(wanted: &[String], subject: &Subject<'_>) -> bool {
    let Some(query) = &subject.request.query else { return false };
    for parameter in query.split('&') {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        for wanted in wanted {
            let (wanted_name, wanted_value) = match wanted.split_once('=') {
                Some(pair) => pair,
                None => (wanted.as_str(), "*"),
            };
            if wanted_name == name && (wanted_value == "*" || wanted_value == value) {
                return true;
            }
        }
    }
    false
}

/// Whether a CEL expression with a single test of the path matches; all other expressions are known
/// only at run time.
fn expression_matches(text: &str, subject: &Subject<'_>) -> Option<bool> {
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
