//! The regular expressions of configurations, which are PCRE, and the patterns of file names.
//!
//! The configurations recommended by Laravel, Symfony and h5bp use look-around
//! (`/\.(?!well-known)`), so the matcher backtracks, with a limit on its steps. A pattern that it
//! does not support yields "unknown", never a guess.

use std::cell::Cell;

use fancy_regex::{Regex, RegexBuilder};

use super::uri::LONGEST as LONGEST_URI;

/// Maximum number of steps of one match; beyond it, the result is unknown.
const STEPS: usize = 20_000;

/// Maximum number of matches for one configuration; beyond it, the result is unknown.
const TRIES: u32 = 10_000;

/// Maximum length of a pattern.
const LONGEST: usize = 4_096;

/// Whether a pattern is case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// It does.
    Matters,
    /// It does not.
    Ignored,
}

/// A pattern that is not supported, or a match that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood;

/// The captures of a match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    /// By number; 0 is the whole match.
    pub(super) groups: Vec<String>,
    /// By name.
    pub(super) names: Vec<(String, String)>,
}

impl Captured {
    /// A text with `$0` to `$9` replaced.
    pub(super) fn filled(&self, text: &str) -> Result<String, NotUnderstood> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            whole.push_str(before);
            let group = behind.bytes().next().filter(u8::is_ascii_digit);
            match group {
                Some(digit) => {
                    let group = self.groups.get(usize::from(digit - b'0'));
                    whole.push_str(group.map_or("", String::as_str));
                    rest = &behind[1..];
                }
                None => {
                    whole.push('$');
                    rest = behind;
                }
            }
            if whole.len() > LONGEST_URI {
                return Err(NotUnderstood);
            }
        }
        Ok(whole + rest)
    }
}

/// Matches patterns, and counts them.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    tried: Cell<u32>,
}

impl Matcher {
    /// The captures of a pattern in a text; `None` if it does not match.
    pub(super) fn captures(
        &self,
        pattern: &str,
        case: Case,
        text: &str,
    ) -> Result<Option<Captured>, NotUnderstood> {
        self.spend()?;
        if pattern.len() > LONGEST {
            return Err(NotUnderstood);
        }
        let regex = compiled(pattern, case)?;
        let Some(found) = regex.captures(text).map_err(|_| NotUnderstood)? else {
            return Ok(None);
        };
        let text_of = |it: Option<fancy_regex::Match<'_>>| {
            it.map_or(String::new(), |it| it.as_str().to_owned())
        };
        let groups = (0..found.len()).map(|n| text_of(found.get(n))).collect();
        let names = regex
            .capture_names()
            .flatten()
            .map(|name| (name.to_owned(), text_of(found.name(name))))
            .collect();
        Ok(Some(Captured { groups, names }))
    }

    /// Counts a step that a malicious configuration could repeat without limit.
    pub(super) fn spend(&self) -> Result<(), NotUnderstood> {
        self.tried.set(self.tried.get().saturating_add(1));
        if self.tried.get() > TRIES { Err(NotUnderstood) } else { Ok(()) }
    }

    /// Whether a pattern matches a text.
    pub(super) fn matches(
        &self,
        pattern: &str,
        case: Case,
        text: &str,
    ) -> Result<bool, NotUnderstood> {
        Ok(self.captures(pattern, case, text)?.is_some())
    }
}

fn compiled(pattern: &str, case: Case) -> Result<Regex, NotUnderstood> {
    RegexBuilder::new(pattern)
        .case_insensitive(case == Case::Ignored)
        .backtrack_limit(STEPS)
        .delegate_size_limit(1 << 20)
        .build()
        .map_err(|_| NotUnderstood)
}

/// Whether a name matches a shell pattern of `*`, `?` and `[…]`; with `slash`, `*` does not match a
/// slash.
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // The position of the last star and what it has matched so far: one level of backtracking is
    // sufficient.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('[') => {
                if let Some(next) = class(&pattern, p, name[n]) {
                    (p, n) = (next, n + 1);
                    continue;
                }
            }
            Some(c) if *c == '?' && name[n] != '/' || *c == name[n] => {
                (p, n) = (p + 1, n + 1);
                continue;
            }
            _ => {}
        }
        match star {
            Some((at, taken)) if name[taken] != '/' => {
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
            _ => return false,
        }
    }
    pattern[p..].iter().all(|it| *it == '*')
}

/// The position after a class, if it contains this character.
fn class(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    let negated = matches!(pattern.get(at + 1), Some('!' | '^'));
    let begin = at + 1 + usize::from(negated);
    let end = begin + 1 + pattern.get(begin + 1..)?.iter().position(|it| *it == ']')?;
    let mut found = false;
    let mut i = begin;
    while i < end {
        match (pattern.get(i + 1), pattern.get(i + 2)) {
            (Some('-'), Some(last)) if i + 2 < end => {
                found |= (pattern[i]..=*last).contains(&letter);
                i += 3;
            }
            _ => {
                found |= pattern[i] == letter;
                i += 1;
            }
        }
    }
    (found != negated && letter != '/').then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_configurations() {
        let matcher = Matcher::default();
        let is = |pattern, text| matcher.matches(pattern, Case::Matters, text);
        assert_eq!(is(r"/\.(?!well-known)", "/.git/x"), Ok(true));
        assert_eq!(is(r"/\.(?!well-known)", "/.well-known/x"), Ok(false));
        assert_eq!(is(r"^/a(?<n>\d{2}", "/a12"), Err(NotUnderstood));
        assert_eq!(matcher.matches(r"\.PDF$", Case::Ignored, "/a.pdf"), Ok(true));
        let slow = format!("/{}b", "a".repeat(40));
        assert!(!is(r"^/(?=(a+)+$)x", &slow).is_ok_and(|it| it), "there is a limit on its steps");
        let found = matcher.captures(r"^/p/(?<who>[^/]+)/(.*)$", Case::Matters, "/p/jo/a b");
        let found = found.expect("plain").expect("a match");
        assert_eq!(found.groups, ["/p/jo/a b", "jo", "a b"]);
        assert_eq!(found.names, [("who".to_owned(), "jo".to_owned())]);
    }

    #[test]
    fn patterns_of_names() {
        assert!(glob("*.conf", "site.conf"));
        assert!(glob("/etc/nginx/*/[a-c]?.conf", "/etc/nginx/sites/b1.conf"));
        assert!(!glob("/etc/*.conf", "/etc/nginx/x.conf"), "a star does not match a slash");
        assert!(!glob("[!a]x", "ax") && glob("[!a]x", "bx"));
        assert!(!glob(&"*a".repeat(50), &"b".repeat(500)));
    }
}
