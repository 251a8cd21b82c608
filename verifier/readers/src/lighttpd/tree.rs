//! Parses lighttpd's configuration: assignments with evaluated values, conditions, includes.

use std::collections::HashMap;

use sendfile_evidence::fact::Fact;

use super::super::files::{Files, TOO_LARGE};
use crate::disk::Disk;

mod value;
mod words;

pub(super) use self::value::{Branch, Condition, Item, Setting, Value};
use self::{
    value::size,
    words::{Token, Words},
};

/// Maximum depth of nested blocks, lists and includes.
const DEEPEST: usize = 24;

/// Maximum length of a value, however often it is appended to itself.
const LONGEST: usize = 64 * 1024;

/// Reads a file with all its includes.
pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Vec<Item> {
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let files = Files::new(disk, unread);
    Loader { files, folder, variables: HashMap::new() }.read(path, 0)
}

struct Loader<'a> {
    files: Files<'a>,
    folder: String,
    /// Each with its size.
    variables: HashMap<String, (usize, Value)>,
}

impl Loader<'_> {
    fn read(&mut self, pattern: &str, depth: usize) -> Vec<Item> {
        let pattern = match pattern {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            relative => format!("{}{relative}", self.folder),
        };
        let mut all = Vec::new();
        for (path, text) in self.files.named(&pattern) {
            let mut words = Words::new(&path, &text);
            all.extend(self.items(&mut words, depth));
            if let Some(problem) = words.problem {
                self.files.not_read(&path, &problem);
            }
        }
        all
    }

    /// Items up to the end or a closing brace.
    fn items(&mut self, words: &mut Words, depth: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(token) = words.next() {
            let line = words.line();
            match token {
                Token::Close => break,
                Token::Word(name) if name == "include" => {
                    let value = self.value(words, 0);
                    if depth < DEEPEST {
                        items.extend(self.read(value.text(), depth + 1));
                    } else {
                        words.wrong("includes are nested too deeply");
                    }
                }
                Token::Word(name) if name == "include_shell" => {
                    let command = self.value(words, 0);
                    items.extend(self.printed(command.text(), depth));
                }
                Token::Condition { of, key } => {
                    let branch = self.branch(words, of, key, depth);
                    items.push(Item::If(vec![branch]));
                }
                Token::Word(name)
                    if matches!(name.as_str(), "else" | "elsif" | "elseif" | "elif") =>
                {
                    let branch = self.other_branch(words, depth);
                    match items.last_mut() {
                        Some(Item::If(branches)) => branches.push(branch),
                        _ => words.wrong("`else` without a condition"),
                    }
                }
                Token::Word(key) => items.extend(self.setting(words, key, line)),
                _ => words.wrong("expected a setting"),
            }
        }
        items
    }

    /// The output of a command is unknown, except for the commands in Debian's own file.
    fn printed(&mut self, command: &str, depth: usize) -> Vec<Item> {
        let is = |name: &str| command.contains(name);
        if is("include-conf-enabled") && depth < DEEPEST {
            return self.read("conf-enabled/*.conf", depth + 1);
        }
        if !is("create-mime") && !is("use-ipv6") {
            self.files.not_read(command, "it is the output of a command");
        }
        Vec::new()
    }

    fn branch(&mut self, words: &mut Words, of: String, key: String, depth: usize) -> Branch {
        let sign = match words.next() {
            Some(Token::Sign(sign)) => sign,
            _ => String::new(),
        };
        let value = self.value(words, 0).text().to_owned();
        let condition = Some(Condition { of, key, sign, value });
        Branch { condition, items: self.block(words, depth) }
    }

    fn other_branch(&mut self, words: &mut Words, depth: usize) -> Branch {
        words.leave_word("if");
        match words.peek() {
            Some(Token::Condition { of, key }) => {
                words.next();
                self.branch(words, of, key, depth)
            }
            _ => Branch { condition: None, items: self.block(words, depth) },
        }
    }

    fn block(&mut self, words: &mut Words, depth: usize) -> Vec<Item> {
        match words.next() {
            Some(Token::Open) if depth < DEEPEST => self.items(words, depth + 1),
            Some(Token::Open) => {
                words.wrong("blocks are nested too deeply");
                words.end();
                Vec::new()
            }
            _ => {
                words.wrong("condition without a block");
                Vec::new()
            }
        }
    }

    fn setting(&mut self, words: &mut Words, key: String, line: u32) -> Option<Item> {
        let Some(Token::Sign(sign)) = words.next() else {
            words.wrong("expected `=`");
            return None;
        };
        let value = self.value(words, 0);
        let adds = sign == "+=";
        let more = size(&value);
        if !self.files.has_room(2 * more + 256) {
            words.wrong(TOO_LARGE);
            words.end();
            return None;
        }
        let whole = match self.variables.remove(&key).filter(|_| adds) {
            Some((before, it)) if before + more < LONGEST => {
                (before + more, it.plus(value.clone()))
            }
            Some(full) => full,
            None => (more, value.clone()),
        };
        self.variables.insert(key.clone(), whole);
        if key.starts_with("var.") {
            return None;
        }
        Some(Item::Set(Setting { key, value, adds, file: words.file(), line }))
    }

    /// A value: texts, lists and variables, joined by `+`.
    fn value(&mut self, words: &mut Words, depth: usize) -> Value {
        let mut value = self.single(words, depth);
        let mut whole = size(&value);
        while words.leave_sign("+") {
            let other = self.single(words, depth);
            whole += size(&other);
            if whole < LONGEST {
                value = value.plus(other);
            }
        }
        value
    }

    fn single(&mut self, words: &mut Words, depth: usize) -> Value {
        match words.next() {
            Some(Token::Text(text)) => Value::Text(text),
            Some(Token::Word(word)) => {
                let Some((size, value)) = self.variables.get(&word) else {
                    return Value::Text(word);
                };
                if self.files.has_room(*size) {
                    return value.clone();
                }
                words.wrong(TOO_LARGE);
                words.end();
                Value::Text(String::new())
            }
            Some(Token::OpenList) if depth < DEEPEST => self.list(words, depth + 1),
            _ => {
                words.wrong("missing value");
                Value::Text(String::new())
            }
        }
    }

    fn list(&mut self, words: &mut Words, depth: usize) -> Value {
        let mut list = Vec::new();
        loop {
            match words.peek() {
                None => break,
                Some(Token::CloseList) => {
                    words.next();
                    break;
                }
                Some(Token::Sign(sign)) if sign == "," => {
                    words.next();
                    continue;
                }
                _ => {}
            }
            let first = self.value(words, depth);
            if words.leave_sign("=>") {
                list.push((Some(first.text().to_owned()), self.value(words, depth)));
            } else {
                list.push((None, first));
            }
            if words.problem.is_some() {
                break;
            }
        }
        Value::List(list)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::in_memory_disk::InMemoryDisk, *};

    fn shape(items: &[Item]) -> String {
        fn value(it: &Value) -> String {
            match it {
                Value::Text(text) => text.clone(),
                Value::List(list) => {
                    let entry = |(name, it): &(Option<String>, Value)| match name {
                        Some(name) => format!("{name}:{}", value(it)),
                        None => value(it),
                    };
                    format!("[{}]", list.iter().map(entry).collect::<Vec<_>>().join(","))
                }
            }
        }
        let branch = |it: &Branch| {
            let head = it
                .condition
                .as_ref()
                .map_or(String::new(), |it| format!("{}.{}{}{}", it.of, it.key, it.sign, it.value));
            format!("{head}{{{}}}", shape(&it.items))
        };
        let one = |it: &Item| match it {
            Item::Set(it) => {
                format!("{}{}{}", it.key, if it.adds { "+" } else { "=" }, value(&it.value))
            }
            Item::If(branches) => branches.iter().map(branch).collect::<Vec<_>>().join("|"),
        };
        items.iter().map(one).collect::<Vec<_>>().join(";")
    }

    fn tree(text: &str) -> (String, Vec<Fact>) {
        let mut disk = InMemoryDisk::default()
            .with("/l.conf", text)
            .with("/conf.d/a.conf", "a = 1")
            .with("/conf.d/b.conf", "b = var.x + \"/c\"");
        let mut unread = Vec::new();
        (shape(&read("/l.conf", &mut disk, &mut unread)), unread)
    }

    #[test]
    fn settings_lists_and_conditions() {
        assert_eq!(
            tree("a = \"x\" # y\nb = ( \"k\" => ( ( \"h\" => 1 ), ), \"z\" )").0,
            "a=x;b=[k:[[h:1]],z]"
        );
        assert_eq!(tree("var.x = \"/s\"\ninclude \"conf.d/*.conf\"").0, "a=1;b=/s/c");
        assert_eq!(
            tree("server.modules += ( \"m\" )\na.b = server.modules").0,
            "server.modules+[m];a.b=[m]"
        );
        let text = "$HTTP[\"url\"] =~ \"^/x\" {\n a = 1\n}\n\
                    else $HTTP[\"host\"] == \"h\" { a = 2 }\n\
                    else { a = 3 }\nc = 4";
        assert_eq!(tree(text).0, "HTTP.url=~^/x{a=1}|HTTP.host==h{a=2}|{a=3};c=4");
        let (items, unread) = tree("include_shell \"x\"\na = 1");
        assert_eq!((items.as_str(), unread.len()), ("a=1", 1));
    }

    #[test]
    fn odd_input_is_no_panic() {
        for text in [
            "$",
            "$HTTP",
            "$HTTP[",
            "$HTTP[\"url\"]",
            "a",
            "a =",
            "a = (",
            "}",
            "{",
            "a = \"",
            "else",
            "a = ( => )",
            "\u{e9} = 1",
        ] {
            tree(text);
        }
        tree(&"$HTTP[\"url\"] == \"/\" {".repeat(5_000));
        tree(&format!("a = {}", "(".repeat(5_000)));
        tree(
            &"var.x = \"aaaaaaaaaaaaaaaaaaaa\"\n"
                .repeat(3)
                .replace("\"\n", "\" + var.x + var.x\n")
                .repeat(200),
        );
        tree("include \"l.conf\"\ninclude \"l.conf\"");
        let long = format!("var.a = \"{}\"\n", "x".repeat(60_000));
        let (_, unread) = tree(&(long.clone() + &"b = var.a\n".repeat(5_000)));
        assert!(unread[0].detail.ends_with("the configuration is too large"));
        let (_, unread) = tree(&format!("{long}b = ( {} )", "var.a, ".repeat(5_000)));
        assert!(unread[0].detail.ends_with("the configuration is too large"));
    }
}
