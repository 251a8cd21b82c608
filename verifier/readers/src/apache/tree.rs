//! Parses Apache's configuration into a tree of directives: lines, quotes, sections, variables and
//! includes. It knows the syntax, but the meaning only of directives that act while Apache parses.
//!
//! `<IfModule>`, `<IfDefine>` and `<IfVersion>` are resolved while parsing, as in Apache.

use std::{collections::HashMap, rc::Rc};

use sendfile_evidence::fact::Fact;

use crate::{
    directive::Directive,
    disk::{Disk, Look, Text},
    files::{Files, TOO_LARGE},
    uri::LONGEST,
};

/// Maximum depth of nested sections and includes.
const DEEPEST: usize = 24;

/// Modules that every server has.
const BUILT_IN: [&str; 6] = [
    "core_module",
    "so_module",
    "http_module",
    "version_module",
    "unixd_module",
    "log_config_module",
];

/// Reads a file with all its includes.
pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Tree {
    let root = match path.rsplit_once('/') {
        Some((directory, _)) => directory.to_owned(),
        None => String::new(),
    };
    let mut loader = Loader {
        variables: environment(&root, disk),
        files: Files::new(disk, unread),
        root,
        modules: Vec::new(),
    };
    let main = loader.read(path, 0);
    Tree { main, modules: loader.modules }
}

/// The directives of a text without its sections and includes: the content of a .htaccess file.
pub(super) fn plain(path: &str, text: &str) -> Vec<Directive> {
    let file: Rc<str> = Rc::from(path);
    let mut directives = Vec::new();
    for (line, text) in lines(text) {
        if text.starts_with('<') {
            continue;
        }
        if let Some(directive) = parse_directive(&file, line, &text) {
            directives.push(directive);
        }
    }
    directives
}

/// A parsed configuration.
pub(super) struct Tree {
    /// The directives outside of all sections, and the sections.
    pub(super) main: Vec<Directive>,
    /// The names of the loaded modules; empty if there is no `LoadModule`.
    modules: Vec<String>,
}

impl Tree {
    /// Whether a module is loaded. Without any `LoadModule`, the text is only part of a
    /// configuration, and all modules are assumed to be loaded.
    pub(super) fn loads(&self, module: &str) -> bool {
        self.modules.is_empty() || self.modules.iter().any(|loaded| loaded == module)
    }
}

/// The state of parsing: Apache evaluates these directives in the order in which it reads them.
struct Loader<'a> {
    files: Files<'a>,
    variables: HashMap<String, String>,
    /// The ServerRoot, to which paths are relative.
    root: String,
    modules: Vec<String>,
}

/// An open section.
struct OpenSection {
    /// The first line of the section.
    head: Directive,
    /// The directives that precede the section in the section around it.
    before: Vec<Directive>,
    kind: SectionKind,
}

/// How a section is read.
enum SectionKind {
    /// A real section.
    Kept,
    /// A section whose content is treated as if the section did not exist.
    Transparent,
    /// A section that is not read.
    Skipped,
}

