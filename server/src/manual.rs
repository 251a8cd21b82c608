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
stopped as requested
.TP
.B 1
could not clean up: some of the fixture's files are still on the storage
.TP
.B 2
could not start: invalid usage or configuration, or an error of the storage or the address
.SH ENVIRONMENT
.TP
.B SENDFILE_FIXTURE_*
each option of \fBserve\fR: \fBSENDFILE_FIXTURE_LARGE_SIZE\fR sets \fB\-\-large\-size\fR;
the command line takes precedence
.TP
.B AWS_*, AZURE_*, GOOGLE_*
credentials and options of the storage, with the names that the stores' own tools use;
\fB\-\-storage\-option\fR takes precedence
.TP
.B SSL_CERT_FILE, SSL_CERT_DIR
trusted certificates, instead of the system's
.TP
.B LISTEN_FDS, LISTEN_PID
the sockets for \fB\-\-listen systemd\fR, see
.BR systemd.socket (5)
.TP
.B NOTIFY_SOCKET
the socket on which the fixture notifies
.BR systemd (1)
when it is ready and when it stops
.SH FILES
.TP
.I STORAGE/healthcheck/
the dummies, and \fIplaced.txt\fR, the manifest of all placed files
.TP
.I STORAGE/PREFIX/healthcheck/
a decoy that nginx serves if \fBroot\fR is used instead of \fBalias\fR;
PREFIX is the value of \fB\-\-map\fR
.TP
.I /etc/default/sendfile\-fixture
the environment of the packaged service
.SH EXAMPLES
For an app whose nginx has
.BR "location /protected/ { internal; alias /srv/media/; }" :
.PP
.nf
.RS 4
sendfile\-fixture serve \-\-storage file:///srv/media \-\-map /protected/
.RE
.fi
.SH SEE ALSO
.BR sendfile\-check (1),
.BR systemd.service (5),
.BR nginx (8)
"#;

/// Returns a completion script.
pub(crate) fn completions(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    generate(shell, &mut command, "sendfile-fixture", &mut script);
    let script = String::from_utf8_lossy(&script);
    if shell != Shell::Bash {
        return script.into_owned();
    }
    // In bash, clap_complete 4.6 mistakes the hyphen in the program's name for a subcommand, and then
    // completes no subcommand (clap #6421).
    script.replace("sendfile__subcmd__fixture", "sendfile__fixture")
}

/// Returns one manual page for all commands, so that a reader can search for an option without
/// knowing its command.
pub(crate) fn page(command: Command) -> io::Result<String> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).title("SENDFILE-FIXTURE").date(DATE);
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
