//! nginx's rewrite phase: `set`, `if`, `rewrite`, `return`, `break`, in the order of the file.

use super::{
    super::pattern::Case,
    route::{End, Route, Walk},
    tree::Directive,
    variables::{Env, Unknown, names},
};
use crate::disk::Look;

/// The outcome of the phase.
pub(super) enum Phase<'a> {
    /// The request continues in the same location.
    GoesOn,
    /// The URI changed: a location is looked up again.
    Again,
    /// nginx responds.
    Ends(End<'a>),
}

/// Whether the following directives are evaluated.
enum Flow<'a> {
    On,
    Break,
    Over(Phase<'a>),
}

/// Runs the phase of a server or a location.
pub(super) fn rewritten<'a>(
    block: &'a Directive,
    route: &mut Route<'a>,
    walk: &Walk<'_>,
) -> Phase<'a> {
    let before = route.env.uri.clone();
    match run(block, route, walk, 0) {
        Flow::Over(phase) => phase,
        Flow::On if route.env.uri != before => Phase::Again,
        Flow::On | Flow::Break => Phase::GoesOn,
    }
}

/// Maximum depth of nested ifs; nginx allows none, so this is for invalid files.
const DEEPEST: usize = 4;

fn run<'a>(block: &'a Directive, route: &mut Route<'a>, walk: &Walk<'_>, depth: usize) -> Flow<'a> {
    for directive in block.inside() {
        let flow = match directive.name.as_str() {
            "set" => {
                let value = filled(directive.arg(1), route).ok();
                route.env.set(directive.arg(0).trim_start_matches('$'), value);
                Flow::On
            }
            "return" => Flow::Over(Phase::Ends(returned(directive, &route.env))),
            "break" => Flow::Break,
            "rewrite" => rewrite(directive, route, walk),
            "if" if depth < DEEPEST => branch(directive, route, walk, depth),
            "rewrite_by_lua_block"
            | "rewrite_by_lua_file"
            | "access_by_lua_block"
            | "access_by_lua_file" => {
                route.unsure = Some(format!("Cannot evaluate `{}`", directive.name));
                Flow::On
            }
            _ => Flow::On,
        };
        if !matches!(flow, Flow::On) {
            return flow;
        }
    }
    Flow::On
}

fn returned<'a>(directive: &'a Directive, env: &Env<'_>) -> End<'a> {
    let text = |n| env.filled(directive.arg(n)).unwrap_or_else(|_| directive.arg(n).to_owned());
    match directive.arg(0).parse::<u16>() {
        Ok(301..=303 | 307 | 308) if directive.args.len() > 1 => End::Redirects(text(1), directive),
        Ok(code) => End::Answers(code, Some(directive)),
        Err(_) => End::Redirects(text(0), directive),
    }
}

fn branch<'a>(
    directive: &'a Directive,
    route: &mut Route<'a>,
    walk: &Walk<'_>,
    depth: usize,
) -> Flow<'a> {
    match holds(&directive.args, route, walk) {
        Some(false) => Flow::On,
        Some(true) => {
            // The last `if` that holds replaces the earlier ones.
            while route.scope.0.last().is_some_and(|it| it.name == "if") {
                route.scope.0.pop();
            }
            route.scope.0.push(directive);
            run(directive, route, walk, depth + 1)
        }
        None => {
            for inside in directive.inside() {
                match inside.name.as_str() {
                    "set" => route.env.set(inside.arg(0).trim_start_matches('$'), None),
                    "add_header" | "access_log" | "expires" => {}
                    _ => {
                        let at = directive.place().line();
                        route.unsure =
                            Some(format!("The `if` at {at} can be evaluated only at run time"));
                    }
                }
            }
            Flow::On
        }
    }
}

/// The words of a condition without the surrounding brackets, which may be attached to a word. A
/// word in between may be empty.
fn condition(words: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let Some(first) = words.first_mut() {
        *first = first.strip_prefix('(').unwrap_or(first);
    }
    if words.first() == Some(&"") {
        words.remove(0);
    }
    match words.pop().map(|last| last.strip_suffix(')').unwrap_or(last)) {
        None | Some("") => {}
        Some(last) => words.push(last),
    }
    words
}

