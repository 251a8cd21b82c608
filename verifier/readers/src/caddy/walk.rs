//! Routes a request through a site: Caddy's order of directives, and what each does.

use sendfile_evidence::{fact::SourceLine, path::tidy, request::Request};

use super::{
    super::{
        directive::Directive,
        pattern::Matcher,
        uri::{self, LONGEST},
    },
    matcher::{Subject, is_matcher, matches},
};
use crate::disk::{Disk, Look};

/// The state of a request, and at the end where it leads.
pub(super) struct Walk<'a> {
    /// The request and its path.
    pub(super) subject: Subject<'a>,
    /// The directory named by `root`, and where.
    pub(super) root: Option<(String, SourceLine)>,
    /// The rewrites that were applied.
    pub(super) rewrites: Vec<&'a Directive>,
    /// The enclosing blocks, the innermost last.
    pub(super) blocks: Vec<&'a [Directive]>,
    /// What could not be evaluated.
    pub(super) unsure: Option<String>,
    /// A login on the way, whose credentials the client may have.
    pub(super) guard: Option<SourceLine>,
    /// The headers of the app's response, once it has responded.
    pub(super) answer: Option<&'a [(String, String)]>,
    pub(super) disk: &'a dyn Disk,
}

/// The outcome of a request.
pub(super) enum End<'a> {
    /// It is passed to an upstream.
    Asks(&'a Directive),
    /// A file is opened.
    Opens(String, SourceLine),
    /// Caddy responds itself.
    Answers(String, SourceLine),
    /// Caddy redirects.
    Redirects(String, SourceLine),
    /// Caddy requires a login.
    Login(SourceLine),
}

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

fn position(directive: &Directive) -> Option<usize> {
    ORDER.iter().position(|name| *name == directive.name)
}

/// The order in which the directives of a block are applied.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// Caddy's own order.
    Sorted,
    /// The order of the file: inside `route`, and in JSON.
    Kept,
}

/// Maximum depth of nested blocks.
pub(super) const DEEPEST: usize = 32;

impl<'a> Walk<'a> {
    /// The initial state of a request.
    pub(super) fn new(
        request: &'a Request,
        matcher: &'a Matcher,
        disk: &'a dyn Disk,
    ) -> Option<Self> {
        let path = uri::normalised(&uri::decoded(&request.path), uri::Slashes::Kept)?;
        Some(Self {
            subject: Subject { request, path, matcher },
            root: None,
            rewrites: Vec::new(),
            blocks: Vec::new(),
            unsure: None,
            guard: None,
            answer: None,
            disk,
        })
    }

