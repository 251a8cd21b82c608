//! A hand-off URI that is matched by an unintended rule: which rule was intended?

use sendfile_evidence::fact::{Fact, FactKind, SourceLine};

use super::{
    super::opened::mapped,
    download::flatten,
    location::Form,
    nearest::{losing, nearest},
    route::{Route, Walk},
    server::ServerBlock,
    target::Target,
    tree::Directive,
    variables::Env,
};

impl<'a> Target<'_, 'a> {
    /// Why the URI ends where it does, and what would correct it.
    pub(super) fn astray(
        &self,
        route: &Route<'a>,
        env: &Env<'a>,
        at: SourceLine,
        what: &str,
    ) -> Fact {
        self.rewritten(route, what)
            .or_else(|| self.shadowed(route, &at, what))
            .or_else(|| self.in_other_server(env, &at, what))
            .unwrap_or_else(|| self.without_location(at, what))
    }

    /// A `rewrite` changes the URI before a location is looked up.
    fn rewritten(&self, route: &Route<'a>, what: &str) -> Option<Fact> {
        let by = route.rewrite?.place();
        let detail = format!("rewrites the hand-off URI to {}; the location {what}", route.env.uri);
        let fix = format!(
            "Change `{}` ({}) so that it does not match {}",
            by.text,
            by.line(),
            self.uri()
        );
        Some(Fact::at(FactKind::TargetFallsThrough, by, detail).mended_by(fix))
    }

    /// An internal location matches, but another one has precedence.
    fn shadowed(&self, route: &Route<'a>, at: &SourceLine, what: &str) -> Option<Fact> {
        let mut ways = Vec::new();
        flatten(self.case.walk.server, &mut Vec::new(), &mut ways);
        let matcher = self.case.walk.matcher;
        let meant = losing(&ways, &self.uri(), route.scope.location(), matcher)?;
        let there = meant.place();
        let fix = match Form::of(meant).and_then(Form::prefix) {
            Some(prefix) => {
                format!("In {}, replace `{}` with `location ^~ {prefix}`", there.line(), there.text)
            }
            None => format!("Move `{}` ({}) before {}", there.text, there.line(), at.line()),
        };
        let detail = format!(
            "{what}; `{}` ({}) matches too but has lower precedence",
            there.text,
            there.line()
        );
        Some(Fact::at(FactKind::TargetShadowed, at.clone(), detail).mended_by(fix))
    }

    /// A server block, other than the one that handles the request, where the URI leads to the file
    /// or to an internal location.
    fn in_other_server(&self, env: &Env<'a>, at: &SourceLine, what: &str) -> Option<Fact> {
        let here = self.case.walk.server;
        let others = self.case.servers.iter().filter(|it| !std::ptr::eq(it.block, here));
        let (other, location) = others.take(MOST).find_map(|it| self.leads_right(it, env))?;
        let (name, there) = (other.names().next().unwrap_or("unnamed"), location.place());
        let detail = format!(
            "{what}; `{}` ({}) is in another server block ({name})",
            there.text,
            there.line()
        );
        let fix = format!(
            "Copy `{} {{ … }}` from {} to the server block that handles the request, {}",
            there.text,
            there.line(),
            here.place().line()
        );
        Some(Fact::at(FactKind::TargetInOtherServer, at.clone(), detail).mended_by(fix))
    }

    fn leads_right(
        &self,
        server: &'a ServerBlock<'a>,
        env: &Env<'a>,
    ) -> Option<(&'a ServerBlock<'a>, &'a Directive)> {
        let route = self.route(Walk { server: server.block, ..self.case.walk }, env)?;
        let location = route.scope.location()?;
        let named = matches!(Form::of(location), Some(Form::Named(_)));
        let found = named || !self.value.starts_with('@');
        let leads = route.scope.is_internal() || self.is_right(&route);
        (found && leads).then_some((server, location))
    }

    /// No location matches; perhaps one nearly does.
    fn without_location(&self, at: SourceLine, what: &str) -> Fact {
        let (server, uri) = (self.case.walk.server, self.uri());
        let file = self.case.question.file.as_deref();
        let known = file.and_then(|file| mapped(&uri, file));
        let (prefix, inside) = match known {
            Some((prefix, folder)) => (prefix, format!("internal; alias {folder};")),
            None => (first_segment(&uri), "internal; …".to_owned()),
        };
        if let Some(meant) = nearest(server, &uri, &prefix) {
            let there = meant.at.line();
            let detail =
                format!("{what}; `{}` ({there}) does not match: {}", meant.at.text, meant.because);
            return Fact::at(FactKind::TargetFallsThrough, at, detail).mended_by(meant.fix);
        }
        let fix =
            format!("In {}, add `location ^~ {prefix} {{ {inside} }}`", server.place().line());
        Fact::at(FactKind::TargetFallsThrough, at, what).mended_by(fix)
    }
}

/// Maximum number of other server blocks that are examined.
const MOST: usize = 64;

fn first_segment(uri: &str) -> String {
    let name = uri.trim_start_matches('/').split('/').next().unwrap_or_default();
    format!("/{name}/")
}
