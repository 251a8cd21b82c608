//! Apache.

use sendfile_evidence::Server;
use sendfile_fixture::Dialect;

use super::{DemoProxy, HandoffPrefix, InstalledProgram, Program, words};

pub(super) const PROXY: DemoProxy = DemoProxy {
    description: "Apache httpd with mod_xsendfile",
    dialect: || Dialect::XSendfile,
    header: "X-Sendfile",
    prefix: HandoffPrefix::StorageDirectory,
    program: Program::Installed(InstalledProgram {
        name: "Apache",
        server: Server::Apache,
        commands: &["/usr/sbin/apache2", "apache2"],
        arguments,
        log: "error.log",
        site_file: "verifier/src/demo/apache.conf",
        site: include_str!("../apache.conf"),
    }),
};

fn arguments(run: &str) -> Vec<String> {
    words(["-d", run, "-f", &format!("{run}/site.conf"), "-DFOREGROUND"])
}
