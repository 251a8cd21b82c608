//! Reads the files of one configuration within limits, so that no file is too large, includes
//! itself too often, or grows without limit. An exceeded limit is recorded as a fact.

use sendfile_evidence::fact::{Fact, FactKind};

use crate::{
    directive::Directive,
    disk::{Disk, Text},
};

/// Maximum number of files, counting repeated includes.
const MOST: usize = 500;

/// Maximum number of bytes kept, counting repeated includes.
const ROOM: usize = 128 << 20;

/// Maximum number of problems that are reported.
const NAMED: usize = 20;

/// Why reading stops at the limit on files.
const TOO_MANY: &str = "too many files";

/// Why reading stops at the limit on bytes.
pub(super) const TOO_LARGE: &str = "the configuration is too large";

/// Reads the files of one configuration.
pub(super) struct Files<'a> {
    disk: &'a mut dyn Disk,
    unread: &'a mut Vec<Fact>,
    left: usize,
    room: usize,
}

impl<'a> Files<'a> {
    /// Starts with nothing read.
    pub(super) fn new(disk: &'a mut dyn Disk, unread: &'a mut Vec<Fact>) -> Self {
        Self { disk, unread, left: MOST, room: ROOM }
    }

    /// The disk, for files that are not part of the configuration.
    pub(super) fn disk(&mut self) -> &mut dyn Disk {
        self.disk
    }

    /// Records something that could not be read.
    pub(super) fn not_read(&mut self, what: &str, reason: &str) {
        if self.unread.len() > NAMED {
            return;
        }
        let detail = if self.unread.len() == NAMED {
            "Further files could not be read".to_owned()
        } else {
            format!("Cannot read `{what}`: {reason}")
        };
        self.unread.push(Fact::of(FactKind::Unread, detail));
    }

    /// Records something that is not supported.
    pub(super) fn unsure(&mut self, reason: &str) {
        let fact = Fact::of(FactKind::Unsure, reason);
        if self.unread.len() < NAMED && !self.unread.contains(&fact) {
            self.unread.push(fact);
        }
    }

    /// The files that a path or a pattern matches, and their texts.
    pub(super) fn named(&mut self, pattern: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        if self.left == 0 {
            self.not_read(pattern, TOO_MANY);
            return found;
        }
        for Text { path, text } in self.disk.read(pattern) {
            if !self.counts(&path) {
                break;
            }
            match text {
                Ok(text) => found.push((path, text)),
                Err(reason) => self.not_read(&path, &reason),
            }
        }
        found
    }

    /// Whether one more file may be read.
    pub(super) fn counts(&mut self, path: &str) -> bool {
        if self.left == 0 {
            self.not_read(path, TOO_MANY);
            return false;
        }
        self.left -= 1;
        true
    }

    /// Whether this many more bytes may be kept. After a refusal, no further byte may be kept.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        if bytes > self.room {
            self.room = 0;
            return false;
        }
        self.room -= bytes;
        true
    }

    /// Whether a directive with its block may be kept.
    pub(super) fn has_room_for(&mut self, directive: &Directive) -> bool {
        if !self.has_room(directive.weight()) {
            return false;
        }
        for child in directive.inside() {
            if !self.has_room_for(child) {
                return false;
            }
        }
        true
    }
}
