//! What the hand-off URI leads to: a file, a store, the app again, or another server block.
//!
//! Writes the facts. `internal_redirect` knows where the URI leads, and `misroute` knows which rule
//! was intended instead.

use sendfile_evidence::{
    fact::{Fact, FactKind, Misconfiguration, SourceLine},
    request::Request,
};

use super::{
    context::EvalContext,
    download::PassedRoute,
    guard::guarded,
    internal_redirect::InternalRedirect,
    location::Form,
    misroute::Misroute,
    open_proxy::open_proxy,
    route::{Evaluator, Route, RouteOutcome, error_page},
    server, store,
    suggestion::WrongPath,
    tree::Directive,
    upstream::Upstream,
    variables::{Env, of_request},
};
use crate::{
    opened::{self, Opened, mapped},
    reader::RouteAnalysis,
};

/// Records what the hand-off URI leads to, and returns the route.
pub(super) fn record<'a>(
    context: &EvalContext<'a>,
    passed: Option<&PassedRoute<'a>>,
    analysis: &mut RouteAnalysis,
) -> Option<Route<'a>> {
    let query = context.query;
    if !query.hands_over_by("X-Accel-Redirect") {
        return None;
    }
    let value = query.value.as_deref()?;
    let (env, app) = match passed {
        Some(PassedRoute { route, upstream: Some(upstream), .. }) => {
            (route.env.clone(), upstream.address())
        }
        Some(PassedRoute { route, upstream: None, .. }) => (route.env.clone(), None),
        None => (context.env(&query.site)?, None),
    };
    let env = env.after_app();
    let redirect = InternalRedirect { context, app, value };
    let route = redirect.route(context.evaluator, &env)?;
    let (route, masking) = settled(&redirect, route);
    analysis.target.extend(masking);
    if let Some(reason) = &route.unsure {
        analysis.target.push(Fact::of(FactKind::Unsure, reason.clone()));
        analysis.unsure = true;
    }
    let facts = Destination { redirect: &redirect, route: &route, env: &env }.facts();
    let is_unknown = facts.iter().any(|fact| fact.kind == FactKind::TargetPathUnknown);
    analysis.unsure |= is_unknown || matches!(route.outcome, RouteOutcome::Unknown);
    analysis.target.extend(facts);
    analysis.target.extend(not_internal(&redirect, &route));
    analysis.target.extend(guarded(&route));
    analysis.target.extend(store::around(&route));
    Some(route)
}

/// Records what the direct location leads to, and how the hand-off differs.
pub(super) fn record_direct<'a>(
    context: &EvalContext<'a>,
    direct: &'a Request,
    redirected: Option<&Route<'a>>,
    analysis: &mut RouteAnalysis,
) {
    let evaluator = context.evaluator;
    let host = direct.host();
    let server = server::choose(context.servers, &direct.address, &host, evaluator.matcher);
    let (Some(server), Some(env)) = (server, context.env(direct)) else { return };
    if !server.listens(&direct.address) && server.block.place() != evaluator.server.place() {
        return;
    }
    let route = Evaluator { server: server.block, ..evaluator }.route(env);
    match &route.outcome {
        RouteOutcome::Opens(opened, by) => {
            let (query, disk, worker) = (context.query, evaluator.disk, context.worker);
            let fact = opened::direct(&opened.path, by.place(), query, disk, worker);
            analysis.direct.push(fact);
        }
        RouteOutcome::Passes(pass) => {
            let Ok(upstream) = Upstream::of(pass, &route.scope, &route.env) else { return };
            analysis.direct.extend(store::missing_resolver(&upstream, &route));
            let is_known = analysis.target.iter().any(|fact| fact.kind == FactKind::HostWrong);
            if !is_known && let Some(redirected) = redirected {
                analysis.target.extend(other_host(redirected, (&route, &upstream)));
            }
        }
        _ => {}
    }
}

/// The fact that the hand-off's request and the direct location's have different Host headers.
fn other_host<'a>(redirected: &Route<'a>, direct: (&Route<'a>, &Upstream<'a>)) -> Option<Fact> {
    let RouteOutcome::Passes(pass) = redirected.outcome else { return None };
    let upstream = Upstream::of(pass, &redirected.scope, &redirected.env).ok()?;
    store::unlike_direct((redirected, &upstream), direct)
}

