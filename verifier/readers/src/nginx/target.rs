//! What the hand-off URI leads to: a file, a store, the app again, another server block.

use sendfile_evidence::{
    fact::{Fact, FactKind, Misconfiguration, SourceLine},
    request::Request,
};

use super::{
    super::{
        opened::{Opened, direct as direct_opens, mapped, same, seen},
        uri,
    },
    Case,
    download::Asking,
    guard::guarded,
    location::Form,
    mend::mended,
    relay::relays,
    route::{End, Route, Walk, error_page},
    store,
    tree::Directive,
    upstream::Upstream,
    variables::{Env, of_request},
};
use crate::reader::RouteAnalysis;

/// Records what the hand-off URI leads to, and returns the route.
pub(super) fn treat<'a>(
    case: &Case<'a>,
    asking: Option<&Asking<'a>>,
    maps: &'a [&'a Directive],
    treatment: &mut RouteAnalysis,
) -> Option<Route<'a>> {
    let given = || case.question.hands_over_by("X-Accel-Redirect");
    let value = case.question.value.as_deref().filter(|_| given())?;
    let env = match asking {
        Some(asking) => Some(asking.route.env.clone()),
        None => case.env(&case.question.site, maps),
    };
    let env = env?.after_app();
    let target = Target { case, asking, value };
    let route = target.route(case.walk, &env)?;
    let (route, masks) = target.settled(route);
    treatment.target.extend(masks);
    if let Some(reason) = &route.unsure {
        treatment.target.push(Fact::of(FactKind::Unsure, reason.clone()));
        treatment.unsure = true;
    }
    target.write(&route, &env, treatment);
    treatment.target.extend(guarded(&route));
    treatment.target.extend(store::around(&route));
    Some(route)
}

/// Records what the direct location leads to, and how the hand-off differs.
pub(super) fn direct<'a>(
    case: &Case<'a>,
    direct: &'a Request,
    maps: &'a [&'a Directive],
    handed: Option<&Route<'a>>,
    treatment: &mut RouteAnalysis,
) {
    let host = direct.host();
    let server = super::server::choose(case.servers, &direct.address, &host, case.walk.matcher);
    let (Some(server), Some(env)) = (server, case.env(direct, maps)) else { return };
    if !server.listens(&direct.address) && server.block.place() != case.walk.server.place() {
        return;
    }
    let route = Walk { server: server.block, ..case.walk }.from(env);
    match &route.end {
        End::Opens(opened, by) => {
            let (disk, worker) = (case.walk.disk, case.worker);
            let fact = direct_opens(&opened.path, by.place(), case.question, disk, worker);
            treatment.direct.push(fact);
        }
        End::Asks(pass) => {
            if let Ok(upstream) = Upstream::of(pass, &route.scope, &route.env) {
                treatment.direct.extend(store::resolver(&upstream, &route));
                let known = treatment.target.iter().any(|it| it.kind == FactKind::HostWrong);
                let handed = handed.filter(|_| !known);
                treatment.target.extend(handed.and_then(|it| other_host(it, (&route, &upstream))));
            }
        }
        _ => {}
    }
}

/// A Host that differs between the hand-off's request and the direct location's.
fn other_host<'a>(handed: &Route<'a>, direct: (&Route<'a>, &Upstream<'a>)) -> Option<Fact> {
    let End::Asks(pass) = handed.end else { return None };
    let upstream = Upstream::of(pass, &handed.scope, &handed.env).ok()?;
    store::unlike_direct(handed, &upstream, direct)
}

/// A hand-off's value and its origin.
pub(super) struct Target<'c, 'a> {
    pub(super) case: &'c Case<'a>,
    pub(super) asking: Option<&'c Asking<'a>>,
    pub(super) value: &'c str,
}