/// Whether a condition holds; `None` if unknown.
fn holds(words: &[String], route: &mut Route<'_>, walk: &Walk<'_>) -> Option<bool> {
    match condition(words)[..] {
        [variable] => {
            let value = route.env.filled(variable).ok()?;
            Some(!value.is_empty() && value != "0")
        }
        [test, path] => on_disk(test, path, route, walk),
        [left, sign, right] => compared(left, sign, right, &mut route.env, walk),
        _ => None,
    }
}

fn compared(
    left: &str,
    sign: &str,
    right: &str,
    env: &mut Env<'_>,
    walk: &Walk<'_>,
) -> Option<bool> {
    let value = env.filled(left).ok()?;
    let case = if sign.ends_with('*') { Case::Ignored } else { Case::Matters };
    match sign {
        "=" => Some(value == env.filled(right).ok()?),
        "!=" => Some(value != env.filled(right).ok()?),
        "~" | "~*" | "!~" | "!~*" => {
            let found = walk.matcher.captures(right, case, &value).ok()?;
            let is = found.is_some();
            match found {
                Some(captured) => env.capture(captured),
                None => env.forget(),
            }
            Some(is != sign.starts_with('!'))
        }
        _ => None,
    }
}

/// A text with its variables replaced, including the path that the request would open here.
fn filled(text: &str, route: &Route<'_>) -> Result<String, Unknown> {
    const PATH: &str = "request_filename";
    if !names(text).any(|it| it == PATH) {
        return route.env.filled(text);
    }
    let mut env = route.env.clone();
    env.set(PATH, Some(route.scope.opens(&env)?.0.path));
    env.filled(text)
}

/// Whether a file or a directory exists: `-f`, `-d`, `-e`, or their negation.
fn on_disk(test: &str, word: &str, route: &Route<'_>, walk: &Walk<'_>) -> Option<bool> {
    let path = filled(word, route).ok()?;
    let look = walk.disk.look(path.trim_end_matches('/'));
    if look == Look::Unknown {
        return None;
    }
    Some(match test {
        "-f" => look == Look::File,
        "!-f" => look != Look::File,
        "-d" => look == Look::Folder,
        "!-d" => look != Look::Folder,
        "-e" => look != Look::Missing,
        "!-e" => look == Look::Missing,
        _ => return None,
    })
}

fn rewrite<'a>(directive: &'a Directive, route: &mut Route<'a>, walk: &Walk<'_>) -> Flow<'a> {
    let captured = match walk.matcher.captures(directive.arg(0), Case::Matters, &route.env.uri) {
        Ok(Some(captured)) => captured,
        Ok(None) => {
            route.env.forget();
            return Flow::On;
        }
        Err(_) => {
            let at = directive.place().line();
            route.unsure = Some(format!("Cannot evaluate the pattern at {at}"));
            return Flow::On;
        }
    };
    route.env.capture(captured);
    let Ok(filled) = filled(directive.arg(1), route) else {
        let at = directive.place().line();
        route.unsure = Some(format!("The rewrite at {at} can be evaluated only at run time"));
        return Flow::Over(Phase::Ends(End::Unknown));
    };
    let flag = directive.arg(2);
    let elsewhere =
        ["http://", "https://", "$scheme"].iter().any(|it| directive.arg(1).starts_with(it));
    if elsewhere || matches!(flag, "redirect" | "permanent") {
        return Flow::Over(Phase::Ends(End::Redirects(filled, directive)));
    }
    let (path, query) = match filled.split_once('?') {
        Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
        None => (filled, None),
    };
    // A new query is prepended to the old one, and a trailing question mark drops the old one.
    let old = route.env.args.take().filter(|_| !directive.arg(1).ends_with('?'));
    route.env.args = match (query.filter(|it| !it.is_empty()), old) {
        (Some(new), Some(old)) => Some(format!("{new}&{old}")),
        (new, old) => new.or(old),
    };
    route.env.uri = path;
    route.rewrite = Some(directive);
    route.env.internal = true;
    match flag {
        "last" => Flow::Over(Phase::Again),
        "break" => {
            route.env.broken = true;
            Flow::Break
        }
        _ => Flow::On,
    }
}
