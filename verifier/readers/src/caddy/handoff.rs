//! How Caddy handles the app's hand-off: `handle_response` in a reverse_proxy, or `intercept`
//! around it.

use sendfile_evidence::{
    fact::{Fact, FactKind, FileState, Misconfiguration, SourceLine},
    request::Address,
};

use super::{
    evaluator::{Evaluator, RouteOutcome},
    matcher::text_matches,
    placeholder::header_of_response,
    upstream::upstreams,
};
use crate::{
    directive::Directive,
    disk::{Look, Worker},
    opened::{Opened, PathRule, mapped, seen},
    query::Query,
    reader::{HeaderFate, RouteAnalysis},
    uri::decoded,
};

/// The app's headers that a client needs with the file.
const NEEDED_HEADERS: [&str; 3] = ["Content-Disposition", "Content-Type", "Cache-Control"];

/// Records how the header is handled, and what it leads to.
pub(super) fn analyse<'a>(
    query: &'a Query,
    proxy: &'a Directive,
    mut evaluator: Evaluator<'a>,
    worker: &Worker,
    analysis: &mut RouteAnalysis,
) {
    let Some(header) = query.header.as_deref() else { return };
    let Some(response) = response_handler(proxy, &evaluator, header, query) else {
        analysis.fate = fate_without_handler(proxy, header);
        analysis.header.push(feature_off(proxy, header, query));
        return;
    };
    analysis.fate = HeaderFate::Obeyed;
    let detail = format!("acts on {header}");
    analysis.header.push(Fact::at(FactKind::HeaderObeyed, response.place(), detail));
    evaluator.subject.response_headers = &query.response_headers;
    evaluator.rewrites.clear();
    let outcome = evaluator.evaluate(response.inside());
    analysis.unsure |= evaluator.unsure.is_some();
    let target = Target { query, header, response, worker, evaluator: &evaluator };
    analysis.target = match passed_by(proxy, response, header) {
        Some(passed_by) => vec![passed_by],
        None => target.facts(outcome),
    };
    analysis.target.extend(headers_dropped(response));
}

/// The `handle_response` for a response with the header: that of the proxy, else that of an
/// `intercept` around the proxy.
fn response_handler<'a>(
    proxy: &'a Directive,
    evaluator: &Evaluator<'a>,
    header: &str,
    query: &Query,
) -> Option<&'a Directive> {
    if let Some(handler) = matching_handler(proxy, header, query) {
        return Some(handler);
    }
    for directive in evaluator.enclosing() {
        if directive.name == "intercept"
            && let Some(handler) = matching_handler(directive, header, query)
        {
            return Some(handler);
        }
    }
    None
}

/// The `handle_response` in a directive that matches a response with the header.
fn matching_handler<'a>(
    directive: &'a Directive,
    header: &str,
    query: &Query,
) -> Option<&'a Directive> {
    for handler in directive.children("handle_response") {
        let matcher = handler.arg(0);
        if matcher.is_empty() {
            return Some(handler);
        }
        if let Some(definition) = definition(directive, matcher)
            && matches_response(definition, header, query)
        {
            return Some(handler);
        }
    }
    None
}

/// The definition of a response matcher.
fn definition<'a>(directive: &'a Directive, name: &str) -> Option<&'a Directive> {
    directive.inside().iter().find(|child| child.name == name)
}

/// Whether a response matcher matches a response with the header.
fn matches_response(definition: &Directive, header: &str, query: &Query) -> bool {
    let Some(block) = &definition.block else {
        let args = definition.args.get(1..).unwrap_or_default();
        return condition_matches(definition.arg(0), args, header, query);
    };
    let mut is_restricted = false;
    for condition in block {
        if !condition_matches(&condition.name, &condition.args, header, query) {
            return false;
        }
        is_restricted |= condition.name == "header" || condition.name == "status";
    }
    is_restricted
}

fn condition_matches(name: &str, args: &[String], header: &str, query: &Query) -> bool {
    match name {
        "header" => match args.first() {
            Some(name) if name.eq_ignore_ascii_case(header) => value_matches(args.get(1), query),
            _ => false,
        },
        "status" => args.iter().any(|status| is_success(status)),
        _ => true,
    }
}

/// Whether a status of a response matcher includes 200.
fn is_success(status: &str) -> bool {
    matches!(status.to_ascii_lowercase().as_str(), "200" | "2xx" | "2")
}

/// Whether a pattern matches the hand-off value; an unknown value matches any pattern.
fn value_matches(pattern: Option<&String>, query: &Query) -> bool {
    match (pattern, &query.value) {
        (Some(pattern), Some(value)) => text_matches(pattern, value),
        _ => true,
    }
}

