//! The parts of the manual page that are not generated from the command line.

/// The date of the last change of the page, apart from its options.
pub(crate) const DATE: &str = "2026-11-30";

/// The sections that are not part of the command line.
pub(crate) const SECTIONS: &str = r#".SH EXIT STATUS
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
