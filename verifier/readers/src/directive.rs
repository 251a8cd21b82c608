//! A directive, the element of the configurations of nginx, Apache and Caddy.
//!
//! It knows where it is in the file and which block it has, but not what any directive means.

use std::rc::Rc;

use sendfile_evidence::{fact::SourceLine, secret};

/// A directive, with its block if it has one.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    /// The name, normalised for look-up.
    pub(super) name: String,
    /// The name as written; for a section, including the bracket.
    pub(super) spelled: String,
    /// The arguments.
    pub(super) args: Vec<String>,
    /// The file that contains the directive.
    pub(super) file: Rc<str>,
    /// The line in the file.
    pub(super) line: u32,
    /// The directives of the block, if the directive has one.
    pub(super) block: Option<Vec<Self>>,
}

impl Directive {
    /// The approximate size in bytes, without the block.
    pub(super) fn weight(&self) -> usize {
        let mut weight = 256 + 2 * self.spelled.len();
        for arg in &self.args {
            weight += arg.len() + 64;
        }
        weight
    }

    /// The n-th argument, or an empty text.
    pub(super) fn arg(&self, n: usize) -> &str {
        match self.args.get(n) {
            Some(arg) => arg,
            None => "",
        }
    }

    /// The directives of the block; empty without a block.
    pub(super) fn inside(&self) -> &[Self] {
        match &self.block {
            Some(block) => block,
            None => &[],
        }
    }

    /// The last directive with this name in the block.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.inside().iter().rev().find(|directive| directive.name == name)
    }

    /// All directives with this name in the block.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.inside().iter().filter(move |directive| directive.name == name)
    }

    /// The position in the file, with secrets redacted.
    pub(super) fn place(&self) -> SourceLine {
        SourceLine { file: self.file.to_string(), line: self.line, text: self.text() }
    }

    /// The text as written, with secrets redacted.
    pub(super) fn text(&self) -> String {
        let text = secret::directive(&self.spelled, &self.args);
        if self.spelled.starts_with('<') { format!("{text}>") } else { text }
    }
}
