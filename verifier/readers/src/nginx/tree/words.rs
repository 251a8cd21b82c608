//! nginx's words and blocks, parsed in one pass without recursion.

use std::{iter::Peekable, rc::Rc, str::CharIndices};

use crate::{
    directive::Directive,
    files::{Files, TOO_LARGE},
};

/// Maximum depth of nested blocks and includes.
pub(super) const DEEPEST: usize = 32;

/// The directives of a text, and what is wrong with it, if anything.
pub(super) fn directives(
    path: &str,
    text: &str,
    files: &mut Files<'_>,
) -> (Vec<Directive>, Option<String>) {
    let mut reader =
        Reader { text, rest: text.char_indices().peekable(), line: 1, file: Rc::from(path) };
    let mut tree = Tree::default();
    loop {
        let step = reader.directive();
        if let Step::Plain(directive) | Step::Opens(directive) = &step
            && !files.has_room(directive.weight())
        {
            tree.report(directive.line, TOO_LARGE);
            break;
        }
        match step {
            Step::Plain(directive) => tree.current.push(directive),
            Step::Opens(directive) if tree.open.len() >= DEEPEST => {
                tree.report(directive.line, "blocks are nested too deeply");
                break;
            }
            Step::Opens(directive) => tree.open_block(directive),
            Step::Closes if tree.open.is_empty() => tree.report(reader.line, "unexpected `}`"),
            Step::Closes => tree.close_block(),
            Step::Invalid(what) => tree.report(reader.line, what),
            Step::End => break,
        }
    }
    tree.finish()
}

/// The directives that have been read so far.
#[derive(Default)]
struct Tree {
    /// The open blocks, the outermost first: the head of the block, and the directives before it.
    open: Vec<(Directive, Vec<Directive>)>,
    /// The directives of the innermost open block.
    current: Vec<Directive>,
    /// The first problem.
    problem: Option<String>,
}

impl Tree {
    fn open_block(&mut self, head: Directive) {
        let before = std::mem::take(&mut self.current);
        self.open.push((head, before));
    }

    /// Closes the innermost open block, if any.
    fn close_block(&mut self) {
        if let Some((mut head, before)) = self.open.pop() {
            head.block = Some(std::mem::replace(&mut self.current, before));
            self.current.push(head);
        }
    }

    fn report(&mut self, line: u32, what: &str) {
        if self.problem.is_none() {
            self.problem = Some(format!("line {line}: {what}"));
        }
    }

    /// The directives of the whole text, with all blocks closed, and the first problem.
    fn finish(mut self) -> (Vec<Directive>, Option<String>) {
        if let Some((head, _)) = self.open.last()
            && self.problem.is_none()
        {
            self.problem = Some(format!("the block at line {} is not closed", head.line));
        }
        while !self.open.is_empty() {
            self.close_block();
        }
        (self.current, self.problem)
    }
}

/// What the reader finds next.
enum Step {
    Plain(Directive),
    Opens(Directive),
    Closes,
    /// nginx rejects such a file.
    Invalid(&'static str),
    End,
}

const UNFINISHED: Step = Step::Invalid("directive without `;`");

/// Where a word ends.
#[derive(Clone, Copy)]
enum End {
    Quote(char),
    /// White space, or the end of the directive's head.
    Separator,
}

impl End {
    fn is(self, c: char) -> bool {
        match self {
            Self::Quote(quote) => c == quote,
            Self::Separator => c.is_whitespace() || matches!(c, ';' | '{'),
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: Peekable<CharIndices<'a>>,
    line: u32,
    file: Rc<str>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let (_, c) = self.rest.next()?;
        if c == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(c)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, c)| *c)
    }

    /// The next directive up to its `;` or `{`.
    fn directive(&mut self) -> Step {
        let mut words: Vec<String> = Vec::new();
        let mut line = self.line;
        loop {
            self.skip_space();
            let Some(c) = self.peek() else {
                return if words.is_empty() { Step::End } else { UNFINISHED };
            };
            match c {
                ';' => {
                    self.next();
                    return match self.made(words, line) {
                        Some(directive) => Step::Plain(directive),
                        None => Step::Invalid("empty directive"),
                    };
                }
                '{' => {
                    self.next();
                    let Some(directive) = self.made(words, line) else {
                        return Step::Invalid("block without a name");
                    };
                    if !directive.name.ends_with("_by_lua_block") {
                        return Step::Opens(directive);
                    }
                    self.skip_lua();
                    return Step::Plain(directive);
                }
                '}' if words.is_empty() => {
                    self.next();
                    return Step::Closes;
                }
                '}' => return UNFINISHED,
                _ => {
                    if words.is_empty() {
                        line = self.line;
                    }
                    words.push(self.word());
                }
            }
        }
    }

    fn made(&self, mut words: Vec<String>, line: u32) -> Option<Directive> {
        if words.is_empty() {
            return None;
        }
        let name = words.remove(0);
        let spelled = name.clone();
        Some(Directive { name, spelled, args: words, file: self.file.clone(), line, block: None })
    }

