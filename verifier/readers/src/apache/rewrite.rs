//! mod_rewrite, as far as a configuration and a request determine it.

use sendfile_evidence::request::Request;

use super::super::{
    directive::Directive,
    pattern::{Captured, Case, Matcher},
    uri::LONGEST,
};
use crate::disk::{Disk, Look};

/// The result of the rules.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// No rule applies.
    Nothing,
    /// Another path.
    Path(String),
    /// The request is proxied to this URL.
    Proxy(String, &'a Directive),
    /// A redirect.
    Redirect(String, &'a Directive),
    /// Apache responds itself.
    Answers(u16, &'a Directive),
    /// It depends on something known only at run time.
    Unknown(&'a Directive),
}

/// The input of the rules.
pub(super) struct Subject<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// The URL's decoded path.
    pub(super) path: &'a str,
    /// The path on disk.
    pub(super) file: &'a str,
    /// For per-directory rules, the directory with a trailing slash, which the rules do not see.
    pub(super) folder: Option<&'a str>,
    pub(super) disk: &'a dyn Disk,
    pub(super) matcher: &'a Matcher,
}

/// Whether the rules of a block are enabled.
pub(super) fn is_on(directives: &[Directive]) -> bool {
    let engine = directives.iter().rev().find(|it| it.name == "rewriteengine");
    engine.is_some_and(|it| it.arg(0).eq_ignore_ascii_case("on"))
}

/// Runs the rules of a block.
pub(super) fn run<'a>(directives: &'a [Directive], subject: &Subject<'_>) -> Outcome<'a> {
    let before = match subject.folder {
        Some(folder) => subject.file.strip_prefix(folder).unwrap_or(subject.file),
        None => subject.path,
    };
    let mut path = before.to_owned();
    let mut conditions: Vec<&Directive> = Vec::new();
    for directive in directives {
        match directive.name.as_str() {
            "rewritecond" => conditions.push(directive),
            "rewriterule" => {
                let asked = std::mem::take(&mut conditions);
                match rule(directive, &asked, &path, subject) {
                    Step::GoesOn => {}
                    Step::Is(new) => path = new,
                    Step::Last(new) => {
                        path = new;
                        break;
                    }
                    Step::Ends(outcome) => return outcome,
                }
            }
            _ => {}
        }
    }
    if path == before { Outcome::Nothing } else { Outcome::Path(path) }
}

enum Step<'a> {
    GoesOn,
    Is(String),
    Last(String),
    Ends(Outcome<'a>),
}

fn rule<'a>(
    rule: &'a Directive,
    conditions: &[&Directive],
    path: &str,
    subject: &Subject<'_>,
) -> Step<'a> {
    let flags = flags(rule.arg(2));
    let has = |names: &[&str]| flags.iter().any(|it| names.contains(&it.as_str()));
    let case = if has(&["NC", "NOCASE"]) { Case::Ignored } else { Case::Matters };
    let (not, pattern) = match rule.arg(0).strip_prefix('!') {
        Some(pattern) => (true, pattern),
        None => (false, rule.arg(0)),
    };
    let Ok(found) = subject.matcher.captures(pattern, case, path) else {
        return Step::Ends(Outcome::Unknown(rule));
    };
    if found.is_some() == not {
        return Step::GoesOn;
    }
    let captured = found.unwrap_or_default();
    let last = match holds(conditions, &captured, subject) {
        Some(Some(last)) => last,
        Some(None) => return Step::GoesOn,
        None => return Step::Ends(Outcome::Unknown(rule)),
    };
    let target = rule.arg(1);
    let Some(filled) = filled(target, &captured, &last, subject) else {
        return Step::Ends(Outcome::Unknown(rule));
    };
    if has(&["F", "FORBIDDEN"]) {
        return Step::Ends(Outcome::Answers(403, rule));
    }
    if has(&["G", "GONE"]) {
        return Step::Ends(Outcome::Answers(410, rule));
    }
    if has(&["P", "PROXY"]) {
        return Step::Ends(Outcome::Proxy(filled, rule));
    }
    let absolute = filled.contains("://");
    if absolute
        || flags.iter().any(|it| it == "R" || it.starts_with("R=") || it.starts_with("REDIRECT"))
    {
        return Step::Ends(Outcome::Redirect(filled, rule));
    }
    let new = match target {
        "-" => path.to_owned(),
        _ => filled.split('?').next().unwrap_or(&filled).to_owned(),
    };
    if has(&["L", "LAST", "END", "PT", "PASSTHROUGH"]) { Step::Last(new) } else { Step::Is(new) }
}

