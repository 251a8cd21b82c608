//! nginx's configuration as a tree of directives: words, quotes, blocks, comments, lua, includes,
//! and the dump of `nginx -T`.
//!
//! Knows how nginx reads words (ngx_conf_read_token), and nothing of what they mean.

use super::super::{Disk, Fact, Says, Text, pattern::glob};

pub(super) use super::super::directive::Directive;

mod words;

/// Blocks and includes in each other beyond this depth are not read.
const DEEPEST: usize = 32;

/// So many files are read, whichever way they are included.
const MOST: usize = 500;

/// What the dump of `nginx -T` puts before each file.
const MARKER: &str = "# configuration file ";

/// Reads a file with all that it includes, or a dump.
pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Vec<Directive> {
    let mut loader = Loader { disk, dump: Vec::new(), folder: folder(path), unread, left: MOST };
    let mut texts = loader.disk.read(path);
    let Some(Text { path, text }) = texts.pop() else {
        loader.unread.push(Fact::of(Says::Unread, format!("`{path}` could not be read")));
        return Vec::new();
    };
    let Ok(text) = text.map_err(|reason| loader.not_read(&path, &reason)) else {
        return Vec::new();
    };
    let dump = split_dump(&text);
    match dump.first().cloned() {
        Some((main, text)) => {
            loader.folder = folder(&main);
            loader.dump = dump;
            loader.parse(&main, &text, 0)
        }
        None => loader.parse(&path, &text, 0),
    }
}

fn folder(path: &str) -> String {
    path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

/// The files of a dump, by their markers; nothing where the text is no dump.
fn split_dump(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let marked = line.trim_end().strip_prefix(MARKER).and_then(|it| it.strip_suffix(':'));
        match (marked, files.last_mut()) {
            (Some(path), _) => files.push((path.to_owned(), String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => {}
        }
    }
    files
}

struct Loader<'a> {
    disk: &'a mut dyn Disk,
    dump: Vec<(String, String)>,
    folder: String,
    unread: &'a mut Vec<Fact>,
    left: usize,
}

impl Loader<'_> {
    fn not_read(&mut self, path: &str, reason: &str) {
        self.unread.push(Fact::of(Says::Unread, format!("`{path}` could not be read: {reason}")));
    }

    fn parse(&mut self, path: &str, text: &str, depth: usize) -> Vec<Directive> {
        let (mut directives, problem) = words::directives(path, text);
        if let Some(problem) = problem {
            self.not_read(path, &problem);
        }
        self.include(&mut directives, depth);
        directives
    }

    /// Puts what is included where the `include` stands.
    fn include(&mut self, directives: &mut Vec<Directive>, depth: usize) {
        let mut whole = Vec::with_capacity(directives.len());
        for mut directive in directives.drain(..) {
            if let Some(block) = &mut directive.block {
                self.include(block, depth + 1);
            }
            if directive.name != "include" || directive.block.is_some() {
                whole.push(directive);
                continue;
            }
            if depth >= DEEPEST {
                let place = directive.place().line();
                self.not_read(&place, "includes go too deep");
                continue;
            }
            let pattern = match directive.arg(0) {
                absolute if absolute.starts_with('/') => absolute.to_owned(),
                relative => format!("{}{relative}", self.folder),
            };
            for Text { path, text } in self.find(&pattern) {
                let Some(left) = self.left.checked_sub(1) else {
                    self.not_read(&path, "too many files");
                    break;
                };
                self.left = left;
                match text {
                    Ok(text) => whole.extend(self.parse(&path, &text, depth + 1)),
                    Err(reason) => self.not_read(&path, &reason),
                }
            }
        }
        *directives = whole;
    }

    fn find(&mut self, pattern: &str) -> Vec<Text> {
        if self.dump.is_empty() {
            return self.disk.read(pattern);
        }
        let mut found: Vec<Text> = self
            .dump
            .iter()
            .filter(|(path, _)| glob(pattern, path))
            .map(|(path, text)| Text { path: path.clone(), text: Ok(text.clone()) })
            .collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found.dedup_by(|a, b| a.path == b.path);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::paper::Paper, *};

    fn shape(directives: &[Directive]) -> String {
        let one = |it: &Directive| {
            let words = [&[it.name.clone()][..], &it.args].concat().join("|");
            match &it.block {
                Some(block) => format!("{}{{{}}}", words, shape(block)),
                None => words,
            }
        };
        directives.iter().map(one).collect::<Vec<_>>().join(";")
    }

    #[test]
    fn includes_stand_where_they_are_written() {
        let mut disk = Paper::default()
            .with("/etc/nginx/nginx.conf", "http {\n include sites/*;\n}\ninclude gone;")
            .with("/etc/nginx/sites/a", "server {}")
            .with("/etc/nginx/sites/b", "server { listen 1; include /etc/nginx/c; }")
            .with("/etc/nginx/c", "root\n/x;");
        let mut unread = Vec::new();
        let tree = read("/etc/nginx/nginx.conf", &mut disk, &mut unread);
        assert_eq!(shape(&tree), "http{server{};server{listen|1;root|/x}}");
        assert_eq!(unread[0].detail, "`/etc/nginx/gone` could not be read: no such file");
        let root = &tree[0].inside()[1].inside()[1];
        assert_eq!(root.place().line(), "/etc/nginx/c:1");
    }

    #[test]
    fn a_dump_is_many_files() {
        let dump = "nginx: the configuration file /etc/n.conf syntax is ok\n\
                    # configuration file /etc/n.conf:\nhttp { include m.d/*.conf; }\n\n\
                    # configuration file /etc/m.d/x.conf:\n\nserver { }\n";
        let mut disk = Paper::default().with("/var/dump", dump);
        let tree = read("/var/dump", &mut disk, &mut Vec::new());
        assert_eq!(shape(&tree), "http{server{}}");
        assert_eq!(tree[0].inside()[0].place().line(), "/etc/m.d/x.conf:2");
    }

    #[test]
    fn a_circle_of_includes_ends() {
        let mut disk = Paper::default().with("/a", "include /a; include /a;");
        let mut unread = Vec::new();
        assert!(read("/a", &mut disk, &mut unread).is_empty());
        assert!(!unread.is_empty());
    }
}
