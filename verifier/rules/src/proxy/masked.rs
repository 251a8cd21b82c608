//! Answers by which a site shows something else than the proxy's own 403 or 404.

use super::super::{Reached, Reading, instead::alike};
use sendfile_evidence::{ProbeId, Response, dialect::store_error};

impl<'a> Reading<'a> {
    /// What comes after the hand-off, where the direct location gives the same, and other paths of
    /// the site don't: whatever the proxy says where it cannot read the file, in other words than
    /// its own.
    pub(in super::super) fn masked(&self) -> Option<&'a Response> {
        let full = self.unread().filter(|_| matches!(self.reached, Reached::App(_)))?;
        let (direct, elsewhere) = (self.direct_wrong()?, self.probe(ProbeId::Elsewhere)?);
        let same = alike(full, direct) && full.header("location") == direct.header("location");
        let plain = self.own_page(full).is_some() || store_error(&full.body).is_some();
        let error = (300..=404).contains(&full.status);
        (same && error && !plain && !alike(full, elsewhere)).then_some(full)
    }

    /// The visitor's wrong answer, where storage and app are right, and the direct location is not.
    pub(in super::super) fn unread(&self) -> Option<&'a Response> {
        let others = !self.storage_to_blame() && self.app_right();
        self.wrong_full().filter(|_| others && !self.direct_right())
    }
}