    /// Evaluates a block; `None` if nothing in it responds.
    pub(super) fn through(&mut self, block: &'a [Directive]) -> Option<End<'a>> {
        let kept = block.first().is_some_and(|it| it.name == "keep-order");
        self.through_in(block, if kept { Order::Kept } else { Order::Sorted })
    }

    fn through_in(&mut self, block: &'a [Directive], order: Order) -> Option<End<'a>> {
        if self.blocks.len() >= DEEPEST {
            self.unsure = Some("Blocks are nested too deeply".to_owned());
            return None;
        }
        self.blocks.push(block);
        let neutral =
            |it: &Directive| it.name.starts_with('@') || NEUTRAL.contains(&it.name.as_str());
        for directive in block.iter().filter(|it| position(it).is_none() && !neutral(it)) {
            if self.takes(directive) {
                self.beyond(directive);
            }
        }
        let mut handled = false;
        for directive in self.ordered(block, order) {
            let exclusive = matches!(directive.name.as_str(), "handle" | "handle_path");
            if exclusive && handled || !self.takes(directive) {
                continue;
            }
            handled |= exclusive;
            let depth = self.blocks.len();
            let end = self.act(directive);
            if end.is_some() {
                return end;
            }
            self.blocks.truncate(depth);
            if directive.inside().last().is_some_and(|it| it.name == "terminal") {
                break;
            }
        }
        None
    }

    /// The directives that apply, in order.
    fn ordered(&self, block: &'a [Directive], order: Order) -> Vec<&'a Directive> {
        let mut known: Vec<&Directive> = block.iter().filter(|it| position(it).is_some()).collect();
        if order == Order::Kept {
            return known;
        }
        known.sort_by_key(|it| {
            // `handle` and `handle_path` count as one kind.
            let name = position(it).map(|at| at - usize::from(it.name == "handle_path"));
            (name, std::cmp::Reverse(self.specific(it)))
        });
        known
    }

    /// How specific a matcher is: a path by its length; any other matcher comes before none.
    fn specific(&self, directive: &Directive) -> (usize, u8) {
        let word = directive.arg(0);
        if word.starts_with('/') {
            return (word.trim_end_matches('*').len(), 1);
        }
        let paths = word.starts_with('@').then(|| {
            let defined =
                self.blocks.iter().rev().find_map(|it| it.iter().find(|it| it.name == word))?;
            let single = match &defined.block {
                None => Some((defined.arg(0), defined.args.get(1..)?)),
                Some(block) if block.len() == 1 => {
                    block.first().map(|it| (it.name.as_str(), it.args.as_slice()))
                }
                Some(_) => None,
            };
            single
                .filter(|(name, args)| *name == "path" && args.len() == 1)
                .map(|(_, args)| args[0].len())
        });
        (paths.flatten().unwrap_or(0), u8::from(word.starts_with('@')))
    }

    fn takes(&mut self, directive: &'a Directive) -> bool {
        let word = directive.arg(0);
        if !is_matcher(word) || directive.name == "root" && directive.args.len() == 1 {
            return true;
        }
        let mut named: Vec<&[Directive]> = self.blocks.iter().rev().copied().collect();
        named.insert(0, directive.inside());
        match matches(word, &named, &self.subject) {
            Some(is) => is,
            None => {
                let at = directive.place().line();
                self.unsure =
                    Some(format!("The matcher {word} at {at} can be evaluated only at run time"));
                false
            }
        }
    }

    fn act(&mut self, directive: &'a Directive) -> Option<End<'a>> {
        let args = match directive.args.first() {
            Some(first)
                if is_matcher(first)
                    && !(directive.name == "root" && directive.args.len() == 1) =>
            {
                &directive.args[1..]
            }
            _ => &directive.args[..],
        };
        let first = args.first().map_or("", String::as_str);
        match directive.name.as_str() {
            "root" => self.root = Some((self.known(first), directive.place())),
            "rewrite" => self.rewrite(directive, first),
            "forward_auth" => self.beyond(directive),
            "uri" => self.uri(args),
            "try_files" => self.try_files(args),
            "handle" => return self.through(directive.inside()),
            "route" => return self.through_in(directive.inside(), Order::Kept),
            "handle_path" => {
                let prefix = directive.arg(0).trim_end_matches('*').trim_end_matches('/');
                let rest = self.subject.path.strip_prefix(prefix).unwrap_or_default().to_owned();
                self.subject.path = if rest.starts_with('/') { rest } else { format!("/{rest}") };
                return self.through(directive.inside());
            }
            "redir" => {
                let to = self.filled(first).unwrap_or_else(|_| first.to_owned());
                return Some(End::Redirects(to, directive.place()));
            }
            "respond" | "error" | "abort" => {
                let status = args.iter().find(|it| it.parse::<u16>().is_ok());
                let said = status.cloned().unwrap_or_else(|| directive.name.clone());
                return Some(End::Answers(said, directive.place()));
            }
            "basicauth" | "basic_auth" => {
                let knows = self.subject.request.header("authorization").is_some();
                self.guard = Some(directive.place());
                return (!knows).then(|| End::Login(directive.place()));
            }
            "reverse_proxy" | "php_fastcgi" => return Some(End::Asks(directive)),
            "file_server" => {
                let own = directive.child("root").map(|it| (it.arg(0).to_owned(), it.place()));
                let (root, at) = own.or(self.root.clone())?;
                let path = uri::normalised(&self.subject.path, uri::Slashes::Merged)?;
                return Some(End::Opens(tidy(&format!("{root}{path}")), at));
            }
            _ => {}
        }
        None
    }

    fn rewrite(&mut self, directive: &'a Directive, to: &str) {
        self.rewrites.push(directive);
        let filled = self.known(to);
        let path = filled.split('?').next().unwrap_or_default();
        self.subject.path =
            if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    }

    fn uri(&mut self, args: &[String]) {
        let path = &mut self.subject.path;
        let (verb, word) =
            (args.first().map_or("", String::as_str), args.get(1).map_or("", String::as_str));
        match verb {
            "strip_prefix" => {
                if let Some(rest) = path.strip_prefix(word.trim_end_matches('/')) {
                    *path =
                        if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
                }
            }
            "strip_suffix" => {
                if let Some(rest) = path.strip_suffix(word) {
                    *path = rest.to_owned();
                }
            }
            "replace" if !word.is_empty() => {
                let to = args.get(2).map_or("", String::as_str);
                if path.matches(word).count() * to.len() > LONGEST {
                    self.unsure = Some("A path grows without limit".to_owned());
                } else {
                    *path = path.replace(word, to);
                }
            }
            _ => self.unsure = Some(format!("Cannot evaluate `uri {verb}`")),
        }
    }

    fn try_files(&mut self, args: &[String]) {
        let root = self.root.as_ref().map_or("", |(root, _)| root.as_str()).to_owned();
        for (n, candidate) in args.iter().enumerate() {
            let filled = self.known(candidate);
            let path = filled.split('?').next().unwrap_or_default().to_owned();
            let there = self.disk.look(&tidy(&format!("{root}/{path}"))) != Look::Missing;
            if there || n + 1 == args.len() && args.len() > 1 {
                self.subject.path = path;
                return;
            }
        }
    }

    /// The effect of a directive is known only at run time.
    fn beyond(&mut self, directive: &Directive) {
        let at = directive.place().line();
        self.unsure = Some(format!("Cannot evaluate `{}` at {at}", directive.name));
    }
}
