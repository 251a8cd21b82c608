//! Explains a rule. The text is part of the rule itself, so that it matches the behaviour.

use std::io::{self, Write};

use clap::ValueEnum;

use crate::{
    demo::fault::{FAULTS, Fault},
    report::Width,
    snippet::Proxy,
};
use sendfile_rules::{Remedy, Rule, Severity, rules};

/// The maximum number of examples.
const EXAMPLES: usize = 3;

/// Writes all rules, one per line.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    let width = rules().map(|it| it.id.len()).max().unwrap_or(0);
    rules().try_for_each(|it| writeln!(out, "{:width$}  {}", it.id, it.summary))
}

/// Explains one rule, for one proxy or for all of them.
pub fn explain(
    out: &mut impl Write,
    rule: &Rule,
    proxy: Option<Proxy>,
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
    for (id, fault) in examples(rule, proxy) {
        example(out, id, &fault, width)?;
    }
    Ok(())
}

/// The remedies, those for a proxy after its name.
fn remedies(remedy: &Remedy, proxy: Option<Proxy>) -> Vec<String> {
    let mut lines = Vec::new();
    for (server, text) in remedy.servers {
        if proxy.is_none_or(|proxy| proxy.server() == *server) {
            lines.push(format!("{}: {text}", server.name()));
        }
    }
    match (lines.is_empty(), proxy) {
        (true, _) => lines.push(remedy.any.to_owned()),
        (false, Some(_)) => {}
        (false, None) => lines.push(format!("other proxies: {}", remedy.any)),
    }
    lines
}

/// The faults with this rule as their first finding: those of the proxy if it has any, otherwise
/// those of nginx first.
fn examples(rule: &Rule, proxy: Option<Proxy>) -> Vec<(&'static str, Fault)> {
    let preferred = proxy.unwrap_or(Proxy::Nginx).to_possible_value();
    let preferred = preferred.as_ref().map_or("", |value| value.get_name());
    let mut faults = Vec::new();
    for (id, _) in FAULTS {
        if let Ok(fault) = Fault::named(id)
            && fault.expected.first().is_some_and(|expected| expected == rule.id)
        {
            faults.push((*id, fault));
        }
    }
    faults.sort_by_key(|(_, fault)| fault.proxy != preferred);
    let any_preferred = faults.first().is_some_and(|(_, fault)| fault.proxy == preferred);
    if proxy.is_some() && any_preferred {
        faults.retain(|(_, fault)| fault.proxy == preferred);
    }
    faults.truncate(EXAMPLES);
    faults
}

/// A fault that reproduces the finding; the tests use the same one.
fn example(out: &mut impl Write, id: &str, fault: &Fault, width: Width) -> io::Result<()> {
    writeln!(out, "\n{}", width.wrapped(&format!("Example: {}", fault.story), 0, 2))?;
    if let (Some(file), Some(edit)) = (&fault.file, &fault.edit) {
        writeln!(out, "  {file}")?;
        edit.from.lines().try_for_each(|line| writeln!(out, "  - {line}"))?;
        edit.to.lines().try_for_each(|line| writeln!(out, "  + {line}"))?;
    }
    writeln!(out, "  sendfile-check demo --proxy {} --fault {id}", fault.proxy)
}