impl Loader<'_> {
    /// The directives of all files that a path or a pattern matches.
    fn read(&mut self, pattern: &str, depth: usize) -> Vec<Directive> {
        let mut pattern = self.absolute(pattern);
        if self.files.disk().look(&pattern) == Look::Directory {
            pattern = format!("{}/*", pattern.trim_end_matches('/'));
        }
        let mut directives = Vec::new();
        for (path, text) in self.files.named(&pattern) {
            directives.extend(self.parse(&path, &text, depth));
        }
        directives
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.root) }
    }

    fn parse(&mut self, path: &str, text: &str, depth: usize) -> Vec<Directive> {
        let file: Rc<str> = Rc::from(path);
        let mut open: Vec<OpenSection> = Vec::new();
        let mut directives: Vec<Directive> = Vec::new();
        for (line, text) in lines(text) {
            let skipped = open.iter().any(|section| matches!(section.kind, SectionKind::Skipped));
            if text.starts_with("</") {
                if let Some(section) = open.pop() {
                    directives = section.close(directives);
                }
            } else if let Some(head) = text.strip_prefix('<') {
                let Some(head) = self.section_head(&file, line, head) else { continue };
                let kind = if skipped { SectionKind::Skipped } else { self.section_kind(&head) };
                if open.len() >= DEEPEST {
                    let position = format!("{path}:{line}");
                    self.files.not_read(&position, "sections are nested too deeply");
                    break;
                }
                let before = std::mem::take(&mut directives);
                open.push(OpenSection { head, before, kind });
            } else if !skipped && let Some(directive) = self.directive(&file, line, &text) {
                self.evaluate(directive, &mut directives, depth);
            }
        }
        while let Some(section) = open.pop() {
            directives = section.close(directives);
        }
        directives
    }

    /// Parses the first line of a section, without its opening bracket.
    fn section_head(&mut self, file: &Rc<str>, line: u32, text: &str) -> Option<Directive> {
        let text = text.trim_end();
        let text = text.strip_suffix('>').unwrap_or(text);
        let mut head = self.directive(file, line, text)?;
        head.spelled = format!("<{}", head.spelled);
        Some(head)
    }

    fn section_kind(&mut self, head: &Directive) -> SectionKind {
        let (negated, name) = match head.arg(0).strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, head.arg(0)),
        };
        let holds = match head.name.as_str() {
            "ifmodule" => self.has_module(name),
            "ifdefine" => self.variables.contains_key(name),
            "ifversion" => true,
            "ifdirective" | "iffile" | "ifsection" | "if" | "else" | "elseif" => {
                self.files.unsure(&format!("Cannot evaluate `{}>`", head.spelled));
                return SectionKind::Skipped;
            }
            _ => return SectionKind::Kept,
        };
        if holds != negated { SectionKind::Transparent } else { SectionKind::Skipped }
    }

    /// Whether a module has been loaded up to this point, by its name `x_module` or its file
    /// `mod_x.c`. Without any LoadModule, the text is only part of a configuration, and the modules
    /// that it needs are assumed to be loaded.
    fn has_module(&self, name: &str) -> bool {
        let mut module = name.to_owned();
        if let Some(rest) = name.strip_prefix("mod_")
            && let Some(stem) = rest.strip_suffix(".c")
        {
            module = format!("{stem}_module");
        }
        self.modules.is_empty()
            || BUILT_IN.contains(&module.as_str())
            || self.modules.contains(&module)
    }

    /// Parses a directive with its variables replaced, within the limits of size.
    fn directive(&mut self, file: &Rc<str>, line: u32, text: &str) -> Option<Directive> {
        let Some(text) = self.with_variables(text) else {
            let position = format!("{file}:{line}");
            self.files.not_read(&position, "a variable grows without limit");
            return None;
        };
        let directive = parse_directive(file, line, &text)?;
        if !self.files.has_room_for(&directive) {
            self.files.not_read(&format!("{file}:{line}"), TOO_LARGE);
            return None;
        }
        Some(directive)
    }

    /// Replaces `${NAME}` where the variable is known; `None` if the result is too long.
    fn with_variables(&self, text: &str) -> Option<String> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${") {
            whole.push_str(before);
            let Some((name, after)) = behind.split_once('}') else {
                rest = behind;
                whole.push_str("${");
                continue;
            };
            match self.variables.get(name) {
                Some(value) => whole.push_str(value),
                None => whole.push_str(&format!("${{{name}}}")),
            }
            if whole.len() > text.len() + LONGEST {
                return None;
            }
            rest = after;
        }
        Some(whole + rest)
    }

    /// Adds a plain directive, unless it takes effect during parsing.
    fn evaluate(&mut self, directive: Directive, directives: &mut Vec<Directive>, depth: usize) {
        match directive.name.as_str() {
            "include" | "includeoptional" if self.is_left_out(&directive) => {}
            "include" | "includeoptional" if depth < DEEPEST => {
                directives.extend(self.read(directive.arg(0), depth + 1));
            }
            "include" | "includeoptional" => {
                self.files.not_read(&directive.place().line(), "includes are nested too deeply");
            }
            "define" => {
                self.variables.insert(directive.arg(0).to_owned(), directive.arg(1).to_owned());
            }
            "undefine" => {
                self.variables.remove(directive.arg(0));
            }
            "serverroot" => self.root = directive.arg(0).trim_end_matches('/').to_owned(),
            "loadmodule" => self.modules.push(directive.arg(0).to_owned()),
            "use" => self.files.unsure("Cannot evaluate macros (`Use`)"),
            _ => directives.push(directive),
        }
    }

    /// Whether an included file is missing and optional.
    fn is_left_out(&mut self, include: &Directive) -> bool {
        let path = self.absolute(include.arg(0));
        include.name == "includeoptional"
            && !path.contains(['*', '?', '['])
            && self.files.disk().look(&path) == Look::Missing
    }
}

impl OpenSection {
    /// Adds the section to the directives before it.
    fn close(self, inside: Vec<Directive>) -> Vec<Directive> {
        let mut directives = self.before;
        match self.kind {
            SectionKind::Kept => {
                directives.push(Directive { block: Some(inside), ..self.head });
            }
            SectionKind::Transparent => directives.extend(inside),
            SectionKind::Skipped => {}
        }
        directives
    }
}