/// The route, but ended at the first path that a `try_files` did not find; and, if the request is
/// then passed to the app, that fact.
fn settled<'a>(
    redirect: &InternalRedirect<'_, 'a>,
    mut route: Route<'a>,
) -> (Route<'a>, Option<Fact>) {
    // A `try_files` that found nothing: the request goes to the app again, or nginx responds.
    let is_passed = match &route.outcome {
        RouteOutcome::Passes(_) if redirect.returns_to_app(&route) => true,
        RouteOutcome::Responds(_, None) => false,
        _ => return (route, None),
    };
    let Some(tried) = route.tried.take() else { return (route, None) };
    let mut masking = None;
    if is_passed && let Some(try_files) = tried.scope.innermost("try_files") {
        let detail = "passes requests for missing files to the app";
        masking = Some(Fact::at(FactKind::ErrorsMasked, try_files.place(), detail));
    }
    route.outcome = RouteOutcome::Opens(tried.opened, tried.by);
    route.scope = tried.scope;
    (route, masking)
}

/// The fact that a location leads to the file for clients, too.
fn not_internal<'a>(redirect: &InternalRedirect<'_, 'a>, route: &Route<'a>) -> Option<Fact> {
    let is_internal = route.scope.is_internal() || redirect.is_named();
    if is_internal || !redirect.is_right(route) {
        return None;
    }
    let at = redirect.end_of(route);
    let suggestion = format!("In {}, add `internal;` to `{}`", at.line(), at.text);
    let detail = "matches the hand-off URI but is not `internal`";
    Some(Fact::at(FactKind::NotInternal, at, detail).mended_by(suggestion))
}

/// What a hand-off leads to.
struct Destination<'c, 'a> {
    redirect: &'c InternalRedirect<'c, 'a>,
    route: &'c Route<'a>,
    /// The state of the request before the redirect.
    env: &'c Env<'a>,
}

