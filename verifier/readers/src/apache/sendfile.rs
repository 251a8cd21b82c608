//! mod_xsendfile 0.12: whether it is enabled for a request, and which directories it may send from.
//!
//! The configuration of the proxied request decides what happens to the app's response: with
//! ProxyPass the directory sections do not apply, with a RewriteRule in a directory they do.

use sendfile_evidence::fact::{Fact, FactKind, SourceLine};

use super::{
    super::{
        directive::Directive,
        opened::{same, seen},
        uri::is_below,
    },
    asked::RequestRecord,
    translate::{Found, Site},
    tree::Tree,
};
use crate::{
    disk::{Disk, Worker},
    query::Query,
};

/// A proxied request, and the configuration that applies to it.
pub(super) struct XSendFile<'a> {
    pub(super) tree: &'a Tree,
    pub(super) found: &'a Found<'a>,
    pub(super) asked: &'a RequestRecord,
    pub(super) site: &'a Site<'a>,
}

impl XSendFile<'_> {
    /// Whether it acts on the header.
    pub(super) fn state(&self) -> Option<Fact> {
        let modules = &self.tree.modules;
        let there = modules.is_empty() || modules.iter().any(|it| it == "xsendfile_module");
        let host = self.site.host.map_or_else(|| self.asked.by.clone(), Directive::place);
        if !there {
            let fix = format!(
                "Run `a2enmod xsendfile` (or add `LoadModule xsendfile_module …`), and add \
                 `XSendFile On` in the virtual host at {}",
                host.line()
            );
            return Some(
                Fact::at(FactKind::FeatureOff, host, "mod_xsendfile is not loaded").mended_by(fix),
            );
        }
        let on = |it: &&Directive| it.arg(0).eq_ignore_ascii_case("on");
        match self.found.scope.last("xsendfile") {
            Some(by) if on(&by) => Some(Fact::at(
                FactKind::HeaderObeyed,
                by.place(),
                "acts on X-Sendfile in the app's responses",
            )),
            Some(by) => {
                let at = by.place();
                let fix = format!("In {}, replace `{}` with `XSendFile On`", at.line(), at.text);
                Some(Fact::at(FactKind::FeatureOff, at, "disables X-Sendfile").mended_by(fix))
            }
            None => Some(self.elsewhere(host)),
        }
    }

    /// `XSendFile On` is set where it does not apply, or nowhere.
    fn elsewhere(&self, host: SourceLine) -> Fact {
        let fix = |at: Option<&SourceLine>| {
            let from = at.map_or(String::new(), |it| format!(" (not in {})", it.line()));
            format!("In the virtual host at {}, add `XSendFile On`{from}", host.line())
        };
        let mut all = Vec::new();
        every(&self.tree.main, "xsendfile", "", &mut all);
        match all.first() {
            Some((by, section)) => {
                let at = by.place();
                let why = match section.as_str() {
                    "directory" | "files" | "filesmatch" | "directorymatch" => {
                        "is in a section for a directory, which does not apply to requests handled \
                         by ProxyPass"
                    }
                    _ => "does not apply to this download",
                };
                let fix = fix(Some(&at));
                Fact::at(FactKind::FeatureOff, at, why).mended_by(fix)
            }
            None => {
                let fix = fix(None);
                Fact::at(FactKind::FeatureOff, host, "`XSendFile On` is not set anywhere")
                    .mended_by(fix)
            }
        }
    }

    /// What the header's path refers to.
    pub(super) fn target(&self, question: &Query, disk: &dyn Disk, worker: &Worker) -> Vec<Fact> {
        let Some(path) = question.value.as_deref().filter(|it| it.starts_with('/')) else {
            return Vec::new();
        };
        let folders: Vec<&Directive> = self.found.scope.all("xsendfilepath").collect();
        let at = folders.last().map_or_else(|| self.asked.by.clone(), |it| it.place());
        let mut facts = Vec::new();
        if !folders.iter().any(|it| is_below(path, it.arg(0))) {
            let folder = path.rsplit_once('/').map_or("/", |(folder, _)| folder);
            let listed: Vec<&str> = folders.iter().map(|it| it.arg(0)).collect();
            let detail = match listed[..] {
                [] => format!("no `XSendFilePath` applies here, so {path} may not be sent"),
                _ => format!("{path} is outside {}", listed.join(", ")),
            };
            let beside = self
                .found
                .scope
                .last("xsendfile")
                .map_or_else(|| at.line(), |it| it.place().line());
            let fix = format!("After {beside}, add `XSendFilePath {}`", quoted(folder));
            facts.push(Fact::at(FactKind::PathNotAllowed, at.clone(), detail).mended_by(fix));
        }
        let (state, detail, fix) = seen(path, disk, worker);
        let wrong = question.file.as_deref().is_some_and(|it| !same(path, it, disk));
        if !wrong {
            let says = FactKind::TargetOpens { path: path.to_owned(), state, wrong: None };
            facts.push(Fact { fix, ..Fact::at(says, at, format!("the hand-off opens {detail}")) });
        }
        facts
    }
}

/// All directives with a name, at any depth, with the name of the section around each.
fn every<'a>(
    directives: &'a [Directive],
    name: &str,
    section: &str,
    all: &mut Vec<(&'a Directive, String)>,
) {
    for directive in directives {
        if directive.name == name {
            all.push((directive, section.to_owned()));
        }
        every(directive.inside(), name, &directive.name, all);
    }
}

fn quoted(path: &str) -> String {
    if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path.to_owned() }
}
