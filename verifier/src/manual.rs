//! What packages ship beside the program: its manual page, and what a shell needs to complete its
//! words. Both are made from the command line's own description.

use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use crate::args::{Cli, Manual};

/// When the page was changed last, beyond its options.
const CHANGED: &str = "2026-11-23";

/// What the command line does not know of itself.
const SECTIONS: &str = r#".SH EXIT STATUS
.TP
.B 0
healthy
.TP
.B 1
broken, degraded or exposed
.TP
.B 2
usage or configuration
.TP
.B 3
inconclusive: a layer could not be asked, and no rule decides
.PP
The same in every format.
.SH ENVIRONMENT
.TP
.B AWS_*, AZURE_*, GOOGLE_*
credentials and options of the storage, by the names of the stores' own tools;
\fB\-\-storage\-option\fR counts before them
.TP
.B NO_COLOR, CLICOLOR_FORCE
never or always colour the output, where \fB\-\-color\fR does not say
.TP
.B SSL_CERT_FILE, SSL_CERT_DIR
the trusted certificates, in place of the system's
.PP
Variables like \fBHTTP_PROXY\fR are not obeyed: they would send the questions elsewhere.
.SH FILES
These come with the package, not with the program itself.
.TP
.I /etc/sendfile\-check/targets.toml
what the service and its timer check
.TP
.I /usr/share/sendfile\-check/
the snippets for nginx, Apache, lighttpd and Caddy, each with a README
.SH EXAMPLES
Beside a running fixture:
.PP
.nf
.RS 4
sendfile\-check verify \-\-fixture http://127.0.0.1:8000 \e
    \-\-site https://example.org \-\-storage file:///srv/media
.RE
.fi
.PP
All targets of a file, a line for each:
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
    /// Writes it.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut command = Cli::command();
        let mut text = Vec::new();
        match self {
            Self::Completions { shell } => {
                generate(*shell, &mut command, "sendfile-check", &mut text);
                // clap_complete 4.6 takes the hyphen in the program's name for a subcommand, in
                // bash, and then finds none of them (clap #6421).
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

/// One page for all commands: what is looked for is found without knowing whose it is.
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

/// What is a command's own: all commands have `--help` and the global options.
fn chapter(command: &Command, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, ".SH {}", command.get_name().to_uppercase())?;
    let own = command.clone().mut_args(|it| {
        let of_all = it.is_global_set() || it.get_id() == "help";
        it.hide(of_all)
    });
    described(&Man::new(own), ".SS", out)
}

/// Description and options, their headings by this macro.
fn described(man: &Man, heading: &str, out: &mut impl Write) -> io::Result<()> {
    let mut text = Vec::new();
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    for line in String::from_utf8_lossy(&text).lines() {
        match (line, line.strip_prefix(".SH ")) {
            // A chapter begins with it.
            (_, Some("DESCRIPTION")) if heading == ".SS" => {}
            (_, Some(title)) => writeln!(out, "{heading} {title}")?,
            // Two of them enclose an empty line, which is enough by itself.
            (".br", _) => {}
            ("", _) => writeln!(out, ".sp")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}
