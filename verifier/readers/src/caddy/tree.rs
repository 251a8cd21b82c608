//! Parses a Caddyfile into a tree of directives: words, blocks, snippets, imports.

use std::{collections::HashMap, rc::Rc};

use sendfile_evidence::fact::Fact;

use super::super::{
    directive::Directive,
    files::{Files, TOO_LARGE},
};
use crate::disk::Disk;

/// Maximum depth of nested blocks and imports.
const DEEPEST: usize = 24;

/// Reads a Caddyfile with all its imports: the sites, and the global options in a `{`.
pub(super) fn read(
    path: &str,
    text: &str,
    disk: &mut dyn Disk,
    unread: &mut Vec<Fact>,
) -> Vec<Directive> {
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut loader = Loader { files: Files::new(disk, unread), folder, snippets: HashMap::new() };
    let directives = loader.parse(path, text);
    let all = loader.imported(directives, 0);
    sites(all)
}

/// A file without braces around its only site consists of that site.
fn sites(all: Vec<Directive>) -> Vec<Directive> {
    let bare = all.first().is_some_and(|it| it.block.is_none() && it.spelled != "{");
    if !bare {
        return all;
    }
    let mut all = all.into_iter();
    let Some(head) = all.next() else { return Vec::new() };
    vec![Directive { block: Some(all.collect()), ..head }]
}

struct Loader<'a> {
    files: Files<'a>,
    folder: String,
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
            whole.push_str(name.split_once(':').map_or("", |(_, default)| default));
            rest = after;
        }
        whole + rest
    }

    /// Removes snippets, and inserts imports.
    fn imported(&mut self, directives: Vec<Directive>, depth: usize) -> Vec<Directive> {
        let mut all = Vec::new();
        for mut directive in directives {
            let snippet = directive.spelled.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
            if let Some(name) = snippet
                && let Some(block) = directive.block.take()
            {
                self.snippets.insert(name.to_owned(), block);
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
            if let Some(block) = directive.block.take() {
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
        let values = import.args.get(1..).unwrap_or_default();
        if let Some(snippet) = self.snippets.get(import.arg(0)) {
            if !self.files.counts(&at) || !snippet.iter().all(|it| self.files.has_room_for(it)) {
                self.files.not_read(&at, TOO_LARGE);
                return Vec::new();
            }
            let mut filled = snippet.clone();
            self.fill(&mut filled, values);
            return self.imported(filled, depth + 1);
        }
        let pattern = match import.arg(0) {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => format!("{}{relative}", self.folder),
        };
        let mut all = Vec::new();
        for (path, text) in self.files.named(&pattern) {
            let mut directives = self.parse(&path, &text);
            self.fill(&mut directives, values);
            all.extend(self.imported(directives, depth + 1));
        }
        all
    }

    /// Replaces `{args[0]}` and `{args.0}` with the arguments of the import.
    fn fill(&mut self, directives: &mut [Directive], values: &[String]) {
        for directive in directives {
            for word in directive.args.iter_mut().filter(|it| it.contains("{args")) {
                for (n, value) in values.iter().enumerate().take(16) {
                    for name in [format!("{{args[{n}]}}"), format!("{{args.{n}}}")] {
                        let more = word.matches(&name).count() * value.len();
                        let room = self.files.has_room(more);
                        *word = word.replace(&name, if room { value } else { "" });
                    }
                }
            }
            if let Some(block) = &mut directive.block {
                self.fill(block, values);
            }
        }
    }
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
                Some((mut head, around)) => {
                    head.block = Some(std::mem::replace(&mut now, around));
                    now.push(head);
                }
                None => problem = Some(format!("line {}: unexpected `}}`", first.line)),
            }
            continue;
        }
        let (line, length) = one_line(rest);
        let opens = line.last().is_some_and(|it| is(it, "{"));
        let head = if opens && line.len() > 1 { &line[..line.len() - 1] } else { line };
        let mut texts = head.iter().map(|it| it.text.clone());
        let spelled = texts.next().unwrap_or_default();
        let args: Vec<String> = texts.collect();
        let head = Directive {
            name: spelled.clone(),
            spelled,
            args,
            file: file.clone(),
            line: first.line,
            block: None,
        };
        rest = &rest[length..];
        match opens {
            true if open.len() >= DEEPEST => {
                problem = Some(format!("line {}: blocks are nested too deeply", head.line));
                break;
            }
            true => open.push((head, std::mem::take(&mut now))),
            false => now.push(head),
        }
    }
    if let Some((head, _)) = open.last() {
        problem.get_or_insert(format!("the block at line {} is not closed", head.line));
    }
    while let Some((mut head, around)) = open.pop() {
        head.block = Some(std::mem::replace(&mut now, around));
        now.push(head);
    }
    (now, problem)
}

fn is(word: &Word, text: &str) -> bool {
    !word.quoted && word.text == text
}

/// The words of the first line, and their number: after a comma at the end of an address, the line
/// continues.
fn one_line(words: &[Word]) -> (&[Word], usize) {
    let mut end = 1;
    while let (Some(last), Some(next)) = (words.get(end - 1), words.get(end)) {
        let goes_on = last.text.ends_with(',') && !last.quoted;
        if next.line != last.line && !goes_on || is(last, "{") {
            break;
        }
        if is(next, "}") {
            break;
        }
        end += 1;
    }
    (&words[..end], end)
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
            '#' => {
                while chars.peek().is_some_and(|it| *it != '\n') {
                    chars.next();
                }
            }
            '\\' if chars.peek() == Some(&'\n') => {
                chars.next();
            }
            '"' | '`' => {
                let (begun, mut inside) = (line, String::new());
                while let Some(next) = chars.next() {
                    line = line.saturating_add(u32::from(next == '\n'));
                    match next {
                        '\\' if c == '"' && chars.peek() == Some(&'"') => {
                            inside.extend(chars.next());
                        }
                        next if next == c => break,
                        next => inside.push(next),
                    }
                }
                all.push(Word { text: inside, line: begun, quoted: true });
            }
            c => {
                let mut word = String::from(c);
                while let Some(next) = chars.peek().copied().filter(|it| !it.is_whitespace()) {
                    word.push(next);
                    chars.next();
                }
                all.push(Word { text: word, line, quoted: false });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::paper::{InMemoryDisk, shape},
        *,
    };

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
