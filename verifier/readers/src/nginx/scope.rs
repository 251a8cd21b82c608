//! Which directives apply at the end of a request: inheritance, and the path that results from
//! `root` or `alias`.
//!
//! Knows the enclosing blocks of a request, but not how the request got there.

use super::{
    location::Form,
    tree::Directive,
    variables::{Env, Unknown, has_variables, is_number, names},
};
use crate::opened::{Opened, PathRule};

/// The enclosing blocks of a request, the outermost first: http, server, locations, ifs.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope<'a> {
    /// The blocks.
    pub(super) blocks: Vec<&'a Directive>,
}

impl<'a> Scope<'a> {
    /// The innermost directive with this name: it overrides the outer ones.
    pub(super) fn last(&self, name: &str) -> Option<&'a Directive> {
        for block in self.blocks.iter().rev() {
            if let Some(directive) = block.child(name) {
                return Some(directive);
            }
        }
        None
    }

    /// All directives with this name in the innermost block that has one: they override the outer
    /// ones.
    pub(super) fn list(&self, name: &str) -> Vec<&'a Directive> {
        for block in self.blocks.iter().rev() {
            let directives = block.inside().iter();
            let named: Vec<&Directive> =
                directives.filter(|directive| directive.name == name).collect();
            if !named.is_empty() {
                return named;
            }
        }
        Vec::new()
    }

    /// The innermost location.
    pub(super) fn location(&self) -> Option<&'a Directive> {
        innermost_location(&self.blocks)
    }

    /// The server block.
    pub(super) fn server(&self) -> Option<&'a Directive> {
        self.blocks.iter().find(|block| block.name == "server").copied()
    }

    /// A directive of the innermost block alone.
    pub(super) fn innermost(&self, name: &str) -> Option<&'a Directive> {
        self.blocks.last()?.child(name)
    }

    /// The directives of the innermost location and of the ifs in it, those of the innermost block
    /// first. Directives that are not inherited are looked up only here.
    pub(super) fn own_directives(&self) -> Vec<&'a Directive> {
        let mut directives = Vec::new();
        for block in self.blocks.iter().rev() {
            directives.extend(block.inside());
            if matches!(block.name.as_str(), "location" | "server") {
                return directives;
            }
        }
        Vec::new()
    }

    /// Whether only internal requests are allowed.
    pub(super) fn is_internal(&self) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|block| block.name == "location" && block.child("internal").is_some())
    }

    /// Whether a variable is a capture of the location's regular expression.
    pub(super) fn captures(&self, name: &str) -> bool {
        is_capture(self.location().and_then(Form::of), name)
    }

    /// The directive that enables a feature, if the feature is enabled.
    pub(super) fn is_on(&self, name: &str) -> Option<&'a Directive> {
        let directive = self.last(name)?;
        if directive.arg(0) == "off" { None } else { Some(directive) }
    }

    /// The path that a URI maps to, and the directive that names its directory.
    ///
    /// # Errors
    ///
    /// The path is known only at run time, or relative to nginx's own directory.
    pub(super) fn opens(&self, env: &Env<'_>) -> Result<(Opened, &'a Directive), Unknown> {
        let Some((depth, directive)) = self.root_or_alias() else {
            return Err(Unknown("root".to_owned()));
        };
        let written = directive.arg(0);
        let mut directory = env.expand(written)?;
        // Without variables, nginx removes the trailing slash of a root.
        if directive.name == "root" && !has_variables(written) && directory.ends_with('/') {
            directory.pop();
        }
        if !directory.starts_with('/') && !directory.is_empty() {
            return Err(Unknown("prefix".to_owned()));
        }
        let form = innermost_location(&self.blocks[..=depth]).and_then(Form::of);
        let prefix = form.and_then(Form::prefix).unwrap_or_default();
        let uri = env.uri.clone();
        let (by, path) = if directive.name == "root" {
            (PathRule::Root, format!("{directory}{uri}"))
        } else if matches!(form, Some(Form::Pattern(..))) {
            (PathRule::Captures, directory.clone())
        } else {
            let rest = uri.strip_prefix(prefix).unwrap_or(&uri);
            (PathRule::Alias, format!("{directory}{rest}"))
        };
        let variables = names(written).into_iter().any(|name| !is_capture(form, name));
        let prefix = prefix.to_owned();
        let opened = Opened { path, directory, uri, prefix, by, variables };
        Ok((opened, directive))
    }

    /// The innermost `root` or `alias`, and the depth of its block.
    fn root_or_alias(&self) -> Option<(usize, &'a Directive)> {
        for (depth, block) in self.blocks.iter().enumerate().rev() {
            for directive in block.inside().iter().rev() {
                if matches!(directive.name.as_str(), "root" | "alias") {
                    return Some((depth, directive));
                }
            }
        }
        None
    }
}

fn innermost_location<'a>(blocks: &[&'a Directive]) -> Option<&'a Directive> {
    blocks.iter().rev().find(|block| block.name == "location").copied()
}

fn is_capture(form: Option<Form<'_>>, name: &str) -> bool {
    if is_number(name) {
        return true;
    }
    match form {
        Some(Form::Pattern(pattern, _)) => pattern.contains(&format!("<{name}>")),
        _ => false,
    }
}
