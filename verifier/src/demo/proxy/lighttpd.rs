//! lighttpd.

use sendfile_evidence::Server;
use sendfile_fixture::Dialect;

use super::{DemoProxy, HandoffPrefix, InstalledProgram, Program, words};

pub(super) const PROXY: DemoProxy = DemoProxy {
    description: "lighttpd",
    dialect: || Dialect::XSendfileLighttpd,
    header: "X-Sendfile",
    prefix: HandoffPrefix::StorageDirectory,
    program: Program::Installed(InstalledProgram {
        name: "lighttpd",
        server: Server::Lighttpd,
        commands: &["/usr/sbin/lighttpd", "lighttpd"],
        arguments,
        log: "tmp/error.log",
        site_file: "verifier/src/demo/lighttpd.conf",
        site: include_str!("../lighttpd.conf"),
    }),
};

fn arguments(run: &str) -> Vec<String> {
    words(["-D", "-f", &format!("{run}/site.conf")])
}