/// The variables that Debian's apachectl exports before it starts Apache.
fn environment(directory: &str, disk: &mut dyn Disk) -> HashMap<String, String> {
    let mut variables = HashMap::new();
    let texts = disk.read(&format!("{directory}/envvars"));
    let Some(Text { text: Ok(text), .. }) = texts.first() else { return variables };
    for line in text.lines() {
        let Some(exported) = line.trim().strip_prefix("export ") else { continue };
        let Some((name, value)) = exported.split_once('=') else { continue };
        let value = value.trim().trim_matches(['"', '\'']).replace("$SUFFIX", "");
        variables.insert(name.trim().to_owned(), value);
    }
    variables
}

/// The non-empty lines, with continued ones joined, each with its number.
fn lines(text: &str) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    let mut continued: Option<(u32, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let (first, mut whole) = match continued.take() {
            Some(begun) => begun,
            None => (number, String::new()),
        };
        if let Some(part) = line.strip_suffix('\\') {
            whole.push_str(part);
            continued = Some((first, whole));
            continue;
        }
        whole.push_str(line);
        let content = whole.trim();
        if !content.is_empty() && !content.starts_with('#') {
            lines.push((first, content.to_owned()));
        }
    }
    lines.extend(continued);
    lines
}

/// Parses a line, or the head of a section, as a directive.
fn parse_directive(file: &Rc<str>, line: u32, text: &str) -> Option<Directive> {
    let mut words = words(text).into_iter();
    let spelled = words.next()?;
    Some(Directive {
        name: spelled.to_ascii_lowercase(),
        spelled,
        args: words.collect(),
        file: file.clone(),
        line,
        block: None,
    })
}

/// Splits words as Apache does (ap_getword_conf): quotes keep a word together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => quoted_word(rest, first),
            _ => plain_word(rest),
        };
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// The word in quotes at the beginning of a text, and the rest of the text. Within the quotes, a
/// backslash escapes the quote and a backslash.
fn quoted_word(text: &str, quote: char) -> (String, &str) {
    let mut word = String::new();
    let mut chars = text.chars();
    chars.next();
    while let Some(char) = chars.next() {
        if char == quote {
            break;
        }
        let mut behind = chars.clone();
        match behind.next() {
            Some(escaped) if char == '\\' && (escaped == quote || escaped == '\\') => {
                word.push(escaped);
                chars = behind;
            }
            _ => word.push(char),
        }
    }
    (word, chars.as_str())
}

/// The word up to the first whitespace, and the rest of the text.
fn plain_word(text: &str) -> (String, &str) {
    match text.find(char::is_whitespace) {
        Some(end) => (text[..end].to_owned(), &text[end..]),
        None => (text.to_owned(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory_disk::{InMemoryDisk, shape};

    fn tree(text: &str) -> String {
        let mut disk = InMemoryDisk::default()
            .with("/etc/apache2/apache2.conf", text)
            .with("/etc/apache2/envvars", "export APACHE_RUN_USER=www-data\n")
            .with("/etc/apache2/sites/a.conf", "ServerName a")
            .with("/etc/apache2/sites/b.conf", "ServerName \"b c\\\"d\"");
        shape(&read("/etc/apache2/apache2.conf", &mut disk, &mut Vec::new()).main)
    }

    #[test]
    fn lines_and_sections() {
        assert_eq!(tree("# x\nUser ${APACHE_RUN_USER}\nA b \\\n c"), "user|www-data;a|b|c");
        assert_eq!(tree("IncludeOptional sites/*.conf"), "servername|a;servername|b c\"d");
        assert_eq!(tree("Include sites"), "servername|a;servername|b c\"d");
        assert_eq!(tree("<VirtualHost *:80>\nA\n</VirtualHost>\nB"), "virtualhost|*:80{a};b");
        assert_eq!(
            tree(
                "LoadModule x_module m\n<IfModule mod_y.c>\nA\n</IfModule>\n\
                 <IfModule !mod_y.c>\nB\n</IfModule>\n<IfModule x_module>\nC\n</IfModule>"
            ),
            "b;c"
        );
        assert_eq!(
            tree("Define d /srv\n<IfDefine d>\nAlias /a ${d}/a\n</IfDefine>\nX ${e}"),
            "alias|/a|/srv/a;x|${e}"
        );
    }

    #[test]
    fn odd_input_is_no_panic() {
        for text in ["</A>", "<A", "<A\n", "\\", "\"", "A \"b", "${", "<IfModule>\n", "A '\\"] {
            tree(text);
        }
        tree(&"<A>\n".repeat(10_000));
        tree("Include apache2.conf\nInclude apache2.conf");
        tree(&("Define a xx\n".to_owned() + &"Define a ${a}${a}\n".repeat(100)));
    }
}
