//! From a URL to what handles it, in Apache's order: rewrite rules of the server, ProxyPass,
//! Redirect, Alias, DocumentRoot, then the directory's own rules.

use sendfile_evidence::{
    fact::{Fact, SourceLine},
    request::Request,
};

use super::{
    super::{
        directive::Directive,
        pattern::{Case, Matcher},
        uri,
    },
    asked::{RequestRecord, asked},
    rewrite::{self, Outcome, Subject},
    sections::{Scope, folders, htaccess, locations},
};
use crate::disk::Disk;

/// The result for a request.
pub(super) struct Found<'a> {
    /// How it ends.
    pub(super) end: End,
    /// The sections that apply to it.
    pub(super) scope: Scope<'a>,
    /// A directive in a .htaccess that is not allowed there.
    pub(super) forbidden: Option<Fact>,
}

/// The outcome of a request.
#[derive(Debug)]
pub(super) enum End {
    /// It is passed to an upstream.
    Asks(RequestRecord),
    /// A file is opened.
    Opens(String, Option<SourceLine>),
    /// Apache redirects.
    Redirects(String, SourceLine),
    /// Apache responds itself.
    Answers(u16, SourceLine),
    /// Unknown, for this reason.
    Unknown(String),
}

/// A server, and what is needed to evaluate it.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    /// The main server and the virtual host.
    pub(super) main: &'a [Directive],
    pub(super) host: Option<&'a Directive>,
    pub(super) disk: &'a dyn Disk,
    pub(super) matcher: &'a Matcher,
}

