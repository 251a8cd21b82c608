//! Tells what a rule means: from the rule itself, so that text and behaviour cannot drift apart.

use std::io::{self, Write};

use crate::diagnosis::{Rule, rules};

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
    writeln!(out, "  {}", crate::report::paragraph_at(&format!("any: {}", it.any), 4))
}
