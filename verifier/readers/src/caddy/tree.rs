//! Parses a Caddyfile into a tree of directives: words, blocks, snippets, imports.
//!
//! It knows the syntax, but the meaning of no directive except `import`.

use std::{collections::HashMap, iter::Peekable, mem, rc::Rc, str::Chars};

use sendfile_evidence::fact::Fact;

use crate::{
    directive::Directive,
    disk::Disk,
    files::{Files, TOO_LARGE},
};

/// Maximum depth of nested blocks and imports.
const DEEPEST: usize = 24;

/// Maximum number of arguments of an import.
const MOST_ARGS: usize = 16;

/// Reads a Caddyfile with all its imports: the sites, and the global options in a `{`.
pub(super) fn read(
    path: &str,
    text: &str,
    disk: &mut dyn Disk,
    unread: &mut Vec<Fact>,
) -> Vec<Directive> {
    let directory = match path.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/"),
        None => String::new(),
    };
    let files = Files::new(disk, unread);
    let mut loader = Loader { files, directory, snippets: HashMap::new() };
    let directives = loader.parse(path, text);
    sites(loader.imported(directives, 0))
}

/// A file without braces around its only site consists of that site.
fn sites(mut all: Vec<Directive>) -> Vec<Directive> {
    match all.first() {
        Some(first) if first.block.is_none() && first.spelled != "{" => {
            let mut site = all.remove(0);
            site.block = Some(all);
            vec![site]
        }
        _ => all,
    }
}

struct Loader<'a> {
    files: Files<'a>,
    /// The directory of the main file, with a trailing slash.
    directory: String,
    snippets: HashMap<String, Vec<Directive>>,
}

impl Loader<'_> {
    fn parse(&mut self, path: &str, text: &str) -> Vec<Directive> {
        let text = self.without_environment(text);
        let (directives, problem) = directives(path, &words(&text));
        if let Some(problem) = problem {
            self.files.not_read(path, &problem);
        }
        directives
    }

    /// Replaces `{$NAME:default}` with the default: Caddy's own environment is unknown.
    fn without_environment(&mut self, text: &str) -> String {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("{$") {
            let Some((name, after)) = behind.split_once('}') else { break };
            self.files.unsure("Caddy's environment variables are unknown");
            whole.push_str(before);
            if let Some((_, default)) = name.split_once(':') {
                whole.push_str(default);
            }
            rest = after;
        }
        whole + rest
    }

    /// Removes snippets, and inserts imports.
    fn imported(&mut self, directives: Vec<Directive>, depth: usize) -> Vec<Directive> {
        let mut all = Vec::new();
        for mut directive in directives {
            if let Some(name) = snippet_name(&directive)
                && let Some(block) = directive.block
            {
                self.snippets.insert(name, block);
                continue;
            }
            if !self.files.has_room(directive.weight()) {
                self.files.not_read(&directive.place().line(), TOO_LARGE);
                break;
            }
            if directive.name == "import" {
                all.extend(self.import(&directive, depth));
                continue;
            }
            if let Some(block) = directive.block {
                directive.block = Some(self.imported(block, depth + 1));
            }
            all.push(directive);
        }
        all
    }

    fn import(&mut self, import: &Directive, depth: usize) -> Vec<Directive> {
        let at = import.place().line();
        if depth >= DEEPEST {
            self.files.not_read(&at, "imports are nested too deeply");
            return Vec::new();
        }
        let name = import.arg(0);
        let values = import.args.get(1..).unwrap_or_default();
        if self.snippets.contains_key(name) {
            return self.import_snippet(name, values, &at, depth);
        }
        let pattern = if name.starts_with('/') {
            name.to_owned()
        } else {
            format!("{}{name}", self.directory)
        };
        let mut all = Vec::new();
        for (path, text) in self.files.named(&pattern) {
            let mut directives = self.parse(&path, &text);
            self.fill(&mut directives, values);
            all.extend(self.imported(directives, depth + 1));
        }
        all
    }

    fn import_snippet(
        &mut self,
        name: &str,
        values: &[String],
        at: &str,
        depth: usize,
    ) -> Vec<Directive> {
        let snippet = &self.snippets[name];
        if !self.files.counts(at) || !has_room_for_all(&mut self.files, snippet) {
            self.files.not_read(at, TOO_LARGE);
            return Vec::new();
        }
        let mut filled = snippet.clone();
        self.fill(&mut filled, values);
        self.imported(filled, depth + 1)
    }

    /// Replaces `{args[0]}` and `{args.0}` with the arguments of the import.
    fn fill(&mut self, directives: &mut [Directive], values: &[String]) {
        for directive in directives {
            for word in &mut directive.args {
                if word.contains("{args") {
                    self.fill_word(word, values);
                }
            }
            if let Some(block) = &mut directive.block {
                self.fill(block, values);
            }
        }
    }

    fn fill_word(&mut self, word: &mut String, values: &[String]) {
        for (n, value) in values.iter().enumerate().take(MOST_ARGS) {
            for name in [format!("{{args[{n}]}}"), format!("{{args.{n}}}")] {
                let more = word.matches(&name).count() * value.len();
                let has_room = self.files.has_room(more);
                *word = word.replace(&name, if has_room { value } else { "" });
            }
        }
    }
}

/// The name of a snippet, such as `(name)`.
fn snippet_name(directive: &Directive) -> Option<String> {
    let name = directive.spelled.strip_prefix('(')?.strip_suffix(')')?;
    Some(name.to_owned())
}

fn has_room_for_all(files: &mut Files<'_>, directives: &[Directive]) -> bool {
    for directive in directives {
        if !files.has_room_for(directive) {
            return false;
        }
    }
    true
}

