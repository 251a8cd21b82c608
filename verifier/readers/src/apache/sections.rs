//! Which sections apply to a request: the server, the virtual host, directories, .htaccess,
//! locations.

use sendfile_evidence::{
    fact::{Fact, FactKind, SourceLine},
    path::tidy,
};

use super::super::{
    directive::Directive,
    pattern::{Case, Matcher, glob},
    uri::is_below,
};
use crate::disk::Disk;

/// The blocks that apply to a request, in the order in which Apache merges them: the last one wins.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    /// The server, then the virtual host.
    pub(super) servers: Vec<&'a [Directive]>,
    /// The sections for directories, if the request maps to a directory.
    pub(super) folders: Vec<&'a Directive>,
    /// The .htaccess files that are read.
    pub(super) htaccess: Vec<Vec<Directive>>,
    /// The sections for locations.
    pub(super) locations: Vec<&'a Directive>,
}

impl Scope<'_> {
    /// All directives with a name, in ascending precedence.
    pub(super) fn all<'s>(
        &'s self,
        name: &'s str,
    ) -> impl DoubleEndedIterator<Item = &'s Directive> {
        let servers = self.servers.iter().flat_map(|it| it.iter());
        let folders = self.folders.iter().flat_map(|it| it.inside());
        let htaccess = self.htaccess.iter().flatten();
        let locations = self.locations.iter().flat_map(|it| it.inside());
        servers.chain(folders).chain(htaccess).chain(locations).filter(move |it| it.name == name)
    }

    /// The directive with a name that has the highest precedence.
    pub(super) fn last<'s>(&'s self, name: &'s str) -> Option<&'s Directive> {
        self.all(name).next_back()
    }
}

/// The sections for a URL path.
pub(super) fn locations<'a>(
    servers: &[&'a [Directive]],
    path: &str,
    matcher: &Matcher,
) -> Vec<&'a Directive> {
    let all = servers.iter().flat_map(|it| it.iter());
    all.filter(|it| match it.name.as_str() {
        "location" => matches(it, path, matcher, |pattern| {
            is_below(path, pattern)
                && (!pattern.ends_with('/') || path.starts_with(pattern) || pattern == "/")
        }),
        "locationmatch" => matcher.matches(it.arg(0), Case::Matters, path).is_ok_and(|it| it),
        _ => false,
    })
    .collect()
}

/// The sections for the parent directories of a path on disk, the shortest first.
pub(super) fn folders<'a>(
    servers: &[&'a [Directive]],
    path: &str,
    matcher: &Matcher,
) -> Vec<&'a Directive> {
    let all = servers.iter().flat_map(|it| it.iter());
    let mut found: Vec<&Directive> = all
        .filter(|it| match it.name.as_str() {
            "directory" => matches(it, path, matcher, |pattern| is_below(path, pattern)),
            "directorymatch" => matcher.matches(it.arg(0), Case::Matters, path).is_ok_and(|it| it),
            "files" => path
                .rsplit('/')
                .next()
                .is_some_and(|name| matches(it, name, matcher, |p| p == name)),
            "filesmatch" => {
                let name = path.rsplit('/').next().unwrap_or_default();
                matcher.matches(it.arg(0), Case::Matters, name).is_ok_and(|it| it)
            }
            _ => false,
        })
        .collect();
    found.sort_by_key(|it| match it.name.as_str() {
        "directory" if it.arg(0) != "~" => tidy(it.arg(0)).matches('/').count(),
        "directory" | "directorymatch" => 1_000,
        _ => 2_000,
    });
    found
}

/// Whether a section's argument matches a text: `~ PATTERN`, a shell pattern, or a plain path.
fn matches(
    section: &Directive,
    text: &str,
    matcher: &Matcher,
    plain: impl Fn(&str) -> bool,
) -> bool {
    match section.arg(0) {
        "~" => matcher.matches(section.arg(1), Case::Matters, text).is_ok_and(|it| it),
        pattern if pattern.contains(['*', '?', '[']) => {
            let deep = pattern.matches('/').count();
            let begin: String = text.split_inclusive('/').take(deep + 1).collect();
            glob(pattern, begin.trim_end_matches('/')) || glob(pattern, text)
        }
        pattern => plain(pattern),
    }
}

