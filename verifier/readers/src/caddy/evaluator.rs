//! Evaluates a site for a request: Caddy's order of directives, and the effect of each.
//!
//! It knows where a request leads, but not what that means for a download.

use std::cmp::Reverse;

use sendfile_evidence::{fact::SourceLine, path::tidy, request::Request};

use super::{
    matcher::{is_matcher, matches},
    placeholder,
    subject::Subject,
};
use crate::{
    directive::Directive,
    disk::{Disk, Look},
    pattern::Matcher,
    uri::{self, LONGEST},
};

/// Maximum depth of nested blocks.
pub(super) const DEEPEST: usize = 32;

/// The order in which directives are applied, regardless of their order in the file.
const ORDER: [&str; 25] = [
    "root",
    "header",
    "copy_response_headers",
    "redir",
    "method",
    "rewrite",
    "uri",
    "try_files",
    "basicauth",
    "basic_auth",
    "forward_auth",
    "request_header",
    "encode",
    "intercept",
    "handle",
    "handle_path",
    "route",
    "abort",
    "error",
    "copy_response",
    "respond",
    "reverse_proxy",
    "php_fastcgi",
    "file_server",
    "terminal",
];

/// Directives that neither respond nor route the request elsewhere.
const NEUTRAL: [&str; 16] = [
    "keep-order",
    "any",
    "log",
    "log_append",
    "log_name",
    "log_skip",
    "skip_log",
    "tls",
    "bind",
    "tracing",
    "map",
    "vars",
    "request_body",
    "push",
    "templates",
    "handle_errors",
];

/// The state of a request while it is evaluated, and of its route at the end.
pub(super) struct Evaluator<'a> {
    /// The request and its path.
    pub(super) subject: Subject<'a>,
    /// The directory named by `root`, and the position of that directive.
    pub(super) root: Option<(String, SourceLine)>,
    /// The rewrites that were applied.
    pub(super) rewrites: Vec<&'a Directive>,
    /// What could not be evaluated.
    pub(super) unsure: Option<String>,
    /// A login on the route, whose credentials the client may have.
    pub(super) guard: Option<SourceLine>,
    /// The disk of the proxy.
    pub(super) disk: &'a dyn Disk,
    /// The enclosing blocks, the innermost last.
    blocks: Vec<&'a [Directive]>,
}

/// The outcome of a request.
pub(super) enum RouteOutcome<'a> {
    /// The request is passed to an upstream.
    Passes(&'a Directive),
    /// A file is opened.
    Opens(String, SourceLine),
    /// Caddy responds itself.
    Responds(String, SourceLine),
    /// Caddy redirects.
    Redirects(String, SourceLine),
    /// Caddy requires a login.
    RequiresLogin(SourceLine),
}

/// The order in which the directives of a block are applied.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Caddy's own order.
    Sorted,
    /// The order of the file: inside `route`, and in JSON.
    Kept,
}

impl<'a> Evaluator<'a> {
    /// The initial state of a request; `None` if its path leads above the root.
    pub(super) fn new(
        request: &'a Request,
        matcher: &'a Matcher,
        disk: &'a dyn Disk,
    ) -> Option<Self> {
        let path = uri::normalised(&uri::decoded(&request.path), uri::Slashes::Kept)?;
        Some(Self {
            subject: Subject { request, path, response_headers: &[], matcher },
            root: None,
            rewrites: Vec::new(),
            unsure: None,
            guard: None,
            disk,
            blocks: Vec::new(),
        })
    }

