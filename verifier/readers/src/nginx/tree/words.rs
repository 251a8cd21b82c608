//! nginx's words and blocks, parsed in one pass without recursion.

use std::{iter::Peekable, rc::Rc, str::CharIndices};

use super::{DEEPEST, Directive, Files, TOO_LARGE};

/// The directives of a text, and what is wrong with it, if anything.
pub(super) fn directives(
    path: &str,
    text: &str,
    files: &mut Files<'_>,
) -> (Vec<Directive>, Option<String>) {
    let mut reader =
        Reader { text, rest: text.char_indices().peekable(), line: 1, file: Rc::from(path) };
    // The directives of each open block, the outermost first, and the head of the block.
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut now: Vec<Directive> = Vec::new();
    let mut problem = None;
    loop {
        match reader.directive() {
            Step::Plain(it) | Step::Opens(it) if !files.has_room(it.weight()) => {
                problem.get_or_insert(format!("line {}: {TOO_LARGE}", it.line));
                break;
            }
            Step::Plain(directive) => now.push(directive),
            Step::Opens(directive) if open.len() >= DEEPEST => {
                problem.get_or_insert(format!(
                    "line {}: blocks are nested too deeply",
                    directive.line
                ));
                break;
            }
            Step::Opens(directive) => open.push((directive, std::mem::take(&mut now))),
            Step::Closes => match open.pop() {
                Some((mut directive, outer)) => {
                    directive.block = Some(std::mem::replace(&mut now, outer));
                    now.push(directive);
                }
                None => {
                    problem.get_or_insert_with(|| format!("line {}: unexpected `}}`", reader.line));
                }
            },
            Step::Misconfiguration(what) => {
                problem.get_or_insert_with(|| format!("line {}: {what}", reader.line));
            }
            Step::End => break,
        }
    }
    if let Some((directive, _)) = open.last() {
        let line = directive.line;
        problem.get_or_insert_with(|| format!("the block at line {line} is not closed"));
    }
    while let Some((mut directive, outer)) = open.pop() {
        directive.block = Some(std::mem::replace(&mut now, outer));
        now.push(directive);
    }
    (now, problem)
}

enum Step {
    Plain(Directive),
    Opens(Directive),
    Closes,
    Misconfiguration(&'static str),
    End,
}

/// nginx rejects such a file.
const UNFINISHED: Step = Step::Misconfiguration("directive without `;`");

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
            self.space();
            let Some(c) = self.peek() else {
                return if words.is_empty() { Step::End } else { UNFINISHED };
            };
            match c {
                ';' => {
                    self.next();
                    return self
                        .made(words, line)
                        .map_or(Step::Misconfiguration("empty directive"), Step::Plain);
                }
                '{' => {
                    self.next();
                    let lua = words.first().is_some_and(|it| it.ends_with("_by_lua_block"));
                    let Some(directive) = self.made(words, line) else {
                        return Step::Misconfiguration("block without a name");
                    };
                    if !lua {
                        return Step::Opens(directive);
                    }
                    self.lua();
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

    fn space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '#' => while self.next().is_some_and(|it| it != '\n') {},
                c if c.is_whitespace() || c == '\u{feff}' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn word(&mut self) -> String {
        match self.peek() {
            Some(quote @ ('"' | '\'')) => {
                self.next();
                self.until(|c| c == quote, true)
            }
            _ => self.until(|c| c.is_whitespace() || matches!(c, ';' | '{'), false),
        }
    }

    /// The characters up to an end character, which is consumed too if it is a quote. A backslash
    /// prevents the next character from ending the word, and is itself removed only before quotes,
    /// backslash, t, r and n.
    fn until(&mut self, ends: impl Fn(char) -> bool, quoted: bool) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            if ends(c) {
                if quoted {
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
    fn lua(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            let Some(c) = self.next() else { return };
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                '"' | '\'' => self.lua_string(c),
                '-' if self.peek() == Some('-') => {
                    self.next();
                    if !self.lua_bracket() {
                        while self.next().is_some_and(|it| it != '\n') {}
                    }
                }
                '[' => {
                    self.lua_bracket_behind();
                }
                _ => {}
            }
        }
    }

    fn lua_string(&mut self, quote: char) {
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

    fn lua_bracket(&mut self) -> bool {
        if self.peek() != Some('[') {
            return false;
        }
        self.next();
        self.lua_bracket_behind()
    }

    /// Skips `[[ … ]]` or `[==[ … ]==]`, whose first bracket has been read.
    fn lua_bracket_behind(&mut self) -> bool {
        let mut level = 0_usize;
        while self.peek() == Some('=') {
            self.next();
            level += 1;
        }
        if self.peek() != Some('[') {
            return false;
        }
        let end = format!("]{}]", "=".repeat(level));
        let from = self.rest.peek().map_or(self.text.len(), |(at, _)| *at);
        let length =
            self.text[from..].find(&end).map_or(self.text.len() - from, |it| it + end.len());
        while self.rest.peek().is_some_and(|(at, _)| *at < from + length) {
            self.next();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::super::in_memory_disk::InMemoryDisk, *};

    fn shape(text: &str) -> String {
        fn one(it: &Directive) -> String {
            let words = [&[it.name.clone()][..], &it.args].concat().join("|");
            match &it.block {
                Some(block) => {
                    let inside: Vec<String> = block.iter().map(one).collect();
                    format!("{words}{{{}}}", inside.join(";"))
                }
                None => words,
            }
        }
        let (mut disk, mut unread) = (InMemoryDisk::default(), Vec::new());
        let (directives, problem) = directives("f", text, &mut Files::new(&mut disk, &mut unread));
        let all: Vec<String> = directives.iter().map(one).collect();
        all.join(";") + problem.map_or(String::new(), |it| format!(" !{it}")).as_str()
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
    fn lua_is_left_behind() {
        let lua =
            "content_by_lua_block {\n s = \"}\" -- }\n t = [==[ } ]] ]==] u = {1} --[[ } ]] }\nx;";
        assert_eq!(shape(lua), "content_by_lua_block;x");
        assert_eq!(shape("init_by_lua_block { a = b[c[1]] }x;"), "init_by_lua_block;x");
    }

    #[test]
    fn odd_input_is_no_panic() {
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
