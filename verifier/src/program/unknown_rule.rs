//! Suggestions for the id of a rule that does not exist.

use sendfile_probe::config::nearest;
use sendfile_rules::rules;
use thiserror::Error;

/// The rule does not exist.
#[derive(Debug, Error)]
#[error(
    "{input} `{id}`: unknown rule{suggestion}\nhint: list all rules with `sendfile-check rules`"
)]
pub(super) struct UnknownRule {
    /// The option or the command that the id was given to.
    input: &'static str,
    id: String,
    /// The rules that may be meant, or nothing.
    suggestion: String,
}

impl UnknownRule {
    pub(super) fn new(input: &'static str, id: &str) -> Self {
        Self { input, id: id.to_owned(), suggestion: suggestion(id) }
    }
}

/// The maximum number of rules to suggest.
const MAX: usize = 8;

fn suggestion(id: &str) -> String {
    let similar: Vec<_> = similar_rules(id).iter().map(|id| format!("`{id}`")).collect();
    match similar.as_slice() {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [first @ .., last] if first.len() < MAX => {
            format!("; did you mean {} or {last}?", first.join(", "))
        }
        all => format!("; {} ids contain this, e.g. {}", all.len(), all[..MAX].join(", ")),
    }
}

/// The rules whose ids contain all words of a text, otherwise the one with the most similar id.
fn similar_rules(text: &str) -> Vec<&'static str> {
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).collect::<Vec<_>>();
    words.retain(|word| !word.is_empty());
    let mut similar = Vec::new();
    for rule in rules() {
        if !words.is_empty() && words.iter().all(|word| rule.id.contains(word)) {
            similar.push(rule.id);
        }
    }
    if similar.is_empty() {
        similar.extend(nearest(&text, rules().map(|rule| rule.id)));
    }
    similar
}
