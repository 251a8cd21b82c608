//! The manual page and the shell completions of a program, which packages ship. Both are generated
//! from the description of the command line.
//!
//! Knows neither program.

use std::io::{self, Write as _};

use clap::{Arg, Command};
use clap_complete::generate;
use clap_mangen::Man;

pub use clap_complete::Shell;

/// Returns the completion script of a program.
pub fn completions(shell: Shell, mut command: Command) -> String {
    let program = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut command, &program, &mut script);
    let script = String::from_utf8_lossy(&script);
    if shell != Shell::Bash {
        return script.into_owned();
    }
    // In bash, clap_complete 4.6 mistakes the hyphen in the program's name for a subcommand, and then
    // completes no subcommand (clap #6421).
    script.replace(&program.replace('-', "__subcmd__"), &program.replace('-', "__"))
}

/// Returns one manual page for all commands, so that a reader can search for an option without
/// knowing its command.
///
/// `date` is that of the last change of the page, apart from its options; `sections` are those that
/// are not part of the command line, in roff.
///
/// # Errors
///
/// None in practice: the page is written to memory.
pub fn page(command: Command, date: &str, sections: &str) -> io::Result<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).title(command.get_name().to_uppercase()).date(date);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    writeln!(page, ".SH SYNOPSIS\n.nf")?;
    for subcommand in command.get_subcommands() {
        let usage = subcommand.clone().render_usage().to_string();
        writeln!(page, ".B {}", usage.trim_start_matches("Usage: ").replace('-', "\\-"))?;
    }
    writeln!(page, ".fi")?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for subcommand in command.get_subcommands() {
        writeln!(page, ".SH {}", subcommand.get_name().to_uppercase())?;
        let man = Man::new(subcommand.clone().mut_args(hide_common));
        let mut chapter = Vec::new();
        man.render_description_section(&mut chapter)?;
        man.render_options_section(&mut chapter)?;
        let chapter = String::from_utf8_lossy(&chapter);
        page.extend(chapter.replace(".SH DESCRIPTION\n", "").replace(".SH ", ".SS ").bytes());
    }
    page.extend(sections.bytes());
    Ok(without_lint(&String::from_utf8_lossy(&page)))
}

/// Hides the options that all commands have: `--help` and the global ones.
fn hide_common(arg: Arg) -> Arg {
    let is_common = arg.is_global_set() || arg.get_id() == "help";
    arg.hide(is_common)
}

/// Replaces empty lines and drops line breaks next to them: groff and mandoc warn of both.
fn without_lint(page: &str) -> String {
    let mut clean = String::new();
    for line in page.lines() {
        match line {
            ".br" => continue,
            "" => clean.push_str(".sp"),
            _ => clean.push_str(line),
        }
        clean.push('\n');
    }
    clean
}
