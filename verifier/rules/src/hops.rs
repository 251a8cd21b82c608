//! Several servers in a row: which of them responds, which serves the file, and which passes a
//! hand-off through.

use sendfile_evidence::{ProbeId, Response, Server, dialect::file_seen};

use crate::analysis::Analysis;

impl Analysis<'_> {
    /// Whether the client received the app's own response, with or without the hand-off header.
    pub fn passed_on(&self) -> bool {
        let Some(full) = self.wrong_full() else { return false };
        if let Some((name, _)) = self.handoff()
            && full.header(name).is_some()
        {
            return true;
        }
        full.body.size == 0 && (200..300).contains(&full.status)
    }

    /// Whether another server than the one that serves the file directly returned this page, and
    /// both act on the app's header. The server in between then consumed the header.
    pub fn refused_between(&self, full: &Response) -> bool {
        let (Some(page), Some(serving), Some((name, _))) =
            (self.own_page(full), self.server, self.handoff())
        else {
            return false;
        };
        let acts = |server: Server| server.header().is_some() && server.acts_on(name);
        self.direct_right() && page != serving && acts(page) && acts(serving)
    }

    /// Whether the site acts on other hand-offs of the fixture.
    pub fn obeys_others(&self) -> bool {
        let others = [ProbeId::NoExtension, ProbeId::DoubleSlash, ProbeId::DirectUri];
        others.into_iter().any(|id| self.returns_dummy(id))
    }

    /// Whether the directly served file has an ETag that the front server does not generate: a
    /// server behind it serves the file.
    pub(crate) fn served_behind(&self) -> bool {
        let Some(server @ (Server::Nginx | Server::Caddy)) = self.server else { return false };
        let Some(direct) = self.direct() else { return false };
        let Some(tag) = direct.header("etag") else { return false };
        let size = self.evidence.dummy.as_ref().map(|dummy| dummy.size);
        self.direct_right() && file_seen(server, tag).map(|file| file.size) != size
    }

    /// Whether the server that responds to the client differs from the server that serves the file
    /// directly.
    ///
    /// nginx and Caddy always set their own Server header; Apache and lighttpd pass on the app's.
    pub fn another_front(&self) -> bool {
        let Some(full) = self.evidence.full.response() else { return false };
        if !self.direct_right() {
            return false;
        }
        let of_app = self.app().and_then(|app| app.header("server"));
        let passed_on = of_app.is_some() && full.header("server") == of_app;
        let front = if passed_on { None } else { Server::of(full) };
        match self.server {
            Some(Server::Nginx | Server::Caddy) => front != self.server,
            _ => front.is_some() && front != self.server,
        }
    }
}

/// An inner proxy that, requested directly, returns neither the file nor the app's hand-off header.
pub(crate) fn swallower<'a>(analysis: &Analysis<'a>) -> Option<(ProbeId, &'a Response)> {
    let (name, _) = analysis.handoff()?;
    for (id, response) in analysis.inner() {
        if response.header(name).is_none() && !analysis.returns_dummy(id) {
            return Some((id, response));
        }
    }
    None
}

/// Whether a hand-off to the direct location falls through although clients get the file there.
/// Then another proxy acts on the hand-off.
pub(crate) fn swallowed(analysis: &Analysis<'_>) -> bool {
    let Some(response) = analysis.probe(ProbeId::DirectUri) else { return false };
    response.header("x-sendfile-fixture").is_some() && analysis.direct_right()
}
