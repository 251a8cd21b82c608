//! mod_rewrite, as far as a configuration and a request determine it: conditions, rules and their
//! flags. It knows nothing of the modules that handle the rewritten request.

use sendfile_evidence::request::Request;

use crate::{
    directive::Directive,
    disk::{Disk, Look},
    pattern::{Captured, Case, Matcher},
    uri::LONGEST,
};

/// The result of the rules.
#[derive(Debug)]
pub(super) enum Rewrite<'a> {
    /// No rule applies.
    Unchanged,
    /// The request continues with another path.
    Path(String),
    /// The request is proxied to this URL.
    Proxy(String, &'a Directive),
    /// The request is redirected to this URL.
    Redirect(String, &'a Directive),
    /// Apache responds itself with this status.
    Status(u16, &'a Directive),
    /// The result depends on something known only at run time.
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
    pub(super) directory: Option<&'a str>,
    pub(super) disk: &'a dyn Disk,
    pub(super) matcher: &'a Matcher,
}

/// Whether the rules of a block are enabled.
pub(super) fn is_on(directives: &[Directive]) -> bool {
    for directive in directives.iter().rev() {
        if directive.name == "rewriteengine" {
            return directive.arg(0).eq_ignore_ascii_case("on");
        }
    }
    false
}

/// Runs the rules of a block.
pub(super) fn run<'a>(directives: &'a [Directive], subject: &Subject<'_>) -> Rewrite<'a> {
    let before = match subject.directory {
        Some(directory) => subject.file.strip_prefix(directory).unwrap_or(subject.file),
        None => subject.path,
    };
    let mut path = before.to_owned();
    let mut conditions: Vec<&Directive> = Vec::new();
    for directive in directives {
        match directive.name.as_str() {
            "rewritecond" => conditions.push(directive),
            "rewriterule" => {
                let conditions = std::mem::take(&mut conditions);
                match apply(directive, &conditions, &path, subject) {
                    Step::Skip => {}
                    Step::Continue(new) => path = new,
                    Step::Last(new) => {
                        path = new;
                        break;
                    }
                    Step::End(result) => return result,
                }
            }
            _ => {}
        }
    }
    if path == before { Rewrite::Unchanged } else { Rewrite::Path(path) }
}

/// The result of one rule.
enum Step<'a> {
    /// The rule does not apply.
    Skip,
    /// The next rule continues with this path.
    Continue(String),
    /// This path is final.
    Last(String),
    /// The rule ends the processing.
    End(Rewrite<'a>),
}

/// Applies a `RewriteRule` with the conditions before it.
fn apply<'a>(
    rule: &'a Directive,
    conditions: &[&Directive],
    path: &str,
    subject: &Subject<'_>,
) -> Step<'a> {
    let flags = Flags::parse(rule.arg(2));
    let (negated, pattern) = without_negation(rule.arg(0));
    let Ok(found) = subject.matcher.captures(pattern, flags.case(), path) else {
        return Step::End(Rewrite::Unknown(rule));
    };
    if found.is_some() == negated {
        return Step::Skip;
    }
    let mut captures = Captures { rule: found.unwrap_or_default(), ..Captures::default() };
    match all_hold(conditions, &captures.rule, subject) {
        Test::Holds(condition) => captures.condition = condition,
        Test::Fails => return Step::Skip,
        Test::Unknown => return Step::End(Rewrite::Unknown(rule)),
    }
    let Some(target) = expand(rule.arg(1), &captures, subject) else {
        return Step::End(Rewrite::Unknown(rule));
    };
    if flags.has(&["F", "FORBIDDEN"]) {
        return Step::End(Rewrite::Status(403, rule));
    }
    if flags.has(&["G", "GONE"]) {
        return Step::End(Rewrite::Status(410, rule));
    }
    if flags.has(&["P", "PROXY"]) {
        return Step::End(Rewrite::Proxy(target, rule));
    }
    if target.contains("://") || flags.has_redirect() {
        return Step::End(Rewrite::Redirect(target, rule));
    }
    let new = if rule.arg(1) == "-" { path.to_owned() } else { without_query(target) };
    if flags.has(&["L", "LAST", "END", "PT", "PASSTHROUGH"]) {
        Step::Last(new)
    } else {
        Step::Continue(new)
    }
}

/// Whether a pattern is negated with `!`, and the pattern itself.
fn without_negation(pattern: &str) -> (bool, &str) {
    match pattern.strip_prefix('!') {
        Some(pattern) => (true, pattern),
        None => (false, pattern),
    }
}

fn without_query(target: String) -> String {
    match target.split_once('?') {
        Some((path, _)) => path.to_owned(),
        None => target,
    }
}

/// The flags of a rule or a condition, in upper case up to their `=`.
struct Flags(Vec<String>);

impl Flags {
    /// Parses flags in brackets.
    fn parse(text: &str) -> Self {
        let mut flags = Vec::new();
        for flag in text.trim().trim_start_matches('[').trim_end_matches(']').split(',') {
            let flag = match flag.trim().split_once('=') {
                Some((name, value)) => format!("{}={value}", name.to_ascii_uppercase()),
                None => flag.trim().to_ascii_uppercase(),
            };
            if !flag.is_empty() {
                flags.push(flag);
            }
        }
        Self(flags)
    }

    /// Whether any of the names of a flag is set.
    fn has(&self, names: &[&str]) -> bool {
        self.0.iter().any(|flag| names.contains(&flag.as_str()))
    }