impl<'a> Destination<'_, 'a> {
    fn facts(&self) -> Vec<Fact> {
        match &self.route.outcome {
            RouteOutcome::Passes(pass) => self.passes(pass),
            RouteOutcome::Opens(opened, by) => self.opens(opened, by),
            RouteOutcome::OpensUnknown(unknown) => {
                vec![unknown_target(self.redirect.end_of(self.route), &unknown.0)]
            }
            RouteOutcome::Responds(500, None) if !self.redirect.value.starts_with('/') => {
                vec![self.without_named_location()]
            }
            RouteOutcome::Responds(status, by) => vec![self.responds(*status, *by)],
            RouteOutcome::Login(by) => {
                let what = "requires a login after the hand-off".to_owned();
                vec![self.refused(by.place(), what)]
            }
            RouteOutcome::Redirects(to, by) => {
                let what = format!("matches the hand-off URI and redirects to {to}");
                vec![self.refused(by.place(), what)]
            }
            RouteOutcome::Unknown => Vec::new(),
        }
    }

    fn is_internal(&self) -> bool {
        self.route.scope.is_internal() || self.redirect.is_named()
    }

    /// The fact that the rule that matches the URI is not the intended one.
    fn misroute(&self, at: SourceLine, what: &str) -> Fact {
        Misroute { redirect: self.redirect, route: self.route, env: self.env, at, what }.fact()
    }

    /// The fact that the named location does not exist.
    fn without_named_location(&self) -> Fact {
        let at = self.redirect.context.evaluator.server.place();
        let name = self.redirect.value;
        let suggestion = format!("In {}, add `location {name} {{ … }}`", at.line());
        let detail = format!("no `location {name}` in this server block");
        Fact::at(FactKind::TargetFallsThrough, at, detail).mended_by(suggestion)
    }

    /// The fact that nginx responds itself.
    fn responds(&self, status: u16, by: Option<&Directive>) -> Fact {
        let location = self.redirect.end_of(self.route);
        // A pattern that matches the URI by its extension has another purpose, and its response is
        // intended.
        let is_pattern = location.text.starts_with("location ~");
        let at = match by {
            Some(by) => by.place(),
            None => location,
        };
        let what = format!("matches the hand-off URI and returns {status}");
        if self.is_internal() || status == 403 && !is_pattern {
            return self.refused(at, what);
        }
        self.misroute(at, &what)
    }

    /// The fact that a rule refuses both clients and hand-offs.
    fn refused(&self, at: SourceLine, what: String) -> Fact {
        let suggestion = if self.is_internal() {
            format!("In {}, remove `{};`", at.line(), at.text)
        } else {
            format!("In {}, replace `{};` with `internal;`", at.line(), at.text)
        };
        Fact::at(FactKind::TargetRefused, at, what).mended_by(suggestion)
    }

    /// An upstream is contacted: a store, or the app again.
    fn passes(&self, pass: &'a Directive) -> Vec<Fact> {
        let upstream = match Upstream::of(pass, &self.route.scope, &self.route.env) {
            Ok(upstream) => upstream,
            Err(unknown) => return vec![unknown_target(pass.place(), &unknown.0)],
        };
        if !self.redirect.is_app(&upstream) {
            let mut facts = store::facts(self.redirect.context.query, &upstream, self.route);
            facts.extend(open_proxy(self.redirect, self.env, &upstream));
            return facts;
        }
        let shown = upstream.shown();
        let what = format!("matches the hand-off URI and passes it to the app at {shown}");
        if self.is_internal() {
            return vec![self.back_to_app(pass.place(), what)];
        }
        vec![self.misroute(self.redirect.end_of(self.route), &what)]
    }

    /// The fact that the internal location exists, but passes the request to the app instead of
    /// opening the file.
    fn back_to_app(&self, at: SourceLine, what: String) -> Fact {
        let mut directory = "/DIRECTORY/".to_owned();
        if let Some(file) = &self.redirect.context.query.file
            && let Some((_, known)) = mapped(&self.redirect.uri(), file)
        {
            directory = known;
        }
        let suggestion =
            format!("In {}, replace `{};` with `alias {directory};`", at.line(), at.text);
        Fact::at(FactKind::TargetAsksApp, at, what).mended_by(suggestion)
    }

    /// A file is opened.
    fn opens(&self, opened: &Opened, by: &Directive) -> Vec<Fact> {
        let context = self.redirect.context;
        let disk = context.evaluator.disk;
        let file = context.query.file.as_deref();
        let wrong = self.misconfiguration(opened);
        let (state, detail, command) = opened::seen(&opened.path, disk, context.worker);
        if self.may_be_misrouted(wrong) {
            let what = format!("matches the hand-off URI and opens {detail}");
            let fact = self.misroute(self.redirect.end_of(self.route), &what);
            if self.is_general() || fact.kind != FactKind::TargetFallsThrough {
                return vec![fact];
            }
        }
        let expected = match file {
            Some(file) if wrong.is_some() => format!("; expected {file}"),
            _ => String::new(),
        };
        let detail = format!("the hand-off opens {detail}{expected}");
        let kind = FactKind::TargetOpens { path: opened.path.clone(), state, wrong };
        let mut fact = Fact::at(kind, by.place(), detail);
        fact.fix = command;
        if fact.fix.is_none()
            && let Some(misconfiguration) = wrong
        {
            let location = self.route.scope.location();
            let wrong_path = WrongPath { opened, misconfiguration, by, location };
            fact.fix = wrong_path.suggestion(file);
        }
        let mut facts = vec![fact];
        facts.extend(self.masked());
        facts
    }

    /// Why the path is not the file's, if a reason is known.
    fn misconfiguration(&self, opened: &Opened) -> Option<Misconfiguration> {
        let context = self.redirect.context;
        let wrong = opened.wrong(context.query.file.as_deref(), context.evaluator.disk)?;
        match self.route.rewrite {
            Some(rewrite) if of_request(rewrite.arg(1), rewrite.arg(0)) => {
                Some(Misconfiguration::Variable)
            }
            _ => Some(wrong),
        }
    }

    /// Whether another location may be the intended one: this one is not internal, and a wrong
    /// directive in it does not explain the path.
    fn may_be_misrouted(&self, wrong: Option<Misconfiguration>) -> bool {
        let is_explained = matches!(
            wrong,
            None | Some(Misconfiguration::Root | Misconfiguration::Slash | Misconfiguration::Alias)
        );
        !self.is_internal() && !is_explained
    }

    /// Whether the location that matches has not been written for hand-offs.
    fn is_general(&self) -> bool {
        let form = self.route.scope.location().and_then(Form::of);
        matches!(form, None | Some(Form::Prefix("/") | Form::Pattern(..)))
    }

    /// The fact that an `error_page` replaces the 404 of a missing file.
    fn masked(&self) -> Option<Fact> {
        let (page, replacing) = error_page(&self.route.scope, 404)?;
        let detail = match replacing {
            Some(status @ ..400) => format!("returns {status} for missing files"),
            _ => {
                let evaluator = self.redirect.context.evaluator;
                let route = self.redirect.route(evaluator, self.env)?;
                if !self.redirect.returns_to_app(&evaluator.with_error_page(route)) {
                    return None;
                }
                "passes requests for missing files to the app".to_owned()
            }
        };
        Some(Fact::at(FactKind::ErrorsMasked, page.place(), detail))
    }
}

/// The fact that the target of the hand-off depends on a variable that is known only at run time.
fn unknown_target(at: SourceLine, variable: &str) -> Fact {
    let detail = format!("the hand-off depends on ${variable}, which is known only at run time");
    Fact::at(FactKind::TargetPathUnknown, at, detail)
}
