//! A directive: what the configurations of nginx, Apache and Caddy are made of.

use std::rc::Rc;

use sendfile_evidence::fact::Place;

/// A directive, with its block if it has one.
#[derive(Clone, Debug)]
pub(super) struct Directive {
    /// Its name, as it is looked up.
    pub(super) name: String,
    /// Its name as it is written; a section's with its bracket.
    pub(super) spelled: String,
    /// The words behind it.
    pub(super) args: Vec<String>,
    /// Its file.
    pub(super) file: Rc<str>,
    /// Its line.
    pub(super) line: u32,
    /// What its block has, where it has one.
    pub(super) block: Option<Vec<Self>>,
}

impl Directive {
    /// How many bytes it takes without its block, roughly.
    pub(super) fn weight(&self) -> usize {
        let words = self.args.iter().map(|it| it.len() + 64).sum::<usize>();
        256 + 2 * self.spelled.len() + words
    }

    /// The n-th word behind the name, or nothing.
    pub(super) fn arg(&self, n: usize) -> &str {
        self.args.get(n).map_or("", String::as_str)
    }

    /// What its block has, or nothing.
    pub(super) fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The last directive of this name in the block.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.inside().iter().rev().find(|it| it.name == name)
    }

    /// All directives of this name in the block.
    pub(super) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.inside().iter().filter(move |it| it.name == name)
    }

    /// Where it stands, its secrets redacted.
    pub(super) fn place(&self) -> Place {
        Place { file: self.file.to_string(), line: self.line, text: self.text() }
    }

    /// It as it is written, its secrets redacted.
    pub(super) fn text(&self) -> String {
        let text = sendfile_evidence::secret::directive(&self.spelled, &self.args);
        if self.spelled.starts_with('<') { format!("{text}>") } else { text }
    }
}
