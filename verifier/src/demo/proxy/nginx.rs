//! nginx.

use sendfile_evidence::Server;
use sendfile_fixture::Dialect;

use super::{DemoProxy, HandoffPrefix, InstalledProgram, Program, words};

pub(super) const PROXY: DemoProxy = DemoProxy {
    description: "nginx",
    dialect: Dialect::nginx,
    header: "X-Accel-Redirect",
    prefix: HandoffPrefix::InternalLocation,
    program: Program::Installed(InstalledProgram {
        name: "nginx",
        server: Server::Nginx,
        commands: &["/usr/sbin/nginx", "nginx"],
        arguments,
        log: "error.log",
        site_file: "verifier/src/demo/nginx.conf",
        site: include_str!("../nginx.conf"),
    }),
};

fn arguments(run: &str) -> Vec<String> {
    let site = format!("{run}/site.conf");
    let log = format!("{run}/error.log");
    words(["-p", run, "-c", &site, "-e", &log, "-g", "daemon off;"])
}
