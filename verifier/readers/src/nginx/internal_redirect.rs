//! The internal redirect that a hand-off makes nginx perform.
//!
//! Knows where a hand-off URI leads and whether that is intended; other modules write the facts.

use sendfile_evidence::{fact::SourceLine, request::Address};

use super::{
    context::EvalContext,
    route::{Evaluator, Route, RouteOutcome},
    upstream::Upstream,
    variables::Env,
};
use crate::{disk::Look, opened::same, uri};

/// A hand-off's value, and the download that it belongs to.
pub(super) struct InternalRedirect<'c, 'a> {
    /// The query.
    pub(super) context: &'c EvalContext<'a>,
    /// The address that the download is passed to, if known.
    pub(super) app: Option<&'c Address>,
    /// The value of the header: a URI or a named location.
    pub(super) value: &'c str,
}

impl<'a> InternalRedirect<'_, 'a> {
    /// The route through a server block; `None` if nginx rejects the URI as unsafe.
    pub(super) fn route(&self, evaluator: Evaluator<'a>, env: &Env<'a>) -> Option<Route<'a>> {
        if self.is_named() {
            return Some(evaluator.route_from_named(self.value, env.clone()));
        }
        let (uri, args) = uri::of_handoff(self.value)?;
        let mut env = env.with_uri(uri);
        env.args = args;
        Some(evaluator.route(env))
    }

    /// Whether the value is a named location.
    pub(super) fn is_named(&self) -> bool {
        self.value.starts_with('@')
    }

    /// The decoded URI.
    pub(super) fn uri(&self) -> String {
        match uri::of_handoff(self.value) {
            Some((uri, _)) => uri,
            None => self.value.to_owned(),
        }
    }

    /// The location that matches the URI, or the server block if none does.
    pub(super) fn end_of(&self, route: &Route<'a>) -> SourceLine {
        route.scope.location().unwrap_or(self.context.evaluator.server).place()
    }

    /// Whether a route leads to the file, or to a store that is not the app.
    pub(super) fn is_right(&self, route: &Route<'a>) -> bool {
        let query = self.context.query;
        match &route.outcome {
            RouteOutcome::Opens(opened, _) => {
                let disk = self.context.evaluator.disk;
                match &query.file {
                    Some(file) => same(&opened.path, file, disk),
                    None => disk.look(&opened.path) == Look::File,
                }
            }
            RouteOutcome::Passes(pass) => match Upstream::of(pass, &route.scope, &route.env) {
                Ok(upstream) => !self.is_app(&upstream) && query.store.is_some(),
                Err(_) => false,
            },
            _ => false,
        }
    }

    /// Whether a route passes the request to the app again.
    pub(super) fn returns_to_app(&self, route: &Route<'a>) -> bool {
        let RouteOutcome::Passes(pass) = route.outcome else { return false };
        match Upstream::of(pass, &route.scope, &route.env) {
            Ok(upstream) => self.is_app(&upstream),
            Err(_) => false,
        }
    }

    /// Whether an upstream is the app.
    pub(super) fn is_app(&self, upstream: &Upstream<'_>) -> bool {
        if let Some(app) = self.app
            && upstream.is_at(app)
        {
            return true;
        }
        match upstream.address() {
            Some(address) => self.context.query.is_app(address) == Some(true),
            None => false,
        }
    }
}
