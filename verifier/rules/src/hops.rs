//! Several servers in a row: which of them responds, which serves the file, and which passes a
//! hand-off through.

use sendfile_evidence::{ProbeId, Response, Server, dialect::file_seen};

use crate::analysis::Analysis;

impl Analysis<'_> {
    /// Whether the client received the app's own response, with or without the hand-off header.
    pub fn passed_on(&self) -> bool {
        let Some(full) = self.wrong_full() else { return false };
        let came_out = self.handoff().is_some_and(|(name, _)| full.header(name).is_some());
        came_out || full.body.size == 0 && (200..300).contains(&full.status)
    }

    /// Whether the page comes from another server than the one that serves the file directly, and
    /// both act on the app's header: the server in between consumed it.
    pub fn refused_between(&self, full: &Response) -> bool {
        let (Some(page), Some((name, _))) = (self.own_page(full), self.handoff()) else {
            return false;
        };
        let acts = |it: &Server| it.header().is_some() && it.acts_on(name);
        let serving = self.server.filter(|_| self.direct_right());
        acts(&page) && serving.is_some_and(|it| acts(&it) && it != page)
    }

    /// Whether the site acts on other hand-offs of the fixture.
    pub fn obeys_others(&self) -> bool {
        [ProbeId::NoExtension, ProbeId::DoubleSlash, ProbeId::DirectUri]
            .into_iter()
            .any(|id| self.returns_dummy(id))
    }

    /// Whether the directly served file has an ETag that the front server does not generate: a
    /// server behind it serves the file.
    pub(super) fn served_behind(&self) -> bool {
        let tag = self.direct().filter(|_| self.direct_right()).and_then(|it| it.header("etag"));
        let size = self.evidence.dummy.as_ref().map(|it| it.size);
        let telling = self.server.filter(|it| matches!(it, Server::Nginx | Server::Caddy));
        telling.zip(tag).is_some_and(|(it, tag)| file_seen(it, tag).map(|it| it.size) != size)
    }

    /// Whether another server responds to the client than the one that serves the file directly.
    ///
    /// nginx and Caddy always set their own Server header; Apache and lighttpd pass the app's on.
    pub fn another_front(&self) -> bool {
        let Some(full) = self.evidence.full.response().filter(|_| self.direct_right()) else {
            return false;
        };
        let of_app = self.app().and_then(|it| it.header("server"));
        let passed_on = of_app.is_some() && full.header("server") == of_app;
        let front = Server::of(full).filter(|_| !passed_on);
        match self.server {
            Some(Server::Nginx | Server::Caddy) => front != self.server,
            _ => front.is_some() && front != self.server,
        }
    }
}

/// An inner proxy that, requested directly, returns neither the file nor the app's hand-off header.
pub(crate) fn swallower<'a>(analysis: &Analysis<'a>) -> Option<(ProbeId, &'a Response)> {
    let (name, _) = analysis.handoff()?;
    analysis.inner().find(|(id, it)| it.header(name).is_none() && !analysis.returns_dummy(*id))
}

/// Whether a hand-off to the direct location falls through although clients get the file there:
/// then another proxy acts on it.
pub(crate) fn swallowed(analysis: &Analysis<'_>) -> bool {
    let fallen = analysis
        .probe(ProbeId::DirectUri)
        .is_some_and(|it| it.header("x-sendfile-fixture").is_some());
    fallen && analysis.direct_right()
}
