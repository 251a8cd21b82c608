//! The regular expressions of configurations, which are PCRE, and the patterns of file names.
//!
//! The configurations recommended by Laravel, Symfony and h5bp use look-around
//! (`/\.(?!well-known)`), so the matcher backtracks, with a limit on its steps. A pattern that it
//! does not support yields "unknown", never a guess.

use std::cell::Cell;

use fancy_regex::{Match, Regex, RegexBuilder};

use crate::uri::LONGEST as LONGEST_URI;

/// Maximum number of steps of one match; beyond it, the result is unknown.
const STEPS: usize = 20_000;

/// Maximum number of matches for one configuration; beyond it, the result is unknown.
const TRIES: u32 = 10_000;

/// Maximum length of a pattern.
const LONGEST: usize = 4_096;

/// Whether a pattern is case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Upper and lower case differ.
    Matters,
    /// Upper and lower case are equal.
    Ignored,
}

/// A pattern that is not supported, or a match that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood;

/// The captures of a match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    /// The captures by number; 0 is the whole match.
    pub(super) groups: Vec<String>,
    /// The captures by name.
    pub(super) names: Vec<(String, String)>,
}

impl Captured {
    /// A text with `$0` to `$9` replaced.
    pub(super) fn filled(&self, text: &str) -> Result<String, NotUnderstood> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            whole.push_str(before);
            rest = behind;
            match behind.as_bytes().first() {
                Some(digit) if digit.is_ascii_digit() => {
                    if let Some(group) = self.groups.get(usize::from(digit - b'0')) {
                        whole.push_str(group);
                    }
                    rest = &behind[1..];
                }
                _ => whole.push('$'),
            }
            if whole.len() > LONGEST_URI {
                return Err(NotUnderstood);
            }
        }
        Ok(whole + rest)
    }
}

/// Matches patterns, and fails after too many attempts, so that a hostile configuration cannot
/// stall the reader.
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
        let mut captured = Captured::default();
        for number in 0..found.len() {
            captured.groups.push(text_of(found.get(number)));
        }
        for name in regex.capture_names().flatten() {
            captured.names.push((name.to_owned(), text_of(found.name(name))));
        }
        Ok(Some(captured))
    }

    /// Counts a step that a hostile configuration could repeat without limit.
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
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(case == Case::Ignored)
        .backtrack_limit(STEPS)
        .delegate_size_limit(1 << 20)
        .build();
    regex.map_err(|_| NotUnderstood)
}

/// The text of a group; a group that did not take part in the match is empty.
fn text_of(group: Option<Match<'_>>) -> String {
    match group {
        Some(group) => group.as_str().to_owned(),
        None => String::new(),
    }
}

/// Whether a name matches a shell pattern of `*`, `?` and `[…]`, none of which matches a slash. A
/// class is negated by `!` or `^`, `**` is the same as `*`, and a backslash has no meaning.
///
/// The crate `glob` is not suitable: it rejects `a**b`, reads `[^a]` as a class of two characters,
/// and takes exponential time if a slash follows the text that the stars match.
pub fn glob(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // The position of the last star and the end of what it has matched so far: one level of
    // backtracking is sufficient.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(next) = matched_letter(&pattern, p, name[n]) {
            (p, n) = (next, n + 1);
        } else {
            let Some((star_at, end)) = star else { return false };
            if name[end] == '/' {
                return false;
            }
            star = Some((star_at, end + 1));
            (p, n) = (star_at + 1, end + 1);
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}

/// The position after the element of a pattern that matches a letter; `None` if the element does
/// not match.
fn matched_letter(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    let matches = match pattern.get(at)? {
        '[' => return matched_class(pattern, at, letter),
        '?' => letter != '/',
        other => *other == letter,
    };
    if matches { Some(at + 1) } else { None }
}

/// The position after a class that contains a letter. A class that is not closed matches nothing.
fn matched_class(pattern: &[char], at: usize, letter: char) -> Option<usize> {
    let negated = matches!(pattern.get(at + 1), Some('!' | '^'));
    let begin = at + 1 + usize::from(negated);
    // A `]` at the beginning belongs to the class.
    let behind_first = pattern.get(begin + 1..)?;
    let end = begin + 1 + behind_first.iter().position(|letter| *letter == ']')?;
    let mut found = false;
    let mut i = begin;
    while i < end {
        if i + 2 < end && pattern[i + 1] == '-' {
            found |= (pattern[i]..=pattern[i + 2]).contains(&letter);
            i += 3;
        } else {
            found |= pattern[i] == letter;
            i += 1;
        }
    }
    if found == negated || letter == '/' {
        return None;
    }
    Some(end + 1)
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
        assert!(is(r"^/(?=(a+)+$)x", &slow) != Ok(true), "there is a limit on its steps");
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
        assert!(glob("a**b", "axxb") && glob("[^a]x", "bx") && glob("[]a]x", "]x"));
        assert!(!glob("[a", "[a"), "a class that is not closed");
        assert!(!glob(&"*a".repeat(50), &"b".repeat(500)));
        assert!(!glob(&("*a".repeat(50) + "b"), &("a".repeat(500) + "/")), "no exponential time");
    }
}
