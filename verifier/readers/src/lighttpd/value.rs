//! The elements of lighttpd's configuration: settings, their values, and conditions. It knows
//! neither the syntax nor the meaning of any key.

use std::rc::Rc;

use sendfile_evidence::fact::SourceLine;

/// The elements of a file.
#[derive(Clone, Debug)]
pub(super) enum Item {
    /// An assignment.
    Set(Setting),
    /// Conditions with their branches; the first branch whose condition holds applies.
    If(Vec<Branch>),
}

/// An assignment.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) key: String,
    pub(super) value: Value,
    /// Whether the assignment appends to the previous value.
    pub(super) appends: bool,
    pub(super) file: Rc<str>,
    pub(super) line: u32,
}

/// A branch of a condition.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    /// The condition; `None` for a plain `else`.
    pub(super) condition: Option<Condition>,
    pub(super) items: Vec<Item>,
}

/// `$HTTP["url"] =~ "^/x"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// `HTTP`, `SERVER` …
    pub(super) variable: String,
    /// `url`, `host` …
    pub(super) key: String,
    /// `==`, `=~` …
    pub(super) operator: String,
    pub(super) value: String,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text, a number, or a word such as `enable`.
    Text(String),
    /// A list of entries, with or without names.
    List(Vec<(Option<String>, Self)>),
}

impl Setting {
    /// The position of the assignment.
    pub(super) fn place(&self) -> SourceLine {
        SourceLine { file: self.file.to_string(), line: self.line, text: self.key.clone() }
    }

    /// The position of the assignment, with an entry of its value.
    pub(super) fn place_of(&self, entry: &str) -> SourceLine {
        SourceLine { text: format!("{} {entry}", self.key), ..self.place() }
    }
}

impl Value {
    /// The value's text, or an empty one.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::List(_) => "",
        }
    }

    /// The entries of a list; a text is its own only entry.
    pub(super) fn entries(&self) -> Vec<(Option<&str>, &Self)> {
        match self {
            Self::Text(_) => vec![(None, self)],
            Self::List(list) => list.iter().map(|(name, value)| (name.as_deref(), value)).collect(),
        }
    }

    /// The first entry with a name.
    pub(super) fn named(&self, wanted: &str) -> Option<&Self> {
        for (name, value) in self.entries() {
            if name == Some(wanted) {
                return Some(value);
            }
        }
        None
    }

    /// The text of the first entry with a name.
    pub(super) fn named_text(&self, wanted: &str) -> Option<&str> {
        Some(self.named(wanted)?.text())
    }

    /// Both values combined: lists become one list, texts one text.
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Text(first), Self::Text(second)) => Self::Text(first + &second),
            (Self::List(mut list), Self::List(more)) => {
                list.extend(more);
                Self::List(list)
            }
            (Self::List(mut list), last) => {
                list.push((None, last));
                Self::List(list)
            }
            (first, Self::List(mut list)) => {
                list.insert(0, (None, first));
                Self::List(list)
            }
        }
    }

    /// The approximate size of the value in bytes.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len() + 64,
            Self::List(list) => {
                let mut size = 64;
                for (name, value) in list {
                    if let Some(name) = name {
                        size += name.len();
                    }
                    size += value.size();
                }
                size
            }
        }
    }
}