/// The flags in brackets, in upper case up to their `=`.
fn flags(text: &str) -> Vec<String> {
    let inside = text.trim().trim_start_matches('[').trim_end_matches(']');
    let flag = |it: &str| match it.trim().split_once('=') {
        Some((name, value)) => format!("{}={value}", name.to_ascii_uppercase()),
        None => it.trim().to_ascii_uppercase(),
    };
    inside.split(',').map(flag).filter(|it| !it.is_empty()).collect()
}

/// Whether all conditions hold, with the captures of the last one; `None` if unknown.
fn holds(
    conditions: &[&Directive],
    rule: &Captured,
    subject: &Subject<'_>,
) -> Option<Option<Captured>> {
    let mut last = Captured::default();
    let mut any = false;
    let mut or = false;
    for condition in conditions {
        let flags = flags(condition.arg(2));
        let found = one(condition, &flags, rule, &last, subject)?;
        let is = found.is_some();
        if let Some(captured) = found.filter(|it| !it.groups.is_empty()) {
            last = captured;
        }
        any = if or { any || is } else { is };
        or = flags.iter().any(|it| it == "OR" || it == "ORNEXT");
        if !any && !or {
            return Some(None);
        }
    }
    Some((any || conditions.is_empty()).then_some(last))
}

fn one(
    condition: &Directive,
    flags: &[String],
    rule: &Captured,
    last: &Captured,
    subject: &Subject<'_>,
) -> Option<Option<Captured>> {
    let text = filled(condition.arg(0), rule, last, subject)?;
    let (not, test) = match condition.arg(1).strip_prefix('!') {
        Some(test) => (true, test),
        None => (false, condition.arg(1)),
    };
    let holds = |is: bool| Some((is != not).then(Captured::default));
    match test {
        "-f" | "-s" => return holds(known(subject.disk.look(&text))? == Look::File),
        "-d" => return holds(known(subject.disk.look(&text))? == Look::Folder),
        it if it.starts_with('-') && it.len() > 1 => return None,
        it if it.starts_with('=') => return holds(text == it[1..].trim_matches('"')),
        _ => {}
    }
    let nocase = flags.iter().any(|it| it == "NC" || it == "NOCASE");
    let case = if nocase { Case::Ignored } else { Case::Matters };
    let found = subject.matcher.captures(test, case, &text).ok()?;
    match not {
        true => Some(found.is_none().then(Captured::default)),
        false => Some(found),
    }
}

fn known(look: Look) -> Option<Look> {
    (look != Look::Unknown).then_some(look)
}

/// `$1` of the rule, `%1` of the condition, and `%{NAME}` of the request.
fn filled(text: &str, rule: &Captured, last: &Captured, subject: &Subject<'_>) -> Option<String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%', '\\']) {
        if whole.len() > LONGEST {
            return None;
        }
        let (before, behind) = rest.split_at(at);
        whole.push_str(before);
        let (sign, after) = (&behind[..1], &behind[1..]);
        let digit = after.chars().next().and_then(|it| it.to_digit(10));
        let braced = after.strip_prefix('{').and_then(|it| it.split_once('}'));
        match (sign, digit, braced) {
            ("\\", _, _) => {
                let next = after.chars().next().map_or(0, char::len_utf8);
                whole.push_str(&after[..next]);
                rest = &after[next..];
                continue;
            }
            (_, Some(n), _) => {
                let groups = if sign == "$" { &rule.groups } else { &last.groups };
                whole.push_str(groups.get(n as usize).map_or("", String::as_str));
                rest = &after[1..];
            }
            ("%", None, Some((name, behind))) => {
                whole.push_str(&variable(name, subject)?);
                rest = behind;
            }
            ("$", None, Some(_)) => return None,
            _ => {
                whole.push_str(sign);
                rest = after;
            }
        }
    }
    Some(whole + rest)
}

fn variable(name: &str, subject: &Subject<'_>) -> Option<String> {
    let request = subject.request;
    if let Some(header) = name.strip_prefix("HTTP:") {
        return Some(request.header(header).unwrap_or_default().to_owned());
    }
    Some(match name.to_ascii_uppercase().as_str() {
        "REQUEST_URI" => subject.path.to_owned(),
        "REQUEST_FILENAME" | "SCRIPT_FILENAME" => match subject.folder {
            Some(_) => subject.file.to_owned(),
            // In per-server rules it is still the URL path.
            None => subject.path.to_owned(),
        },
        "HTTP_HOST" => request.host(),
        "QUERY_STRING" => request.query.clone().unwrap_or_default(),
        "REQUEST_METHOD" => request.method.clone(),
        "REQUEST_SCHEME" => if request.https { "https" } else { "http" }.to_owned(),
        "HTTPS" => if request.https { "on" } else { "off" }.to_owned(),
        "SERVER_PORT" => request.address.port.to_string(),
        "HTTP_COOKIE" => request.header("cookie").unwrap_or_default().to_owned(),
        _ => return None,
    })
}
