//! Explains a rule. The text is part of the rule itself, so that it matches the behaviour.

use std::io::{self, Write};

use crate::{
    demo::fault::{FAULTS, Fault},
    diagnosis::{Rule, rules},
    report::Width,
};

/// Writes all rules, one per line.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    let width = rules().map(|it| it.id.len()).max().unwrap_or(0);
    rules().try_for_each(|it| writeln!(out, "{:width$}  {}", it.id, it.summary))
}

/// Explains one rule.
pub fn explain(out: &mut impl Write, rule: &Rule, width: Width) -> io::Result<()> {
    writeln!(out, "{}: {}\n", rule.id, rule.summary)?;
    writeln!(
        out,
        "component: {}   severity if the file still arrives: {}\n",
        rule.culprit, rule.severity
    )?;
    writeln!(out, "{}\n\nRemedies:", width.wrapped(rule.meaning, 0, 0))?;
    let it = &rule.remedy;
    let special = [
        ("nginx", it.nginx),
        ("Apache", it.apache),
        ("lighttpd", it.lighttpd),
        ("Caddy", it.caddy),
    ];
    for (name, text) in special {
        if let Some(text) = text {
            writeln!(out, "  {}", width.remedy(&format!("{name}: {text}"), 2, 4))?;
        }
    }
    writeln!(out, "  {}", width.remedy(&format!("any server: {}", it.any), 2, 4))?;
    let faults = FAULTS.iter().filter_map(|(id, _)| Some((*id, Fault::named(id).ok()?)));
    let of_rule = faults.filter(|(_, it)| it.expected.first().is_some_and(|it| *it == rule.id));
    of_rule.take(EXAMPLES).try_for_each(|(id, fault)| example(out, id, &fault))
}

/// The maximum number of examples.
const EXAMPLES: usize = 3;

/// A fault that reproduces the finding; the tests use the same one.
fn example(out: &mut impl Write, id: &str, fault: &Fault) -> io::Result<()> {
    writeln!(out, "\nExample: {}", fault.story)?;
    if let (Some(file), Some(edit)) = (&fault.file, &fault.edit) {
        writeln!(out, "  {file}")?;
        edit.from.lines().try_for_each(|line| writeln!(out, "  - {line}"))?;
        edit.to.lines().try_for_each(|line| writeln!(out, "  + {line}"))?;
    }
    writeln!(out, "  sendfile-check demo --proxy {} --fault {id}", fault.proxy)
}
