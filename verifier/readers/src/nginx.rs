//! nginx: its configuration, and the facts that it contains about one download.

use sendfile_evidence::{
    Server,
    fact::Fact,
    request::{Address, Request},
};

use super::{pattern::Matcher, uri};
use crate::{
    disk::{Disk, Worker},
    query::Query,
    reader::{Reader, RouteAnalysis},
};

mod astray;
mod download;
mod guard;
mod handoff;
mod location;
mod mend;
mod nearest;
mod relay;
mod rewrite;
mod route;
mod scope;
mod server;
mod store;
mod target;
#[cfg(test)]
mod tests;
pub(super) mod tree;
mod upstream;
mod variables;

use self::{route::Walk, server::ServerBlock, tree::Directive, variables::Env};

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
        Self { http: http(path, &mut main), main, matcher: Matcher::default() }
    }

    fn word(&self, name: &str, n: usize) -> Option<String> {
        let directive = self.main.iter().rev().find(|it| it.name == name)?;
        Some(directive.arg(n).to_owned()).filter(|it| !it.is_empty())
    }

    fn servers(&self) -> Vec<ServerBlock<'_>> {
        self.http.children("server").map(ServerBlock::of).collect()
    }
}

impl Reader for Nginx {
    fn worker(&self) -> Worker {
        Worker {
            server: Server::Nginx.name(),
            user: self.word("user", 0),
            group: self.word("user", 1).or(self.word("user", 0)),
            pid_file: self.word("pid", 0),
        }
    }

    fn listens(&self, address: &Address) -> bool {
        self.servers().iter().any(|it| it.listens(address))
    }

    fn analysis(&self, question: &Query, disk: &dyn Disk, worker: &Worker) -> RouteAnalysis {
        let servers = self.servers();
        let maps: Vec<&Directive> = self.http.children("map").collect();
        let host = question.site.host();
        let site = &question.site;
        let mut treatment = RouteAnalysis::default();
        let Some(server) = server::choose(&servers, &site.address, &host, &self.matcher) else {
            treatment.unsure = true;
            return treatment;
        };
        let case = Case {
            question,
            worker,
            servers: &servers,
            walk: Walk { http: &self.http, server: server.block, matcher: &self.matcher, disk },
        };
        let Some(env) = case.env(site, &maps) else { return treatment };
        let route = download::treat(&case, env, &mut treatment);
        if let Some(route) = &route {
            handoff::treat(&case, route, &mut treatment);
        }
        let handed = target::treat(&case, route.as_ref(), &maps, &mut treatment);
        if let Some(direct) = &question.direct {
            target::direct(&case, direct, &maps, handed.as_ref(), &mut treatment);
        }
        treatment
    }
}

/// A file may be a complete configuration, a site's file without the `http` around it, or a snippet
/// with locations only.
fn http(path: &str, main: &mut Vec<Directive>) -> Directive {
    if let Some(at) = main.iter().position(|it| it.name == "http") {
        return main.remove(at);
    }
    let block = |name: &str, inside: Vec<Directive>| Directive {
        name: name.to_owned(),
        spelled: name.to_owned(),
        args: Vec::new(),
        file: path.into(),
        line: 1,
        block: Some(inside),
    };
    let bare =
        !main.iter().any(|it| it.name == "server") && main.iter().any(|it| it.name == "location");
    let main = std::mem::take(main);
    match bare {
        true => block("http", vec![block("server", main)]),
        false => block("http", main),
    }
}

/// One query to one configuration.
#[derive(Clone, Copy)]
struct Case<'a> {
    question: &'a Query,
    worker: &'a Worker,
    servers: &'a [ServerBlock<'a>],
    walk: Walk<'a>,
}

impl<'a> Case<'a> {
    /// A request as received; `None` for a path that leads above the root.
    fn env(&self, request: &'a Request, maps: &'a [&'a Directive]) -> Option<Env<'a>> {
        let blocks = [self.walk.server, self.walk.http];
        let merge = blocks.iter().find_map(|it| it.child("merge_slashes"));
        let slashes = match merge.map(|it| it.arg(0)) {
            Some("off") => uri::Slashes::Kept,
            _ => uri::Slashes::Merged,
        };
        let path = uri::normalised(&uri::decoded(&request.path), slashes)?;
        Some(Env::new(self.question, request, path, maps, self.walk.matcher))
    }
}
