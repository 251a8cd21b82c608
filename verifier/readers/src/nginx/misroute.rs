//! Explains why an unintended rule matches a hand-off URI, and finds the intended one.

use sendfile_evidence::fact::{Fact, FactKind, SourceLine};

use super::{
    closest_location::closest_location,
    internal_redirect::InternalRedirect,
    location::{Form, all_below},
    route::{Evaluator, Route},
    server::ServerBlock,
    tree::Directive,
    variables::Env,
};
use crate::opened::mapped;

/// Maximum number of other server blocks that are examined.
const MOST: usize = 64;

/// A hand-off URI that is matched by an unintended rule.
pub(super) struct Misroute<'c, 'a> {
    /// The hand-off.
    pub(super) redirect: &'c InternalRedirect<'c, 'a>,
    /// The route that the URI takes.
    pub(super) route: &'c Route<'a>,
    /// The state of the request before the redirect.
    pub(super) env: &'c Env<'a>,
    /// The rule that matches the URI.
    pub(super) at: SourceLine,
    /// What that rule does.
    pub(super) what: &'c str,
}

impl<'a> Misroute<'_, 'a> {
    /// Why the URI ends at this rule, and what would correct that.
    pub(super) fn fact(&self) -> Fact {
        if let Some(rewrite) = self.route.rewrite {
            return self.rewritten(rewrite.place());
        }
        if let Some(location) = self.shadowed_location() {
            return self.shadowed(location);
        }
        if let Some((server, location)) = self.location_in_other_server() {
            return self.in_other_server(server, location);
        }
        self.without_location()
    }

    /// The fact that a `rewrite` changes the URI before a location is looked up.
    fn rewritten(&self, rewrite: SourceLine) -> Fact {
        let (uri, what) = (&self.route.env.uri, self.what);
        let detail = format!("rewrites the hand-off URI to {uri}; the location {what}");
        let suggestion = format!(
            "Change `{}` ({}) so that it does not match {}",
            rewrite.text,
            rewrite.line(),
            self.redirect.uri()
        );
        Fact::at(FactKind::TargetFallsThrough, rewrite, detail).mended_by(suggestion)
    }

    /// The internal location that also matches, but over which another location has precedence.
    fn shadowed_location(&self) -> Option<&'a Directive> {
        let Evaluator { server, matcher, .. } = self.redirect.context.evaluator;
        let uri = self.redirect.uri();
        let matching = self.route.scope.location();
        for locations in all_below(server) {
            let Some(location) = locations.last().copied() else { continue };
            let form = Form::of(location);
            let is_matching = matching.is_some_and(|matching| std::ptr::eq(location, matching));
            if location.child("internal").is_some()
                && !is_matching
                && form.is_some_and(|form| form.matches(&uri, matcher))
            {
                return Some(location);
            }
        }
        None
    }

    fn shadowed(&self, location: &Directive) -> Fact {
        let intended = location.place();
        let (text, line) = (&intended.text, intended.line());
        let suggestion = match Form::of(location).and_then(Form::prefix) {
            Some(prefix) => format!("In {line}, replace `{text}` with `location ^~ {prefix}`"),
            None => format!("Move `{text}` ({line}) before {}", self.at.line()),
        };
        let detail =
            format!("{}; `{text}` ({line}) matches too but has lower precedence", self.what);
        Fact::at(FactKind::TargetShadowed, self.at.clone(), detail).mended_by(suggestion)
    }

    /// Another server block than the one that handles the request, in which the URI leads to the
    /// file or to an internal location; and that location.
    fn location_in_other_server(&self) -> Option<(&'a ServerBlock<'a>, &'a Directive)> {
        let context = self.redirect.context;
        let mut examined = 0;
        for server in context.servers {
            if std::ptr::eq(server.block, context.evaluator.server) {
                continue;
            }
            if examined == MOST {
                break;
            }
            examined += 1;
            if let Some(location) = self.right_location(server) {
                return Some((server, location));
            }
        }
        None
    }

    /// The location of a server block that leads to the file or is internal.
    fn right_location(&self, server: &'a ServerBlock<'a>) -> Option<&'a Directive> {
        let evaluator = Evaluator { server: server.block, ..self.redirect.context.evaluator };
        let route = self.redirect.route(evaluator, self.env)?;
        let location = route.scope.location()?;
        let is_named = matches!(Form::of(location), Some(Form::Named(_)));
        let is_found = is_named || !self.redirect.is_named();
        let is_right = route.scope.is_internal() || self.redirect.is_right(&route);
        if is_found && is_right { Some(location) } else { None }
    }

    fn in_other_server(&self, server: &ServerBlock<'_>, location: &Directive) -> Fact {
        let name = server.names().first().copied().unwrap_or("unnamed");
        let intended = location.place();
        let (text, line) = (&intended.text, intended.line());
        let detail =
            format!("{}; `{text}` ({line}) is in another server block ({name})", self.what);
        let here = self.redirect.context.evaluator.server.place().line();
        let suggestion = format!(
            "Copy `{text} {{ … }}` from {line} to the server block that handles the request, {here}"
        );
        Fact::at(FactKind::TargetInOtherServer, self.at.clone(), detail).mended_by(suggestion)
    }

    /// The fact that no location matches, with the one that is most similar.
    fn without_location(&self) -> Fact {
        let context = self.redirect.context;
        let (server, uri) = (context.evaluator.server, self.redirect.uri());
        let mapping = match &context.query.file {
            Some(file) => mapped(&uri, file),
            None => None,
        };
        let (prefix, inside) = match mapping {
            Some((prefix, directory)) => (prefix, format!("internal; alias {directory};")),
            None => (first_segment(&uri), "internal; …".to_owned()),
        };
        if let Some(closest) = closest_location(server, &uri, &prefix) {
            let (text, line) = (&closest.at.text, closest.at.line());
            let detail =
                format!("{}; `{text}` ({line}) does not match: {}", self.what, closest.because);
            return Fact::at(FactKind::TargetFallsThrough, self.at.clone(), detail)
                .mended_by(closest.suggestion);
        }
        let line = server.place().line();
        let suggestion = format!("In {line}, add `location ^~ {prefix} {{ {inside} }}`");
        Fact::at(FactKind::TargetFallsThrough, self.at.clone(), self.what).mended_by(suggestion)
    }
}

fn first_segment(uri: &str) -> String {
    let name = uri.trim_start_matches('/').split('/').next().unwrap_or_default();
    format!("/{name}/")
}
