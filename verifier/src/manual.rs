//! The manual page and the shell completions for packages, generated from the definition of the
//! command line.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::args::{Cli, Manual};

/// The date of the last change to the page, except for the options.
const CHANGED: &str = "2026-11-23";

/// The sections that clap does not generate.
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

impl Manual {
    /// Writes the manual page or the completion script.
    ///
    /// # Errors
    ///
    /// The errors of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut command = Cli::command();
        let mut text = Vec::new();
        match self {
            Self::Completions { shell } => {
                generate(*shell, &mut command, "sendfile-check", &mut text);
                // In bash, clap_complete 4.6 mistakes the hyphen in the program's name for a
                // subcommand, and then finds no subcommand (clap #6421).
                if *shell == Shell::Bash {
                    let script = String::from_utf8_lossy(&text);
                    text =
                        script.replace("sendfile__subcmd__check", "sendfile__check").into_bytes();
                }
            }
            Self::Man => page(command.disable_help_subcommand(true), &mut text)?,
        }
        out.write_all(&text)
    }
}

/// One page for all commands, so that an option is found without knowing its command.
fn page(mut command: Command, out: &mut impl Write) -> io::Result<()> {
    command.build();
    let man = Man::new(command.clone()).title("SENDFILE-CHECK").date(CHANGED);
    man.render_title(out)?;
    man.render_name_section(out)?;
    writeln!(out, ".SH SYNOPSIS\n.nf")?;
    for subcommand in command.get_subcommands() {
        let usage = subcommand.clone().render_usage().to_string();
        writeln!(out, ".B {}", usage.trim_start_matches("Usage: ").replace('-', "\\-"))?;
    }
    writeln!(out, ".fi")?;
    described(&man, ".SH", out)?;
    command.get_subcommands().try_for_each(|it| chapter(it, out))?;
    out.write_all(SECTIONS.as_bytes())
}

/// The options of one command, except `--help` and the global options, which all commands have.
fn chapter(command: &Command, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, ".SH {}", command.get_name().to_uppercase())?;
    let own = command.clone().mut_args(|it| {
        let of_all = it.is_global_set() || it.get_id() == "help";
        it.hide(of_all)
    });
    described(&Man::new(own), ".SS", out)
}

/// Description and options, with this macro for the headings.
fn described(man: &Man, heading: &str, out: &mut impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    for line in String::from_utf8_lossy(&text).lines() {
        match (line, line.strip_prefix(".SH ")) {
            // Each chapter starts with the description.
            (_, Some("DESCRIPTION")) if heading == ".SS" => {}
            (_, Some(title)) => writeln!(out, "{heading} {title}")?,
            // Two of them enclose an empty line, which suffices.
            (".br", _) => {}
            ("", _) => writeln!(out, ".sp")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}
