//! Parsers of the ids of servers. Which servers have a snippet or a demo, and how they are described, is
//! in the tables of `snippet` and `demo`.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use sendfile_evidence::Server;

#[cfg(feature = "demo")]
use crate::demo;
use crate::snippet;

/// Parses the id of a server with a snippet.
pub(super) fn with_snippet() -> impl TypedValueParser<Value = Server> {
    let mut values = Vec::new();
    for snippet in snippet::all() {
        values.push(PossibleValue::new(snippet.server.id()).help(snippet.description));
    }
    PossibleValuesParser::new(values).try_map(|id| id.parse::<Server>())
}

/// Parses the id of a server that the demo can run.
#[cfg(feature = "demo")]
pub(super) fn with_demo() -> impl TypedValueParser<Value = Server> {
    let mut values = Vec::new();
    for (server, description) in demo::servers() {
        values.push(PossibleValue::new(server.id()).help(description));
    }
    PossibleValuesParser::new(values).try_map(|id| id.parse::<Server>())
}
