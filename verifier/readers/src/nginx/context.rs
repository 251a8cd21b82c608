//! One query to one configuration, as the modules that record facts need it.

use sendfile_evidence::request::Request;

use super::{route::Evaluator, server::ServerBlock, tree::Directive, variables::Env};
use crate::{disk::Worker, query::Query, uri};

/// One query to one configuration.
#[derive(Clone, Copy)]
pub(super) struct EvalContext<'a> {
    /// The query.
    pub(super) query: &'a Query,
    /// The user that opens the files.
    pub(super) worker: &'a Worker,
    /// All server blocks.
    pub(super) servers: &'a [ServerBlock<'a>],
    /// All `map` blocks.
    pub(super) maps: &'a [&'a Directive],
    /// The server block that handles the client's request.
    pub(super) evaluator: Evaluator<'a>,
}

impl<'a> EvalContext<'a> {
    /// A request as received; `None` for a path that leads above the root.
    pub(super) fn env(&self, request: &'a Request) -> Option<Env<'a>> {
        let Evaluator { http, server, matcher, .. } = self.evaluator;
        let merge_slashes = server.child("merge_slashes").or(http.child("merge_slashes"));
        let slashes = match merge_slashes {
            Some(directive) if directive.arg(0) == "off" => uri::Slashes::Kept,
            _ => uri::Slashes::Merged,
        };
        let path = uri::normalised(&uri::decoded(&request.path), slashes)?;
        Some(Env::new(self.query, request, path, self.maps, matcher))
    }
}
