//! Which sections apply to a request: the server, the virtual host, directories, .htaccess files
//! and locations. It merges nothing, and of the directives it understands only `AllowOverride`.

use sendfile_evidence::{
    fact::{Fact, FactKind},
    path::tidy,
};

use super::tree;
use crate::{
    directive::Directive,
    disk::Disk,
    pattern::{Case, Matcher, glob},
    uri::is_below,
};

/// The blocks that apply to a request, in the order in which Apache merges them: the last one wins.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    /// The server, then the virtual host.
    pub(super) servers: Vec<&'a [Directive]>,
    /// The sections for directories, if the request maps to a directory.
    pub(super) directories: Vec<&'a Directive>,
    /// The .htaccess files that are read.
    pub(super) htaccess: Vec<Vec<Directive>>,
    /// The sections for locations.
    pub(super) locations: Vec<&'a Directive>,
}

impl Scope<'_> {
    /// All directives with a name, in ascending precedence.
    pub(super) fn all(&self, name: &str) -> Vec<&Directive> {
        let mut found = Vec::new();
        for server in &self.servers {
            add_named(name, server, &mut found);
        }
        for section in &self.directories {
            add_named(name, section.inside(), &mut found);
        }
        for file in &self.htaccess {
            add_named(name, file, &mut found);
        }
        for section in &self.locations {
            add_named(name, section.inside(), &mut found);
        }
        found
    }

    /// The directive with a name that has the highest precedence.
    pub(super) fn last(&self, name: &str) -> Option<&Directive> {
        self.all(name).pop()
    }
}

fn add_named<'a>(name: &str, directives: &'a [Directive], found: &mut Vec<&'a Directive>) {
    for directive in directives {
        if directive.name == name {
            found.push(directive);
        }
    }
}

/// The sections for a URL path.
pub(super) fn locations<'a>(
    servers: &[&'a [Directive]],
    path: &str,
    matcher: &Matcher,
) -> Vec<&'a Directive> {
    let mut found = Vec::new();
    for server in servers {
        for section in *server {
            if is_for_location(section, path, matcher) {
                found.push(section);
            }
        }
    }
    found
}

fn is_for_location(section: &Directive, path: &str, matcher: &Matcher) -> bool {
    let argument = section.arg(0);
    match section.name.as_str() {
        "location" => match Argument::of(section) {
            Argument::Plain(prefix) => {
                is_below(path, prefix)
                    && (!prefix.ends_with('/') || path.starts_with(prefix) || prefix == "/")
            }
            pattern => pattern.matches(path, matcher),
        },
        "locationmatch" => matcher.matches(argument, Case::Matters, path) == Ok(true),
        _ => false,
    }
}

/// The sections for the parent directories of a path on disk and for its file name, in the order in
/// which Apache merges them: directories first, the shortest first.
pub(super) fn directories<'a>(
    servers: &[&'a [Directive]],
    path: &str,
    matcher: &Matcher,
) -> Vec<&'a Directive> {
    let mut found: Vec<&Directive> = Vec::new();
    for server in servers {
        for section in *server {
            if is_for_file(section, path, matcher) {
                found.push(section);
            }
        }
    }
    found.sort_by_key(|section| merge_order(section));
    found
}

fn is_for_file(section: &Directive, path: &str, matcher: &Matcher) -> bool {
    let name = match path.rsplit_once('/') {
        Some((_, name)) => name,
        None => path,
    };
    match section.name.as_str() {
        "directory" => match Argument::of(section) {
            Argument::Plain(directory) => is_below(path, directory),
            pattern => pattern.matches(path, matcher),
        },
        "directorymatch" => matcher.matches(section.arg(0), Case::Matters, path) == Ok(true),
        "files" => Argument::of(section).matches(name, matcher),
        "filesmatch" => matcher.matches(section.arg(0), Case::Matters, name) == Ok(true),
        _ => false,
    }
}

/// The rank of a section among those that apply: plain directories by their depth, then regular
/// expressions, then file names.
fn merge_order(section: &Directive) -> usize {
    match section.name.as_str() {
        "directory" if section.arg(0) != "~" => tidy(section.arg(0)).matches('/').count(),
        "directory" | "directorymatch" => 1_000,
        _ => 2_000,
    }
}

