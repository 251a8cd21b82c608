//! mod_xsendfile 0.12: whether it is enabled for a request, and which directories it may send from.
//! It does not know how the request got to the app.
//!
//! The configuration of the proxied request decides what happens to the app's response: with
//! ProxyPass the directory sections do not apply, with a RewriteRule in a directory they do.

use sendfile_evidence::fact::{Fact, FactKind, SourceLine};

use super::{sections::Scope, tree::Tree, upstream::Upstream};
use crate::{
    directive::Directive,
    disk::{Disk, Worker},
    opened::{same, seen},
    query::Query,
    uri::is_below,
};

/// A proxied request, and the configuration that applies to it.
pub(super) struct XSendFile<'a> {
    pub(super) tree: &'a Tree,
    pub(super) scope: &'a Scope<'a>,
    pub(super) upstream: &'a Upstream,
    /// The virtual host, for suggestions.
    pub(super) host: &'a SourceLine,
}

impl XSendFile<'_> {
    /// A fact: whether mod_xsendfile acts on the header.
    pub(super) fn state(&self) -> Fact {
        let host = self.host;
        if !self.tree.loads("xsendfile_module") {
            let suggestion = format!(
                "Run `a2enmod xsendfile` (or add `LoadModule xsendfile_module …`), and add \
                 `XSendFile On` in the virtual host at {}",
                host.line()
            );
            let detail = "mod_xsendfile is not loaded";
            return Fact::at(FactKind::FeatureOff, host.clone(), detail).mended_by(suggestion);
        }
        let Some(switch) = self.scope.last("xsendfile") else { return self.not_enabled() };
        let at = switch.place();
        if switch.arg(0).eq_ignore_ascii_case("on") {
            let detail = "acts on X-Sendfile in the app's responses";
            return Fact::at(FactKind::HeaderObeyed, at, detail);
        }
        let suggestion = format!("In {}, replace `{}` with `XSendFile On`", at.line(), at.text);
        Fact::at(FactKind::FeatureOff, at, "disables X-Sendfile").mended_by(suggestion)
    }

    /// The fact that `XSendFile On` is set where it does not apply, or nowhere.
    fn not_enabled(&self) -> Fact {
        let host = self.host;
        let suggestion = format!("In the virtual host at {}, add `XSendFile On`", host.line());
        let Some((elsewhere, section)) = first_anywhere(&self.tree.main, "xsendfile", "") else {
            let detail = "`XSendFile On` is not set anywhere";
            return Fact::at(FactKind::FeatureOff, host.clone(), detail).mended_by(suggestion);
        };
        let at = elsewhere.place();
        let detail = match section {
            "directory" | "files" | "filesmatch" | "directorymatch" => {
                "is in a section for a directory, which does not apply to requests handled by \
                 ProxyPass"
            }
            _ => "does not apply to this download",
        };
        let suggestion = format!("{suggestion} (not in {})", at.line());
        Fact::at(FactKind::FeatureOff, at, detail).mended_by(suggestion)
    }

    /// Determines what the header's path refers to.
    pub(super) fn target(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> Vec<Fact> {
        let mut facts = Vec::new();
        let Some(path) = query.value.as_deref() else { return facts };
        if !path.starts_with('/') {
            return facts;
        }
        let allowed = self.scope.all("xsendfilepath");
        let at = match allowed.last() {
            Some(directive) => directive.place(),
            None => self.upstream.by.clone(),
        };
        if !allowed.iter().any(|directive| is_below(path, directive.arg(0))) {
            facts.push(self.not_allowed(path, &allowed, at.clone()));
        }
        let (state, detail, fix) = seen(path, disk, worker);
        let is_other_file = query.file.as_deref().is_some_and(|file| !same(path, file, disk));
        if !is_other_file {
            let kind = FactKind::TargetOpens { path: path.to_owned(), state, wrong: None };
            let fact = Fact::at(kind, at, format!("the hand-off opens {detail}"));
            facts.push(Fact { fix, ..fact });
        }
        facts
    }

    /// The fact that a path is outside the directories of `XSendFilePath`.
    fn not_allowed(&self, path: &str, allowed: &[&Directive], at: SourceLine) -> Fact {
        let directory = match path.rsplit_once('/') {
            Some((directory, _)) => directory,
            None => "/",
        };
        let listed: Vec<&str> = allowed.iter().map(|directive| directive.arg(0)).collect();
        let detail = if listed.is_empty() {
            format!("no `XSendFilePath` applies here, so {path} may not be sent")
        } else {
            format!("{path} is outside {}", listed.join(", "))
        };
        let neighbour = match self.scope.last("xsendfile") {
            Some(switch) => switch.place().line(),
            None => at.line(),
        };
        let suggestion = format!("After {neighbour}, add `XSendFilePath {}`", quoted(directory));
        Fact::at(FactKind::PathNotAllowed, at, detail).mended_by(suggestion)
    }
}

/// The first directive with a name, at any depth, with the name of the section around it.
fn first_anywhere<'a>(
    directives: &'a [Directive],
    name: &str,
    section: &'a str,
) -> Option<(&'a Directive, &'a str)> {
    for directive in directives {
        if directive.name == name {
            return Some((directive, section));
        }
        if let Some(found) = first_anywhere(directive.inside(), name, &directive.name) {
            return Some(found);
        }
    }
    None
}

fn quoted(path: &str) -> String {
    if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path.to_owned() }
}
