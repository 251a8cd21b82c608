//! The elements of lighttpd's configuration: settings, their values, and conditions.

use std::rc::Rc;

use sendfile_evidence::fact::SourceLine;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    /// A text, a number, or a word such as `enable`.
    Text(String),
    /// A list; its entries with names or without.
    List(Vec<(Option<String>, Self)>),
}

impl Value {
    /// Its text, or an empty one.
    pub(in super::super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::List(_) => "",
        }
    }

    /// The entries; a text is its own only entry.
    pub(in super::super) fn entries(&self) -> Vec<(Option<&str>, &Self)> {
        match self {
            Self::Text(_) => vec![(None, self)],
            Self::List(list) => list.iter().map(|(name, it)| (name.as_deref(), it)).collect(),
        }
    }

    /// The entry with a name.
    pub(in super::super) fn named(&self, name: &str) -> Option<&Self> {
        self.entries().into_iter().find(|(it, _)| *it == Some(name)).map(|(_, it)| it)
    }

    /// Both combined: lists become one list, texts one text.
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Self::Text(a + &b),
            (Self::List(mut a), Self::List(b)) => {
                a.extend(b);
                Self::List(a)
            }
            (Self::List(mut a), b) => {
                a.push((None, b));
                Self::List(a)
            }
            (a, Self::List(mut b)) => {
                b.insert(0, (None, a));
                Self::List(b)
            }
        }
    }
}

/// The elements of a file.
#[derive(Clone, Debug)]
pub(in super::super) enum Item {
    /// An assignment.
    Set(Setting),
    /// Conditions, of which the first that holds applies.
    If(Vec<Branch>),
}

/// An assignment.
#[derive(Clone, Debug)]
pub(in super::super) struct Setting {
    pub(in super::super) key: String,
    pub(in super::super) value: Value,
    /// Whether it appends to the previous value.
    pub(in super::super) adds: bool,
    pub(super) file: Rc<str>,
    pub(super) line: u32,
}

impl Setting {
    /// Its position.
    pub(in super::super) fn place(&self) -> SourceLine {
        SourceLine { file: self.file.to_string(), line: self.line, text: self.key.clone() }
    }

    /// Its position, with an entry of its value.
    pub(in super::super) fn place_of(&self, entry: &str) -> SourceLine {
        SourceLine { text: format!("{} {entry}", self.key), ..self.place() }
    }
}

/// A branch of a condition.
#[derive(Clone, Debug)]
pub(in super::super) struct Branch {
    /// The condition; `None` for a plain `else`.
    pub(in super::super) condition: Option<Condition>,
    pub(in super::super) items: Vec<Item>,
}

/// `$HTTP["url"] =~ "^/x"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Condition {
    /// `HTTP`, `SERVER` …
    pub(in super::super) of: String,
    /// `url`, `host` …
    pub(in super::super) key: String,
    /// `==`, `=~` …
    pub(in super::super) sign: String,
    pub(in super::super) value: String,
}

/// The approximate size of a value in bytes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len() + 64,
        Value::List(list) => {
            64 + list
                .iter()
                .map(|(name, it)| name.as_ref().map_or(0, String::len) + size(it))
                .sum::<usize>()
        }
    }
}
