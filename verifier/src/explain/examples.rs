//! The examples of a rule: faults of the demo that reproduce its finding. The tests use the same ones.

use std::io::{self, Write};

use sendfile_evidence::Server;
use sendfile_rules::Rule;

use crate::{
    demo::fault::{FAULTS, Fault},
    report::Width,
};

/// The maximum number of examples.
const MAX: usize = 3;

/// Writes the examples of a rule, for one proxy if it has any.
pub(super) fn write(
    out: &mut impl Write,
    rule: &Rule,
    proxy: Option<Server>,
    width: Width,
) -> io::Result<()> {
    for (id, fault) in examples(rule, proxy) {
        writeln!(out, "\n{}", width.wrapped(&format!("Example: {}", fault.story), 0, 2))?;
        if let (Some(file), Some(edit)) = (&fault.file, &fault.edit) {
            writeln!(out, "  {file}")?;
            for line in edit.from.lines() {
                writeln!(out, "  - {line}")?;
            }
            for line in edit.to.lines() {
                writeln!(out, "  + {line}")?;
            }
        }
        writeln!(out, "  sendfile-check demo --proxy {} --fault {id}", fault.proxy)?;
    }
    Ok(())
}

/// The faults with this rule as their first finding: those of the proxy if it has any, otherwise
/// those of nginx first.
fn examples(rule: &Rule, proxy: Option<Server>) -> Vec<(&'static str, Fault)> {
    let preferred = proxy.unwrap_or(Server::Nginx);
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
    faults.truncate(MAX);
    faults
}