    fn has_redirect(&self) -> bool {
        self.0
            .iter()
            .any(|flag| flag == "R" || flag.starts_with("R=") || flag.starts_with("REDIRECT"))
    }

    fn case(&self) -> Case {
        if self.has(&["NC", "NOCASE"]) { Case::Ignored } else { Case::Matters }
    }
}

/// The captures that a text may refer to.
#[derive(Default)]
struct Captures {
    /// The captures of the rule's pattern, `$1`.
    rule: Captured,
    /// The captures of the last condition that has any, `%1`.
    condition: Captured,
}

/// The result of one condition, or of all.
enum Test {
    /// The condition holds, with these captures.
    Holds(Captured),
    Fails,
    /// The condition depends on something known only at run time.
    Unknown,
}

/// Whether all conditions hold, with the captures of the last one that has any.
fn all_hold(conditions: &[&Directive], rule: &Captured, subject: &Subject<'_>) -> Test {
    let mut captures = Captures { rule: rule.clone(), ..Captures::default() };
    let mut any_holds = conditions.is_empty();
    let mut is_alternative = false;
    for condition in conditions {
        let flags = Flags::parse(condition.arg(2));
        let holds = match test(condition, &flags, &captures, subject) {
            Test::Holds(captured) => {
                if !captured.groups.is_empty() {
                    captures.condition = captured;
                }
                true
            }
            Test::Fails => false,
            Test::Unknown => return Test::Unknown,
        };
        any_holds = holds || is_alternative && any_holds;
        is_alternative = flags.has(&["OR", "ORNEXT"]);
        if !any_holds && !is_alternative {
            return Test::Fails;
        }
    }
    if any_holds { Test::Holds(captures.condition) } else { Test::Fails }
}

/// Evaluates a `RewriteCond`.
fn test(condition: &Directive, flags: &Flags, captures: &Captures, subject: &Subject<'_>) -> Test {
    let Some(text) = expand(condition.arg(0), captures, subject) else { return Test::Unknown };
    let (negated, test) = without_negation(condition.arg(1));
    let holds = match test {
        "-f" | "-s" | "-d" => {
            let wanted = if test == "-d" { Look::Directory } else { Look::File };
            match subject.disk.look(&text) {
                Look::Unknown => return Test::Unknown,
                found => found == wanted,
            }
        }
        _ if test.starts_with('-') && test.len() > 1 => return Test::Unknown,
        _ if test.starts_with('=') => text == test[1..].trim_matches('"'),
        _ => match subject.matcher.captures(test, flags.case(), &text) {
            Ok(Some(captured)) if !negated => return Test::Holds(captured),
            Ok(found) => found.is_some(),
            Err(_) => return Test::Unknown,
        },
    };
    if holds == negated { Test::Fails } else { Test::Holds(Captured::default()) }
}

/// Replaces `$1` of the rule, `%1` of the condition, and `%{NAME}` of the request; `None` if
/// something is known only at run time, or the result is too long.
fn expand(text: &str, captures: &Captures, subject: &Subject<'_>) -> Option<String> {
    let mut whole = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['$', '%', '\\']) {
        if whole.len() > LONGEST {
            return None;
        }
        let (before, behind) = rest.split_at(at);
        whole.push_str(before);
        let (sign, after) = (&behind[..1], &behind[1..]);
        let mut next = after.chars();
        let first = next.next();
        match (sign, first) {
            ("\\", None) => rest = "",
            ("\\", Some(escaped)) => {
                whole.push(escaped);
                rest = next.as_str();
            }
            (_, Some(digit @ '0'..='9')) => {
                let captured = if sign == "$" { &captures.rule } else { &captures.condition };
                let number = usize::from(digit as u8 - b'0');
                if let Some(group) = captured.groups.get(number) {
                    whole.push_str(group);
                }
                rest = next.as_str();
            }
            (_, Some('{')) if let Some((name, behind)) = next.as_str().split_once('}') => {
                // `${…}` is a RewriteMap.
                if sign == "$" {
                    return None;
                }
                whole.push_str(&variable(name, subject)?);
                rest = behind;
            }
            _ => {
                whole.push_str(sign);
                rest = after;
            }
        }
    }
    Some(whole + rest)
}

/// The value of a server variable; `None` if it is known only at run time.
fn variable(name: &str, subject: &Subject<'_>) -> Option<String> {
    let request = subject.request;
    if let Some(header) = name.strip_prefix("HTTP:") {
        return Some(header_of(request, header));
    }
    let value = match name.to_ascii_uppercase().as_str() {
        "REQUEST_URI" => subject.path.to_owned(),
        "REQUEST_FILENAME" | "SCRIPT_FILENAME" => match subject.directory {
            Some(_) => subject.file.to_owned(),
            // In rules of a server, this is still the URL path.
            None => subject.path.to_owned(),
        },
        "HTTP_HOST" => request.host(),
        "QUERY_STRING" => request.query.clone().unwrap_or_default(),
        "REQUEST_METHOD" => request.method.clone(),
        "REQUEST_SCHEME" => if request.https { "https" } else { "http" }.to_owned(),
        "HTTPS" => if request.https { "on" } else { "off" }.to_owned(),
        "SERVER_PORT" => request.address.port.to_string(),
        "HTTP_COOKIE" => header_of(request, "cookie"),
        _ => return None,
    };
    Some(value)
}

fn header_of(request: &Request, name: &str) -> String {
    match request.header(name) {
        Some(value) => value.to_owned(),
        None => String::new(),
    }
}