impl<'a> Site<'a> {
    /// The blocks of the server, the main one first.
    pub(super) fn servers(&self) -> Vec<&'a [Directive]> {
        [Some(self.main), self.host.map(Directive::inside)].into_iter().flatten().collect()
    }

    /// The blocks of the server, the virtual host first: the order in which URL rules are looked
    /// up.
    fn inner_first(&self) -> impl Iterator<Item = &'a Directive> + use<'a> {
        let host = self.host.map(Directive::inside).unwrap_or_default();
        host.iter().chain(self.main)
    }

    /// The directives of the server, those of the main one first: the order in which mod_proxy
    /// merges them.
    fn passes(&self) -> impl Iterator<Item = &'a Directive> + use<'a> {
        self.main.iter().chain(self.host.map(Directive::inside).unwrap_or_default())
    }

    /// Determines what handles a request.
    pub(super) fn find(&self, request: &Request) -> Option<Found<'a>> {
        let path = uri::normalised(&uri::decoded(&request.path), uri::Slashes::Merged)?;
        let mut scope = Scope { servers: self.servers(), ..Scope::default() };
        let rules = self.host.map_or(self.main, Directive::inside);
        let mut path = path;
        let mut file = None;
        if rewrite::is_on(rules) {
            match rewrite::run(rules, &self.subject(request, &path, &path, None)) {
                Outcome::Nothing => {}
                Outcome::Path(new) if self.is_on_disk(&new) => file = Some(new),
                Outcome::Path(new) => path = new,
                other => return Some(self.rewritten(other, scope, &path)),
            }
        }
        scope.locations = locations(&scope.servers, &path, self.matcher);
        // The rules of a section are evaluated after all rules that map to a file, but before the
        // request is proxied.
        let in_sections = scope.locations.iter().flat_map(|it| it.inside());
        if let Some(end) = self.redirected(in_sections, &path) {
            return Some(Found { end, scope, forbidden: None });
        }
        if file.is_none()
            && let Some(asked) = self.proxied(&scope, &path)
        {
            return Some(Found { end: End::Asks(asked), scope, forbidden: None });
        }
        if let Some(end) = self.redirected(self.inner_first(), &path) {
            return Some(Found { end, scope, forbidden: None });
        }
        if let Some(by) = self.inside_apache(&path) {
            let end = beyond(by);
            return Some(Found { end, scope, forbidden: None });
        }
        let (file, by) = match file {
            Some(file) => (file, None),
            None => self.on_disk(&path),
        };
        Some(self.in_folder(request, &path, file, by, scope))
    }

    fn is_on_disk(&self, path: &str) -> bool {
        let first: String = path.split_inclusive('/').take(2).collect();
        self.disk.look(first.trim_end_matches('/')) != super::super::Look::Missing && path.len() > 1
    }

    fn subject<'s>(
        &'s self,
        request: &'s Request,
        path: &'s str,
        file: &'s str,
        folder: Option<&'s str>,
    ) -> Subject<'s> {
        Subject { request, path, file, folder, disk: self.disk, matcher: self.matcher }
    }

    fn rewritten(&self, outcome: Outcome<'_>, scope: Scope<'a>, path: &str) -> Found<'a> {
        let end = match outcome {
            Outcome::Proxy(url, by) => match asked(&url, by.place(), self.main) {
                Some(asked) => End::Asks(asked),
                None => End::Unknown(format!("`{url}` is not a valid URL")),
            },
            Outcome::Redirect(to, by) => End::Redirects(to, by.place()),
            Outcome::Answers(status, by) => End::Answers(status, by.place()),
            Outcome::Unknown(by) => {
                End::Unknown(format!("{} can be evaluated only at run time", by.place()))
            }
            Outcome::Nothing | Outcome::Path(_) => End::Opens(path.to_owned(), None),
        };
        Found { end, scope, forbidden: None }
    }

    /// The first ProxyPass that matches a path, those of locations before all others.
    fn proxied(&self, scope: &Scope<'_>, path: &str) -> Option<RequestRecord> {
        for location in scope.locations.iter().rev() {
            if let Some(pass) = location
                .child("proxypass")
                .filter(|it| it.args.len() == 1 || !it.arg(0).starts_with('/'))
            {
                return match (location.name.as_str(), location.arg(0)) {
                    ("locationmatch", pattern) => self.matched(pass, pattern, pass.arg(0), path),
                    (_, "~") => self.matched(pass, location.arg(1), pass.arg(0), path),
                    (_, prefix) => {
                        let rest = path.strip_prefix(prefix).unwrap_or_default();
                        self.to(pass, pass.arg(0), rest)
                    }
                };
            }
        }
        for pass in self.passes() {
            match pass.name.as_str() {
                "proxypass" => {
                    let Some(rest) = below(path, pass.arg(0)) else { continue };
                    return self.to(pass, pass.arg(1), rest);
                }
                "proxypassmatch" => {
                    let found = self.matcher.matches(pass.arg(0), Case::Matters, path);
                    if found.is_ok_and(|it| it) {
                        return self.matched(pass, pass.arg(0), pass.arg(1), path);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// A URL with `$1` for a path that the pattern matches; without captures, the path is appended.
    fn matched(
        &self,
        pass: &Directive,
        pattern: &str,
        written: &str,
        path: &str,
    ) -> Option<RequestRecord> {
        let captured = self.matcher.captures(pattern, Case::Matters, path).ok()??;
        let rest = if written.contains('$') { "" } else { path };
        self.to(pass, &captured.filled(written).ok()?, rest)
    }

    fn to(&self, pass: &Directive, url: &str, rest: &str) -> Option<RequestRecord> {
        if url == "!" { None } else { asked(&format!("{url}{rest}"), pass.place(), self.main) }
    }

    /// A ProxyPass that would match the path if no `!` came before it.
    pub(super) fn other_pass(&self, path: &str) -> Option<&'a Directive> {
        self.passes().find(|it| {
            it.name == "proxypass" && it.arg(1) != "!" && below(path, it.arg(0)).is_some()
        })
    }

    /// The `ProxyPass … !` that excludes a path from proxying.
    pub(super) fn excluded(&self, path: &str) -> Option<&'a Directive> {
        let in_locations = locations(&self.servers(), path, self.matcher).into_iter().rev();
        let mut in_locations = in_locations.filter_map(|it| it.child("proxypass"));
        let by_path = || {
            let mut all = self.passes().filter(|it| it.name == "proxypass");
            all.find(|it| below(path, it.arg(0)).is_some()).filter(|it| it.arg(1) == "!")
        };
        in_locations.next().filter(|it| it.arg(0) == "!").or_else(by_path)
    }

    fn redirected<'s>(
        &self,
        rules: impl IntoIterator<Item = &'s Directive>,
        path: &str,
    ) -> Option<End> {
        rules.into_iter().find_map(|it| {
            let args: Vec<&str> = it.args.iter().map(String::as_str).collect();
            let (status, args) = match args.split_first() {
                Some((first, rest)) if is_status(first) => (first.parse().ok(), rest),
                _ => (None, &args[..]),
            };
            match (it.name.as_str(), args) {
                ("redirect" | "redirectpermanent" | "redirecttemp", [from, to]) => {
                    let rest = below(path, from)?;
                    Some(End::Redirects(format!("{to}{rest}"), it.place()))
                }
                ("redirect", [from]) => {
                    below(path, from)?;
                    Some(End::Answers(status?, it.place()))
                }
                ("redirectmatch", [from, to @ ..]) => {
                    self.matcher.captures(from, Case::Matters, path).ok()??;
                    Some(match to.first() {
                        Some(to) => End::Redirects((*to).to_owned(), it.place()),
                        None => End::Answers(status?, it.place()),
                    })
                }
                _ => None,
            }
        })
    }

    /// A directive that runs a program inside Apache for a path: CGI, mod_wsgi, Passenger.
    fn inside_apache(&self, path: &str) -> Option<&'a Directive> {
        self.inner_first()
            .take_while(|it| it.name != "alias" || below(path, it.arg(0)).is_none())
            .find(|it| match it.name.as_str() {
                "scriptalias" | "wsgiscriptalias" => below(path, it.arg(0)).is_some(),
                "scriptaliasmatch" | "wsgiscriptaliasmatch" => {
                    self.matcher.matches(it.arg(0), Case::Matters, path) == Ok(true)
                }
                "passengerenabled" => it.arg(0).eq_ignore_ascii_case("on"),
                "passengerapproot" | "jkmount" => true,
                _ => false,
            })
    }

    /// The path on disk: from an Alias, or below the DocumentRoot.
    fn on_disk(&self, path: &str) -> (String, Option<SourceLine>) {
        let by_alias = self.inner_first().find_map(|it| match it.name.as_str() {
            "alias" => {
                let rest = below(path, it.arg(0))?;
                Some((format!("{}{rest}", it.arg(1)), Some(it.place())))
            }
            "aliasmatch" => {
                let captured = self.matcher.captures(it.arg(0), Case::Matters, path).ok()??;
                Some((captured.filled(it.arg(1)).ok()?, Some(it.place())))
            }
            _ => None,
        });
        by_alias.unwrap_or_else(|| {
            let root = self.inner_first().find(|it| it.name == "documentroot");
            let folder = root.map_or("", |it| it.arg(0)).trim_end_matches('/');
            (format!("{folder}{path}"), root.map(Directive::place))
        })
    }

    /// The directory's sections and its .htaccess: handlers, and rules that may still proxy the
    /// request.
    fn in_folder(
        &self,
        request: &Request,
        path: &str,
        file: String,
        by: Option<SourceLine>,
        mut scope: Scope<'a>,
    ) -> Found<'a> {
        scope.folders = folders(&scope.servers, &file, self.matcher);
        let (read, forbidden) = htaccess(&scope.servers, &file, self.matcher, self.disk);
        scope.htaccess = read;
        if let Some(end) = self.handled(&scope, path, &file) {
            return Found { end, scope, forbidden };
        }
        let mut blocks: Vec<(String, Vec<Directive>)> = scope
            .folders
            .iter()
            .filter(|it| it.name == "directory" && it.arg(0).starts_with('/'))
            .map(|it| (it.arg(0).to_owned(), it.inside().to_vec()))
            .collect();
        blocks.extend(scope.htaccess.iter().filter_map(|it| {
            let folder = it.first()?.file.rsplit_once('/')?.0.to_owned();
            Some((folder, it.clone()))
        }));
        let last =
            blocks.iter().rev().find(|(_, it)| it.iter().any(|it| it.name.starts_with("rewrite")));
        if let Some((folder, rules)) = last.filter(|(_, it)| rewrite::is_on(it)) {
            let folder = format!("{}/", folder.trim_end_matches('/'));
            let subject = self.subject(request, path, &file, Some(&folder));
            match rewrite::run(rules, &subject) {
                Outcome::Nothing => {}
                Outcome::Path(new) => {
                    let end = End::Unknown(format!(
                        "The rules in {folder} rewrite to {new}, which cannot be evaluated"
                    ));
                    return Found { end, scope, forbidden };
                }
                other => {
                    let found = self.rewritten(other, Scope::default(), path);
                    return Found { scope, forbidden, ..found };
                }
            }
        }
        let fallback = scope.last("fallbackresource").is_some_and(|it| it.arg(0) != "disabled");
        if fallback && self.disk.look(&file) == super::super::Look::Missing {
            let end = End::Unknown("Cannot evaluate `FallbackResource`".to_owned());
            return Found { end, scope, forbidden };
        }
        Found { end: End::Opens(file, by), scope, forbidden }
    }

    /// A handler that proxies the request, `SetHandler proxy:…`, or runs a program in Apache.
    fn handled(&self, scope: &Scope<'_>, path: &str, file: &str) -> Option<End> {
        let runs = |it: &&Directive| {
            let program = it.name == "addhandler" || it.arg(0).contains("httpd-php");
            let endings = it.args.iter().skip(1).map(|it| it.trim_start_matches('.'));
            program && endings.into_iter().any(|it| file.ends_with(&format!(".{it}")))
        };
        let added = || scope.all("addhandler").chain(scope.all("addtype")).find(runs);
        let set = scope.last("sethandler").filter(|it| !is_default(it.arg(0)));
        let Some(handler) = set else { return added().map(beyond) };
        match handler.arg(0).strip_prefix("proxy:") {
            Some(url) => {
                let url = format!("{}{path}", url.trim_end_matches('/'));
                asked(&url, handler.place(), self.main).map(End::Asks)
            }
            None => Some(beyond(handler)),
        }
    }
}

fn is_default(handler: &str) -> bool {
    ["none", "default-handler"].iter().any(|it| handler.eq_ignore_ascii_case(it))
}

/// A program responds, which may be the app.
fn beyond(by: &Directive) -> End {
    let by = by.place();
    End::Unknown(format!("{by} runs a program, which cannot be evaluated"))
}

/// Whether the first word of a Redirect is a status.
fn is_status(word: &str) -> bool {
    word.parse::<u16>().is_ok() || matches!(word, "permanent" | "temp" | "seeother" | "gone")
}

/// The rest of a path after a prefix, if the prefix ends at a segment (mod_alias, mod_proxy).
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(prefix)?;
    (prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
