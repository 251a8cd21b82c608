//! Parses Apache's configuration into a tree of directives: lines, quotes, sections, variables,
//! includes.
//!
//! `<IfModule>`, `<IfDefine>` and `<IfVersion>` are resolved while parsing, as in Apache.

use std::{collections::HashMap, rc::Rc};

use sendfile_evidence::fact::Fact;

use super::super::{
    directive::Directive,
    files::{Files, TOO_LARGE},
    uri::LONGEST,
};
use crate::disk::{Disk, Look};

/// Maximum depth of nested sections and includes.
const DEEPEST: usize = 24;

/// A parsed configuration.
pub(super) struct Tree {
    /// The directives outside of all sections, and the sections.
    pub(super) main: Vec<Directive>,
    /// The names of the loaded modules; empty if there is no LoadModule.
    pub(super) modules: Vec<String>,
}

/// Reads a file with all its includes.
pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Tree {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut loader = Loader {
        variables: environment(&folder, disk),
        files: Files::new(disk, unread),
        root: folder,
        modules: Vec::new(),
    };
    let main = loader.read(path, 0);
    Tree { main, modules: loader.modules }
}

/// The directives and sections of a text, without includes.
pub(super) fn plain(path: &str, text: &str) -> Vec<Directive> {
    let file: Rc<str> = Rc::from(path);
    let plain = lines(text).into_iter().filter(|(_, text)| !text.starts_with('<'));
    plain.filter_map(|(line, text)| written(&file, line, &text)).collect()
}

/// The variables that Debian's apachectl exports before it starts Apache.
fn environment(folder: &str, disk: &mut dyn Disk) -> HashMap<String, String> {
    let text = disk.read(&format!("{folder}/envvars")).into_iter().next();
    let Some(Ok(text)) = text.map(|it| it.text) else { return HashMap::new() };
    let exported = text.lines().filter_map(|line| line.trim().strip_prefix("export "));
    let pairs = exported.filter_map(|it| it.split_once('='));
    let value = |it: &str| it.trim().trim_matches(['"', '\'']).replace("$SUFFIX", "");
    pairs.map(|(name, it)| (name.trim().to_owned(), value(it))).collect()
}

struct Loader<'a> {
    files: Files<'a>,
    variables: HashMap<String, String>,
    root: String,
    modules: Vec<String>,
}

/// An open section: its head, the directives around it, and whether it is read at all.
struct Open {
    head: Directive,
    around: Vec<Directive>,
    kind: Section,
}

enum Section {
    /// A real section.
    Kept,
    /// A section whose content is treated as if the section did not exist.
    Transparent,
    /// A section that is not read.
    Skipped,
}

impl Loader<'_> {
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.root) }
    }

    fn read(&mut self, pattern: &str, depth: usize) -> Vec<Directive> {
        let pattern = self.absolute(pattern);
        let is_folder = self.files.disk().look(&pattern) == Look::Folder;
        let pattern =
            if is_folder { format!("{}/*", pattern.trim_end_matches('/')) } else { pattern };
        let mut all = Vec::new();
        for (path, text) in self.files.named(&pattern) {
            all.extend(self.parse(&path, &text, depth));
        }
        all
    }

    /// Whether a file is missing and optional.
    fn is_left_out(&mut self, include: &Directive) -> bool {
        let path = self.absolute(include.arg(0));
        include.name == "includeoptional"
            && !path.contains(['*', '?', '['])
            && self.files.disk().look(&path) == Look::Missing
    }

    fn parse(&mut self, path: &str, text: &str, depth: usize) -> Vec<Directive> {
        let file: Rc<str> = Rc::from(path);
        let mut open: Vec<Open> = Vec::new();
        let mut now: Vec<Directive> = Vec::new();
        for (line, text) in lines(text) {
            let skipped = open.iter().any(|it| matches!(it.kind, Section::Skipped));
            if text.starts_with("</") {
                if let Some(it) = open.pop() {
                    now = closed(it, now);
                }
            } else if let Some(head) = text.strip_prefix('<') {
                let head = head.trim_end().strip_suffix('>').unwrap_or(head);
                let Some(mut head) = self.directive(&file, line, head) else { continue };
                head.spelled = format!("<{}", head.spelled);
                let kind = if skipped { Section::Skipped } else { self.section(&head) };
                if open.len() >= DEEPEST {
                    self.files
                        .not_read(&format!("{path}:{line}"), "sections are nested too deeply");
                    break;
                }
                open.push(Open { head, around: std::mem::take(&mut now), kind });
            } else if !skipped && let Some(directive) = self.directive(&file, line, &text) {
                self.take(directive, &mut now, depth);
            }
        }
        while let Some(it) = open.pop() {
            now = closed(it, now);
        }
        now
    }

    /// A plain directive; some take effect during parsing.
    fn take(&mut self, directive: Directive, now: &mut Vec<Directive>, depth: usize) {
        match directive.name.as_str() {
            "include" | "includeoptional" if self.is_left_out(&directive) => {}
            "include" | "includeoptional" if depth < DEEPEST => {
                now.extend(self.read(directive.arg(0), depth + 1));
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
            "use" => self.files.unsure("Macros are not supported"),
            _ => now.push(directive),
        }
    }

    fn section(&mut self, head: &Directive) -> Section {
        let (not, name) = match head.arg(0).strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, head.arg(0)),
        };
        let holds = match head.name.as_str() {
            "ifmodule" => self.has_module(name),
            "ifdefine" => self.variables.contains_key(name),
            "ifversion" => true,
            "ifdirective" | "iffile" | "ifsection" | "if" | "else" | "elseif" => {
                self.files.unsure(&format!("{}> is not supported", head.spelled));
                return Section::Skipped;
            }
            _ => return Section::Kept,
        };
        if holds != not { Section::Transparent } else { Section::Skipped }
    }

    /// Whether a module is loaded, by `x_module` or `mod_x.c`. Without any LoadModule, this is part
    /// of a configuration, and the modules that it needs are assumed to be loaded.
    fn has_module(&self, name: &str) -> bool {
        let of_file = name.strip_prefix("mod_").and_then(|it| it.strip_suffix(".c"));
        let module = of_file.map_or(name.to_owned(), |it| format!("{it}_module"));
        self.modules.is_empty()
            || BUILT_IN.contains(&module.as_str())
            || self.modules.contains(&module)
    }

    fn directive(&mut self, file: &Rc<str>, line: u32, text: &str) -> Option<Directive> {
        let filled = self.filled(text);
        if filled.is_none() {
            self.files.not_read(&format!("{file}:{line}"), "a variable grows without limit");
        }
        let directive = written(file, line, &filled?)?;
        let room = self.files.has_room_for(&directive);
        if !room {
            self.files.not_read(&format!("{file}:{line}"), TOO_LARGE);
        }
        room.then_some(directive)
    }

    /// Replaces `${NAME}`, if it is known.
    fn filled(&self, text: &str) -> Option<String> {
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
}

