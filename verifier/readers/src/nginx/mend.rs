//! How to change a directive so that the hand-off URI leads to the file.

use sendfile_evidence::fact::Misconfiguration;

use super::{
    super::opened::{Opened, PathRule, mapped},
    location::Form,
    tree::Directive,
};

/// The change as a sentence: the line, the current text and the replacement.
pub(super) fn mended(
    opened: &Opened,
    wrong: Misconfiguration,
    by: &Directive,
    location: Option<&Directive>,
    file: Option<&str>,
) -> Option<String> {
    let instead = |text: String| written(by, &text);
    if wrong == Misconfiguration::Slash {
        return Some(instead(format!("alias {}/", by.arg(0))));
    }
    let file = file?;
    if let (Misconfiguration::Alias, Some(root)) = (wrong, opened.right_root(file)) {
        return Some(instead(format!("root {root}")));
    }
    let (prefix, folder) = mapped(&opened.uri, file)?;
    match (opened.by, location) {
        (PathRule::Captures, Some(location)) => {
            let at = location.place();
            Some(format!(
                "In {}, replace `{}` with `location ^~ {prefix} {{ internal; alias {folder}; }}`",
                at.line(),
                at.text
            ))
        }
        (PathRule::Root, Some(location))
            if wrong == Misconfiguration::Root || !opened.prefix.ends_with('/') =>
        {
            Some(alias_for_root(&instead(format!("alias {folder}")), location, &prefix))
        }
        (PathRule::Root, _) => opened.right_root(file).map(|root| instead(format!("root {root}"))),
        (PathRule::Alias, _) => opened.right_alias(file).map(|it| instead(format!("alias {it}"))),
        (PathRule::Captures, None) => None,
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

/// `In FILE:LINE, replace … with …`.
fn written(directive: &Directive, text: &str) -> String {
    let at = directive.place();
    format!("In {}, replace `{};` with `{text};`", at.line(), at.text)
}