/// A `handle_response` for the same header with another value, before the one that matches the
/// response: it is surely the intended one.
fn passed_by(proxy: &Directive, taken: &Directive, header: &str) -> Option<Fact> {
    for handler in proxy.children("handle_response") {
        if std::ptr::eq(handler, taken) {
            return None;
        }
        if let Some(definition) = definition(proxy, handler.arg(0))
            && names_header(definition, header)
        {
            let at = definition.place();
            let detail =
                format!("does not match the hand-off value; `{}` does", taken.place().text);
            let suggestion = format!(
                "In {}, change `{}` to match the prefix that the app sends",
                at.line(),
                at.text
            );
            let fact = Fact::at(FactKind::TargetFallsThrough, at, detail);
            return Some(fact.mended_by(suggestion));
        }
    }
    None
}

/// Whether a response matcher names a header, in one line or in its block.
fn names_header(definition: &Directive, header: &str) -> bool {
    let mut words = definition.args.clone();
    if let Some(condition) = definition.child("header") {
        words.extend_from_slice(&condition.args);
    }
    words.iter().any(|word| word.eq_ignore_ascii_case(header))
}

/// The fact that no `handle_response` matches a response with the header.
fn feature_off(proxy: &Directive, header: &str, query: &Query) -> Fact {
    let at = proxy.place();
    let detail = match proxy.children("handle_response").next() {
        Some(other) => {
            let place = other.place();
            format!(
                "contains `{}` ({}), which does not match responses with {header}",
                place.text,
                place.line()
            )
        }
        None => format!("no `handle_response` for {header}"),
    };
    let root = root_of_handler(header, query);
    let suggestion = format!(
        "In {}, write `{} {{ @handoff header {header} *; handle_response @handoff {{ root * \
         {root}; rewrite * {{rp.header.{header}}}; file_server }} }}`, with each part on its own \
         line",
        at.line(),
        at.text
    );
    Fact::at(FactKind::FeatureOff, at, detail).mended_by(suggestion)
}

/// The root from which a handler would serve the file, or a placeholder for it.
fn root_of_handler<'a>(header: &str, query: &'a Query) -> &'a str {
    if header.eq_ignore_ascii_case("X-Sendfile") {
        return "/";
    }
    if let (Some(file), Some(value)) = (&query.file, &query.value)
        && let Some(root) = file.strip_suffix(value.as_str())
    {
        return root;
    }
    "/DIRECTORY"
}

fn fate_without_handler(proxy: &Directive, header: &str) -> HeaderFate {
    for header_down in proxy.children("header_down") {
        if let Some(removed) = header_down.arg(0).strip_prefix('-')
            && removed.eq_ignore_ascii_case(header)
        {
            return HeaderFate::Dropped;
        }
    }
    HeaderFate::Passed
}

/// The app's headers that do not reach the client.
fn headers_dropped(response: &Directive) -> Option<Fact> {
    let mut included: Vec<&str> = Vec::new();
    if let Some(copy) = response.child("copy_response_headers") {
        for include in copy.children("include") {
            for name in &include.args {
                included.push(name);
            }
        }
        if included.is_empty() {
            return None;
        }
    }
    let mut missing = NEEDED_HEADERS.to_vec();
    missing.retain(|needed| !included.iter().any(|name| name.eq_ignore_ascii_case(needed)));
    if missing.is_empty() {
        return None;
    }
    let at = response.place();
    let detail = format!("does not copy {} from the app's response", missing.join(", "));
    let suggestion = format!(
        "In `{}` ({}), write `copy_response_headers {{ include {} }}`",
        at.text,
        at.line(),
        [included, missing].concat().join(" ")
    );
    Some(Fact::at(FactKind::HeadersDropped, at, detail).mended_by(suggestion))
}

/// What the hand-off leads to.
struct Target<'t, 'a> {
    query: &'a Query,
    header: &'a str,
    response: &'a Directive,
    worker: &'t Worker,
    evaluator: &'t Evaluator<'a>,
}

impl Target<'_, '_> {
    fn facts(&self, outcome: Option<RouteOutcome<'_>>) -> Vec<Fact> {
        if let Some(not_read) = self.value_not_read() {
            return vec![not_read];
        }
        let fact = match outcome {
            Some(RouteOutcome::Opens(path, at)) => self.opens(&path, at),
            Some(RouteOutcome::Passes(store)) => return self.store(store),
            Some(RouteOutcome::Responds(status, at)) => {
                refused(at, format!("responds to the hand-off with {status}"))
            }
            Some(RouteOutcome::Redirects(to, at)) => {
                refused(at, format!("redirects the hand-off to {to}"))
            }
            Some(RouteOutcome::RequiresLogin(at)) => {
                refused(at, "requires a login after the hand-off")
            }
            None => {
                refused(self.response.place(), "matches the hand-off but does not serve a file")
            }
        };
        vec![fact]
    }