/// A word, its line, and whether it was quoted.
struct Word {
    text: String,
    line: u32,
    quoted: bool,
}

/// The directives of words: one for each line, with a block if the line ends in `{`.
fn directives(path: &str, words: &[Word]) -> (Vec<Directive>, Option<String>) {
    let file: Rc<str> = Rc::from(path);
    let mut open: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut now: Vec<Directive> = Vec::new();
    let mut problem = None;
    let mut rest = words;
    while let Some(first) = rest.first() {
        if is(first, "}") {
            rest = &rest[1..];
            match open.pop() {
                Some((head, around)) => close(&mut now, head, around),
                None => problem = Some(format!("line {}: unexpected `}}`", first.line)),
            }
            continue;
        }
        let (line, behind) = rest.split_at(length_of_line(rest));
        rest = behind;
        let (head, opens_block) = head_of(&file, first, line);
        if !opens_block {
            now.push(head);
            continue;
        }
        if open.len() >= DEEPEST {
            problem = Some(format!("line {}: blocks are nested too deeply", head.line));
            break;
        }
        open.push((head, mem::take(&mut now)));
    }
    if let Some((head, _)) = open.last() {
        problem.get_or_insert(format!("the block at line {} is not closed", head.line));
    }
    while let Some((head, around)) = open.pop() {
        close(&mut now, head, around);
    }
    (now, problem)
}

/// Closes a block: the directives read so far become the block of the directive that opened it,
/// which is added to the directives around it.
fn close(now: &mut Vec<Directive>, mut head: Directive, around: Vec<Directive>) {
    head.block = Some(mem::replace(now, around));
    now.push(head);
}

/// The directive of a line without its block, and whether the line opens one.
fn head_of(file: &Rc<str>, first: &Word, line: &[Word]) -> (Directive, bool) {
    let mut words: Vec<String> = Vec::new();
    for word in &line[1..] {
        words.push(word.text.clone());
    }
    let opens_block = match line.last() {
        Some(last) => is(last, "{"),
        None => false,
    };
    if opens_block {
        // A line may consist of the brace alone: then the brace is the name.
        words.pop();
    }
    let head = Directive {
        name: first.text.clone(),
        spelled: first.text.clone(),
        args: words,
        file: file.clone(),
        line: first.line,
        block: None,
    };
    (head, opens_block)
}

fn is(word: &Word, text: &str) -> bool {
    !word.quoted && word.text == text
}

/// The number of words of the first line: after a comma at the end of an address, the line
/// continues.
fn length_of_line(words: &[Word]) -> usize {
    let mut length = 1;
    while let (Some(last), Some(next)) = (words.get(length - 1), words.get(length)) {
        let continues = last.text.ends_with(',') && !last.quoted;
        if next.line != last.line && !continues || is(last, "{") || is(next, "}") {
            break;
        }
        length += 1;
    }
    length
}

/// Splits a text into words: quotes, backticks, comments; environment variables are kept unchanged.
fn words(text: &str) -> Vec<Word> {
    let mut all = Vec::new();
    let mut line = 1_u32;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line = line.saturating_add(1),
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|next| *next != '\n').is_some() {},
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
            }
            quote @ ('"' | '`') => {
                let text = quoted(&mut chars, quote);
                let begin = line;
                for _ in text.matches('\n') {
                    line = line.saturating_add(1);
                }
                all.push(Word { text, line: begin, quoted: true });
            }
            c => {
                let mut text = String::from(c);
                while let Some(next) = chars.next_if(|next| !next.is_whitespace()) {
                    text.push(next);
                }
                all.push(Word { text, line, quoted: false });
            }
        }
    }
    all
}

/// The text up to the closing quote. Only in double quotes, `\"` is a quote.
fn quoted(chars: &mut Peekable<Chars<'_>>, quote: char) -> String {
    let mut text = String::new();
    while let Some(next) = chars.next() {
        if next == '\\' && quote == '"' && chars.peek() == Some(&'"') {
            text.extend(chars.next());
        } else if next == quote {
            break;
        } else {
            text.push(next);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory_disk::{InMemoryDisk, shape};

    fn tree(text: &str) -> String {
        let mut disk =
            InMemoryDisk::default().with("/etc/caddy/a.caddy", "b.test {\n respond x\n}");
        shape(&read("/etc/caddy/Caddyfile", text, &mut disk, &mut Vec::new()))
    }

    #[test]
    fn sites_and_snippets() {
        assert_eq!(
            tree("{\n admin off\n}\n:80 {\n root * \"/a b\" # c\n}"),
            "{{admin|off};:80{root|*|/a b}"
        );
        assert_eq!(tree("a.test,\nb.test {\n}"), "a.test,|b.test{}");
        assert_eq!(tree(":80\nrespond ok"), ":80{respond|ok}");
        assert_eq!(tree("(s) {\n root * {args[0]}\n}\n:80 {\n import s /x\n}"), ":80{root|*|/x}");
        assert_eq!(tree("import *.caddy"), "b.test{respond|x}");
        assert_eq!(tree(":80 {\n @a { path /x }\n}"), ":80{@a{path|/x}}");
        assert_eq!(
            tree(":80 {\n rewrite * {rp.header.X-Sendfile}\n}"),
            ":80{rewrite|*|{rp.header.X-Sendfile}}"
        );
    }

    #[test]
    fn odd_input_is_no_panic() {
        for text in
            ["{", "}", "\"", "a {", "a }", "(s) {\n import s\n}\nimport s", "import", "\\", "a,"]
        {
            tree(text);
        }
        tree(&"a {\n".repeat(5_000));
        let double = "(s) {\n import t\n import t\n}\n(t) {\n import s\n import s\n}\nimport s";
        tree(double);
    }
}
