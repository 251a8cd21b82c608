//! All rules.

use crate::{
    app::{self, length, manner, signature},
    frontend::{self, cache, client, wire},
    handoff::{
        self, browser, headers, location, names, parts, refusal, relay, stale,
        store as handoff_store,
    },
    proxy::{self, store as proxy_store},
    rule::Rule,
    storage,
};

/// The tables, each in the file of its subject. The order of the tables has no meaning.
const TABLES: [&[&Rule]; 21] = [
    app::RULES,
    signature::RULES,
    manner::RULES,
    length::RULES,
    storage::RULES,
    proxy::RULES,
    proxy_store::RULES,
    cache::RULES,
    frontend::RULES,
    client::RULES,
    wire::RULES,
    relay::RULES,
    handoff::RULES,
    refusal::RULES,
    location::RULES,
    handoff_store::RULES,
    headers::RULES,
    parts::RULES,
    stale::RULES,
    browser::RULES,
    names::RULES,
];

/// All rules, by culprit.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    TABLES.into_iter().flatten().copied()
}

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}
