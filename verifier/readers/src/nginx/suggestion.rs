//! How to change a directive so that the hand-off URI leads to the file.

use sendfile_evidence::fact::Misconfiguration;

use super::{location::Form, tree::Directive};
use crate::opened::{Opened, PathRule, mapped};

/// A path other than the file's, and the directives that lead there.
pub(super) struct WrongPath<'c> {
    /// The path that is opened.
    pub(super) opened: &'c Opened,
    /// The misconfiguration that leads there.
    pub(super) misconfiguration: Misconfiguration,
    /// The directive that names the directory.
    pub(super) by: &'c Directive,
    /// The location that matches the URI.
    pub(super) location: Option<&'c Directive>,
}

impl WrongPath<'_> {
    /// The change as a sentence: the line, the current text and the replacement.
    pub(super) fn suggestion(&self, file: Option<&str>) -> Option<String> {
        let opened = self.opened;
        if self.misconfiguration == Misconfiguration::Slash {
            return Some(self.replaced_with(&format!("alias {}/", self.by.arg(0))));
        }
        let file = file?;
        if self.misconfiguration == Misconfiguration::Alias
            && let Some(root) = opened.right_root(file)
        {
            return Some(self.replaced_with(&format!("root {root}")));
        }
        let (prefix, directory) = mapped(&opened.uri, file)?;
        match (opened.by, self.location) {
            (PathRule::Captures, Some(location)) => {
                let at = location.place();
                Some(format!(
                    "In {}, replace `{}` with `location ^~ {prefix} {{ internal; alias \
                     {directory}; }}`",
                    at.line(),
                    at.text
                ))
            }
            (PathRule::Captures, None) => None,
            (PathRule::Root, Some(location)) if self.needs_alias() => {
                let alias = self.replaced_with(&format!("alias {directory}"));
                Some(alias_for_root(&alias, location, &prefix))
            }
            (PathRule::Root, _) => {
                let root = opened.right_root(file)?;
                Some(self.replaced_with(&format!("root {root}")))
            }
            (PathRule::Alias, _) => {
                let alias = opened.right_alias(file)?;
                Some(self.replaced_with(&format!("alias {alias}")))
            }
        }
    }

    /// Whether an `alias` is the correct directive in place of a `root`.
    fn needs_alias(&self) -> bool {
        self.misconfiguration == Misconfiguration::Root || !self.opened.prefix.ends_with('/')
    }

    /// `In FILE:LINE, replace … with …`.
    fn replaced_with(&self, text: &str) -> String {
        let at = self.by.place();
        format!("In {}, replace `{};` with `{text};`", at.line(), at.text)
    }
}

/// An alias needs the same trailing slash as its location's name.
fn alias_for_root(alias: &str, location: &Directive, prefix: &str) -> String {
    if Form::of(location).and_then(Form::prefix) == Some(prefix) {
        return alias.to_owned();
    }
    let at = location.place();
    format!("{alias}, and in {} replace `{}` with `location {prefix}`", at.line(), at.text)
}
