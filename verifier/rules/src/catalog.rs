//! All rules.

use crate::{app, frontend, handoff, proxy, rule::Rule, storage};

/// All rules, by culprit.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let tables =
        [storage::RULES, proxy::RULES, proxy::store::RULES].into_iter().chain(frontend::RULES);
    app::RULES.into_iter().chain(tables).chain(handoff::RULES).flatten().copied()
}

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|it| it.id == id)
}