/// Parses a line, or the head of a section, as a directive.
fn written(file: &Rc<str>, line: u32, text: &str) -> Option<Directive> {
    let mut words = words(text).into_iter();
    let spelled = words.next()?;
    let name = spelled.to_ascii_lowercase();
    let file = file.clone();
    Some(Directive { name, spelled, args: words.collect(), file, line, block: None })
}

/// Modules that every server has.
const BUILT_IN: [&str; 6] = [
    "core_module",
    "so_module",
    "http_module",
    "version_module",
    "unixd_module",
    "log_config_module",
];

fn closed(open: Open, inside: Vec<Directive>) -> Vec<Directive> {
    let mut around = open.around;
    match open.kind {
        Section::Kept => around.push(Directive { block: Some(inside), ..open.head }),
        Section::Transparent => around.extend(inside),
        Section::Skipped => {}
    }
    around
}

/// The non-empty lines, with continued ones joined, each with its number.
fn lines(text: &str) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    let mut begun: Option<(u32, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let (first, mut whole) = begun.take().unwrap_or((number, String::new()));
        match line.strip_suffix('\\') {
            Some(part) => {
                whole.push_str(part);
                begun = Some((first, whole));
            }
            None => {
                whole.push_str(line);
                let said = whole.trim();
                if !said.is_empty() && !said.starts_with('#') {
                    all.push((first, said.to_owned()));
                }
            }
        }
    }
    all.extend(begun);
    all
}

/// Splits words as Apache does (ap_getword_conf): quotes keep a word together, and a backslash
/// escapes a quote or a backslash within it.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let quote = matches!(first, '"' | '\'').then_some(first);
        let mut word = String::new();
        let mut chars = rest.char_indices().skip(usize::from(quote.is_some())).peekable();
        let mut end = rest.len();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|(_, c)| *c);
            match (c, quote) {
                ('\\', Some(quote)) if next == Some(quote) || next == Some('\\') => {
                    word.extend(next);
                    chars.next();
                }
                (c, Some(quote)) if c == quote => {
                    end = at + c.len_utf8();
                    break;
                }
                (c, None) if c.is_whitespace() => {
                    end = at;
                    break;
                }
                (c, _) => word.push(c),
            }
        }
        words.push(word);
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{super::super::in_memory_disk::InMemoryDisk, *};

    fn shape(directives: &[Directive]) -> String {
        let one = |it: &Directive| match it.inside() {
            [] => [&[it.name.clone()][..], &it.args].concat().join("|"),
            inside => format!("{}|{}{{{}}}", it.name, it.args.join("|"), shape(inside)),
        };
        directives.iter().map(one).collect::<Vec<_>>().join(";")
    }

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
