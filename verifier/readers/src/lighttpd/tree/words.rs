//! Tokenises lighttpd's configuration.

use std::rc::Rc;

/// A word, a text, or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a number, `enable` …
    Word(String),
    /// A text in quotes.
    Text(String),
    /// `=`, `+=`, `=>`, `==`, `,` …
    Sign(String),
    /// `$HTTP["url"]`.
    Condition {
        /// `HTTP`.
        of: String,
        /// `url`.
        key: String,
    },
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `(`.
    OpenList,
    /// `)`.
    CloseList,
}

/// Reads tokens one by one.
pub(super) struct Words {
    tokens: std::vec::IntoIter<(u32, Token)>,
    ahead: Option<(u32, Token)>,
    line: u32,
    file: Rc<str>,
    /// What is wrong, if anything.
    pub(super) problem: Option<String>,
}

impl Words {
    /// The tokens of a text.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let mut tokens = tokens(text).into_iter();
        let ahead = tokens.next();
        Self { tokens, ahead, line: 1, file: Rc::from(path), problem: None }
    }

    /// Returns the next token.
    pub(super) fn next(&mut self) -> Option<Token> {
        let (line, token) = self.ahead.take()?;
        self.ahead = self.tokens.next();
        self.line = line;
        Some(token)
    }

    /// Returns the next token without consuming it.
    pub(super) fn peek(&self) -> Option<Token> {
        self.ahead.as_ref().map(|(_, token)| token.clone())
    }

    /// Consumes a sign, if it comes next.
    pub(super) fn leave_sign(&mut self, sign: &str) -> bool {
        let is = matches!(&self.ahead, Some((_, Token::Sign(it))) if it == sign);
        if is {
            self.next();
        }
        is
    }

    /// Consumes a word, if it comes next.
    pub(super) fn leave_word(&mut self, word: &str) {
        if matches!(&self.ahead, Some((_, Token::Word(it))) if it == word) {
            self.next();
        }
    }

    /// The line of the last token.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// The file.
    pub(super) fn file(&self) -> Rc<str> {
        self.file.clone()
    }

    /// Records the first problem.
    pub(super) fn wrong(&mut self, problem: &str) {
        let line = self.line;
        self.problem.get_or_insert_with(|| format!("line {line}: {problem}"));
    }

    /// Stops reading.
    pub(super) fn end(&mut self) {
        self.ahead = None;
    }
}

const SIGNS: [&str; 13] =
    ["=>", "==", "!=", "=~", "!~", "=^", "=$", "+=", ":=", "=", "+", ",", "~"];

fn tokens(text: &str) -> Vec<(u32, Token)> {
    let mut all = Vec::new();
    let mut line = 1_u32;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let begun = line;
        let (token, end) = match c {
            '\n' => {
                line = line.saturating_add(1);
                (None, 1)
            }
            '#' => (None, rest.find('\n').unwrap_or(rest.len())),
            '"' | '\'' => {
                let (text, end) = quoted(rest, c);
                line = line
                    .saturating_add(u32::try_from(rest[..end].matches('\n').count()).unwrap_or(0));
                (Some(Token::Text(text)), end)
            }
            '{' => (Some(Token::Open), 1),
            '}' => (Some(Token::Close), 1),
            '(' => (Some(Token::OpenList), 1),
            ')' => (Some(Token::CloseList), 1),
            '$' => condition(rest),
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                (Some(Token::Word(rest[..end].to_owned())), end)
            }
            c => match SIGNS.iter().find(|it| rest.starts_with(**it)) {
                Some(sign) => (Some(Token::Sign((*sign).to_owned())), sign.len()),
                None => (None, c.len_utf8()),
            },
        };
        all.extend(token.map(|it| (begun, it)));
        rest = &rest[end..];
    }
    all
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// A text in quotes, and where it ends. A backslash escapes only the quote.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if chars.peek().is_some_and(|(_, it)| *it == quote) => {
                inside.push(quote);
                chars.next();
            }
            c if c == quote => return (inside, at + 1),
            c => inside.push(c),
        }
    }
    (inside, text.len())
}

/// `$HTTP["url"]`, and where it ends.
fn condition(text: &str) -> (Option<Token>, usize) {
    let parsed = || {
        let (of, behind) = text[1..].split_once('[')?;
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|it| matches!(it, '"' | '\''))?;
        let (key, end) = quoted(behind, quote);
        let after = behind.get(end..)?;
        let close = after.find(']')?;
        let left = after.len() - close - 1;
        let plain = of.trim().bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        (plain && after[..close].trim().is_empty())
            .then(|| (Token::Condition { of: of.trim().to_owned(), key }, text.len() - left))
    };
    parsed().map_or((None, 1), |(token, end)| (Some(token), end))
}
