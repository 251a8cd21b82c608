//! Parses lighttpd's configuration: assignments with evaluated values, conditions, includes. It
//! knows the syntax, but not the meaning of any setting.

use std::collections::HashMap;

use sendfile_evidence::fact::Fact;

use super::value::{Branch, Condition, Item, Setting, Value};
use crate::{
    disk::Disk,
    files::{Files, TOO_LARGE},
};

mod tokens;

use self::tokens::{Token, Tokens};

/// Maximum depth of nested blocks, lists and includes.
const DEEPEST: usize = 24;

/// Maximum length of a value, however often it is appended to itself.
const LONGEST: usize = 64 * 1024;

/// Reads a file with all its includes.
pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Vec<Item> {
    let directory = match path.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/"),
        None => String::new(),
    };
    let files = Files::new(disk, unread);
    Loader { files, directory, variables: HashMap::new() }.read(path, 0)
}

/// The state of parsing: lighttpd evaluates values in the order in which it reads them.
struct Loader<'a> {
    files: Files<'a>,
    /// The directory of the first file, with a trailing slash, which relative paths start from.
    directory: String,
    /// The variables, each with its size.
    variables: HashMap<String, (usize, Value)>,
}

impl Loader<'_> {
    /// The items of all files that a path or a pattern matches.
    fn read(&mut self, pattern: &str, depth: usize) -> Vec<Item> {
        let pattern = if pattern.starts_with('/') {
            pattern.to_owned()
        } else {
            format!("{}{pattern}", self.directory)
        };
        let mut items = Vec::new();
        for (path, text) in self.files.named(&pattern) {
            let mut tokens = Tokens::new(&path, &text);
            items.extend(self.items(&mut tokens, depth));
            if let Some(problem) = tokens.problem {
                self.files.not_read(&path, &problem);
            }
        }
        items
    }

    /// The items up to the end or a closing brace.
    fn items(&mut self, tokens: &mut Tokens, depth: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(token) = tokens.next() {
            match token {
                Token::Close => break,
                Token::Word(word) => self.statement(tokens, word, depth, &mut items),
                Token::Condition { variable, key } => {
                    let branch = self.branch(tokens, variable, key, depth);
                    items.push(Item::If(vec![branch]));
                }
                _ => tokens.report("expected a setting"),
            }
        }
        items
    }

    /// Reads the rest of an include, an `else` or an assignment, and adds its items.
    fn statement(
        &mut self,
        tokens: &mut Tokens,
        word: String,
        depth: usize,
        items: &mut Vec<Item>,
    ) {
        match word.as_str() {
            "include" => {
                let path = self.value(tokens, 0);
                if depth < DEEPEST {
                    items.extend(self.read(path.text(), depth + 1));
                } else {
                    tokens.report("includes are nested too deeply");
                }
            }
            "include_shell" => {
                let command = self.value(tokens, 0);
                items.extend(self.command_output(command.text(), depth));
            }
            "else" | "elsif" | "elseif" | "elif" => {
                let branch = self.else_branch(tokens, depth);
                match items.last_mut() {
                    Some(Item::If(branches)) => branches.push(branch),
                    _ => tokens.report("`else` without a condition"),
                }
            }
            _ => {
                if let Some(setting) = self.setting(tokens, word) {
                    items.push(Item::Set(setting));
                }
            }
        }
    }

    /// The output of a command is unknown, except for the commands in Debian's own file.
    fn command_output(&mut self, command: &str, depth: usize) -> Vec<Item> {
        if command.contains("include-conf-enabled") && depth < DEEPEST {
            return self.read("conf-enabled/*.conf", depth + 1);
        }
        if !command.contains("create-mime") && !command.contains("use-ipv6") {
            self.files.not_read(command, "output of a command");
        }
        Vec::new()
    }

    fn branch(
        &mut self,
        tokens: &mut Tokens,
        variable: String,
        key: String,
        depth: usize,
    ) -> Branch {
        let operator = match tokens.next() {
            Some(Token::Sign(sign)) => sign,
            _ => String::new(),
        };
        let value = self.value(tokens, 0).text().to_owned();
        let condition = Some(Condition { variable, key, operator, value });
        Branch { condition, items: self.block(tokens, depth) }
    }

    fn else_branch(&mut self, tokens: &mut Tokens, depth: usize) -> Branch {
        tokens.skip_word("if");
        if let Some(Token::Condition { variable, key }) = tokens.peek() {
            let (variable, key) = (variable.clone(), key.clone());
            tokens.next();
            return self.branch(tokens, variable, key, depth);
        }
        Branch { condition: None, items: self.block(tokens, depth) }
    }

    fn block(&mut self, tokens: &mut Tokens, depth: usize) -> Vec<Item> {
        match tokens.next() {
            Some(Token::Open) if depth < DEEPEST => self.items(tokens, depth + 1),
            Some(Token::Open) => {
                tokens.report("blocks are nested too deeply");
                tokens.stop();
                Vec::new()
            }
            _ => {
                tokens.report("condition without a block");
                Vec::new()
            }
        }
    }

    /// An assignment; `None` if it only sets a variable, or cannot be read.
    fn setting(&mut self, tokens: &mut Tokens, key: String) -> Option<Setting> {
        let line = tokens.line();
        let Some(Token::Sign(sign)) = tokens.next() else {
            tokens.report("expected `=`");
            return None;
        };
        let value = self.value(tokens, 0);
        let appends = sign == "+=";
        let size = value.size();
        if !self.files.has_room(2 * size + 256) {
            tokens.report(TOO_LARGE);
            tokens.stop();
            return None;
        }
        let before = self.variables.remove(&key);
        let variable = match before {
            Some((size_before, before)) if appends && size_before + size < LONGEST => {
                (size_before + size, before.plus(value.clone()))
            }
            Some(full) if appends => full,
            _ => (size, value.clone()),
        };
        self.variables.insert(key.clone(), variable);
        if key.starts_with("var.") {
            return None;
        }
        Some(Setting { key, value, appends, file: tokens.file(), line })
    }

    /// A value: texts, lists and variables, joined by `+`.
    fn value(&mut self, tokens: &mut Tokens, depth: usize) -> Value {
        let mut value = self.operand(tokens, depth);
        let mut size = value.size();
        while tokens.skip_sign("+") {
            let other = self.operand(tokens, depth);
            size += other.size();
            if size < LONGEST {
                value = value.plus(other);
            }
        }
        value
    }

    fn operand(&mut self, tokens: &mut Tokens, depth: usize) -> Value {
        match tokens.next() {
            Some(Token::Text(text)) => Value::Text(text),
            Some(Token::Word(word)) => {
                let Some((size, value)) = self.variables.get(&word) else {
                    return Value::Text(word);
                };
                if self.files.has_room(*size) {
                    return value.clone();
                }
                tokens.report(TOO_LARGE);
                tokens.stop();
                Value::Text(String::new())
            }
            Some(Token::OpenList) if depth < DEEPEST => self.list(tokens, depth + 1),
            _ => {
                tokens.report("missing value");
                Value::Text(String::new())
            }
        }
    }

    /// The rest of a list after its opening parenthesis.
    fn list(&mut self, tokens: &mut Tokens, depth: usize) -> Value {
        let mut list = Vec::new();
        while let Some(token) = tokens.peek() {
            if *token == Token::CloseList {
                tokens.next();
                break;
            }
            if tokens.skip_sign(",") {
                continue;
            }
            let first = self.value(tokens, depth);
            if tokens.skip_sign("=>") {
                list.push((Some(first.text().to_owned()), self.value(tokens, depth)));
            } else {
                list.push((None, first));
            }
            if tokens.problem.is_some() {
                break;
            }
        }
        Value::List(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory_disk::InMemoryDisk;

    fn shape(items: &[Item]) -> String {
        let mut shapes = Vec::new();
        for item in items {
            match item {
                Item::Set(setting) => {
                    let sign = if setting.appends { "+" } else { "=" };
                    shapes.push(format!("{}{sign}{}", setting.key, shape_of_value(&setting.value)));
                }
                Item::If(branches) => {
                    let branches: Vec<String> = branches.iter().map(shape_of_branch).collect();
                    shapes.push(branches.join("|"));
                }
            }
        }
        shapes.join(";")
    }

    fn shape_of_branch(branch: &Branch) -> String {
        let items = shape(&branch.items);
        match &branch.condition {
            Some(Condition { variable, key, operator, value }) => {
                format!("{variable}.{key}{operator}{value}{{{items}}}")
            }
            None => format!("{{{items}}}"),
        }
    }

    fn shape_of_value(value: &Value) -> String {
        let Value::List(list) = value else { return value.text().to_owned() };
        let mut entries = Vec::new();
        for (name, value) in list {
            match name {
                Some(name) => entries.push(format!("{name}:{}", shape_of_value(value))),
                None => entries.push(shape_of_value(value)),
            }
        }
        format!("[{}]", entries.join(","))
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
