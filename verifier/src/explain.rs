//! Tells what a rule means: from the rule itself, so that text and behaviour cannot drift apart.

use std::io::{self, Write};

use crate::demo::fault::{FAULTS, Fault};
use sendfile_rules::{Rule, rules};

/// Writes all rules, a line each.
pub fn list(out: &mut impl Write) -> io::Result<()> {
    let width = rules().map(|it| it.id.len()).max().unwrap_or(0);
    rules().try_for_each(|it| writeln!(out, "{:width$}  {}", it.id, it.summary))
}

/// Explains one rule.
pub fn explain(out: &mut impl Write, rule: &Rule) -> io::Result<()> {
    writeln!(out, "{}: {}\n", rule.id, rule.summary)?;
    writeln!(
        out,
        "guilty: {}   where the bytes arrive all the same: {}\n",
        rule.culprit, rule.severity
    )?;
    writeln!(out, "{}\n\nWhat to do:", crate::report::paragraph(rule.meaning))?;
    let it = &rule.remedy;
    let special = [
        ("nginx", it.nginx),
        ("Apache", it.apache),
        ("lighttpd", it.lighttpd),
        ("Caddy", it.caddy),
    ];
    for (name, text) in special {
        if let Some(text) = text {
            writeln!(out, "  {}", crate::report::paragraph_at(&format!("{name}: {text}"), 4))?;
        }
    }
    writeln!(out, "  {}", crate::report::paragraph_at(&format!("any: {}", it.any), 4))?;
    let faults = FAULTS.iter().filter_map(|(id, _)| Some((*id, Fault::named(id).ok()?)));
    let of_rule = faults.filter(|(_, it)| it.expected.first().is_some_and(|it| *it == rule.id));
    of_rule.take(EXAMPLES).try_for_each(|(id, fault)| example(out, id, &fault))
}

/// More examples than these say nothing new.
const EXAMPLES: usize = 3;

/// A way to see it happen: the very fault that the tests run.
fn example(out: &mut impl Write, id: &str, fault: &Fault) -> io::Result<()> {
    writeln!(out, "\nFor example: {}", fault.story)?;
    if let (Some(file), Some(edit)) = (&fault.file, &fault.edit) {
        writeln!(out, "  {file}")?;
        edit.from.lines().try_for_each(|line| writeln!(out, "  - {line}"))?;
        edit.to.lines().try_for_each(|line| writeln!(out, "  + {line}"))?;
    }
    writeln!(out, "  sendfile-check demo --proxy {} --fault {id}", fault.proxy)
}
