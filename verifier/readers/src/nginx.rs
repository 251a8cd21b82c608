//! nginx: its configuration, and the facts that it contains about one download.
//!
//! Assembles the blocks and selects the server block. The modules below this one know how a request
//! is routed and what a fact says; none of them knows about other servers or about chains of
//! proxies.

use sendfile_evidence::{Server, fact::Fact, request::Address};

use crate::{
    disk::{Disk, Worker},
    pattern::Matcher,
    query::Query,
    reader::{Reader, RouteAnalysis},
};

mod closest_location;
mod context;
mod download;
mod guard;
mod handoff;
mod internal_redirect;
mod location;
mod misroute;
mod open_proxy;
mod route;
mod scope;
mod server;
mod store;
mod suggestion;
mod target;
#[cfg(test)]
mod tests;
mod tree;
mod upstream;
mod variables;

use self::{context::EvalContext, route::Evaluator, server::ServerBlock, tree::Directive};

/// An nginx configuration.
pub(super) struct Nginx {
    main: Vec<Directive>,
    http: Directive,
    matcher: Matcher,
}

impl Nginx {
    /// Reads a file with its includes, or a dump.
    pub(super) fn read(path: &str, disk: &mut dyn Disk, unread: &mut Vec<Fact>) -> Self {
        let mut main = tree::read(path, disk, unread);
        let http = http_block(path, &mut main);
        Self { main, http, matcher: Matcher::default() }
    }

    /// An argument of a directive outside all blocks; `None` if it is missing or empty.
    fn main_argument(&self, name: &str, n: usize) -> Option<String> {
        let directive = self.main.iter().rev().find(|directive| directive.name == name)?;
        match directive.arg(n) {
            "" => None,
            argument => Some(argument.to_owned()),
        }
    }

    fn servers(&self) -> Vec<ServerBlock<'_>> {
        self.http.children("server").map(ServerBlock::of).collect()
    }
}

impl Reader for Nginx {
    fn worker(&self) -> Worker {
        Worker {
            server: Server::Nginx.name(),
            user: self.main_argument("user", 0),
            group: self.main_argument("user", 1).or(self.main_argument("user", 0)),
            pid_file: self.main_argument("pid", 0),
        }
    }

    fn listens(&self, address: &Address) -> bool {
        self.servers().iter().any(|server| server.listens(address))
    }

    fn analysis(&self, query: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let mut analysis = RouteAnalysis::default();
        let servers = self.servers();
        let maps: Vec<&Directive> = self.http.children("map").collect();
        let site = &query.site;
        let host = site.host();
        let Some(server) = server::choose(&servers, &site.address, &host, &self.matcher) else {
            analysis.unsure = true;
            return analysis;
        };
        let evaluator =
            Evaluator { http: &self.http, server: server.block, matcher: &self.matcher, disk };
        let context = EvalContext { query, worker, servers: &servers, maps: &maps, evaluator };
        let Some(env) = context.env(site) else { return analysis };
        let passed = download::record(&context, env, &mut analysis);
        if let Some(passed) = &passed {
            handoff::record(&context, passed, &mut analysis);
        }
        let redirected = target::record(&context, passed.as_ref(), &mut analysis);
        if let Some(direct) = &query.direct {
            target::record_direct(&context, direct, redirected.as_ref(), &mut analysis);
        }
        analysis
    }
}

/// The `http` block. A file may be a complete configuration, a site's file without the `http`
/// around it, or a snippet with locations only.
fn http_block(path: &str, main: &mut Vec<Directive>) -> Directive {
    if let Some(at) = main.iter().position(|directive| directive.name == "http") {
        return main.remove(at);
    }
    let is_snippet = !contains(main, "server") && contains(main, "location");
    let inside = std::mem::take(main);
    if is_snippet {
        let server = implied_block("server", path, inside);
        return implied_block("http", path, vec![server]);
    }
    implied_block("http", path, inside)
}

fn contains(directives: &[Directive], name: &str) -> bool {
    directives.iter().any(|directive| directive.name == name)
}

/// A block that the file does not contain, because another file includes it.
fn implied_block(name: &str, path: &str, inside: Vec<Directive>) -> Directive {
    Directive {
        name: name.to_owned(),
        spelled: name.to_owned(),
        args: Vec::new(),
        file: path.into(),
        line: 1,
        block: Some(inside),
    }
}