    /// The directives of the enclosing blocks, the outermost block first.
    pub(super) fn enclosing(&self) -> impl Iterator<Item = &'a Directive> {
        self.blocks.iter().copied().flatten()
    }

    /// Evaluates a block; `None` if no directive in the block responds.
    pub(super) fn evaluate(&mut self, block: &'a [Directive]) -> Option<RouteOutcome<'a>> {
        match block.first() {
            Some(first) if first.name == "keep-order" => self.evaluate_in(block, Order::Kept),
            _ => self.evaluate_in(block, Order::Sorted),
        }
    }

    fn evaluate_in(&mut self, block: &'a [Directive], order: Order) -> Option<RouteOutcome<'a>> {
        if self.blocks.len() >= DEEPEST {
            self.unsure = Some("Blocks are nested too deeply".to_owned());
            return None;
        }
        self.blocks.push(block);
        for directive in block {
            if !is_known(directive) && self.applies(directive) {
                self.not_supported(directive);
            }
        }
        let mut handled = false;
        for directive in self.ordered(block, order) {
            let exclusive = matches!(directive.name.as_str(), "handle" | "handle_path");
            if exclusive && handled || !self.applies(directive) {
                continue;
            }
            handled |= exclusive;
            let depth = self.blocks.len();
            let outcome = self.apply(directive);
            if outcome.is_some() {
                return outcome;
            }
            self.blocks.truncate(depth);
            if let Some(last) = directive.inside().last()
                && last.name == "terminal"
            {
                break;
            }
        }
        None
    }

    /// The directives that are applied, in order.
    fn ordered(&self, block: &'a [Directive], order: Order) -> Vec<&'a Directive> {
        let mut ordered = Vec::new();
        for directive in block {
            if position(directive).is_some() {
                ordered.push(directive);
            }
        }
        if order == Order::Sorted {
            ordered.sort_by_key(|directive| self.rank(directive));
        }
        ordered
    }

    /// The rank of a directive in a block: by its name, then by its matcher.
    fn rank(&self, directive: &Directive) -> (Option<usize>, Reverse<(usize, u8)>) {
        let mut place = position(directive);
        // `handle` and `handle_path` count as one kind.
        if directive.name == "handle_path"
            && let Some(place) = &mut place
        {
            *place -= 1;
        }
        (place, Reverse(self.specificity(directive)))
    }

    /// How specific a matcher is: paths rank by their length; any other matcher ranks above a
    /// directive without a matcher.
    fn specificity(&self, directive: &Directive) -> (usize, u8) {
        let word = directive.arg(0);
        if word.starts_with('/') {
            return (word.trim_end_matches('*').len(), 1);
        }
        if !word.starts_with('@') {
            return (0, 0);
        }
        match self.only_path(word) {
            Some(path) => (path.len(), 1),
            None => (0, 1),
        }
    }

    /// The path of a named matcher that consists of a single path.
    fn only_path(&self, name: &str) -> Option<&'a str> {
        let definition = self.definition(name)?;
        let (kind, args) = match &definition.block {
            None => (definition.arg(0), definition.args.get(1..)?),
            Some(block) => match block.as_slice() {
                [condition] => (condition.name.as_str(), condition.args.as_slice()),
                _ => return None,
            },
        };
        match args {
            [path] if kind == "path" => Some(path),
            _ => None,
        }
    }

    /// The definition of a named matcher in the innermost block that has one.
    fn definition(&self, name: &str) -> Option<&'a Directive> {
        for block in self.blocks.iter().rev() {
            let definition = block.iter().find(|directive| directive.name == name);
            if definition.is_some() {
                return definition;
            }
        }
        None
    }

    /// Whether a directive's matcher matches.
    fn applies(&mut self, directive: &'a Directive) -> bool {
        let Some(word) = matcher_of(directive) else { return true };
        let mut definitions: Vec<&[Directive]> = vec![directive.inside()];
        definitions.extend(self.blocks.iter().rev());
        match matches(word, &definitions, &self.subject) {
            Some(matches) => matches,
            None => {
                let at = directive.place().line();
                self.unsure =
                    Some(format!("The matcher {word} at {at} can be evaluated only at run time"));
                false
            }
        }
    }

    /// Applies a directive, and returns the outcome if the directive ends the request.
    fn apply(&mut self, directive: &'a Directive) -> Option<RouteOutcome<'a>> {
        let args = args_of(directive);
        let first = word(args, 0);
        match directive.name.as_str() {
            "root" => self.root = Some((self.filled(first), directive.place())),
            "rewrite" => self.rewrite(directive, first),
            "forward_auth" => self.not_supported(directive),
            "uri" => self.uri(args),
            "try_files" => self.try_files(args),
            "handle" => return self.evaluate(directive.inside()),
            "route" => return self.evaluate_in(directive.inside(), Order::Kept),
            "handle_path" => {
                self.strip_matched_path(directive);
                return self.evaluate(directive.inside());
            }
            "redir" => {
                let to = match placeholder::filled(first, &self.subject) {
                    Ok(to) => to,
                    Err(_) => first.to_owned(),
                };
                return Some(RouteOutcome::Redirects(to, directive.place()));
            }
            "respond" | "error" | "abort" => return Some(responds(directive, args)),
            "basicauth" | "basic_auth" => {
                self.guard = Some(directive.place());
                if self.subject.request.header("authorization").is_none() {
                    return Some(RouteOutcome::RequiresLogin(directive.place()));
                }
            }
            "reverse_proxy" | "php_fastcgi" => return Some(RouteOutcome::Passes(directive)),
            "file_server" => return self.file_server(directive),
            _ => {}
        }
        None
    }

    fn rewrite(&mut self, directive: &'a Directive, to: &str) {
        self.rewrites.push(directive);
        let filled = self.filled(to);
        self.subject.path = with_leading_slash(without_query(&filled));
    }

    fn uri(&mut self, args: &[String]) {
        let (verb, text) = (word(args, 0), word(args, 1));
        let path = &mut self.subject.path;
        match verb {
            "strip_prefix" => {
                if let Some(rest) = path.strip_prefix(text.trim_end_matches('/')) {
                    *path = with_leading_slash(rest);
                }
            }
            "strip_suffix" => {
                if let Some(rest) = path.strip_suffix(text) {
                    *path = rest.to_owned();
                }
            }
            "replace" if !text.is_empty() => {
                let to = word(args, 2);
                if path.matches(text).count() * to.len() > LONGEST {
                    self.unsure = Some("A path grows without limit".to_owned());
                } else {
                    *path = path.replace(text, to);
                }
            }
            _ => self.unsure = Some(format!("Cannot evaluate `uri {verb}`")),
        }
    }

    fn try_files(&mut self, args: &[String]) {
        let root = match &self.root {
            Some((root, _)) => root.clone(),
            None => String::new(),
        };
        for (n, candidate) in args.iter().enumerate() {
            let filled = self.filled(candidate);
            let path = without_query(&filled);
            let exists = self.disk.look(&tidy(&format!("{root}/{path}"))) != Look::Missing;
            let is_fallback = n + 1 == args.len() && args.len() > 1;
            if exists || is_fallback {
                self.subject.path = path.to_owned();
                return;
            }
        }
    }

    /// Removes the path that a `handle_path` matches.
    fn strip_matched_path(&mut self, directive: &Directive) {
        let prefix = directive.arg(0).trim_end_matches('*').trim_end_matches('/');
        let rest = self.subject.path.strip_prefix(prefix).unwrap_or_default();
        self.subject.path = with_leading_slash(rest);
    }

    fn file_server(&self, directive: &Directive) -> Option<RouteOutcome<'a>> {
        let (root, at) = match directive.child("root") {
            Some(root) => (root.arg(0).to_owned(), root.place()),
            None => self.root.clone()?,
        };
        let path = uri::normalised(&self.subject.path, uri::Slashes::Merged)?;
        Some(RouteOutcome::Opens(tidy(&format!("{root}{path}")), at))
    }

    /// A text with its placeholders replaced. A placeholder that is not known makes the route
    /// uncertain.
    fn filled(&mut self, text: &str) -> String {
        match placeholder::filled(text, &self.subject) {
            Ok(filled) => filled,
            Err(placeholder) => {
                self.unsure = Some(format!("`{placeholder}` is known only at run time"));
                String::new()
            }
        }
    }

    /// Records that the effect of a directive is known only at run time.
    fn not_supported(&mut self, directive: &Directive) {
        let at = directive.place().line();
        self.unsure = Some(format!("Cannot evaluate `{}` at {at}", directive.name));
    }
}