    fn skip_space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '#' => self.skip_line(),
                c if c.is_whitespace() || c == '\u{feff}' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn skip_line(&mut self) {
        while let Some(c) = self.next() {
            if c == '\n' {
                return;
            }
        }
    }

    fn word(&mut self) -> String {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.next();
                self.until(End::Quote(quote))
            }
            _ => self.until(End::Separator),
        }
    }

    /// The characters up to an end character, which is consumed too if it is a quote. A backslash
    /// prevents the next character from ending the word, and is itself removed only before quotes,
    /// backslash, t, r and n.
    fn until(&mut self, end: End) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if end.is(c) {
                if matches!(end, End::Quote(_)) {
                    self.next();
                }
                break;
            }
            self.next();
            match (c, self.peek()) {
                ('\\', Some(next)) => {
                    self.next();
                    match next {
                        '"' | '\'' | '\\' => word.push(next),
                        't' => word.push('\t'),
                        'r' => word.push('\r'),
                        'n' => word.push('\n'),
                        _ => word.extend(['\\', next]),
                    }
                }
                ('$', Some('{')) => {
                    self.next();
                    word.push_str("${");
                }
                _ => word.push(c),
            }
        }
        word
    }

    /// Skips a lua block: braces in its strings and comments do not count.
    fn skip_lua(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            let Some(c) = self.next() else { return };
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                '"' | '\'' => self.skip_lua_string(c),
                '-' if self.peek() == Some('-') => {
                    self.next();
                    if !self.skip_lua_comment() {
                        self.skip_line();
                    }
                }
                '[' => {
                    self.skip_lua_brackets();
                }
                _ => {}
            }
        }
    }

    fn skip_lua_string(&mut self, quote: char) {
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    self.next();
                }
                c if c == quote || c == '\n' => return,
                _ => {}
            }
        }
    }

    /// Skips a comment in brackets; false if the comment ends with the line.
    fn skip_lua_comment(&mut self) -> bool {
        if self.peek() != Some('[') {
            return false;
        }
        self.next();
        self.skip_lua_brackets()
    }

    /// Skips `[[ … ]]` or `[==[ … ]==]`, whose first bracket has been read; false if it is neither.
    fn skip_lua_brackets(&mut self) -> bool {
        let mut level = 0_usize;
        while self.peek() == Some('=') {
            self.next();
            level += 1;
        }
        if self.peek() != Some('[') {
            return false;
        }
        let closing = format!("]{}]", "=".repeat(level));
        let from = self.position();
        let end = match self.text[from..].find(&closing) {
            Some(length) => from + length + closing.len(),
            None => self.text.len(),
        };
        while self.position() < end {
            self.next();
        }
        true
    }

    /// The position of the next character in the text.
    fn position(&mut self) -> usize {
        match self.rest.peek() {
            Some((at, _)) => *at,
            None => self.text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory_disk::{self, InMemoryDisk};

    fn shape(text: &str) -> String {
        let (mut disk, mut unread) = (InMemoryDisk::default(), Vec::new());
        let (directives, problem) = directives("f", text, &mut Files::new(&mut disk, &mut unread));
        let shape = in_memory_disk::shape(&directives);
        match problem {
            Some(problem) => format!("{shape} !{problem}"),
            None => shape,
        }
    }

    #[test]
    fn words_are_read_as_nginx_reads_them() {
        assert_eq!(shape("a b  'c d' \"e\\\"f\";"), "a|b|c d|e\"f");
        assert_eq!(shape("a b#c; # d;\ne;"), "a|b#c;e");
        assert_eq!(shape("location ~ \\.(?:7z|csv)$ { x; }"), "location|~|\\.(?:7z|csv)${x}");
        assert_eq!(shape("a ${b}c/$d;"), "a|${b}c/$d");
        assert_eq!(shape("location ~ \"^/[0-9]{14}/\" {}"), "location|~|^/[0-9]{14}/{}");
        assert_eq!(shape("a{b{c;}}d;"), "a{b{c}};d");
        assert_eq!(shape("a\\ b c\\;d;"), "a\\ b|c\\;d", "the backslash stays");
    }

    #[test]
    fn lua_blocks_are_skipped() {
        let lua =
            "content_by_lua_block {\n s = \"}\" -- }\n t = [==[ } ]] ]==] u = {1} --[[ } ]] }\nx;";
        assert_eq!(shape(lua), "content_by_lua_block;x");
        assert_eq!(shape("init_by_lua_block { a = b[c[1]] }x;"), "init_by_lua_block;x");
    }

    #[test]
    fn odd_input_does_not_panic() {
        assert_eq!(shape("a } b;"), "b !line 1: directive without `;`");
        assert_eq!(shape("a { b;"), "a{b} !the block at line 1 is not closed");
        assert_eq!(shape("} a;"), "a !line 1: unexpected `}`");
        assert_eq!(shape("; a \"b"), " !line 1: empty directive");
        let deep = "a{".repeat(100_000);
        assert!(shape(&deep).contains("too deep"));
        for text in
            ["\\", "\"", "$", "${", "{", "a \u{0}é;", "x_by_lua_block {", "x_by_lua_block { [==[ "]
        {
            shape(text);
        }
    }
}