    /// A fact if the path is not built from the header.
    fn value_not_read(&self) -> Option<Fact> {
        let rewrites = &self.evaluator.rewrites;
        if rewrites.iter().any(|rewrite| reads_header(rewrite, self.header)) {
            return None;
        }
        let right = format!("rewrite * {{rp.header.{}}}", self.header);
        let Some(rewrite) = rewrites.last() else {
            let at = self.response.place();
            let detail = format!("no `rewrite` to the value of {}", self.header);
            let suggestion = format!("In `{}` ({}), add `{right}`", at.text, at.line());
            return Some(Fact::at(FactKind::ValueNotRead, at, detail).mended_by(suggestion));
        };
        let at = rewrite.place();
        let detail = format!("does not use {}, which the app sends", self.header);
        let suggestion = format!("In {}, replace `{}` with `{right}`", at.line(), at.text);
        Some(Fact::at(FactKind::ValueNotRead, at, detail).mended_by(suggestion))
    }

    /// The fact that the hand-off opens a file.
    fn opens(&self, path: &str, at: SourceLine) -> Fact {
        let disk = self.evaluator.disk;
        let file = self.query.file.as_deref();
        let opened = self.opened(path);
        let (mut state, mut detail, mut fix) = seen(path, disk, self.worker);
        let mut wrong = opened.wrong(file, disk);
        // Caddy 2.6 uses the value unchanged, later versions decode it.
        if disk.look(path) == Look::Missing && decoded(path) != path {
            state = FileState::Unknown;
            if opened_decoded(&opened).wrong(file, disk).is_none() {
                wrong = None;
            }
        }
        if let Some(wrong) = wrong {
            if fix.is_none() {
                fix = self.suggestion(&opened, &at, wrong);
            }
            if let Some(file) = file {
                detail.push_str(&format!("; expected {file}"));
            }
        }
        let kind = FactKind::TargetOpens { path: path.to_owned(), state, wrong };
        Fact { fix, ..Fact::at(kind, at, format!("the hand-off opens {detail}")) }
    }

    /// The components of the path that the hand-off opens.
    fn opened(&self, path: &str) -> Opened {
        let directory = match &self.evaluator.root {
            Some((root, _)) => root.clone(),
            None => String::new(),
        };
        Opened {
            path: path.to_owned(),
            directory,
            uri: self.evaluator.subject.path.clone(),
            by: PathRule::Root,
            ..Opened::default()
        }
    }

    /// The change that makes the hand-off open the file.
    fn suggestion(
        &self,
        opened: &Opened,
        at: &SourceLine,
        wrong: Misconfiguration,
    ) -> Option<String> {
        let file = self.query.file.as_deref()?;
        let mapped = mapped(&opened.uri, file);
        if wrong == Misconfiguration::Root
            && let Some((prefix, _)) = &mapped
        {
            return Some(format!(
                "Near {}, after the rewrite, add `uri strip_prefix {}`",
                at.line(),
                prefix.trim_end_matches('/')
            ));
        }
        let root = match (opened.right_root(file), mapped) {
            (Some(root), _) => root,
            (None, Some((_, directory))) => directory,
            (None, None) => return None,
        };
        let root = root.trim_end_matches('/');
        Some(format!("In {}, replace `{}` with `root * {root}`", at.line(), at.text))
    }

    /// The facts about a hand-off that leads to an upstream.
    fn store(&self, store: &Directive) -> Vec<Fact> {
        let detail = match upstreams(store).first() {
            Some((address, _)) => self.requested_from(address),
            None => "the hand-off leads to a store".to_owned(),
        };
        let mut facts = vec![Fact::at(FactKind::TargetAsksStore, store.place(), detail)];
        facts.extend(self.authorization_forwarded(store));
        facts
    }

    fn requested_from(&self, address: &Address) -> String {
        format!("the hand-off requests {} from {address}", self.evaluator.subject.path)
    }

    /// A fact if the store receives the client's Authorization header.
    fn authorization_forwarded(&self, store: &Directive) -> Option<Fact> {
        self.query.site.header("authorization")?;
        for header_up in store.children("header_up") {
            let name = header_up.arg(0);
            if name.strip_prefix('-').unwrap_or(name).eq_ignore_ascii_case("Authorization") {
                return None;
            }
        }
        let at = store.place();
        let suggestion =
            format!("In `{}` ({}), add `header_up -Authorization`", at.text, at.line());
        let detail = "forwards the client's Authorization header to the store";
        Some(Fact::at(FactKind::AuthorizationForwarded, at, detail).mended_by(suggestion))
    }
}

/// The fact that Caddy does not serve the file after the hand-off.
fn refused(at: SourceLine, detail: impl Into<String>) -> Fact {
    Fact::at(FactKind::TargetRefused, at, detail)
}

/// Whether a rewrite contains a placeholder for a header of the app's response.
fn reads_header(rewrite: &Directive, header: &str) -> bool {
    for arg in &rewrite.args {
        for behind in arg.split('{').skip(1) {
            let placeholder = match behind.split_once('}') {
                Some((placeholder, _)) => placeholder,
                None => behind,
            };
            if let Some(name) = header_of_response(placeholder)
                && name.eq_ignore_ascii_case(header)
            {
                return true;
            }
        }
    }
    false
}

/// The opened path with the hand-off's value decoded.
fn opened_decoded(opened: &Opened) -> Opened {
    Opened { path: decoded(&opened.path), uri: decoded(&opened.uri), ..opened.clone() }
}