impl<'a> Target<'_, 'a> {
    pub(super) fn route(&self, walk: Walk<'a>, env: &Env<'a>) -> Option<Route<'a>> {
        if self.value.starts_with('@') {
            return Some(walk.named(self.value, env.clone()));
        }
        let (uri, args) = uri::of_handoff(self.value)?;
        let mut env = env.at(uri);
        env.args = args;
        Some(walk.from(env))
    }

    pub(super) fn uri(&self) -> String {
        uri::of_handoff(self.value).map_or_else(|| self.value.to_owned(), |(uri, _)| uri)
    }

    fn write(&self, route: &Route<'a>, env: &Env<'a>, treatment: &mut RouteAnalysis) {
        let internal = route.scope.is_internal() || self.value.starts_with('@');
        let at = self.place(route);
        let facts = match &route.end {
            End::Asks(pass) => self.asks(route, env, pass, internal),
            End::Opens(opened, by) => self.opens(route, env, opened, by),
            End::OpensUnknown(unknown) => vec![hangs(at, &format!("${}", unknown.0))],
            End::Answers(500, None) if !self.value.starts_with('/') => vec![self.nameless()],
            End::Answers(status, by) => {
                let at = by.map_or(at, |it| it.place());
                let what = format!("matches the hand-off URI and returns {status}");
                // A pattern that matches the URI by its extension has another purpose, and its
                // response is intended.
                let own = !self.place(route).text.starts_with("location ~");
                vec![match internal || *status == 403 && own {
                    true => refused(at, what, internal),
                    false => self.astray(route, env, at, &what),
                }]
            }
            End::Login(by) => {
                vec![refused(
                    by.place(),
                    "requires a login after the hand-off".to_owned(),
                    internal,
                )]
            }
            End::Redirects(to, by) => {
                let what = format!("matches the hand-off URI and redirects to {to}");
                vec![refused(by.place(), what, internal)]
            }
            End::Unknown => Vec::new(),
        };
        treatment.unsure |= matches!(route.end, End::Unknown);
        let unknown = facts.iter().any(|it| it.kind == FactKind::TargetPathUnknown);
        treatment.unsure |= unknown;
        treatment.target.extend(facts);
        if !internal && self.is_right(route) {
            let at = self.place(route);
            let fix = format!("In {}, add `internal;` to `{}`", at.line(), at.text);
            let detail = "matches the hand-off URI but is not `internal`";
            treatment.target.push(Fact::at(FactKind::NotInternal, at, detail).mended_by(fix));
        }
    }

    /// The route, ended at the first path that a `try_files` did not find; and the fact that the
    /// request is then passed to the app.
    fn settled(&self, mut route: Route<'a>) -> (Route<'a>, Option<Fact>) {
        if !self.tries_in_vain(&route) {
            return (route, None);
        }
        let asks = matches!(route.end, End::Asks(_));
        let Some((opened, by, scope)) = route.tried.take() else { return (route, None) };
        let tries = scope.0.last().and_then(|it| it.child("try_files")).filter(|_| asks);
        let masks = tries.map(|it| {
            Fact::at(
                FactKind::ErrorsMasked,
                it.place(),
                "passes requests for missing files to the app",
            )
        });
        (route.end, route.scope) = (End::Opens(opened, by), scope);
        (route, masks)
    }

    /// Whether a `try_files` found nothing, so that the request goes to the app again or nginx
    /// responds.
    fn tries_in_vain(&self, route: &Route<'a>) -> bool {
        match &route.end {
            End::Asks(pass) => {
                Upstream::of(pass, &route.scope, &route.env).is_ok_and(|it| self.asks_app(&it))
            }
            End::Answers(_, by) => by.is_none(),
            _ => false,
        }
    }

    /// The location that matches the URI, or the server block if none does.
    fn place(&self, route: &Route<'a>) -> SourceLine {
        route.scope.location().unwrap_or(self.case.walk.server).place()
    }

    /// The named location does not exist.
    fn nameless(&self) -> Fact {
        let (at, name) = (self.case.walk.server.place(), self.value);
        let fix = format!("In {}, add `location {name} {{ … }}`", at.line());
        Fact::at(
            FactKind::TargetFallsThrough,
            at,
            format!("no `location {name}` in this server block"),
        )
        .mended_by(fix)
    }

    /// An upstream is contacted: a store, or the app again.
    fn asks(
        &self,
        route: &Route<'a>,
        env: &Env<'a>,
        pass: &'a Directive,
        internal: bool,
    ) -> Vec<Fact> {
        match Upstream::of(pass, &route.scope, &route.env) {
            Ok(upstream) if self.asks_app(&upstream) => {
                let shown = upstream.shown();
                let what = format!("matches the hand-off URI and passes it to the app at {shown}");
                vec![match internal {
                    true => self.back_to_app(pass.place(), what),
                    false => self.astray(route, env, self.place(route), &what),
                }]
            }
            Ok(upstream) => {
                let mut facts = store::facts(self.case.question, &upstream, route);
                facts.extend(relays(self, env, &upstream));
                facts
            }
            Err(unknown) => vec![hangs(pass.place(), &format!("${}", unknown.0))],
        }
    }

    /// The internal location exists, but passes the request to the app instead of opening the file.
    fn back_to_app(&self, at: SourceLine, what: String) -> Fact {
        let known = self.case.question.file.as_deref().and_then(|it| mapped(&self.uri(), it));
        let folder = known.map_or_else(|| "/DIRECTORY/".to_owned(), |(_, folder)| folder);
        let fix = format!("In {}, replace `{};` with `alias {folder};`", at.line(), at.text);
        Fact::at(FactKind::TargetAsksApp, at, what).mended_by(fix)
    }

    fn asks_app(&self, upstream: &Upstream<'_>) -> bool {
        let asked = self.asking.and_then(|it| it.upstream.as_ref()).and_then(Upstream::address);
        let there = |it: &super::Address| upstream.addresses.iter().any(|address| address.is(it));
        asked.is_some_and(there)
            || upstream.address().and_then(|it| self.case.question.is_app(it)) == Some(true)
    }

    /// Whether a route leads to the file, or to a store that is not the app.
    pub(super) fn is_right(&self, route: &Route<'a>) -> bool {
        match &route.end {
            End::Opens(opened, _) => {
                let disk = self.case.walk.disk;
                match self.case.question.file.as_deref() {
                    Some(file) => same(&opened.path, file, disk),
                    None => disk.look(&opened.path) == super::super::Look::File,
                }
            }
            End::Asks(pass) => Upstream::of(pass, &route.scope, &route.env)
                .is_ok_and(|it| !self.asks_app(&it) && self.case.question.store.is_some()),
            _ => false,
        }
    }

    /// A file is opened.
    fn opens(
        &self,
        route: &Route<'a>,
        env: &Env<'a>,
        opened: &Opened,
        by: &Directive,
    ) -> Vec<Fact> {
        let file = self.case.question.file.as_deref();
        let by_variable = route.rewrite.is_some_and(|it| of_request(it.arg(1), it.arg(0)));
        let wrong = opened.wrong(file, self.case.walk.disk);
        let wrong = wrong.map(|it| if by_variable { Misconfiguration::Variable } else { it });
        let (state, detail, fix) = seen(&opened.path, self.case.walk.disk, self.case.worker);
        let location = route.scope.location();
        let misconfiguration = matches!(
            wrong,
            None | Some(Misconfiguration::Root | Misconfiguration::Slash | Misconfiguration::Alias)
        );
        if !route.scope.is_internal() && !misconfiguration && !self.value.starts_with('@') {
            let what = format!("matches the hand-off URI and opens {detail}");
            let fact = self.astray(route, env, self.place(route), &what);
            let form = location.and_then(Form::of);
            let general = matches!(form, None | Some(Form::Prefix("/") | Form::Pattern(..)));
            if general || fact.kind != FactKind::TargetFallsThrough {
                return vec![fact];
            }
        }
        let meant = match (wrong, file) {
            (Some(_), Some(file)) => format!("; expected {file}"),
            _ => String::new(),
        };
        let fix = fix.or_else(|| mended(opened, wrong?, by, location, file));
        let says = FactKind::TargetOpens { path: opened.path.clone(), state, wrong };
        let opens = Fact::at(says, by.place(), format!("the hand-off opens {detail}{meant}"));
        [Fact { fix, ..opens }].into_iter().chain(self.masked(route, env)).collect()
    }

    /// An `error_page` that replaces the 404 of a missing file.
    fn masked(&self, route: &Route<'a>, env: &Env<'a>) -> Option<Fact> {
        let (page, put) = error_page(&route.scope, 404)?;
        let detail = match put.filter(|it| *it < 400) {
            Some(put) => format!("returns {put} for missing files"),
            None => {
                let after = self.case.walk.with_error_page(self.route(self.case.walk, env)?);
                let End::Asks(pass) = after.end else { return None };
                let asked = Upstream::of(pass, &after.scope, &after.env).ok()?;
                self.asks_app(&asked)
                    .then(|| "passes requests for missing files to the app".to_owned())?
            }
        };
        Some(Fact::at(FactKind::ErrorsMasked, page.place(), detail))
    }
}

/// A rule that refuses both clients and hand-offs.
fn refused(at: SourceLine, what: String, internal: bool) -> Fact {
    let fix = match internal {
        true => format!("In {}, remove `{};`", at.line(), at.text),
        false => format!("In {}, replace `{};` with `internal;`", at.line(), at.text),
    };
    Fact::at(FactKind::TargetRefused, at, what).mended_by(fix)
}

/// The target of the hand-off is known only at run time.
fn hangs(at: SourceLine, on: &str) -> Fact {
    let detail = format!("the hand-off depends on {on}, which is known only at run time");
    Fact::at(FactKind::TargetPathUnknown, at, detail)
}
