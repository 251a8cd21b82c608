//! The manual page and the shell completions, which packages ship. Both are generated from the
//! description of the command line.

use std::io::{self, Write as _};

use clap::{Arg, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// The date of the last change of the page, apart from its options.
const DATE: &str = "2026-11-23";

/// The sections that are not part of the command line.
const SECTIONS: &str = r#".SH EXIT STATUS
.TP
.B 0
healthy
.TP
.B 1
broken, degraded or exposed
.TP
.B 2
usage or configuration error
.TP
.B 3
inconclusive: a layer could not be checked, and no rule applies
.PP
The same in every output format.
.SH ENVIRONMENT
.TP
.B AWS_*, AZURE_*, GOOGLE_*
credentials and options of the storage, with the names that the stores' own tools use;
\fB\-\-storage\-option\fR overrides them
.TP
.B NO_COLOR, CLICOLOR_FORCE
never or always colour the output, unless \fB\-\-color\fR is given
.TP
.B SSL_CERT_FILE, SSL_CERT_DIR
trusted certificates to use instead of the system's
.PP
Variables such as \fBHTTP_PROXY\fR are ignored, because they would redirect the requests.
.SH FILES
These files come with the package, not with the program itself.
.TP
.I /etc/sendfile\-check/targets.toml
targets that the service and its timer check
.TP
.I /usr/share/sendfile\-check/
snippets for nginx, Apache, lighttpd and Caddy, each with a README
.SH EXAMPLES
With a running fixture:
.PP
.nf
.RS 4
sendfile\-check verify \-\-fixture http://127.0.0.1:8000 \e
    \-\-site https://example.org \-\-storage file:///srv/media
.RE
.fi
.PP
All targets of a file, with one line each:
.PP
.nf
.RS 4
sendfile\-check verify \-c /etc/sendfile\-check/targets.toml \-o short
.RE
.fi
.SH SEE ALSO
.BR sendfile\-fixture (1),
.BR nginx (8),
.BR apache2 (8),
.BR lighttpd (8)
"#;

/// Returns a completion script.
pub(crate) fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command, "sendfile-check", &mut script);
    let script = String::from_utf8_lossy(&script);
    if shell != Shell::Bash {
        return script.into_owned();
    }
    // In bash, clap_complete 4.6 mistakes the hyphen in the program's name for a subcommand, and then
    // completes no subcommand (clap #6421).
    script.replace("sendfile__subcmd__check", "sendfile__check")
}

/// Returns one manual page for all commands, so that a reader can search for an option without
/// knowing its command.
pub(crate) fn page(command: Command) -> io::Result<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).title("SENDFILE-CHECK").date(DATE);
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
    page.extend(SECTIONS.bytes());
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
