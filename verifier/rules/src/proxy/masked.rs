//! Responses by which a site masks the proxy's own 403 or 404. Knows no rule.

use sendfile_evidence::{ProbeId, Response, dialect::store_error};

use crate::{analysis::Analysis, body_class::alike, reached::Reached};

impl<'a> Analysis<'a> {
    /// The response after the hand-off, if the direct location returns the same response and other
    /// paths of the site do not: it is the site's own page for a file that the proxy cannot read.
    pub(crate) fn masked(&self) -> Option<&'a Response> {
        let full = self.unread()?;
        let direct = self.direct_wrong()?;
        let elsewhere = self.probe(ProbeId::Elsewhere)?;
        let own = self.own_page(full).is_some() || store_error(&full.body).is_some();
        let same = alike(full, direct) && full.header("location") == direct.header("location");
        if !matches!(self.reached, Reached::App(_))
            || !(300..=404).contains(&full.status)
            || own
            || !same
            || alike(full, elsewhere)
        {
            return None;
        }
        Some(full)
    }

    /// The client's wrong response, if the storage and the app are right and the direct location is
    /// not.
    pub(crate) fn unread(&self) -> Option<&'a Response> {
        let full = self.wrong_full()?;
        if self.storage_is_culprit() || !self.app_right() || self.direct_right() {
            return None;
        }
        Some(full)
    }
}
