//! Tokenises lighttpd's configuration. It knows nothing of the order in which tokens are valid.

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
        variable: String,
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

/// The tokens of a file, read one by one.
pub(super) struct Tokens {
    rest: std::vec::IntoIter<(u32, Token)>,
    ahead: Option<(u32, Token)>,
    line: u32,
    file: Rc<str>,
    /// The first problem, if any.
    pub(super) problem: Option<String>,
}

impl Tokens {
    /// The tokens of a text.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let mut rest = tokenise(text).into_iter();
        let ahead = rest.next();
        Self { rest, ahead, line: 1, file: Rc::from(path), problem: None }
    }

    /// Returns the next token.
    pub(super) fn next(&mut self) -> Option<Token> {
        let (line, token) = self.ahead.take()?;
        self.ahead = self.rest.next();
        self.line = line;
        Some(token)
    }

    /// Returns the next token without consuming it.
    pub(super) fn peek(&self) -> Option<&Token> {
        match &self.ahead {
            Some((_, token)) => Some(token),
            None => None,
        }
    }

    /// Consumes a sign if it comes next, and returns whether it did.
    pub(super) fn skip_sign(&mut self, sign: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token::Sign(next)) if next == sign);
        if is_next {
            self.next();
        }
        is_next
    }

    /// Consumes a word, if it comes next.
    pub(super) fn skip_word(&mut self, word: &str) {
        if matches!(self.peek(), Some(Token::Word(next)) if next == word) {
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

    /// Records a problem, unless there is one already.
    pub(super) fn report(&mut self, problem: &str) {
        if self.problem.is_none() {
            self.problem = Some(format!("line {}: {problem}", self.line));
        }
    }

    /// Stops reading.
    pub(super) fn stop(&mut self) {
        self.ahead = None;
    }
}

/// The signs; a sign that begins with another one precedes it.
const SIGNS: [&str; 13] =
    ["=>", "==", "!=", "=~", "!~", "=^", "=$", "+=", ":=", "=", "+", ",", "~"];

/// All tokens of a text, each with its line.
fn tokenise(text: &str) -> Vec<(u32, Token)> {
    let mut tokens = Vec::new();
    let mut line = 1_u32;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first);
        if let Some(token) = token {
            tokens.push((line, token));
        }
        let (read, after) = rest.split_at(length);
        if matches!(first, '\n' | '"' | '\'') {
            let newlines = read.matches('\n').count();
            line = line.saturating_add(u32::try_from(newlines).unwrap_or(0));
        }
        rest = after;
    }
    tokens
}

/// The token at the beginning of a text, and its length; `None` for whitespace, comments and
/// anything else that is not a token.
fn token(text: &str, first: char) -> (Option<Token>, usize) {
    match first {
        '#' => (None, text.find('\n').unwrap_or(text.len())),
        '"' | '\'' => {
            let (inside, length) = quoted(text, first);
            (Some(Token::Text(inside)), length)
        }
        '{' => (Some(Token::Open), 1),
        '}' => (Some(Token::Close), 1),
        '(' => (Some(Token::OpenList), 1),
        ')' => (Some(Token::CloseList), 1),
        '$' => match condition(text) {
            Some((token, length)) => (Some(token), length),
            None => (None, 1),
        },
        _ if is_word(first) => {
            let length = text.find(|char: char| !is_word(char)).unwrap_or(text.len());
            (Some(Token::Word(text[..length].to_owned())), length)
        }
        _ => {
            for sign in SIGNS {
                if text.starts_with(sign) {
                    return (Some(Token::Sign(sign.to_owned())), sign.len());
                }
            }
            (None, first.len_utf8())
        }
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '.' | '-' | '_')
}

/// The content of a text in quotes, and the length with its quotes. A backslash escapes only the
/// quote.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut inside = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        if char == quote {
            return (inside, at + 1);
        }
        if char == '\\' && chars.next_if(|(_, next)| *next == quote).is_some() {
            inside.push(quote);
        } else {
            inside.push(char);
        }
    }
    (inside, text.len())
}

/// `$HTTP["url"]` at the beginning of a text, and its length.
fn condition(text: &str) -> Option<(Token, usize)> {
    let (variable, behind) = text[1..].split_once('[')?;
    let behind = behind.trim_start();
    let quote = behind.chars().next()?;
    if !matches!(quote, '"' | '\'') {
        return None;
    }
    let (key, end) = quoted(behind, quote);
    let (between, after) = behind.get(end..)?.split_once(']')?;
    let variable = variable.trim();
    let is_name = variable.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name || !between.trim().is_empty() {
        return None;
    }
    let token = Token::Condition { variable: variable.to_owned(), key };
    Some((token, text.len() - after.len()))
}
