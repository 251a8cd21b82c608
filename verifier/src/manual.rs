//! The parts of the manual page that are not generated from the command line.

/// The date of the last change of the page, apart from its options.
pub(crate) const DATE: &str = "2026-11-30";

/// The sections that are not part of the command line.
pub(crate) const SECTIONS: &str = r#".SH EXIT STATUS
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