/// Whether the effect of a directive is known.
fn is_known(directive: &Directive) -> bool {
    let name = directive.name.as_str();
    position(directive).is_some() || name.starts_with('@') || NEUTRAL.contains(&name)
}

fn position(directive: &Directive) -> Option<usize> {
    ORDER.iter().position(|name| *name == directive.name)
}

/// The matcher of a directive. A `root` with a single argument has none, even if it is a path.
fn matcher_of(directive: &Directive) -> Option<&str> {
    let word = directive.arg(0);
    let is_root = directive.name == "root" && directive.args.len() == 1;
    if is_root || !is_matcher(word) {
        return None;
    }
    Some(word)
}

/// The arguments of a directive after its matcher.
fn args_of(directive: &Directive) -> &[String] {
    match matcher_of(directive) {
        Some(_) => &directive.args[1..],
        None => &directive.args,
    }
}

/// The n-th argument, or an empty text.
fn word(args: &[String], n: usize) -> &str {
    match args.get(n) {
        Some(word) => word,
        None => "",
    }
}

/// The outcome that Caddy responds itself, with the status among the arguments if there is one.
fn responds<'a>(directive: &Directive, args: &[String]) -> RouteOutcome<'a> {
    let status = args.iter().find(|arg| arg.parse::<u16>().is_ok());
    let response = status.unwrap_or(&directive.name).clone();
    RouteOutcome::Responds(response, directive.place())
}

fn with_leading_slash(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn without_query(target: &str) -> &str {
    match target.split_once('?') {
        Some((path, _)) => path,
        None => target,
    }
}