/// The argument of a `<Location>`, `<Directory>` or `<Files>` section.
enum Argument<'a> {
    /// `~ PATTERN`, a regular expression.
    Regex(&'a str),
    /// A shell pattern.
    Shell(&'a str),
    /// A path or a name.
    Plain(&'a str),
}

impl<'a> Argument<'a> {
    fn of(section: &'a Directive) -> Self {
        match section.arg(0) {
            "~" => Self::Regex(section.arg(1)),
            pattern if pattern.contains(['*', '?', '[']) => Self::Shell(pattern),
            plain => Self::Plain(plain),
        }
    }

    fn matches(&self, text: &str, matcher: &Matcher) -> bool {
        match self {
            Self::Regex(pattern) => matcher.matches(pattern, Case::Matters, text) == Ok(true),
            Self::Shell(pattern) => {
                let depth = pattern.matches('/').count();
                let begin: String = text.split_inclusive('/').take(depth + 1).collect();
                glob(pattern, begin.trim_end_matches('/')) || glob(pattern, text)
            }
            Self::Plain(plain) => *plain == text,
        }
    }
}

/// The .htaccess files for a path on disk, and a directive in one that is not allowed there.
pub(super) fn htaccess(
    servers: &[&[Directive]],
    path: &str,
    matcher: &Matcher,
    disk: &dyn Disk,
) -> (Vec<Vec<Directive>>, Option<Fact>) {
    let (mut files, mut forbidden) = (Vec::new(), None);
    let path = tidy(path);
    let Some((parent, _)) = path.rsplit_once('/') else { return (files, forbidden) };
    let mut directory = String::new();
    for segment in parent.split('/') {
        directory = format!("{}/{segment}", directory.trim_end_matches('/'));
        let file = format!("{}/.htaccess", directory.trim_end_matches('/'));
        if !Overrides::of(servers, &directory, matcher).is_any_allowed() {
            continue;
        }
        let Some(text) = disk.text(&file) else { continue };
        let directives = tree::plain(&file, &text);
        if forbidden.is_none() {
            forbidden = not_allowed(servers, &directory, matcher, &directives);
        }
        files.push(directives);
    }
    (files, forbidden)
}

/// The directives that say what a .htaccess file in a directory may override.
struct Overrides<'a> {
    /// The `AllowOverride` that applies.
    allow: Option<&'a Directive>,
    /// All `AllowOverrideList` directives.
    lists: Vec<&'a Directive>,
}

impl<'a> Overrides<'a> {
    fn of(servers: &[&'a [Directive]], directory: &str, matcher: &Matcher) -> Self {
        let mut overrides = Self { allow: None, lists: Vec::new() };
        for section in directories(servers, directory, matcher) {
            for directive in section.inside() {
                match directive.name.as_str() {
                    "allowoverride" => overrides.allow = Some(directive),
                    "allowoverridelist" => overrides.lists.push(directive),
                    _ => {}
                }
            }
        }
        overrides
    }

    /// Whether anything may be overridden; otherwise Apache does not read the file at all.
    fn is_any_allowed(&self) -> bool {
        let allowed = self.allow.is_some_and(|allow| !is_none(allow));
        allowed || self.lists.iter().any(|list| !is_none(list))
    }

    /// Whether a directive of the `FileInfo` class may be overridden.
    fn allow_file_info(&self, directive: &str) -> bool {
        if let Some(allow) = self.allow
            && (has_word(allow, "all") || has_word(allow, "FileInfo"))
        {
            return true;
        }
        self.lists.iter().any(|list| has_word(list, directive))
    }
}

fn is_none(directive: &Directive) -> bool {
    directive.args.iter().all(|word| word.eq_ignore_ascii_case("none"))
}

fn has_word(directive: &Directive, wanted: &str) -> bool {
    directive.args.iter().any(|word| word.eq_ignore_ascii_case(wanted))
}

/// The fact that a .htaccess file contains a directive of mod_xsendfile that is not allowed there.
fn not_allowed(
    servers: &[&[Directive]],
    directory: &str,
    matcher: &Matcher,
    directives: &[Directive],
) -> Option<Fact> {
    if let Some(path) = first_named("xsendfilepath", directives) {
        let at = path.place();
        let detail = "is not allowed in .htaccess, regardless of AllowOverride";
        let suggestion = format!("Move `{}` from {} to the virtual host", at.text, at.line());
        return Some(Fact::at(FactKind::OverrideForbidden, at, detail).mended_by(suggestion));
    }
    let at = first_named("xsendfile", directives)?.place();
    let overrides = Overrides::of(servers, directory, matcher);
    if overrides.allow_file_info("XSendFile") {
        return None;
    }
    let (detail, suggestion) = match overrides.allow {
        Some(allow) => {
            let allow = allow.place();
            let detail = format!("`{}` ({}) does not allow it", allow.text, allow.line());
            let suggestion = format!(
                "In {}, allow it with `AllowOverride FileInfo` (now `{}`), or move `{}` to the \
                 virtual host",
                allow.line(),
                allow.text,
                at.text
            );
            (detail, suggestion)
        }
        None => {
            let detail = "no `AllowOverride` allows it".to_owned();
            (detail, format!("Move `{}` from {} to the virtual host", at.text, at.line()))
        }
    };
    Some(Fact::at(FactKind::OverrideForbidden, at, detail).mended_by(suggestion))
}

fn first_named<'a>(name: &str, directives: &'a [Directive]) -> Option<&'a Directive> {
    directives.iter().find(|directive| directive.name == name)
}
