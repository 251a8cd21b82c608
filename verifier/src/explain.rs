//! Explains a rule. The text is part of the rule itself, so that it matches what the rule does.

use std::io::{self, Write};

use sendfile_evidence::Server;
use sendfile_rules::{Remedy, Rule, Severity, rules};

use crate::report::Width;

#[cfg(feature = "demo")]
mod examples;

/// Writes all rules, one per line.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    let width = rules().map(|rule| rule.id.len()).max().unwrap_or(0);
    for rule in rules() {
        writeln!(out, "{:width$}  {}", rule.id, rule.summary)?;
    }
    Ok(())
}

/// Explains one rule, for one proxy or for all of them.
pub fn explain(
    out: &mut impl Write,
    rule: &Rule,
    proxy: Option<Server>,
    width: Width,
) -> io::Result<()> {
    writeln!(out, "{}", width.wrapped(&format!("{}: {}", rule.id, rule.summary), 0, 2))?;
    let severity = match rule.severity {
        Severity::Degraded => "degraded, or broken if the download fails".to_owned(),
        other => other.to_string(),
    };
    writeln!(out, "\ncomponent: {}\nseverity: {severity}\n", rule.culprit)?;
    writeln!(out, "{}\n\nRemedy:", width.wrapped(rule.meaning, 0, 0))?;
    for line in remedies(&rule.remedy, proxy) {
        writeln!(out, "  {}", width.remedy(&line, 2, 4))?;
    }
    #[cfg(feature = "demo")]
    examples::write(out, rule, proxy, width)?;
    Ok(())
}

/// The remedies; those for a particular proxy after its name.
fn remedies(remedy: &Remedy, proxy: Option<Server>) -> Vec<String> {
    let mut lines = Vec::new();
    for server in Server::ALL {
        if proxy.is_some_and(|proxy| proxy != server) {
            continue;
        }
        if let Some(text) = remedy.of(server) {
            lines.push(format!("{}: {text}", server.name()));
        }
    }
    if lines.is_empty() {
        lines.push(remedy.any.to_owned());
    } else if proxy.is_none() {
        lines.push(format!("other proxies: {}", remedy.any));
    }
    lines
}
