//! Which directives apply at the end of a request: inheritance, and the path that `root` and
//! `alias` produce.

use super::{
    super::opened::{Opened, PathRule},
    location::Form,
    tree::Directive,
    variables::{Env, Unknown, names},
};

/// The enclosing blocks of a request, the outermost first: http, server, locations, ifs.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a>(pub(super) Vec<&'a Directive>);

impl<'a> Scope<'a> {
    /// The innermost directive with this name: it overrides the outer ones.
    pub(super) fn last(&self, name: &str) -> Option<&'a Directive> {
        self.0.iter().rev().find_map(|it| it.child(name))
    }

    /// All directives with this name in the innermost block that has one: they override the outer
    /// ones.
    pub(super) fn list(&self, name: &'a str) -> Vec<&'a Directive> {
        self.0
            .iter()
            .rev()
            .map(|it| it.children(name).collect::<Vec<_>>())
            .find(|it| !it.is_empty())
            .unwrap_or_default()
    }

    /// The innermost location.
    pub(super) fn location(&self) -> Option<&'a Directive> {
        self.0.iter().rev().find(|it| it.name == "location").copied()
    }

    /// The server block.
    pub(super) fn server(&self) -> Option<&'a Directive> {
        self.0.iter().find(|it| it.name == "server").copied()
    }

    /// The innermost location and the ifs in it: directives that are not inherited are looked up
    /// only here.
    pub(super) fn own(&self) -> &[&'a Directive] {
        let at = self.0.iter().rposition(|it| matches!(it.name.as_str(), "location" | "server"));
        at.and_then(|it| self.0.get(it..)).unwrap_or_default()
    }

    /// Whether only internal requests are allowed.
    pub(super) fn is_internal(&self) -> bool {
        self.0.iter().any(|it| it.name == "location" && it.child("internal").is_some())
    }

    /// Whether a variable is a capture of the location's regular expression.
    pub(super) fn captures(&self, name: &str) -> bool {
        captured(self.location().and_then(Form::of), name)
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> Option<&'a Directive> {
        self.last(name).filter(|it| it.arg(0) != "off")
    }

    /// The path that a URI maps to.
    pub(super) fn opens(&self, env: &Env<'_>) -> Result<(Opened, &'a Directive), Unknown> {
        let found = self.0.iter().enumerate().rev().find_map(|(n, block)| {
            let directive = block.inside().iter().rev();
            let mut directive = directive.filter(|it| matches!(it.name.as_str(), "root" | "alias"));
            Some((n, directive.next()?))
        });
        let Some((depth, directive)) = found else {
            return Err(Unknown("root".to_owned()));
        };
        let mut folder = env.filled(directive.arg(0))?;
        // Without variables, nginx removes the trailing slash of a root.
        if directive.name == "root" && names(directive.arg(0)).next().is_none() {
            folder.truncate(folder.strip_suffix('/').map_or(folder.len(), str::len));
        }
        if !folder.starts_with('/') && !folder.is_empty() {
            return Err(Unknown("prefix".to_owned()));
        }
        let around = self.0.get(..=depth).unwrap_or_default();
        let location = around.iter().rev().find(|it| it.name == "location").copied();
        let form = location.and_then(Form::of);
        let prefix = form.and_then(Form::prefix).unwrap_or_default();
        let variables = names(directive.arg(0)).any(|it| !captured(form, it));
        let uri = env.uri.clone();
        let (by, path) = match (directive.name.as_str(), form) {
            ("alias", Some(Form::Pattern(..))) => (PathRule::Captures, folder.clone()),
            ("alias", _) => {
                let rest = uri.strip_prefix(prefix).unwrap_or(&uri);
                (PathRule::Alias, format!("{folder}{rest}"))
            }
            _ => (PathRule::Root, format!("{folder}{uri}")),
        };
        let opened = Opened { path, folder, uri, prefix: prefix.to_owned(), by, variables };
        Ok((opened, directive))
    }
}

fn captured(form: Option<Form<'_>>, name: &str) -> bool {
    let named = || match form {
        Some(Form::Pattern(pattern, _)) => pattern.contains(&format!("<{name}>")),
        _ => false,
    };
    name.bytes().all(|it| it.is_ascii_digit()) || named()
}