/// What `AllowOverride` allows in a directory.
fn admits(
    servers: &[&[Directive]],
    folder: &str,
    matcher: &Matcher,
    class: &str,
    name: &str,
) -> (bool, Option<SourceLine>) {
    let sections = folders(servers, folder, matcher);
    let inside = || sections.iter().flat_map(|it| it.inside());
    let list = inside()
        .filter(|it| it.name == "allowoverridelist")
        .any(|it| it.args.iter().any(|it| it.eq_ignore_ascii_case(name)));
    let last = inside().rfind(|it| it.name == "allowoverride");
    let admitted = last.is_some_and(|it| {
        it.args.iter().any(|it| it.eq_ignore_ascii_case("all") || it.eq_ignore_ascii_case(class))
    });
    (list || admitted, last.map(Directive::place))
}

/// Whether a directory's .htaccess is read at all.
fn is_read(servers: &[&[Directive]], folder: &str, matcher: &Matcher) -> bool {
    let sections = folders(servers, folder, matcher);
    let inside = || sections.iter().flat_map(|it| it.inside());
    let none = |it: &Directive| it.args.iter().all(|it| it.eq_ignore_ascii_case("none"));
    let allowed = inside().rfind(|it| it.name == "allowoverride");
    allowed.is_some_and(|it| !none(it))
        || inside().any(|it| it.name == "allowoverridelist" && !none(it))
}

/// The .htaccess files for a path on disk, and a directive in one that is not allowed there.
pub(super) fn htaccess(
    servers: &[&[Directive]],
    path: &str,
    matcher: &Matcher,
    disk: &dyn Disk,
) -> (Vec<Vec<Directive>>, Option<Fact>) {
    let (mut all, mut forbidden) = (Vec::new(), None);
    let mut folder = String::new();
    for segment in
        tidy(path).split('/').collect::<Vec<_>>().split_last().map_or(&[][..], |(_, it)| it)
    {
        folder = format!("{}/{segment}", folder.trim_end_matches('/'));
        let file = format!("{}/.htaccess", folder.trim_end_matches('/'));
        if !is_read(servers, &folder, matcher) {
            continue;
        }
        let Some(text) = disk.text(&file) else { continue };
        let directives = super::tree::plain(&file, &text);
        forbidden = forbidden.or_else(|| not_allowed(servers, &folder, matcher, &directives));
        all.push(directives);
    }
    (all, forbidden)
}

fn not_allowed(
    servers: &[&[Directive]],
    folder: &str,
    matcher: &Matcher,
    directives: &[Directive],
) -> Option<Fact> {
    let xsendfile = directives
        .iter()
        .find(|it| it.name == "xsendfilepath")
        .or_else(|| directives.iter().find(|it| it.name == "xsendfile"))?;
    let at = xsendfile.place();
    if xsendfile.name == "xsendfilepath" {
        let detail = "is not allowed in .htaccess, regardless of AllowOverride";
        let fix = format!("Move `{}` from {} to the virtual host", at.text, at.line());
        return Some(Fact::at(FactKind::OverrideForbidden, at, detail).mended_by(fix));
    }
    let (admitted, by) = admits(servers, folder, matcher, "FileInfo", "XSendFile");
    if admitted {
        return None;
    }
    let (shown, fix) = match by {
        Some(by) => (
            format!("`{}` ({}) does not allow it", by.text, by.line()),
            format!(
                "In {}, allow it with `AllowOverride FileInfo` (now `{}`), or move `{}` to the \
                 virtual host",
                by.line(),
                by.text,
                at.text
            ),
        ),
        None => (
            "no `AllowOverride` allows it".to_owned(),
            format!("Move `{}` from {} to the virtual host", at.text, at.line()),
        ),
    };
    Some(Fact::at(FactKind::OverrideForbidden, at, shown).mended_by(fix))
}
