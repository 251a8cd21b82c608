//! Parses nginx's configuration into a tree of directives: words, quotes, blocks, comments, lua,
//! includes, and the dump of `nginx -T`.
//!
//! Follows the way in which nginx reads words (ngx_conf_read_token), whatever they mean.

use sendfile_evidence::fact::Fact;

use crate::{disk::Disk, files::Files, pattern::glob};

pub(super) use crate::directive::Directive;

mod words;

use self::words::DEEPEST;

/// The text that `nginx -T` prints before each file.
const MARKER: &str = "# configuration file ";

/// Reads a file with all its includes, or a dump.
pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Vec<Directive> {
    let files = Files::new(disk, unread);
    let mut loader = Loader { files, dump: Vec::new(), directory: directory(path) };
    let Some((path, text)) = loader.files.named(path).pop() else { return Vec::new() };
    let dump = split_dump(&text);
    match dump.first().cloned() {
        Some((main, text)) => {
            loader.directory = directory(&main);
            loader.dump = dump;
            loader.parse(&main, &text, 0)
        }
        None => loader.parse(&path, &text, 0),
    }
}

/// The directory of a file, with a trailing slash; empty if the path has none.
fn directory(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((directory, _)) => format!("{directory}/"),
        None => String::new(),
    }
}

/// The files of a dump, by their markers; empty if the text is not a dump.
fn split_dump(text: &str) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(path) = marked_path(line) {
            files.push((path.to_owned(), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
        }
    }
    files
}

/// The path in a marker of a dump.
fn marked_path(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix(MARKER)?.strip_suffix(':')
}

struct Loader<'a> {
    files: Files<'a>,
    /// The paths and texts of a dump; empty if the files are read from the disk.
    dump: Vec<(String, String)>,
    /// The directory that relative paths refer to.
    directory: String,
}

impl Loader<'_> {
    fn parse(&mut self, path: &str, text: &str, depth: usize) -> Vec<Directive> {
        let (mut directives, problem) = words::directives(path, text, &mut self.files);
        if let Some(problem) = problem {
            self.files.not_read(path, &problem);
        }
        self.include(&mut directives, depth);
        directives
    }

    /// Replaces each `include` with the included directives.
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
                self.files.not_read(&place, "includes are nested too deeply");
                continue;
            }
            let pattern = match directive.arg(0) {
                absolute if absolute.starts_with('/') => absolute.to_owned(),
                relative => format!("{}{relative}", self.directory),
            };
            for (path, text) in self.find(&pattern) {
                whole.extend(self.parse(&path, &text, depth + 1));
            }
        }
        *directives = whole;
    }

    /// The files that an `include` names, and their texts.
    fn find(&mut self, pattern: &str) -> Vec<(String, String)> {
        if self.dump.is_empty() {
            return self.files.named(pattern);
        }
        let mut found = Vec::new();
        for (path, text) in &self.dump {
            if !glob(pattern, path) {
                continue;
            }
            if !self.files.counts(path) {
                break;
            }
            found.push((path.clone(), text.clone()));
        }
        found.sort();
        found.dedup_by(|later, earlier| later.0 == earlier.0);
        if found.is_empty() && !pattern.contains(['*', '?', '[']) {
            self.files.not_read(pattern, "not in the dump");
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory_disk::{InMemoryDisk, shape};

    #[test]
    fn includes_are_replaced_in_place() {
        let mut disk = InMemoryDisk::default()
            .with("/etc/nginx/nginx.conf", "http {\n include sites/*;\n}\ninclude gone;")
            .with("/etc/nginx/sites/a", "server {}")
            .with("/etc/nginx/sites/b", "server { listen 1; include /etc/nginx/c; }")
            .with("/etc/nginx/c", "root\n/x;");
        let mut unread = Vec::new();
        let tree = read("/etc/nginx/nginx.conf", &mut disk, &mut unread);
        assert_eq!(shape(&tree), "http{server{};server{listen|1;root|/x}}");
        assert_eq!(unread[0].detail, "Cannot read `/etc/nginx/gone`: no such file");
        let root = &tree[0].inside()[1].inside()[1];
        assert_eq!(root.place().line(), "/etc/nginx/c:1");
    }

    #[test]
    fn a_dump_contains_several_files() {
        let dump = "nginx: the configuration file /etc/n.conf syntax is ok\n\
                    # configuration file /etc/n.conf:\nhttp { include m.d/*.conf; }\n\n\
                    # configuration file /etc/m.d/x.conf:\n\nserver { }\n";
        let mut disk = InMemoryDisk::default().with("/var/dump", dump);
        let tree = read("/var/dump", &mut disk, &mut Vec::new());
        assert_eq!(shape(&tree), "http{server{}}");
        assert_eq!(tree[0].inside()[0].place().line(), "/etc/m.d/x.conf:2");
    }

    #[test]
    fn a_dump_that_lacks_a_file_or_is_too_large_is_reported() {
        let read = |dump: &str| {
            let mut unread = Vec::new();
            read("/d", &mut InMemoryDisk::default().with("/d", dump), &mut unread);
            unread.iter().map(|fact| fact.detail.clone()).collect::<Vec<_>>()
        };
        let lacks = "# configuration file /n.conf:\ninclude gone.conf; include m/*;\n";
        assert_eq!(read(lacks), ["Cannot read `/gone.conf`: not in the dump"]);
        let repeats = format!(
            "# configuration file /n.conf:\n{}\n# configuration file /a:\n{}\n",
            "include a;".repeat(400),
            "a;".repeat(5_000)
        );
        assert!(read(&repeats)[0].ends_with("the configuration is too large"));
    }

    #[test]
    fn a_circle_of_includes_ends() {
        let mut disk = InMemoryDisk::default().with("/a", "include /a; include /a;");
        let mut unread = Vec::new();
        assert!(read("/a", &mut disk, &mut unread).is_empty());
        assert!(!unread.is_empty());
    }
}
