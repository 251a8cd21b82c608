//! Responses by which a site masks the proxy's own 403 or 404.

use sendfile_evidence::{ProbeId, Response, dialect::store_error};

use crate::{analysis::Analysis, body_class::alike, reached::Reached};

impl<'a> Analysis<'a> {
    /// The response after the hand-off, if the direct location returns the same and other paths of
    /// the site do not: the site's own wording for a file that the proxy cannot read.
    pub(in super::super) fn masked(&self) -> Option<&'a Response> {
        let full = self.unread().filter(|_| matches!(self.reached, Reached::App(_)))?;
        let (direct, elsewhere) = (self.direct_wrong()?, self.probe(ProbeId::Elsewhere)?);
        let same = alike(full, direct) && full.header("location") == direct.header("location");
        let plain = self.own_page(full).is_some() || store_error(&full.body).is_some();
        let error = (300..=404).contains(&full.status);
        (same && error && !plain && !alike(full, elsewhere)).then_some(full)
    }

    /// The client's wrong response, if storage and app are right and the direct location is not.
    pub(in super::super) fn unread(&self) -> Option<&'a Response> {
        let others = !self.storage_is_culprit() && self.app_right();
        self.wrong_full().filter(|_| others && !self.direct_right())
    }
}
